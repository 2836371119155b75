//! A program on a terminal of its own.

use std::{
    fs::File,
    io::{ErrorKind, Read},
    os::fd::OwnedFd,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result};
use rustix::{
    fs::{Mode, OFlags, fcntl_setfl, open},
    io::Errno,
    process::{Pid, Signal, kill_process},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

use crate::wait;

/// Rows that are kept when they leave the screen.
const SCROLLBACK: usize = 1_000;

/// A terminal and the program on it, which is killed when this is dropped.
pub struct Terminal {
    child: Child,
    master: File,
    parser: vt100::Parser,
    raw: Vec<u8>,
    /// The program's side is closed by all who had it.
    closed: bool,
}

impl Terminal {
    /// Runs a program on a terminal of `columns` by `rows` that takes colours and links.
    ///
    /// # Errors
    /// When there is no terminal to be had, or the program cannot be run.
    pub fn run(command: &mut Command, columns: u16, rows: u16) -> Result<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&master, size)?;
        let name = ptsname(&master, Vec::new())?;
        let slave = open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty())?;
        fcntl_setfl(&master, OFlags::RDWR | OFlags::NONBLOCK)?;
        let side = |slave: &OwnedFd| Ok::<_, anyhow::Error>(Stdio::from(slave.try_clone()?));
        let child = command
            .env("TERM", "xterm-256color")
            .stdin(side(&slave)?)
            .stdout(side(&slave)?)
            .stderr(side(&slave)?)
            .spawn()
            .with_context(|| format!("{} cannot be run", command.get_program().display()))?;
        // The command keeps its copies of the other side as long as it lives.
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Ok(Self {
            child,
            master: master.into(),
            parser: vt100::Parser::new(rows, columns, SCROLLBACK),
            raw: Vec::new(),
            closed: false,
        })
    }

    /// Takes in what was printed since.
    fn read(&mut self) -> Result<()> {
        let mut buffer = [0; 4096];
        loop {
            match self.master.read(&mut buffer) {
                Ok(0) => self.closed = true,
                Ok(length) => {
                    self.raw.extend(&buffer[..length]);
                    self.parser.process(&buffer[..length]);
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // Nobody has the other side open any more.
                Err(error) if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => {
                    self.closed = true;
                }
                Err(error) => return Err(error.into()),
            }
            return Ok(());
        }
    }

    /// The text on the screen.
    pub fn shows(&self) -> String {
        self.parser.screen().contents()
    }

    /// The text on the screen, and above it what left it.
    pub fn all(&mut self) -> String {
        let screen = self.parser.screen_mut();
        screen.set_scrollback(usize::MAX);
        let (_, columns) = screen.size();
        let mut text = String::new();
        for offset in (1..=screen.scrollback()).rev() {
            screen.set_scrollback(offset);
            let row = screen.rows(0, columns).next().unwrap_or_default();
            text += &row;
            text.push('\n');
        }
        screen.set_scrollback(0);
        text + &screen.contents()
    }

    /// All that was printed, byte by byte.
    pub fn raw(&self) -> String {
        String::from_utf8_lossy(&self.raw).into_owned()
    }

    /// Waits until the screen shows a text.
    ///
    /// # Errors
    /// When it does not, with what it shows.
    pub fn wait_for(&mut self, text: &str) -> Result<()> {
        let found = wait::until(text, wait::LIMIT, || {
            self.read()?;
            Ok(self.shows().contains(text).then_some(()))
        });
        found.with_context(|| format!("the screen shows:\n{}", self.shows()))
    }

    /// Sends the program the signal of Ctrl-C.
    ///
    /// # Errors
    /// When it is gone.
    pub fn interrupt(&self) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), Signal::INT)?)
    }

    /// Waits until the program has ended and all it printed is on the screen. Returns its exit code.
    ///
    /// # Errors
    /// When it does not end, with what the screen shows.
    pub fn ended(&mut self) -> Result<Option<i32>> {
        let status = wait::until("the program on the terminal to end", wait::LIMIT, || {
            self.read()?;
            Ok(self.child.try_wait()?.filter(|_| self.closed))
        });
        let status = status.with_context(|| format!("the screen shows:\n{}", self.shows()))?;
        Ok(status.code())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_finds_a_terminal_of_the_size() {
        let script = "test -t 1 && stty size && printf 'a\\033[1mb' && exit 3";
        let mut shell = Command::new("sh");
        let mut terminal = Terminal::run(shell.args(["-c", script]), 40, 10).unwrap();
        assert_eq!(terminal.ended().unwrap(), Some(3));
        assert_eq!(terminal.shows(), "10 40\nab");
        assert!(terminal.raw().ends_with("a\x1b[1mb"));
    }

    #[test]
    fn what_left_the_screen_is_kept() {
        let mut shell = Command::new("sh");
        let mut terminal = Terminal::run(shell.args(["-c", "seq 8"]), 40, 4).unwrap();
        terminal.ended().unwrap();
        assert_eq!(terminal.shows().trim_end(), "6\n7\n8");
        assert_eq!(terminal.all().trim_end(), "1\n2\n3\n4\n5\n6\n7\n8");
    }
}
