//! The thread that writes to the terminal, so that nobody else waits for one that takes nothing.
//!
//! A stalled link or a Ctrl-S blocks whoever writes, for as long as it lasts. Frames go out whole and
//! in order, and whoever drew one hears when the terminal has taken it: only then was it drawn (I5).
//! A frame that is still to go out when the terminal is given back never does.

use super::{ENTERED, is_lent};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, mpsc};
use std::time::Instant;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

pub(super) const BELL: u8 = 0x07;

/// Whose turn it is to write: a frame must not come behind the bytes that give the terminal back.
static TURN: Mutex<()> = Mutex::new(());

pub(super) fn take_turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(|broken| broken.into_inner())
}

/// The running thread; it ends with this.
#[derive(Debug)]
pub struct Writer {
    frames: mpsc::Sender<Vec<u8>>,
    gone_out: UnboundedReceiver<io::Result<()>>,
    under_way: usize,
}

impl Writer {
    /// Starts a thread that hands each frame to `write`.
    pub fn start(
        mut write: impl FnMut(&[u8]) -> io::Result<()> + Send + 'static,
    ) -> io::Result<Writer> {
        let (frames, arrived) = mpsc::channel::<Vec<u8>>();
        let (tell, gone_out) = unbounded_channel();
        std::thread::Builder::new()
            .name("terminal-writer".to_owned())
            .spawn(move || {
                while let Ok(frame) = arrived.recv() {
                    if tell.send(write(&frame)).is_err() {
                        break;
                    }
                }
            })?;
        Ok(Writer {
            frames,
            gone_out,
            under_way: 0,
        })
    }

    /// Hands a frame over. It goes out behind those before it.
    ///
    /// # Errors
    /// When nobody writes any more.
    pub fn send(&mut self, frame: Vec<u8>) -> io::Result<()> {
        self.frames
            .send(frame)
            .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        self.under_way += 1;
        Ok(())
    }

    /// Whether everything has gone out.
    pub fn is_free(&self) -> bool {
        self.under_way == 0
    }

    /// Waits until everything has gone out. Nothing is lost when the wait is given up.
    pub async fn written(&mut self) -> io::Result<()> {
        while self.under_way > 0 {
            let told = self.gone_out.recv().await;
            self.under_way -= 1;
            told.unwrap_or_else(|| Err(io::ErrorKind::BrokenPipe.into()))?;
        }
        Ok(())
    }
}

/// What was not written in its time, and may be still.
static LATE: Mutex<Option<mpsc::Receiver<()>>> = Mutex::new(None);

fn late() -> MutexGuard<'static, Option<mpsc::Receiver<()>>> {
    LATE.lock().unwrap_or_else(|broken| broken.into_inner())
}

/// Has a thread of its own write, and waits for it until then and no longer: a terminal that is
/// stalled may never take anything. What is late goes out first: the last words of a run belong behind the bytes
/// that give the terminal back, or they go with the screen that these put away.
pub(crate) fn write_until(until: Instant, write: impl FnOnce() + Send + 'static) {
    let (done, written) = mpsc::channel();
    let before = late().take();
    let writing = std::thread::Builder::new().spawn(move || {
        if let Some(before) = before {
            // Also where nobody is left to say that it was written.
            let _ = before.recv();
        }
        write();
        let _ = done.send(());
    });
    let left = until.saturating_duration_since(Instant::now());
    if writing.is_ok() && written.recv_timeout(left).is_err() {
        *late() = Some(written);
    }
}

/// Writes a frame to standard output, where that is still ours. The bell alone is heard also while
/// somebody else has the terminal.
pub(super) fn write_frame(frame: &[u8]) -> io::Result<()> {
    let _turn = take_turn();
    match ENTERED.load(Ordering::SeqCst) || frame == [BELL] && is_lent() {
        true => write_whole(frame),
        false => Ok(()),
    }
}

/// Writes past the lock of Rust's standard output, which nobody may wait for behind a stuck write.
pub(super) fn write_whole(mut bytes: &[u8]) -> io::Result<()> {
    let out = rustix::stdio::stdout();
    while !bytes.is_empty() {
        match rustix::io::write(out, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(taken) => bytes = bytes.get(taken..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            // Somebody else made it one that does not block.
            Err(Errno::AGAIN) => match poll(&mut [PollFd::new(&out, PollFlags::OUT)], None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            },
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn in_a_while(millis: u64) -> Instant {
        Instant::now() + Duration::from_millis(millis)
    }

    #[test]
    fn what_comes_behind_something_late_is_written_behind_it() {
        let (go, going) = mpsc::channel::<()>();
        let (log, written) = mpsc::channel();
        let first = log.clone();
        write_until(in_a_while(1), move || {
            let _ = going.recv();
            first.send("gives the terminal back").unwrap();
        });
        // Without waiting for the other one it would be written by the time this returns.
        write_until(in_a_while(200), move || {
            log.send("the last words").unwrap();
        });
        go.send(()).unwrap();
        let order: Vec<&str> = written.iter().collect();
        assert_eq!(order, ["gives the terminal back", "the last words"]);
    }
}
