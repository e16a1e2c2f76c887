//! Which way a run before this one went, asked on a connection of its own while the walk goes on.

use crate::database::pinned::Pinned;
use crate::database::session::{Identity, of_earlier_run_at};
use crate::gate::ExitCode;
use crate::gate::event::{Inquiry, OutcomeAnswer};
use crate::journal::outcome::{WhoKnows, keep_answer};
use crate::journal::shelf::{ReadJournal, read_journal};
use std::path::{Path, PathBuf};

/// Reads the journal once more, and asks the server that this run has reached where only that knows. What
/// is settled is kept beside the journal.
pub(super) async fn ask(journal: PathBuf, pinned: Option<Pinned>) -> OutcomeAnswer {
    let path = journal.clone();
    let read = tokio::task::spawn_blocking(move || read_journal(&path)).await;
    let read = read.unwrap_or_else(|_| Err("reading it failed".to_owned()));
    let answer = match read {
        Ok(read) => ask_about(&read, pinned.as_ref()).await,
        Err(why) => not_known(format!(
            "its journal {} cannot be read: {why}",
            journal.display()
        )),
    };
    keep(answer, &journal).await
}

async fn keep(answer: OutcomeAnswer, journal: &Path) -> OutcomeAnswer {
    let (kept, journal) = (answer.clone(), journal.to_owned());
    // Where it cannot be kept, the next run asks once more.
    let _ = tokio::task::spawn_blocking(move || keep_answer(&kept, &journal)).await;
    answer
}

async fn ask_about(read: &ReadJournal, pinned: Option<&Pinned>) -> OutcomeAnswer {
    match read.who_knows() {
        WhoKnows::Journal(answer) => answer,
        WhoKnows::Server {
            target,
            xid,
            durable,
        } => {
            let identity = Identity::of_journal(target, durable);
            let inquiry = match pinned {
                Some(pinned) => of_earlier_run_at(pinned, &identity, xid).await,
                None => Inquiry::Unreachable("no server was reached".into()),
            };
            read.answered(inquiry, xid)
        }
        WhoKnows::Nobody => not_known("its journal does not say which server it was on".into()),
    }
}

/// What is not known, and why.
pub(super) fn not_known(why: String) -> OutcomeAnswer {
    OutcomeAnswer {
        text: format!("UNKNOWN: {why}."),
        code: ExitCode::OutcomeUnknown,
        settled: false,
    }
}
