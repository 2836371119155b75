//! The daemon as a service: what is to be done, what was done, and how it is.

mod json;

use std::fmt::Write as _;

pub(crate) use self::json::service_status_json;
use super::text::{BOLD, GOOD, HINT, WARNING, clean, clean_line};
use crate::commands::service::{Change, FileState, Overview, Step, Unit, Words};

/// What an installation would do: every file as a whole, then every command.
pub(crate) fn service_plan(steps: &[Step]) -> String {
    let mut text = String::new();
    for step in steps {
        let _ = match step {
            Step::Write {
                path,
                text: file,
                change,
            } => {
                let path = clean_line(&path.to_string_lossy());
                match change {
                    Change::Unchanged => writeln!(text, "{BOLD}unchanged{BOLD:#} {path}"),
                    Change::New => {
                        writeln!(text, "{BOLD}writes{BOLD:#} {path}\n\n{}", clean(file))
                    }
                    Change::Updated { .. } => {
                        writeln!(text, "{BOLD}rewrites{BOLD:#} {path}\n\n{}", clean(file))
                    }
                }
            }
            Step::Remove(path) => {
                let path = clean_line(&path.to_string_lossy());
                writeln!(text, "{BOLD}removes{BOLD:#} {path}")
            }
            Step::StopDaemon | Step::Run(_) => {
                let line = command(step).unwrap_or_default();
                writeln!(text, "{BOLD}runs{BOLD:#} {line}")
            }
        };
    }
    text
}

/// The commands that are left to the user.
pub(crate) fn service_later(steps: &[Step]) -> String {
    let commands: Vec<String> = steps.iter().filter_map(command).collect();
    if commands.is_empty() {
        return "nothing is left to run\n".to_owned();
    }
    format!("left to run:\n  {}\n", commands.join("\n  "))
}

/// A step as a command of a shell; `None` for what is none.
fn command(step: &Step) -> Option<String> {
    match step {
        Step::StopDaemon => Some("qmdctl daemon stop".to_owned()),
        Step::Run(words) => Some(shown(words)),
        Step::Write { .. } | Step::Remove(_) => None,
    }
}

fn shown(words: &Words) -> String {
    clean_line(&words.to_string())
}

/// What a step that was taken is worth saying.
pub(crate) fn service_step_done(step: &Step) -> Option<String> {
    match step {
        Step::Write { path, change, .. } => {
            let path = clean_line(&path.to_string_lossy());
            Some(match change {
                Change::Unchanged => format!("unchanged {path}"),
                Change::New => format!("wrote {path}"),
                Change::Updated {
                    from: Some(version),
                } if version != env!("CARGO_PKG_VERSION") => {
                    format!("updated {path}, it was of version {}", clean_line(version))
                }
                Change::Updated { .. } => format!("updated {path}"),
            })
        }
        Step::Remove(path) => Some(format!("removed {}", clean_line(&path.to_string_lossy()))),
        Step::StopDaemon | Step::Run(_) => None,
    }
}

/// The service for people.
pub(crate) fn service_status(overview: &Overview) -> String {
    let mut text = format!("{BOLD}Service{BOLD:#}\n");
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<14}{value}");
    };
    if overview.is_installed() {
        row(
            "installed",
            &format!("{GOOD}yes{GOOD:#}, with {}", overview.manager),
        );
    } else {
        row("installed", "no");
    }
    for place in &overview.files {
        let path = clean_line(&place.path.to_string_lossy());
        match &place.state {
            FileState::Absent if overview.is_installed() => row("no file", &path),
            FileState::Absent => {}
            FileState::Installed(version) => {
                row(
                    "file",
                    &format!("{path}, of version {}", clean_line(version)),
                );
            }
            FileState::ByHand => row("file", &format!("{path}, by hand")),
        }
    }
    if let Some(program) = &overview.program {
        row("daemon", &clean_line(program));
    }
    if overview.is_installed() {
        for unit in &overview.units {
            row(&clean_line(short_name(&unit.name)), &unit_line(unit));
        }
    }
    match overview.lingering {
        Some(true) => row("lingering", "on: it runs without a session of yours"),
        Some(false) => row("lingering", "off: it ends with your last session"),
        None => {}
    }
    row("qmdctl", &format!("version {}", overview.version));
    if let Some(pid) = overview.by_hand {
        let how = "that the service manager did not start";
        row(
            "running",
            &format!("{WARNING}a daemon {how}{WARNING:#}, process {pid}"),
        );
    }
    if let Some(why) = &overview.unreachable {
        row(
            "manager",
            &format!("{WARNING}{}{WARNING:#}", clean_line(why)),
        );
    }
    for hint in hints(overview) {
        let _ = writeln!(text, "{HINT}hint{HINT:#}: {hint}");
    }
    text
}

