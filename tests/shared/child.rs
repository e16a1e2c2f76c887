//! What a test waits for, but never for ever.

use std::io::Read;
use std::process::{Child, Command, Output, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long anything may take on the slowest machine. Never part of a promise.
const LIMIT: Duration = Duration::from_secs(300);

/// What `poll` brings in the end; `what` says what was waited for, to whoever finds that it never
/// came.
#[track_caller]
pub fn until<T>(what: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    let give_up = Instant::now() + LIMIT;
    loop {
        if let Some(it) = poll() {
            return it;
        }
        let seconds = LIMIT.as_secs();
        assert!(Instant::now() < give_up, "not within {seconds} s: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// To be waited for until it ends, or to be ended where it does not.
pub trait Finish {
    /// All that it said, once it has ended. `what` names it.
    #[track_caller]
    fn finish(self, what: &str) -> Output;
}

/// Ended when the test gives it up.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Finish for Child {
    fn finish(self, what: &str) -> Output {
        let mut child = Ended(self);
        drop(child.0.stdin.take());
        let (stdout, stderr) = (
            child.0.stdout.take().map(read),
            child.0.stderr.take().map(read),
        );
        let status = until(&format!("{what} ends"), || child.0.try_wait().unwrap());
        // A child of the child may still have the pipe.
        let all = |reading: Option<JoinHandle<Vec<u8>>>| match reading {
            None => Vec::new(),
            Some(reading) => {
                until(&format!("{what} has ended; so does its output"), || {
                    reading.is_finished().then_some(())
                });
                reading.join().unwrap()
            }
        };
        Output {
            status,
            stdout: all(stdout),
            stderr: all(stderr),
        }
    }
}

impl Finish for &mut Command {
    /// With its output taken, as [`Command::output`] does, and nothing to read.
    fn finish(self, what: &str) -> Output {
        self.stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = self.spawn();
        child
            .unwrap_or_else(|error| panic!("{what} cannot be started: {error}"))
            .finish(what)
    }
}

fn read(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut said = Vec::new();
        let _ = pipe.read_to_end(&mut said);
        said
    })
}
