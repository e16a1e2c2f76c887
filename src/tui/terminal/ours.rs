//! The real terminal behind ratatui: a frame is gathered and sent in one piece.
//!
//! ratatui sends some bytes for a frame that changes nothing, and hides the cursor anew with each.
//! Over a slow link at the gate that is most of what is sent, so only what changes is. A terminal
//! that does not know its size (0 by 0: a serial line, some `docker exec`) is taken as 80 by 24.

use super::{ENTERED, Surface};
use crossterm::queue;
use crossterm::terminal::{BeginSynchronizedUpdate, EndSynchronizedUpdate};
use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};
use std::io::{self, Write};
use std::sync::atomic::Ordering;

/// What a terminal of no size is taken for.
const NO_SIZE: Size = Size {
    width: 80,
    height: 24,
};

/// The terminal that the program was started in.
#[derive(Debug)]
pub struct Ours<W: Write> {
    out: W,
    frame: Vec<u8>,
    cursor_hidden: bool,
}

impl<W: Write> Ours<W> {
    /// A terminal behind `out`.
    pub fn over(out: W) -> Ours<W> {
        Ours {
            out,
            frame: Vec::new(),
            cursor_hidden: false,
        }
    }

    fn pen(&mut self) -> CrosstermBackend<&mut Vec<u8>> {
        CrosstermBackend::new(&mut self.frame)
    }
}

/// The size that a terminal says, or what is taken for none.
pub fn size_or_usual(columns: u16, rows: u16) -> Size {
    match (columns, rows) {
        (0, _) | (_, 0) => NO_SIZE,
        (width, height) => Size { width, height },
    }
}

impl<W: Write> Surface for Ours<W> {
    fn begin_frame(&mut self) -> io::Result<()> {
        self.frame.clear();
        Ok(())
    }

    fn end_frame(&mut self) -> io::Result<()> {
        if self.frame.is_empty() {
            return Ok(());
        }
        let mut whole = Vec::with_capacity(self.frame.len() + 16);
        queue!(whole, BeginSynchronizedUpdate)?;
        whole.append(&mut self.frame);
        queue!(whole, EndSynchronizedUpdate)?;
        self.out.write_all(&whole)?;
        self.out.flush()
    }

    fn ring(&mut self) -> io::Result<()> {
        self.out.write_all(b"")?;
        self.out.flush()
    }

    fn is_ours(&self) -> bool {
        ENTERED.load(Ordering::SeqCst)
    }
}

impl<W: Write> Backend for Ours<W> {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let mut content = content.peekable();
        match content.peek() {
            Some(_) => self.pen().draw(content),
            None => Ok(()),
        }
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.cursor_hidden, true) {
            return Ok(());
        }
        self.pen().hide_cursor()
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.cursor_hidden = false;
        self.pen().show_cursor()
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        // It would ask the terminal, and the answer would come through the input's thread.
        Ok(Position::ORIGIN)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.pen().set_cursor_position(position)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.pen().clear()
    }

    fn clear_region(&mut self, clear_type: ClearType) -> io::Result<()> {
        self.pen().clear_region(clear_type)
    }

    fn size(&self) -> io::Result<Size> {
        let (columns, rows) = crossterm::terminal::size()?;
        Ok(size_or_usual(columns, rows))
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        let columns_rows = self.size()?;
        Ok(WindowSize {
            columns_rows,
            pixels: Size::ZERO,
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        // The frame is sent whole, at its end.
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(ours: &mut Ours<Vec<u8>>, cells: &[(u16, u16, &Cell)]) -> usize {
        let before = ours.out.len();
        ours.begin_frame().unwrap();
        ours.draw(cells.iter().copied()).unwrap();
        ours.hide_cursor().unwrap();
        ours.flush().unwrap();
        ours.end_frame().unwrap();
        ours.out.len() - before
    }

    #[test]
    fn a_frame_that_changes_nothing_sends_nothing() {
        let mut ours = Ours::over(Vec::new());
        let cell = Cell::new("x");
        assert!(frame(&mut ours, &[(0, 0, &cell)]) > 0);
        assert_eq!(frame(&mut ours, &[]), 0);
        assert_eq!(frame(&mut ours, &[]), 0);
        frame(&mut ours, &[(1, 0, &cell)]);
        let sent = String::from_utf8(ours.out).unwrap();
        for part in sent.split_inclusive("[?2026l") {
            assert!(
                part.starts_with("[?2026h") && part.ends_with("[?2026l"),
                "{part:?}"
            );
        }
    }

    #[test]
    fn a_terminal_without_a_size_is_taken_as_the_usual_one() {
        assert_eq!(size_or_usual(0, 0), Size::new(80, 24));
        assert_eq!(size_or_usual(0, 50), Size::new(80, 24));
        assert_eq!(size_or_usual(132, 43), Size::new(132, 43));
    }
}
