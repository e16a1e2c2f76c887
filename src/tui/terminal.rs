//! The terminal: entered whole, left whole, whatever ends the program.
//!
//! Raw mode, alternate screen, bracketed paste and the hidden cursor are undone when it is dropped
//! and, before anything is printed, when any thread panics. Each frame is drawn inside a
//! synchronized update, so a terminal never shows half of one; a frame that changes nothing is not
//! sent at all. A thread of its own writes them, so that only that one waits for a terminal that
//! takes nothing.
//!
//! The mouse is never taken: its selection stays the terminal's own, and copies as everywhere. The
//! wheel comes as arrow keys, which a terminal can send by itself while the alternate screen is shown.
//!
//! It must never ask the terminal anything: the answer would come through the input's thread.
//! `ratatui::Terminal::clear` does; a repaint is forced by resizing instead.

use crate::runbook::PARSER_THREAD;
use crate::runbook::printable::printable;
use crate::tui::input::brackets_pastes;
use crossterm::event::EnableBracketedPaste;
use crossterm::style::{Print, force_color_output};
use crossterm::terminal::{EnterAlternateScreen, disable_raw_mode, enable_raw_mode};
use crossterm::{cursor, execute};
use ratatui::Frame;
use ratatui::backend::{Backend, TestBackend};
use ratatui::layout::{Rect, Size};
use rustix::termios::QueueSelector;
use std::io;
use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, Once, OnceLock, PoisonError};
use std::time::{Duration, Instant};

mod ours;
mod writer;

pub use ours::Ours;
pub(crate) use writer::write_until;

/// Whether the real terminal is in our hands.
static ENTERED: AtomicBool = AtomicBool::new(false);

/// The terminal's settings from before it was ours.
static SETTINGS: OnceLock<rustix::termios::Termios> = OnceLock::new();

/// Whether a program that we run has the terminal.
static LENT: Mutex<Lending> = Mutex::new(Lending::Never);

#[derive(Debug, Clone, Copy)]
enum Lending {
    Never,
    Lent,
    TakenBack(Instant),
}

fn lending() -> MutexGuard<'static, Lending> {
    LENT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long after that a signal may still be on its way that ended the other program, too.
const LATE_SIGNAL: Duration = Duration::from_secs(1);

/// How long a terminal has to take what gives it back, where nobody says until when; one that is
/// stalled never does.
const GIVING_BACK: Duration = Duration::from_millis(4_500);

/// The same where that must hold up nothing: in a panic, or where the program goes on. What is late is
/// written still, if there is time enough until its end.
const IN_PASSING: Duration = Duration::from_millis(300);

/// What gives the terminal back: end of the update, no brackets, the wheel as it was, the main screen, a
/// cursor, the title that was put aside.
pub(crate) const LEAVING: &[u8] =
    b"\x1b[?2026l\x1b[?2004l\x1b[?1007r\x1b[?1049l\x1b[?25h\x1b[23;2t";

/// Puts aside what the wheel does on the alternate screen. Many terminals send arrow keys anyway, and
/// for `less` they must do so afterwards as well.
const KEEP_WHEEL: &str = "\x1b[?1007s";

/// Has the wheel send arrow keys on the alternate screen.
const WHEEL_AS_ARROWS: &str = "\x1b[?1007h";

/// Puts the window's title aside.
const KEEP_TITLE: &str = "\x1b[22;2t";

/// Whether a terminal of that kind takes a title for its window and a text for its clipboard. Of the
/// others some show what they do not know.
pub(crate) fn takes_texts(term: &str) -> bool {
    let mut others = ["ghostty", "iterm", "contour", "mintty"].iter();
    brackets_pastes(term) || others.any(|kind| term.starts_with(kind))
}

