//! The real terminal behind ratatui: a frame is gathered and handed to the writer in one piece.
//!
//! ratatui sends some bytes for a frame that changes nothing, and hides the cursor anew with each.
//! Over a slow link at the gate that is most of what is sent, so only what changes is. A terminal
//! that does not know its size (0 by 0: a serial line, some `docker exec`) is taken as 80 by 24.

use super::writer::{BELL, Writer, write_frame};
use super::{ENTERED, Surface};
use crossterm::clipboard::CopyToClipboard;
use crossterm::queue;
use crossterm::terminal::{BeginSynchronizedUpdate, EndSynchronizedUpdate, SetTitle};
use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};
use std::io;
use std::sync::atomic::Ordering;

/// What a terminal of no size is taken for.
const NO_SIZE: Size = Size {
    width: 80,
    height: 24,
};

/// How many characters of a title are sent.
const LONGEST_TITLE: usize = 80;

/// The terminal that the program was started in.
#[derive(Debug)]
pub struct Ours {
    writer: Writer,
    /// What was drawn since the last frame was handed over; what erases the old picture, too.
    frame: Vec<u8>,
    cursor_hidden: bool,
    /// A bell that waits for the terminal.
    rings: bool,
    title: Option<String>,
    /// The one that it gets with the next frame.
    next_title: Option<String>,
    /// What its clipboard gets with the next frame.
    next_copy: Option<String>,
}

impl Ours {
    /// The terminal behind standard output, whose window has a title or not.
    ///
    /// # Errors
    /// When the thread that writes cannot be started.
    pub fn start(titled: bool) -> io::Result<Ours> {
        Ok(Ours::over(Writer::start(write_frame)?, titled))
    }

