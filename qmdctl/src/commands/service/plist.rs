//! The agent of launchd, made of what is found.

use std::fmt::Write as _;

use super::{facts::Facts, failures, manager::Shipped, marker};
use crate::error::Failure;

/// Where the shipped agent has its program, and the comment about it.
const PROGRAM: &str = "\t\t<string>/usr/local/bin/qmdd</string>";
const ABOUT_PROGRAM: &str = "\t\t<!-- launchd expands";
/// The key that the program follows.
const ARGUMENTS: &str = "<key>ProgramArguments</key>";
/// The line that the variables stand before.
const AFTER_VARIABLES: &str = "\t<key>RunAtLoad</key>";

/// The text of the agent.
pub(super) fn text(shipped: Shipped, facts: &Facts, version: &str) -> Result<String, Failure> {
    let path = facts.program.display();
    let program = facts.program.to_str();
    let program = program
        .filter(|path| !path.contains(char::is_control))
        .ok_or_else(|| {
            let hint = "move qmdd and qmdctl to a folder with a plain name";
            failures::unwritable(&format!("the path {path}"), "is no plain text", hint)
        })?;
    let mut text = String::new();
    for line in shipped.text.lines() {
        if line.starts_with("<plist") {
            text += &marker::plist(version);
        }
        if line == AFTER_VARIABLES {
            text += &variables(&facts.variables);
        }
        if line == PROGRAM {
            let _ = writeln!(text, "\t\t<string>{}</string>", escaped(program));
        } else if !line.starts_with(ABOUT_PROGRAM) {
            text += line;
            text.push('\n');
        }
    }
    Ok(text)
}

fn variables(variables: &[(&str, String)]) -> String {
    if variables.is_empty() {
        return String::new();
    }
    let mut text = String::from("\t<key>EnvironmentVariables</key>\n\t<dict>\n");
    for (name, value) in variables {
        let value = escaped(value);
        let _ = writeln!(text, "\t\t<key>{name}</key>\n\t\t<string>{value}</string>");
    }
    text + "\t</dict>\n"
}

/// Text of an element.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// The program that an agent starts, where it says so as this one does.
pub(super) fn program_in(text: &str) -> Option<String> {
    let (_, arguments) = text.split_once(ARGUMENTS)?;
    let (_, first) = arguments.split_once("<string>")?;
    let (program, _) = first.split_once("</string>")?;
    let plain = program
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&");
    Some(plain)
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        process::{Command, Stdio},
    };

    use super::{super::manager::Manager, *};

    const LAUNCHD: Manager = Manager::Launchd { user: 501 };

    fn agent(program: &str, variables: Vec<(&'static str, String)>) -> String {
        let facts = Facts {
            program: program.into(),
            variables,
            left_out: Vec::new(),
        };
        text(LAUNCHD.shipped()[0], &facts, "0.1.0").unwrap()
    }

    /// The agent as Python's parser of property lists reads it, in JSON.
    fn parsed(text: &str) -> serde_json::Value {
        let script = "import json, plistlib, sys; \
             print(json.dumps(plistlib.loads(sys.stdin.buffer.read())))";
        let mut python = Command::new("python3")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = python.stdin.take().unwrap();
        stdin.write_all(text.as_bytes()).unwrap();
        drop(stdin);
        let output = python.wait_with_output().unwrap();
        assert!(output.status.success(), "{text}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    #[test]
    fn the_agent_names_the_program_and_the_variables() {
        let odd = "/Users/ann/R&D <1>/qmdd";
        let text = agent(odd, vec![("QMDD_LOG", "a<b>&\"c\"".into())]);
        let found = parsed(&text);
        assert_eq!(found["Label"], "io.qmdd.qmdd");
        assert_eq!(found["ProgramArguments"], serde_json::json!([odd, "serve"]));
        assert_eq!(found["EnvironmentVariables"]["QMDD_LOG"], "a<b>&\"c\"");
        assert_eq!(found["RunAtLoad"], true);
        assert_eq!(found["KeepAlive"]["SuccessfulExit"], false);
        assert_eq!(marker::version(&text), Some("0.1.0"));
        assert_eq!(program_in(&text).as_deref(), Some(odd));
    }

    #[test]
    fn without_variables_it_is_as_it_is_shipped_but_for_the_program() {
        let mut found = parsed(&agent("/usr/local/bin/qmdd", Vec::new()));
        assert!(found.get("EnvironmentVariables").is_none());
        assert_eq!(found, parsed(LAUNCHD.shipped()[0].text));
        found["ProgramArguments"][0] = "/b/qmdd".into();
        assert_eq!(found, parsed(&agent("/b/qmdd", Vec::new())));
    }

    #[test]
    fn what_is_no_agent_names_no_program() {
        for text in ["", ARGUMENTS, "<key>ProgramArguments</key><string>/x"] {
            assert_eq!(program_in(text), None);
        }
    }
}