/// `socket` of `qmdd.socket`, `agent` of launchd's.
fn short_name(name: &str) -> &str {
    name.strip_prefix("qmdd.").unwrap_or("agent")
}

fn unit_line(unit: &Unit) -> String {
    if !unit.loaded {
        return "not loaded".to_owned();
    }
    let style = match unit.active.as_str() {
        "active" | "running" => GOOD,
        "failed" => WARNING,
        _ => anstyle::Style::new(),
    };
    let mut text = format!("{style}{}{style:#}", clean_line(&unit.active));
    if !unit.detail.is_empty() {
        let _ = write!(text, " ({})", clean_line(&unit.detail));
    }
    if !unit.enabled.is_empty() {
        let _ = write!(text, ", {}", clean_line(&unit.enabled));
    }
    if let Some(pid) = unit.pid {
        let _ = write!(text, ", process {pid}");
    }
    if !unit.drop_ins.is_empty() {
        let _ = write!(text, ", changed by {}", clean_line(&unit.drop_ins));
    }
    text
}

fn hints(overview: &Overview) -> Vec<&'static str> {
    let mut hints = Vec::new();
    if !overview.is_installed() {
        hints.push("`qmdctl service install` installs it");
    } else if overview.is_outdated() || overview.units.iter().any(|unit| unit.outdated) {
        hints.push("`qmdctl service install` brings it up to date");
    }
    if overview.is_installed() && overview.lingering == Some(false) {
        hints.push("`loginctl enable-linger` keeps it running, from boot on");
    }
    if overview.is_installed() && overview.by_hand.is_some() {
        hints.push("`qmdctl daemon stop` makes room for the service");
    }
    hints
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::service::Place;

    fn overview() -> Overview {
        let unit = |name: &str, active: &str, detail: &str, enabled: &str| Unit {
            name: name.into(),
            loaded: true,
            enabled: enabled.into(),
            active: active.into(),
            detail: detail.into(),
            file: format!("/home/ann/.config/systemd/user/{name}"),
            ..Unit::default()
        };
        let mut service = unit("qmdd.service", "active", "running", "disabled");
        service.pid = Some(4242);
        service.drop_ins = "/home/ann/.config/systemd/user/qmdd.service.d/override.conf".into();
        let place = |name: &str, version: &str| Place {
            path: format!("/home/ann/.config/systemd/user/{name}").into(),
            state: FileState::Installed(version.into()),
        };
        Overview {
            manager: "systemd",
            files: vec![
                place("qmdd.socket", "0.1.0"),
                place("qmdd.service", "0.0.9"),
            ],
            program: Some("/home/ann/.local/bin/qmdd".into()),
            expected: Some("/home/ann/.local/bin/qmdd".into()),
            units: vec![unit("qmdd.socket", "active", "running", "enabled"), service],
            unreachable: None,
            lingering: Some(false),
            by_hand: None,
            version: "0.1.0",
        }
    }

    fn absent() -> Overview {
        Overview {
            files: vec![Place {
                path: "/home/ann/.config/systemd/user/qmdd.socket".into(),
                state: FileState::Absent,
            }],
            units: Vec::new(),
            program: None,
            unreachable: Some(
                "the user's systemd cannot be reached: XDG_RUNTIME_DIR is not set".into(),
            ),
            lingering: None,
            by_hand: Some(77),
            ..overview()
        }
    }

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn the_service_on_one_screen() {
        let both = [overview(), absent()].map(|overview| plain(&service_status(&overview)));
        insta::assert_snapshot!("service", both.join("\n"));
        insta::assert_snapshot!("service_json", service_status_json(&overview()).unwrap());
    }

    #[test]
    fn a_plan_shows_files_whole_and_commands_as_a_shell_takes_them() {
        let write = |name: &str, change| Step::Write {
            path: format!("/u s/{name}").into(),
            text: "[Unit]\nDescription=x\n".into(),
            change,
        };
        let from = Some("0.0.9".to_owned());
        let steps = [
            write("qmdd.socket", Change::New),
            write("qmdd.service", Change::Updated { from }),
            write("other", Change::Unchanged),
            Step::StopDaemon,
            Step::Remove("/u/old".into()),
        ];
        let done: Vec<_> = steps.iter().filter_map(service_step_done).collect();
        let text = format!(
            "{}---\n{}---\n{}---\n{}",
            plain(&service_plan(&steps)),
            service_later(&steps),
            service_later(&steps[..1]),
            done.join("\n"),
        );
        insta::assert_snapshot!("service_plan", text);
    }
}
