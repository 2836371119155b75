//! The two service managers: where their files lie, and by which commands they are asked.

use std::{fmt, path::PathBuf};

use directories::BaseDirs;

/// The units of systemd, and the agent of launchd.
pub(super) const SOCKET: &str = "qmdd.socket";
pub(super) const SERVICE: &str = "qmdd.service";
pub(super) const AGENT: &str = "io.qmdd.qmdd";

/// A file as the repository ships it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shipped {
    /// Its name in the service manager's folder.
    pub(super) name: &'static str,
    /// Its text, before an installation.
    pub(super) text: &'static str,
}

const UNITS: &[Shipped] = &[
    Shipped {
        name: SOCKET,
        text: include_str!("../../../../systemd/qmdd.socket"),
    },
    Shipped {
        name: SERVICE,
        text: include_str!("../../../../systemd/qmdd.service"),
    },
];
const AGENTS: &[Shipped] = &[Shipped {
    name: "io.qmdd.qmdd.plist",
    text: include_str!("../../../../systemd/io.qmdd.qmdd.plist"),
}];

/// The service manager of this system. Both are known everywhere, so that both are tested everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manager {
    /// Linux's.
    Systemd,
    /// macOS's.
    Launchd {
        /// Whose agents it looks after.
        user: u32,
    },
}

/// A command, word by word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Words(Vec<String>);

impl Words {
    /// A command none of whose words has a space in it.
    pub(super) fn of(line: &str) -> Self {
        Self(line.split_whitespace().map(str::to_owned).collect())
    }

    /// The same with a word more.
    pub(super) fn and(mut self, word: impl Into<String>) -> Self {
        self.0.push(word.into());
        self
    }

    /// The words, the program's name first.
    pub(super) fn words(&self) -> &[String] {
        &self.0
    }
}

/// As a shell reads it.
impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, word) in self.0.iter().enumerate() {
            let space = if at == 0 { "" } else { " " };
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@%".contains(c);
            if !word.is_empty() && word.chars().all(is_plain) {
                write!(f, "{space}{word}")?;
            } else {
                write!(f, "{space}'{}'", word.replace('\'', r"'\''"))?;
            }
        }
        Ok(())
    }
}

impl Manager {
    /// This system's.
    pub(super) fn here() -> Self {
        if cfg!(target_os = "macos") {
            let user = rustix::process::getuid().as_raw();
            Self::Launchd { user }
        } else {
            Self::Systemd
        }
    }

    /// What it is called.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::Launchd { .. } => "launchd",
        }
    }

    /// The files of an installation.
    pub(super) fn shipped(self) -> &'static [Shipped] {
        match self {
            Self::Systemd => UNITS,
            Self::Launchd { .. } => AGENTS,
        }
    }

    /// Where the user's files for it lie.
    pub(super) fn folder(self, base: &BaseDirs) -> PathBuf {
        match self {
            Self::Systemd => base.config_dir().join("systemd/user"),
            Self::Launchd { .. } => base.home_dir().join("Library/LaunchAgents"),
        }
    }

    /// What starts the service, once it is known to the manager.
    pub(super) fn start(self) -> Words {
        match self {
            // It has the socket started first.
            Self::Systemd => Words::of("systemctl --user start").and(SERVICE),
            Self::Launchd { user } => Words::of("launchctl kickstart").and(target(user)),
        }
    }

    /// What stops it.
    pub(super) fn stop(self) -> Words {
        match self {
            // With the socket: else the next request starts it again.
            Self::Systemd => Words::of("systemctl --user stop").and(SOCKET).and(SERVICE),
            // It ends in good order, and after that it is not started again.
            Self::Launchd { user } => Words::of("launchctl kill SIGTERM").and(target(user)),
        }
    }

    /// What stops and starts it.
    pub(super) fn restart(self) -> Words {
        match self {
            Self::Systemd => Words::of("systemctl --user restart").and(SERVICE),
            Self::Launchd { user } => Words::of("launchctl kickstart -k").and(target(user)),
        }
    }

    /// What shows more of it than is told here.
    pub(super) fn look(self) -> String {
        match self {
            Self::Systemd => "`systemctl --user status qmdd.socket qmdd.service` and \
                 `qmdctl service logs`"
                .to_owned(),
            Self::Launchd { user } => {
                format!(
                    "`launchctl print {}` and `qmdctl service logs`",
                    target(user)
                )
            }
        }
    }
}

/// launchd's name for a user's agents.
pub(super) fn domain(user: u32) -> String {
    format!("gui/{user}")
}

/// launchd's name for the agent.
pub(super) fn target(user: u32) -> String {
    format!("{}/{AGENT}", domain(user))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_read_as_a_shell_takes_them() {
        let shown = |word: &str| Words::of("launchctl bootstrap gui/7").and(word).to_string();
        assert_eq!(shown("/a/b.plist"), "launchctl bootstrap gui/7 /a/b.plist");
        assert_eq!(shown("/a b"), "launchctl bootstrap gui/7 '/a b'");
        assert_eq!(shown("/it's"), r"launchctl bootstrap gui/7 '/it'\''s'");
        assert_eq!(shown(""), "launchctl bootstrap gui/7 ''");
    }

    #[test]
    fn each_manager_is_asked_in_its_own_words() {
        let (systemd, launchd) = (Manager::Systemd, Manager::Launchd { user: 501 });
        let said = |manager: Manager| {
            [manager.start(), manager.stop(), manager.restart()].map(|words| words.to_string())
        };
        assert_eq!(
            said(systemd),
            [
                "systemctl --user start qmdd.service",
                "systemctl --user stop qmdd.socket qmdd.service",
                "systemctl --user restart qmdd.service",
            ]
        );
        assert_eq!(
            said(launchd),
            [
                "launchctl kickstart gui/501/io.qmdd.qmdd",
                "launchctl kill SIGTERM gui/501/io.qmdd.qmdd",
                "launchctl kickstart -k gui/501/io.qmdd.qmdd",
            ]
        );
    }
}