    fn over(writer: Writer, titled: bool) -> Ours {
        Ours {
            writer,
            frame: Vec::new(),
            cursor_hidden: false,
            rings: false,
            title: titled.then(String::new),
            next_title: None,
            next_copy: None,
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

/// Whether every terminal gives a cell's text the columns that it was measured with: one character,
/// and none of those that stand for half a flag.
fn has_agreed_width(symbol: &str) -> bool {
    let mut characters = symbol.chars();
    let first = characters.next();
    characters.next().is_none() && !matches!(first, Some('\u{1f1e6}'..='\u{1f1ff}'))
}

impl Surface for Ours {
    fn end_frame(&mut self) -> io::Result<()> {
        let rings = std::mem::take(&mut self.rings);
        if let Some(title) = self.next_title.take() {
            // What a name brings along must not end it, or begin anything else (I8).
            let shown = title.chars().filter(|c| !c.is_control());
            let shown: String = shown.take(LONGEST_TITLE).collect();
            queue!(self.frame, SetTitle(shown))?;
            self.title = Some(title);
        }
        if let Some(text) = self.next_copy.take() {
            queue!(self.frame, CopyToClipboard::to_clipboard_from(text))?;
        }
        if self.frame.is_empty() && !rings {
            return Ok(());
        }
        let mut whole = Vec::with_capacity(self.frame.len() + 24);
        queue!(whole, BeginSynchronizedUpdate)?;
        whole.append(&mut self.frame);
        queue!(whole, EndSynchronizedUpdate)?;
        whole.extend(rings.then_some(BELL));
        self.writer.send(whole)
    }

    fn set_title(&mut self, title: &str) {
        if self.title.as_deref().is_some_and(|shown| shown != title) {
            self.next_title = Some(title.to_owned());
        }
    }

    fn come_back(&mut self) {
        if let Some(title) = &mut self.title {
            title.clear();
        }
    }

    fn copy(&mut self, text: &str) {
        self.next_copy = self.title.is_some().then(|| text.to_owned());
    }

    async fn written(&mut self) -> io::Result<()> {
        self.writer.written().await
    }

    fn ring(&mut self) -> io::Result<()> {
        match self.writer.is_free() {
            true => self.writer.send(vec![BELL]),
            false => {
                // With the next frame: bells must not heap up in front of a stalled link.
                self.rings = true;
                Ok(())
            }
        }
    }

    fn is_ours(&self) -> bool {
        ENTERED.load(Ordering::SeqCst)
    }
}

impl Backend for Ours {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let mut content = content.peekable();
        while content.peek().is_some() {
            // The next cell is put where it belongs: a terminal that draws this one wider than it was
            // measured would push the rest of the row over the edge, unseen.
            let mut agreed = true;
            let run = std::iter::from_fn(|| {
                let next = content.next_if(|_| agreed)?;
                agreed = has_agreed_width(next.2.symbol());
                Some(next)
            });
            self.pen().draw(run)?;
        }
        Ok(())
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
        // The frame is handed over whole, at its end.
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, channel};

    fn over_a_channel() -> (Ours, Receiver<Vec<u8>>) {
        let (out, sent) = channel();
        let write = move |frame: &[u8]| out.send(frame.to_vec()).map_err(io::Error::other);
        (Ours::over(Writer::start(write).unwrap(), true), sent)
    }

    /// Draws a frame, and returns what was sent of it.
    async fn frame(
        ours: &mut Ours,
        sent: &Receiver<Vec<u8>>,
        cells: &[(u16, u16, &Cell)],
    ) -> String {
        ours.draw(cells.iter().copied()).unwrap();
        ours.hide_cursor().unwrap();
        ours.flush().unwrap();
        ours.end_frame().unwrap();
        ours.written().await.unwrap();
        String::from_utf8(sent.try_iter().flatten().collect()).unwrap()
    }

    #[tokio::test]
    async fn a_frame_that_changes_nothing_sends_nothing() {
        let (mut ours, sent) = over_a_channel();
        let cell = Cell::new("x");
        let whole = frame(&mut ours, &sent, &[(0, 0, &cell)]).await;
        assert!(whole.starts_with("\x1b[?2026h") && whole.ends_with("\x1b[?2026l"));
        assert_eq!(frame(&mut ours, &sent, &[]).await, "");
        assert_eq!(frame(&mut ours, &sent, &[]).await, "");
        let whole = frame(&mut ours, &sent, &[(1, 0, &cell)]).await;
        assert!(whole.starts_with("\x1b[?2026h") && whole.ends_with("\x1b[?2026l"));
    }

    #[tokio::test]
    async fn what_a_terminal_may_draw_wider_pushes_nothing_out_of_its_row() {
        let (mut ours, sent) = over_a_channel();
        let [plain, joined, flag] = ["x", "e\u{301}", "\u{1f1e6}"].map(Cell::new);
        let row = [
            (0, 0, &plain),
            (1, 0, &joined),
            (2, 0, &flag),
            (3, 0, &plain),
        ];
        let whole = frame(&mut ours, &sent, &row).await;
        for place in ["\x1b[1;1Hxe\u{301}", "\x1b[1;3H\u{1f1e6}", "\x1b[1;4Hx"] {
            assert!(whole.contains(place), "{place:?} in {whole:?}");
        }
    }

    #[tokio::test]
    async fn what_erases_the_old_picture_goes_out_with_the_next_frame() {
        let (mut ours, sent) = over_a_channel();
        ours.clear_region(ClearType::All).unwrap();
        let whole = frame(&mut ours, &sent, &[]).await;
        assert!(whole.contains("\x1b[2J"), "{whole:?}");
    }

    #[tokio::test]
    async fn a_title_is_sent_once_and_nothing_in_it_is_obeyed() {
        let (mut ours, sent) = over_a_channel();
        frame(&mut ours, &sent, &[]).await;
        ours.set_title("HELD 4:32 wi\x1b]2;owned\x07ser\u{9c}");
        let whole = frame(&mut ours, &sent, &[]).await;
        assert!(
            whole.contains("\x1b]0;HELD 4:32 wi]2;ownedser\x07"),
            "{whole:?}"
        );
        assert_eq!(whole.matches('\x07').count(), 1, "{whole:?}");
        ours.set_title("HELD 4:32 wi\x1b]2;owned\x07ser\u{9c}");
        assert_eq!(frame(&mut ours, &sent, &[]).await, "");
    }

    #[tokio::test]
    async fn a_bell_waits_with_the_frame_that_the_terminal_does_not_take() {
        let (go_on, wait) = channel::<()>();
        let (out, sent) = channel();
        let write = move |frame: &[u8]| {
            wait.recv().map_err(io::Error::other)?;
            out.send(frame.to_vec()).map_err(io::Error::other)
        };
        let mut ours = Ours::over(Writer::start(write).unwrap(), false);
        for _ in 0..100 {
            ours.ring().unwrap();
        }
        ours.end_frame().unwrap();
        ours.end_frame().unwrap();
        for _ in 0..2 {
            go_on.send(()).unwrap();
        }
        ours.written().await.unwrap();
        let bells = sent.try_iter().flatten().filter(|byte| *byte == BELL);
        assert_eq!(
            bells.count(),
            2,
            "one that went out, one for all that waited"
        );
    }

    #[test]
    fn a_terminal_without_a_size_is_taken_as_the_usual_one() {
        assert_eq!(size_or_usual(0, 0), Size::new(80, 24));
        assert_eq!(size_or_usual(0, 50), Size::new(80, 24));
        assert_eq!(size_or_usual(132, 43), Size::new(132, 43));
    }
}
