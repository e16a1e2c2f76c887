//! What earlier passes of the same script measured, read on a thread of its own: journals of any length
//! keep neither the connection nor the first frame waiting.

use crate::journal::measured::{self, Measured};
use crate::runbook::Runbook;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::oneshot;

/// What was measured, the newest first, as soon as it was read.
#[derive(Debug, Default)]
pub struct Measuring {
    reading: Option<oneshot::Receiver<Vec<Measured>>>,
    found: Vec<Measured>,
}

impl Measuring {
    /// Begins to read the journals in these folders; `own` is left out.
    pub fn begin(folders: Vec<PathBuf>, own: PathBuf, runbook: Arc<Runbook>) -> Measuring {
        let (found, reading) = oneshot::channel();
        tokio::task::spawn_blocking(move || {
            // A walk that was left meanwhile does not want it.
            let _ = found.send(measured::find_measured_passes(&folders, &own, &runbook));
        });
        Measuring::awaiting(reading)
    }

    /// What somebody else reads.
    pub fn awaiting(reading: oneshot::Receiver<Vec<Measured>>) -> Measuring {
        Measuring {
            reading: Some(reading),
            found: Vec::new(),
        }
    }

    /// Waits until it was read, once; after that for ever.
    pub(super) async fn hear(&mut self) {
        match &mut self.reading {
            // Where the reading failed, nothing is told.
            Some(reading) => self.found = reading.await.unwrap_or_default(),
            None => std::future::pending().await,
        }
        self.reading = None;
    }

    pub(super) fn found(&self) -> &[Measured] {
        &self.found
    }
}