/// A backend that can hold a frame back until it is whole.
pub trait Surface: Backend {
    /// The frame is whole, and may be shown.
    fn end_frame(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Waits until the terminal has taken every frame so far. The wait can be given up at any time.
    fn written(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send {
        async { Ok(()) }
    }

    /// Gives the terminal's window another title, with the next frame.
    fn set_title(&mut self, _title: &str) {}

    /// Somebody else had the terminal.
    fn come_back(&mut self) {}

    /// Puts a text into the terminal's clipboard, with the next frame.
    fn copy(&mut self, _text: &str) {}

    /// Rings the bell.
    fn ring(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Whether it still takes frames: not after a panic gave the terminal back.
    fn is_ours(&self) -> bool {
        true
    }
}

impl Surface for TestBackend {}

pub struct Terminal<B: Surface> {
    /// Never dropped: its own end writes to standard error when the cursor cannot be shown, which
    /// panics where the terminal is gone. What it would undo is undone in [`restore`].
    inner: ManuallyDrop<ratatui::Terminal<B>>,
    /// It has to be given back.
    real: bool,
    /// How long it is waited for then.
    until: Option<Instant>,
}

impl Terminal<Ours> {
    /// Takes the terminal: raw mode, alternate screen, bracketed paste, no cursor, and the wheel as arrow
    /// keys if it `scrolls`.
    ///
    /// # Errors
    /// When it is not a terminal, or cannot be written to; it is then as it was.
    pub fn enter(scrolls: bool) -> io::Result<Self> {
        restore_on_panic();
        // With NO_COLOR crossterm writes `ESC[;m`, which erases bold and reverse as well. Whether
        // there is colour is decided by our palette, and only there.
        force_color_output(true);
        if let Ok(settings) = rustix::termios::tcgetattr(rustix::stdio::stdin()) {
            SETTINGS.get_or_init(|| settings);
        }
        let entered = enter_screen(scrolls)
            .and_then(|()| Ours::start(has_title()))
            .and_then(ratatui::Terminal::new);
        match entered {
            Ok(inner) => Ok(Terminal {
                inner: ManuallyDrop::new(inner),
                real: true,
                until: None,
            }),
            Err(error) => {
                restore(Instant::now() + GIVING_BACK);
                Err(error)
            }
        }
    }
}

fn has_title() -> bool {
    std::env::var("TERM").is_ok_and(|term| takes_texts(&term))
}

fn enter_screen(scrolls: bool) -> io::Result<()> {
    enable_raw_mode()?;
    ENTERED.store(true, Ordering::SeqCst);
    execute!(
        io::stdout(),
        Print(if has_title() { KEEP_TITLE } else { "" }),
        Print(KEEP_WHEEL),
        Print(if scrolls { WHEEL_AS_ARROWS } else { "" }),
        EnterAlternateScreen,
        EnableBracketedPaste,
        cursor::Hide
    )
}

impl<B: Surface> Terminal<B> {
    /// A terminal over `backend`, which is neither entered nor left.
    ///
    /// # Errors
    /// When its size cannot be read.
    pub fn over(backend: B) -> Result<Self, B::Error> {
        let inner = ManuallyDrop::new(ratatui::Terminal::new(backend)?);
        Ok(Terminal {
            inner,
            real: false,
            until: None,
        })
    }

    /// Draws a frame, whole or not at all; it is on the terminal when [`Terminal::written`] says so. Does
    /// nothing once a panic has given the terminal back.
    pub fn draw(&mut self, render: impl FnOnce(&mut Frame<'_>)) -> Result<(), B::Error> {
        if self.real && !self.inner.backend().is_ours() {
            return Ok(());
        }
        let drawn = self.inner.draw(render).map(|_| ());
        // Ended even when drawing failed: a terminal must not stay frozen.
        let ended = self.inner.backend_mut().end_frame();
        drawn.and(ended)
    }

    /// Waits until the terminal has taken every frame so far. The wait can be given up at any time.
    pub async fn written(&mut self) -> Result<(), B::Error> {
        self.inner.backend_mut().written().await
    }

    /// Gives the terminal's window another title, with the next frame.
    pub fn set_title(&mut self, title: &str) {
        self.inner.backend_mut().set_title(title);
    }

    /// Puts a text into the terminal's clipboard, with the next frame.
    pub fn copy(&mut self, text: &str) {
        self.inner.backend_mut().copy(text);
    }

    /// Draws everything anew with the next frame, the title too: somebody else had the terminal.
    ///
    /// # Errors
    /// When the terminal cannot be asked for its size.
    pub fn come_back(&mut self) -> Result<(), B::Error> {
        self.inner.backend_mut().come_back();
        self.repaint()
    }

    /// Rings the terminal's bell.
    pub fn ring(&mut self) -> Result<(), B::Error> {
        self.inner.backend_mut().ring()
    }

    /// Forces the next frame to be drawn from scratch, at the terminal's present size.
    pub fn repaint(&mut self) -> Result<(), B::Error> {
        let Size { width, height } = self.inner.size()?;
        self.inner.resize(Rect::new(0, 0, width, height))
    }

    /// Columns and rows.
    ///
    /// # Errors
    /// When the terminal cannot be asked.
    pub fn size(&self) -> Result<Size, B::Error> {
        self.inner.size()
    }

    /// Gives the terminal back. One that takes nothing is waited for until then, so nothing that cannot
    /// wait may come behind this.
    pub fn leave(mut self, until: Instant) {
        self.until = Some(until);
    }

    /// The backend: what a test looks at.
    pub fn backend(&self) -> &B {
        self.inner.backend()
    }

    /// The backend, to be changed: a test resizes it.
    pub fn backend_mut(&mut self) -> &mut B {
        self.inner.backend_mut()
    }
}

impl<B: Surface> Drop for Terminal<B> {
    fn drop(&mut self) {
        if self.real {
            let until = self.until.take();
            restore(until.unwrap_or_else(|| Instant::now() + GIVING_BACK));
        }
    }
}

/// Gives the terminal back, once. What cannot be written any more is not an error: it is gone, or it
/// takes nothing until then.
fn restore(until: Instant) {
    if !ENTERED.swap(false, Ordering::SeqCst) {
        return;
    }
    write_until(until, || {
        let _turn = writer::take_turn();
        let _ = writer::write_whole(LEAVING);
    });
    let _ = disable_raw_mode();
}

/// Gives the terminal to a program that we run, until [`take_back`].
pub(crate) fn lend() {
    *lending() = Lending::Lent;
    restore(Instant::now() + IN_PASSING);
}

/// Takes it again, without what was typed meanwhile.
///
/// # Errors
/// When it is gone.
pub(crate) fn take_back(scrolls: bool) -> io::Result<()> {
    put_settings_back();
    let entered = enter_screen(scrolls);
    let _ = rustix::termios::tcflush(rustix::stdio::stdin(), QueueSelector::IFlush);
    *lending() = Lending::TakenBack(Instant::now());
    entered
}

/// Whether somebody else has the terminal, or had it until now: Ctrl-C is a signal then, and not for us.
pub(crate) fn is_lent() -> bool {
    match *lending() {
        Lending::Never => false,
        Lending::Lent => true,
        Lending::TakenBack(at) => at.elapsed() < LATE_SIGNAL,
    }
}

/// The settings from before the terminal was ours, whoever changed them since.
pub(crate) fn put_settings_back() {
    if let Some(settings) = SETTINGS.get() {
        let now = rustix::termios::OptionalActions::Now;
        let _ = rustix::termios::tcsetattr(rustix::stdio::stdin(), now, settings);
    }
}

/// Ends the line that a program broke off in, so that the last words begin one of their own.
pub(crate) fn end_foreign_line() {
    write_until(Instant::now() + IN_PASSING, || {
        let _ = writer::write_whole(b"\r\n");
    });
}

/// Says something below what a program left behind, on a screen that is not ours again.
pub(crate) fn say_foreign_line(text: &str) {
    let line = format!("{}\r\n", printable(text));
    write_until(Instant::now() + IN_PASSING, move || {
        let _ = writer::write_whole(line.as_bytes());
    });
}

/// Leaves the screen of a program that could not do so itself.
pub(crate) fn leave_foreign_screen() {
    write_until(Instant::now() + IN_PASSING, || {
        let _ = writer::write_whole(LEAVING);
    });
    put_settings_back();
}

/// Gives back the settings alone, without waiting for what is still to be written; says whether the
/// terminal was in our hands.
pub(crate) fn give_back_settings() -> bool {
    let ours = ENTERED.load(Ordering::SeqCst);
    if ours {
        put_settings_back();
    }
    ours
}

/// Puts the restoring in front of whatever hook there is, so that its words land on a sane screen.
fn restore_on_panic() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let next = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            // The parser may fail: whoever waits for it says so, on a screen that stays.
            if std::thread::current().name() == Some(PARSER_THREAD) {
                return;
            }
            restore(Instant::now() + IN_PASSING);
            next(info);
        }));
    });
}
