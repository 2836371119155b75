//! What the terminal that results are shown on can do.

use std::{
    env,
    io::{self, IsTerminal},
};

use anstream::{AutoStream, ColorChoice};
use terminal_size::{Height, Width, terminal_size_of};

/// A terminal that tells no size is as the first ones were.
const USUAL: Size = Size {
    columns: 80,
    rows: 24,
};

/// How large a terminal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    /// Characters in a row.
    pub(crate) columns: usize,
    /// Rows.
    pub(crate) rows: usize,
}

/// A terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Terminal {
    /// How large it was when it was looked at.
    pub(crate) size: Size,
    /// Whether colours are wanted.
    pub(crate) colour: bool,
    /// Whether it moves its cursor when it is told to.
    pub(crate) moves: bool,
    /// Whether it takes links (OSC 8).
    pub(crate) links: bool,
}

impl Terminal {
    /// The terminal at standard output, if one is there.
    pub(crate) fn of_output() -> Option<Self> {
        let out = io::stdout();
        out.is_terminal().then(|| {
            let colour = AutoStream::choice(&out) != ColorChoice::Never;
            let term = env::var("TERM").unwrap_or_default();
            Self::of(&term, colour, Size::of_output())
        })
    }

    fn of(term: &str, colour: bool, size: Size) -> Self {
        let moves = !matches!(term, "" | "dumb");
        Self {
            size,
            colour,
            moves,
            // Who knows no links passes over them, but for the console of Linux.
            links: moves && colour && term != "linux",
        }
    }
}

impl Size {
    /// The size that the terminal at standard output has now.
    pub(crate) fn of_output() -> Self {
        Self::told(terminal_size_of(io::stdout()))
    }

    fn told(size: Option<(Width, Height)>) -> Self {
        match size {
            Some((Width(columns), Height(rows))) if columns > 0 && rows > 0 => Self {
                columns: columns.into(),
                rows: rows.into(),
            },
            _ => USUAL,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_what_is_understood() {
        let of = |term, colour| {
            let terminal = Terminal::of(term, colour, USUAL);
            (terminal.moves, terminal.links)
        };
        assert_eq!(of("xterm-256color", true), (true, true));
        assert_eq!(of("xterm-256color", false), (true, false));
        assert_eq!(of("linux", true), (true, false));
        assert_eq!(of("dumb", true), (false, false));
        assert_eq!(of("", true), (false, false));
    }

    #[test]
    fn a_terminal_without_a_size_has_the_usual_one() {
        assert_eq!(Size::told(None), USUAL);
        assert_eq!(Size::told(Some((Width(0), Height(0)))), USUAL);
        let size = Size {
            columns: 40,
            rows: 10,
        };
        assert_eq!(Size::told(Some((Width(40), Height(10)))), size);
    }
}
