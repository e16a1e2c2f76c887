//! What earlier runs bring into this one, read on a thread of its own: journals of any length keep neither
//! the connection nor the first frame waiting.

use crate::gate::event::Document;
use crate::journal::earlier::{self, Earlier};
use crate::journal::entry::{Opened, ReadBefore};
use crate::journal::measured::{self, Measured};
use crate::journal::read_before::{ToBeRead, WhoReads};
use crate::journal::shelf::read_shelf;
use crate::runbook::Runbook;
use jiff::Timestamp;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::oneshot;

/// What was found in the journals of earlier runs.
#[derive(Debug, Default)]
pub struct FoundInPast {
    /// What passes of the same script measured, the newest first.
    pub measured: Vec<Measured>,
    /// What was read to its end by who is to read it now.
    pub readings: Vec<(Document, ReadBefore)>,
}

/// It, as soon as it was read.
#[derive(Debug, Default)]
pub struct LookingBack {
    /// Which runs have no outcome: it comes first, and evidence waits for it.
    looking: Option<oneshot::Receiver<Vec<Earlier>>>,
    reading: Option<oneshot::Receiver<FoundInPast>>,
    found: FoundInPast,
}

impl LookingBack {
    /// Begins to read the journals in these folders, for the run that opens with `opened`; `own` is left out.
    pub fn begin(
        folders: Vec<PathBuf>,
        own: PathBuf,
        runbook: Arc<Runbook>,
        opened: &Opened,
    ) -> LookingBack {
        let (runs, looking) = oneshot::channel();
        let (found, reading) = oneshot::channel();
        let who = WhoReads::of(opened);
        tokio::task::spawn_blocking(move || {
            let to_be_read = ToBeRead {
                who,
                documents: documents(&runbook),
            };
            let now = Timestamp::now();
            let shelf = read_shelf(&folders, &own);
            // A walk that was left meanwhile does not want it.
            let _ = runs.send(earlier::find_earlier_runs(&shelf));
            let _ = found.send(FoundInPast {
                readings: to_be_read.find_past_readings(&shelf, now),
                measured: measured::find_measured_passes(&shelf, &runbook),
            });
        });
        LookingBack::awaiting(reading).after(looking)
    }

    /// What somebody else reads.
    pub fn awaiting(reading: oneshot::Receiver<FoundInPast>) -> LookingBack {
        LookingBack {
            looking: None,
            reading: Some(reading),
            found: FoundInPast::default(),
        }
    }

    /// The same, once somebody else knows which runs have no outcome.
    pub fn after(self, looking: oneshot::Receiver<Vec<Earlier>>) -> LookingBack {
        LookingBack {
            looking: Some(looking),
            ..self
        }
    }

    /// Waits until the runs without an outcome are known, which it then returns, and after that until the
    /// rest was read, each once; after that for ever. To be dropped at any time.
    pub(super) async fn hear(&mut self) -> Option<Vec<Earlier>> {
        // Where the reading failed, nothing is told and nothing taken over.
        if let Some(looking) = &mut self.looking {
            let runs = looking.await.unwrap_or_default();
            self.looking = None;
            return Some(runs);
        }
        match &mut self.reading {
            Some(reading) => self.found = reading.await.unwrap_or_default(),
            None => std::future::pending().await,
        }
        self.reading = None;
        None
    }

    /// Whether it is not known yet which runs have no outcome.
    pub(super) fn is_looking(&self) -> bool {
        self.looking.is_some()
    }

    pub(super) fn measured(&self) -> &[Measured] {
        &self.found.measured
    }

    /// What was read in earlier runs; it is handed out once.
    pub(super) fn take_readings(&mut self) -> Vec<(Document, ReadBefore)> {
        std::mem::take(&mut self.found.readings)
    }
}

/// The script and the rollback scripts, each with its name and the hash of what is read of it.
fn documents(runbook: &Runbook) -> Vec<(Document, String, String)> {
    let rollbacks = (0..runbook.rollbacks.len()).map(Document::Rollback);
    std::iter::once(Document::Script)
        .chain(rollbacks)
        .filter_map(|document| {
            let script = document.script_of(runbook)?;
            Some((document, script.name.clone(), script.sha256_as_read()))
        })
        .collect()
}
