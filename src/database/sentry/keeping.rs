//! The process itself: it listens, and acts when it hears nothing or the end.

use std::io::{BufRead, Write};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{READY, Word};
use crate::database::secret::Secret;
use crate::database::session::{Identity, of_earlier_run};
use crate::database::settings::{ConnectionOptions, Settings};
use crate::facts::{Inquiry, XactStatus};

/// How long after the end of the pipe: the server misses most who are gone by itself, and tells more.
const AFTER_THE_END: Duration = Duration::from_secs(1);

/// How long it tries to reach a server before it gives up. One that is down has rolled back.
const TRIES_FOR: Duration = Duration::from_secs(3 * 60);

const PAUSE: Duration = Duration::from_secs(2);

/// Keeps watch until the pipe ends. The exit code says only whether it could begin.
#[must_use]
pub fn keep() -> bool {
    // No signal to our parent's group or terminal is to reach us. Where we lead a group already we are
    // out of reach as it is.
    let _ = rustix::process::setsid();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else {
        return false;
    };
    let _kept = runtime.block_on(async { outlive() });
    let (words, said) = mpsc::channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let word = line.ok().and_then(|line| serde_json::from_str(&line).ok());
            let Some(word) = word else {
                return;
            };
            if words.send(word).is_err() {
                return;
            }
        }
    });
    let Ok(Word::Know {
        conninfo,
        password,
        silence,
    }) = said.recv()
    else {
        return false;
    };
    let Some(settings) = settings(conninfo, password) else {
        return false;
    };
    let mut out = std::io::stdout();
    if writeln!(out, "{READY}").and_then(|()| out.flush()).is_err() {
        return false;
    }
    listen(&runtime, &said, &settings, Duration::from_millis(silence));
    true
}

/// What would end or stop us is taken and dropped.
fn outlive() -> Vec<Signal> {
    [
        SignalKind::hangup(),
        SignalKind::interrupt(),
        SignalKind::quit(),
        SignalKind::terminate(),
    ]
    .into_iter()
    .filter_map(|kind| signal(kind).ok())
    .collect()
}

fn settings(conninfo: String, password: Option<String>) -> Option<Settings> {
    let options = ConnectionOptions {
        database: Some(conninfo),
        no_password: true,
        ..ConnectionOptions::default()
    };
    let home = |name: &str| match name {
        "HOME" => std::env::var(name).ok(),
        _ => None,
    };
    let mut settings = Settings::find(&options, &home, None, &|_| false).ok()?;
    settings.password = password.map(Secret::new);
    Some(settings)
}

fn listen(runtime: &Runtime, said: &mpsc::Receiver<Word>, settings: &Settings, silence: Duration) {
    let mut held: Option<(Identity, String)> = None;
    loop {
        let word = match &held {
            Some(_) => said.recv_timeout(silence),
            None => said.recv().map_err(RecvTimeoutError::from),
        };
        match word {
            Ok(Word::Hold { identity, xid }) => held = Some((identity, xid)),
            Ok(Word::Free) => held = None,
            Ok(Word::Beat | Word::Know { .. }) => {}
            Err(RecvTimeoutError::Timeout) => {
                if let Some((identity, xid)) = held.take() {
                    end(runtime, settings, &identity, &xid);
                }
            }
            Err(RecvTimeoutError::Disconnected) => {
                if let Some((identity, xid)) = held.take() {
                    std::thread::sleep(AFTER_THE_END);
                    end(runtime, settings, &identity, &xid);
                }
                return;
            }
        }
    }
}

/// Ends the backend if it still runs the transaction, until a server says that nobody does.
fn end(runtime: &Runtime, settings: &Settings, identity: &Identity, xid: &str) {
    let since = Instant::now();
    while since.elapsed() < TRIES_FOR {
        let inquiry = runtime.block_on(of_earlier_run(settings, identity, xid, true));
        match inquiry {
            // It runs still, or a server is not there to be asked.
            Inquiry::Answered {
                status: XactStatus::InProgress,
                ..
            }
            | Inquiry::Unreachable(_) => std::thread::sleep(PAUSE),
            Inquiry::Answered { .. }
            | Inquiry::Prepared { .. }
            | Inquiry::OtherServer(_)
            | Inquiry::Unknowable(_)
            | Inquiry::Contradicted(_) => return,
        }
    }
}
