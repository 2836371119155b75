//! A terminal in memory: what tests draw on and look at.

use std::{
    cell::RefCell,
    io::{self, Write},
    rc::Rc,
};

use super::terminal::Size;

/// A terminal. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Emulated(Rc<RefCell<vt100::Parser>>);

impl Emulated {
    /// An empty one.
    pub(crate) fn new(size: Size) -> Self {
        let parser = vt100::Parser::new(size.rows as u16, size.columns as u16, 0);
        Self(Rc::new(RefCell::new(parser)))
    }

    /// The text on it, without what is empty at the ends.
    pub(crate) fn shows(&self) -> String {
        self.0.borrow().screen().contents().trim_end().to_owned()
    }

    /// Row and column of the cursor, from 0.
    pub(crate) fn cursor(&self) -> (u16, u16) {
        self.0.borrow().screen().cursor_position()
    }

    /// Whether the first character is bold.
    pub(crate) fn begins_bold(&self) -> bool {
        let parser = self.0.borrow();
        parser.screen().cell(0, 0).is_some_and(vt100::Cell::bold)
    }
}

impl Write for Emulated {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().process(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
