//! Which way a run before this one went, asked on a connection of its own while the walk goes on.

use crate::database::pinned::Pinned;
use crate::database::session::{Identity, of_earlier_run_at};
use crate::facts::{ExitCode, Inquiry, OutcomeAnswer};
use crate::journal::outcome::{WhoKnows, keep_answer};
use crate::journal::shelf::{ReadJournal, read_journal};
use std::path::{Path, PathBuf};

/// Reads the journal once more, of which transaction `told` was told, and asks the server that this run has
/// reached where only that knows. What is settled is kept beside the journal.
pub(super) async fn ask(journal: PathBuf, told: String, pinned: Option<Pinned>) -> OutcomeAnswer {
    let path = journal.clone();
    let read = tokio::task::spawn_blocking(move || read_journal(&path)).await;
    let read = read.unwrap_or_else(|_| Err("reading it failed".to_owned()));
    let answer = match read {
        // Another answer would be kept as that of the run that was told.
        Ok(read) if read.replay.xid() != Some(told.as_str()) => not_known(format!(
            "its journal {} is not what it was: it tells of transaction {} no more",
            journal.display(),
            told
        )),
        Ok(read) => ask_about(&read, pinned.as_ref()).await,
        Err(why) => not_known(format!(
            "its journal {} cannot be read: {why}",
            journal.display()
        )),
    };
    keep(answer, &journal).await
}

async fn keep(answer: OutcomeAnswer, journal: &Path) -> OutcomeAnswer {
    let (mut kept, journal) = (answer.clone(), journal.to_owned());
    let keeping = tokio::task::spawn_blocking(move || {
        keep_answer(&mut kept, &journal);
        kept
    });
    keeping.await.unwrap_or(answer)
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

pub(super) fn not_known(why: String) -> OutcomeAnswer {
    OutcomeAnswer {
        text: format!("UNKNOWN: {why}."),
        code: ExitCode::OutcomeUnknown,
        settled: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::OutcomeWord;
    use crate::journal::Entry;
    use crate::journal::earlier::answer_beside;
    use crate::journal::written::{begun, ended, write_journal};

    /// The journal of a run whose only transaction was 7, which is known to be rolled back.
    fn journal(path: &Path) {
        let opened = Entry::Opened(Box::default());
        let outcome = ended(OutcomeWord::RolledBack, "p");
        write_journal(
            path,
            &[opened, begun("7"), outcome, Entry::Left { code: 1 }],
        );
    }

    #[tokio::test]
    async fn what_lies_under_the_name_of_the_journal_meanwhile_is_no_answer_about_the_run() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("1.jsonl");
        journal(&path);
        let answer = ask(path.clone(), "8".into(), None).await;
        assert!(answer.text.starts_with("UNKNOWN: "), "{answer:?}");
        assert!(!answer.settled, "{answer:?}");
        assert!(!answer_beside(&path).exists());
        let answer = ask(path.clone(), "7".into(), None).await;
        assert!(answer.text.starts_with("ROLLED BACK (transaction 7)"));
        let kept = std::fs::read_to_string(answer_beside(&path)).unwrap();
        assert_eq!(kept, format!("{}\n", answer.text));
    }

    #[tokio::test]
    async fn an_answer_that_cannot_be_kept_says_so() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("1.jsonl");
        journal(&path);
        std::os::unix::fs::symlink("nowhere", answer_beside(&path)).unwrap();
        let answer = ask(path.clone(), "7".into(), None).await;
        assert!(answer.text.contains("cannot be kept"), "{answer:?}");
        assert!(answer.settled, "it is known all the same: {answer:?}");
    }
}
