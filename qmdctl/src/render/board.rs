//! A part of the terminal that is drawn again and again in the same place.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr;

use super::terminal::Size;

/// Begins and ends what the terminal should show at once. Who does not know it passes over it.
const HOLD: &str = "\x1b[?2026h";
const RELEASE: &str = "\x1b[?2026l";
/// Without wrapping, a row takes one row whatever the terminal thinks of the width of a character.
const NO_WRAP: &str = "\x1b[?7l";
const WRAP: &str = "\x1b[?7h";
/// From the cursor to the end of the screen.
const ERASE: &str = "\x1b[J";
/// What stays below a drawing that was to be replaced, and was not.
const LEFT: &str = "(not the final ranking)";

/// The drawing, and where it goes. What stands on it when it is dropped stays, and is said not to be
/// final.
#[derive(Debug)]
pub(crate) struct Board<W: Write> {
    out: W,
    /// Whether colours are wanted.
    colour: bool,
    /// Widths of the rows drawn, in columns; the cursor is behind the last one.
    drawn: Vec<usize>,
    /// The size the terminal had then.
    size: Option<Size>,
}

impl Board<io::Stdout> {
    /// A board at the cursor of the terminal at standard output.
    pub(crate) fn on_output(colour: bool) -> Self {
        Self::new(io::stdout(), colour)
    }
}

impl<W: Write> Board<W> {
    /// A board at the cursor of the terminal behind `out`.
    pub(crate) fn new(out: W, colour: bool) -> Self {
        Self {
            out,
            colour,
            drawn: Vec::new(),
            size: None,
        }
    }

    /// Replaces the drawing by as much of `text` as the terminal has room for, and a status line.
    /// Rows of `text` are no wider than the terminal.
    pub(crate) fn draw(&mut self, text: &str, status: &str, size: Size) -> io::Result<()> {
        let rows = frame(text, status, size);
        let rows: Vec<String> = if self.colour {
            rows
        } else {
            let plain = |row: String| anstream::adapter::strip_str(&row).to_string();
            rows.into_iter().map(plain).collect()
        };
        let erase = self.erase(size);
        let drawing = rows.join("\r\n");
        write!(self.out, "{HOLD}{NO_WRAP}{erase}{drawing}{WRAP}{RELEASE}")?;
        self.drawn = rows
            .iter()
            .map(|row| anstream::adapter::strip_str(row).to_string().width())
            .collect();
        self.size = Some(size);
        self.out.flush()
    }

    /// Takes the drawing away; the cursor is where it began.
    pub(crate) fn clear(&mut self, size: Size) -> io::Result<()> {
        if self.drawn.is_empty() {
            return Ok(());
        }
        let erase = self.erase(size);
        self.drawn.clear();
        self.out.write_all(erase.as_bytes())?;
        self.out.flush()
    }

    /// Moves to where the drawing began, and erases all from there.
    fn erase(&self, size: Size) -> String {
        let up = match self.size {
            Some(before) => height(&self.drawn, before, size).saturating_sub(1),
            None => 0,
        };
        match up {
            0 if self.drawn.is_empty() => String::new(),
            0 => format!("\r{ERASE}"),
            up => format!("\r\x1b[{up}A{ERASE}"),
        }
    }
}

impl<W: Write> Drop for Board<W> {
    fn drop(&mut self) {
        if !self.drawn.is_empty() {
            let _ = write!(self.out, "\r{ERASE}{LEFT}\r\n");
            let _ = self.out.flush();
        }
    }
}

/// The rows of a drawing: no more than the terminal has, so that the cursor can come back to the first.
fn frame(text: &str, status: &str, size: Size) -> Vec<String> {
    let room = size.rows.saturating_sub(2);
    let whole: Vec<&str> = text.lines().collect();
    let shown = whole.len().min(room);
    let mut rows: Vec<String> = whole[..shown].iter().map(|&row| row.to_owned()).collect();
    rows.push(match whole.len() - shown {
        0 => status.to_owned(),
        more => format!("{status} ({more} more lines)"),
    });
    rows
}

/// How many rows a drawing takes by now. Terminals that were made narrower wrap its rows.
fn height(widths: &[usize], before: Size, now: Size) -> usize {
    let columns = now.columns.max(1);
    let rows: usize = if now.columns < before.columns {
        widths
            .iter()
            .map(|width| width.div_ceil(columns).max(1))
            .sum()
    } else {
        widths.len()
    };
    rows.min(now.rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::{emulated::Emulated, text::BOLD};

    const SIZE: Size = Size {
        columns: 20,
        rows: 6,
    };

    #[test]
    fn a_drawing_takes_the_place_of_the_one_before() {
        let mut screen = Emulated::new(SIZE);
        screen.write_all(b"$ query\r\n").unwrap();
        let mut board = Board::new(screen.clone(), true);
        board.draw("one\ntwo\n", "searching", SIZE).unwrap();
        assert_eq!(screen.shows(), "$ query\none\ntwo\nsearching");
        board.draw("three\n", "reranking", SIZE).unwrap();
        assert_eq!(screen.shows(), "$ query\nthree\nreranking");
        board.clear(SIZE).unwrap();
        drop(board);
        assert_eq!(screen.shows(), "$ query");
        screen.write_all(b"final").unwrap();
        assert_eq!(screen.shows(), "$ query\nfinal");
    }

    #[test]
    fn what_does_not_fit_is_counted_and_comes_back_to_its_place() {
        let mut screen = Emulated::new(SIZE);
        screen.write_all(b"1\r\n2\r\n3\r\n4\r\n").unwrap();
        let mut board = Board::new(screen.clone(), true);
        let text = "a\nb\nc\nd\ne\nf\ng\n";
        for _ in 0..3 {
            board.draw(text, "busy", SIZE).unwrap();
            let shows = screen.shows();
            assert_eq!(shows, "4\na\nb\nc\nd\nbusy (3 more lines)");
        }
        board.clear(SIZE).unwrap();
        assert_eq!(screen.shows(), "4");
    }

    #[test]
    fn what_is_left_is_said_not_to_be_final() {
        let screen = Emulated::new(SIZE);
        let mut board = Board::new(screen.clone(), true);
        board.draw("one\n", "reranking", SIZE).unwrap();
        drop(board);
        assert_eq!(screen.shows(), format!("one\n{LEFT}"));
        assert_eq!(screen.cursor().1, 0);
        drop(Board::new(screen.clone(), true));
        assert_eq!(screen.shows(), format!("one\n{LEFT}"));
    }

    #[test]
    fn a_terminal_that_became_narrower_is_reckoned_with() {
        let narrow = Size {
            columns: 10,
            ..SIZE
        };
        assert_eq!(height(&[20, 5, 0], SIZE, SIZE), 3);
        assert_eq!(height(&[20, 5, 0], SIZE, narrow), 4);
        assert_eq!(height(&[5, 5], narrow, SIZE), 2);
        assert_eq!(height(&[20; 10], SIZE, narrow), SIZE.rows);
    }

    #[test]
    fn colours_are_left_out_where_they_are_not_wanted() {
        let styled = format!("{BOLD}one{BOLD:#}\n");
        for colour in [true, false] {
            let screen = Emulated::new(SIZE);
            let mut board = Board::new(screen.clone(), colour);
            board.draw(&styled, "", SIZE).unwrap();
            let bold = screen.begins_bold();
            assert_eq!(bold, colour);
            board.clear(SIZE).unwrap();
        }
    }
}
