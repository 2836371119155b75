//! The units of systemd, made of what is found.

use std::{fmt::Write as _, path::Path};

use super::{
    facts::Facts,
    failures,
    manager::{SERVICE, Shipped},
    marker,
};
use crate::error::Failure;

/// What a unit says before the lines that are written in place of it.
const PROGRAM: &str = "ExecStart=";
/// How the comment begins that is about the shipped place of the program.
const ABOUT_PLACE: &str = "# As README.md";

/// The text of a unit.
pub(super) fn text(shipped: Shipped, facts: &Facts, version: &str) -> Result<String, Failure> {
    let mut text = marker::unit(shipped.name, version);
    let program = program(&facts.program)?;
    for line in shipped.text.lines() {
        if line.starts_with(PROGRAM) && shipped.name == SERVICE {
            let _ = writeln!(text, "{PROGRAM}{program} serve");
            for (name, value) in &facts.variables {
                let _ = writeln!(text, "Environment={}", word(&format!("{name}={value}")));
            }
        } else if !line.starts_with(ABOUT_PLACE) {
            text += line;
            text.push('\n');
        }
    }
    Ok(text)
}

/// The program as the first word of `ExecStart=`.
fn program(path: &Path) -> Result<String, Failure> {
    let refused = |why: &str| {
        let hint = "move qmdd and qmdctl to a folder with a plain name";
        failures::unwritable(&format!("the path {}", path.display()), why, hint)
    };
    let text = path.to_str().ok_or_else(|| refused("is not UTF-8"))?;
    if text.contains(|c: char| c.is_control() || "\"'\\".contains(c)) {
        // systemd's own rule for programs, however they are escaped.
        return Err(refused("holds a quote, a backslash or a control character"));
    }
    // Without the colon a dollar sign would begin a variable in what the program sees as its name.
    let colon = if text.contains('$') { ":" } else { "" };
    Ok(word(&format!("{colon}{text}")))
}

/// A text as one word of a unit: quoted where it must be, and no specifiers in it.
fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+=:,@".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '%' => out += "%%",
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// The program that a unit starts, where it says so as these units do.
pub(super) fn program_in(text: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.strip_prefix(PROGRAM))?;
    let word = first_word(line)?;
    Some(word.strip_prefix(':').map(str::to_owned).unwrap_or(word))
}

/// What [`word`] made a word of.
fn first_word(line: &str) -> Option<String> {
    let (quoted, rest) = match line.strip_prefix('"') {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let mut out = String::new();
    let mut chars = rest.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted => return Some(out),
            ' ' if !quoted => break,
            '\\' if quoted => out.push(chars.next()?),
            '%' if chars.peek() == Some(&'%') => {
                chars.next();
                out.push('%');
            }
            c => out.push(c),
        }
    }
    (!quoted && !out.is_empty()).then_some(out)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use proptest::prelude::*;

    use super::{super::manager::Manager, *};

    fn facts(program: &str) -> Facts {
        Facts {
            program: program.into(),
            variables: vec![
                ("QMD_CONFIG_DIR", "/home/ann/my notes 100%".into()),
                ("QMDD_LOG", "a=\"b\\c\"".into()),
                ("QMDD_THREADS", "3".into()),
            ],
            left_out: Vec::new(),
        }
    }

    fn service(program: &str) -> String {
        text(Manager::Systemd.shipped()[1], &facts(program), "0.1.0").unwrap()
    }

    #[test]
    fn the_service_names_the_program_and_the_variables() {
        let text = service("/home/ann/.local/bin/qmdd");
        let lines: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with("Exec") || line.starts_with("Environment"))
            .collect();
        assert_eq!(
            lines,
            [
                "ExecStart=/home/ann/.local/bin/qmdd serve",
                "Environment=\"QMD_CONFIG_DIR=/home/ann/my notes 100%%\"",
                "Environment=\"QMDD_LOG=a=\\\"b\\\\c\\\"\"",
                "Environment=QMDD_THREADS=3",
                "ExecReload=kill -HUP $MAINPID",
            ]
        );
        assert!(!text.contains("README.md"), "{text}");
        assert!(text.contains("[Install]\n") && text.ends_with('\n'));
        assert_eq!(marker::version(&text), Some("0.1.0"));
    }

    #[test]
    fn the_socket_is_as_it_is_shipped_but_for_the_marker() {
        let shipped = Manager::Systemd.shipped()[0];
        let text = text(shipped, &facts("/b/qmdd"), "0.1.0").unwrap();
        assert!(text.ends_with(shipped.text), "{text}");
        assert_eq!(marker::version(&text), Some("0.1.0"));
    }

    #[test]
    fn odd_paths_are_quoted_and_those_that_systemd_refuses_are_refused() {
        let line = |path: &str| program(Path::new(path)).unwrap();
        assert_eq!(line("/opt/q-1.0/qmdd"), "/opt/q-1.0/qmdd");
        assert_eq!(line("/my apps/100%/qmdd"), "\"/my apps/100%%/qmdd\"");
        assert_eq!(line("/a $b/qmdd"), "\":/a $b/qmdd\"");
        assert_eq!(line("/é/東/qmdd"), "/é/東/qmdd");
        assert_eq!(line("/;/#/qmdd"), "\"/;/#/qmdd\"");
        for path in ["/it's/qmdd", "/a\"/qmdd", "/a\\/qmdd", "/a\n/qmdd"] {
            let failure = program(Path::new(path)).unwrap_err();
            assert_eq!(failure.reason, "INVALID_ARGUMENT", "{path}");
        }
        let bytes = std::ffi::OsStr::from_bytes(b"/\xff/qmdd");
        assert!(program(Path::new(bytes)).is_err());
    }

    #[test]
    fn the_program_of_a_unit_is_read_back() {
        for path in ["/b/qmdd", "/my apps/100%/qmdd", "/a $b/qmdd"] {
            assert_eq!(program_in(&service(path)).as_deref(), Some(path));
        }
        let shipped = Manager::Systemd.shipped();
        assert_eq!(program_in(shipped[0].text), None);
        assert_eq!(
            program_in(shipped[1].text).as_deref(),
            Some("%h/.local/bin/qmdd")
        );
        assert_eq!(program_in("ExecStart=\n"), None);
        assert_eq!(program_in("ExecStart=\"/open\n"), None);
    }

    proptest! {
        #[test]
        fn a_word_reads_back(text in "[a%\"\\\\ $é;#/=]{1,12}") {
            prop_assert_eq!(first_word(&word(&text)), Some(text.clone()));
            prop_assert_eq!(first_word(&(word(&text) + " serve")), Some(text));
        }
    }
}
