//! A child that a test waits for, but never for ever.

use std::io::Read;
use std::process::{Child, Command, Output, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a child may take on the slowest machine. Never part of a promise.
const LIMIT: Duration = Duration::from_secs(300);

/// To be waited for until it ends, or to be ended where it does not.
pub trait Finish {
    /// All that it said, once it has ended. `what` names it for whoever finds that it does not.
    fn finish(self, what: &str) -> Output;
}

impl Finish for Child {
    fn finish(mut self, what: &str) -> Output {
        drop(self.stdin.take());
        let said = [self.stdout.take().map(read), self.stderr.take().map(read)];
        let give_up = Instant::now() + LIMIT;
        let status = loop {
            if let Some(status) = self.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > give_up {
                let _ = self.kill();
                let _ = self.wait();
                panic!("{what} did not end within {} s", LIMIT.as_secs());
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        // Whoever else has the pipe open, a child of the child, is waited for no longer than that.
        let [stdout, stderr] = said.map(|reading| {
            let Some(reading) = reading else {
                return Vec::new();
            };
            while !reading.is_finished() {
                assert!(
                    Instant::now() < give_up,
                    "{what} has ended, and somebody still holds its output"
                );
                std::thread::sleep(Duration::from_millis(2));
            }
            reading.join().unwrap()
        });
        Output {
            status,
            stdout,
            stderr,
        }
    }
}

impl Finish for &mut Command {
    /// With its output taken, as [`Command::output`] does.
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
