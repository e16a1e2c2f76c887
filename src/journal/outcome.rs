//! Which way the last transaction of a run went, by its journal, and by the server where only that knows.
//!
//! It says COMMITTED only where the journal or the server does, and ROLLED BACK only where nothing that
//! followed can have been committed (I3). It asks nobody itself.

mod answering;

use super::chain::Broken;
use super::earlier::{answer_beside, is_answered};
use super::replay::{RecordedOutcome, Replay};
use super::shelf::ReadJournal;
use super::write_new;
use crate::facts::{
    ANSWERED_COMMIT, ExitCode, Inquiry, OutcomeAnswer, OutcomeWord, Target, XactStatus,
};
use crate::runbook::printable::printable;
use answering::{JournalEnd, told, told_of_locks};
use std::path::Path;

/// What the journal says of the outcome.
#[derive(Debug)]
pub enum WhoKnows<'a> {
    /// All that anybody can know.
    Journal(OutcomeAnswer),
    /// The server that this transaction was opened on.
    Server {
        target: &'a Target,
        xid: &'a str,
        /// The transaction's number is known to have been on the server's disk.
        durable: bool,
    },
    /// Nobody: it names a transaction and no server.
    Nobody,
}

impl ReadJournal {
    pub fn who_knows(&self) -> WhoKnows<'_> {
        let replay = &self.replay;
        let (text, code) = match (replay.outcome(), replay.xid(), &replay.target) {
            (Some(recorded), xid, target)
                if recorded.word.is_final()
                    && !(self.asks_of_locks() && xid.is_some() && target.is_some()) =>
            {
                let RecordedOutcome { word, proof, .. } = recorded;
                let of = xid.map(|xid| format!(" (transaction {xid})"));
                let of = of.unwrap_or_default();
                (
                    format!(
                        "{}{of}, as the program itself recorded: {proof}.{}",
                        word.word(),
                        open_end(replay, self.writing)
                    ),
                    code_of(*word),
                )
            }
            (_, None, _) if replay.is_whole() => (
                "ROLLED BACK: no transaction was begun.".to_owned(),
                ExitCode::RolledBackOnError,
            ),
            // What a program that still runs has not done yet, it may do in the next moment; only the
            // server's word on a transaction stands then.
            (_, None, _) if self.writing => (
                "UNKNOWN: the program that writes this journal still runs, and has begun no transaction \
                 yet. Ask again when it has ended."
                    .to_owned(),
                ExitCode::OutcomeUnknown,
            ),
            (_, None, target) => (without_number(target.as_ref()), ExitCode::OutcomeUnknown),
            (_, Some(_), None) => return WhoKnows::Nobody,
            (_, Some(xid), Some(target)) => {
                let last = replay.last();
                return WhoKnows::Server {
                    target,
                    xid,
                    durable: last.is_some_and(|last| last.transaction.durable),
                };
            }
        };
        WhoKnows::Journal(self.answer(text, code))
    }

    /// The answer, with what the server said of the transaction `xid`.
    pub fn answered(&self, inquiry: Inquiry, xid: &str) -> OutcomeAnswer {
        let replay = &self.replay;
        let end = match (replay.is_whole(), self.writing) {
            (true, _) if replay.never_committed() => JournalEnd::CommitNeverSent,
            _ if self.asks_of_locks() => JournalEnd::CommitNeverSent,
            (false, true) => JournalEnd::StillWritten,
            _ => JournalEnd::Reached,
        };
        let inquiry = held_against_journal(inquiry, replay);
        let (mut text, code) = told(&inquiry, xid, end);
        let of_locks = self.asks_of_locks().then(|| told_of_locks(&inquiry));
        text.extend(of_locks.map(|(words, _)| words));
        if code == ExitCode::Committed {
            if !replay.is_whole() && !replay.commit_intended() && !self.writing {
                text.push_str(COMMIT_MISSING);
            }
        } else {
            if !replay.is_whole() && !replay.commit_intended() {
                text.push_str(" Up to where the journal ends COMMIT was not sent.");
            }
            text.push_str(open_end(replay, self.writing));
        }
        let answer = self.answer(text, code);
        OutcomeAnswer {
            settled: answer.settled && of_locks.is_none_or(|(_, known)| known),
            ..answer
        }
    }

    /// The outcome is known, and not whether anything is held still. A program that still runs asks itself.
    fn asks_of_locks(&self) -> bool {
        self.replay.may_hold_locks() && !self.writing
    }

    /// It, held against what the journal lacks.
    fn answer(&self, text: String, code: ExitCode) -> OutcomeAnswer {
        let replay = &self.replay;
        let left_open =
            code == ExitCode::RolledBackOnError && replay.goes_on() && !replay.is_whole();
        let (text, code) = match left_open {
            true => (
                followed_by_more(&text, self.writing),
                ExitCode::OutcomeUnknown,
            ),
            false => (text, code),
        };
        let (text, code) = match &self.broken {
            Some(broken) => doubted(text, code, broken),
            None => (text, code),
        };
        // Of what was left open the server has said all that it ever will.
        let said = left_open || matches!(code, ExitCode::Committed | ExitCode::RolledBackOnError);
        OutcomeAnswer {
            text,
            code,
            settled: said && !self.writing,
        }
    }
}

/// Keeps what is settled beside the journal, so that the next run there does not ask for it again. What
/// cannot be kept says so.
pub fn keep_answer(answer: &mut OutcomeAnswer, journal: &Path) {
    if !answer.settled || is_answered(journal) {
        return;
    }
    let path = answer_beside(journal);
    if let Err(error) = write_new(&path, &format!("{}\n", printable(&answer.text))) {
        answer.text.push_str(&format!(
            " This answer cannot be kept in {} ({error}), so the next run asks for it again.",
            path.display()
        ));
    }
}

/// What stood after the place where a journal breaks may have been another transaction, so of a
/// broken one only "committed" can be believed, of the transaction that it is said of.
fn doubted(answer: String, code: ExitCode, broken: &Broken) -> (String, ExitCode) {
    match code {
        ExitCode::Committed => (
            format!(
                "{answer} But the journal is not as it was written ({broken}); what stood from there \
                 on is left out, and may have been another transaction."
            ),
            code,
        ),
        _ => (
            format!(
                "UNKNOWN: the journal is not as it was written ({broken}), and what stood there may \
                 have been another transaction. Up to there it says: {answer}"
            ),
            ExitCode::OutcomeUnknown,
        ),
    }
}

/// A pass that was not to be the last one tells nothing of the run: the next may have been committed.
fn followed_by_more(answer: &str, still_runs: bool) -> String {
    let where_it_ends = match still_runs {
        true => "is there so far",
        false => "ends there",
    };
    format!(
        "UNKNOWN: the run was to go on after its last transaction (a review, another attempt, the \
         checklist), and the journal {where_it_ends}, so what followed may have been committed. \
         `stagegate inspect` and `stagegate verify` tell whether what the script makes is there. Of \
         that transaction it says: {answer}"
    )
}

/// What a journal without the end of its run leaves open, beside the transaction that is told of.
fn open_end(replay: &Replay, still_runs: bool) -> &'static str {
    match (replay.is_whole(), still_runs) {
        (true, _) => "",
        (false, true) => " The program that writes this journal still runs.",
        (false, false) => {
            " The journal does not have the end of its run, so it cannot tell whether another \
             transaction followed."
        }
    }
}

/// Of a journal that ends before it names a transaction: nobody can be asked for one by its number.
fn without_number(target: Option<&Target>) -> String {
    let place = target.map_or_else(
        || "; it names no server".to_owned(),
        |target| {
            format!(
                " on {}:{}, database {}",
                target.host, target.port, target.database
            )
        },
    );
    format!(
        "UNKNOWN: the journal ends before a transaction was begun, and does not have the end of its \
         run. What followed is not in it. Look on the server{place}: `stagegate inspect` and \
         `stagegate verify` tell whether what the script makes is there."
    )
}

fn code_of(word: OutcomeWord) -> ExitCode {
    match word {
        OutcomeWord::Committed => ExitCode::Committed,
        OutcomeWord::Unknown | OutcomeWord::Prepared => ExitCode::OutcomeUnknown,
        OutcomeWord::NotConnected => ExitCode::NoConnection,
        OutcomeWord::RolledBack => ExitCode::RolledBackOnError,
    }
}

/// What a journal lacks that does not have its end proves nothing, so the server is believed.
const COMMIT_MISSING: &str = " The journal ends before COMMIT was sent: the lines that tell of it are \
    missing, or something else committed it. Look whether what the script makes is there \
    (stagegate inspect).";

/// What the journal proves of COMMIT, or heard of it, is no more outweighed by a status than in the run.
fn held_against_journal(inquiry: Inquiry, replay: &Replay) -> Inquiry {
    match inquiry {
        Inquiry::Answered {
            status: XactStatus::Committed,
            ..
        } if replay.never_committed() => Inquiry::Contradicted(format!(
            "COMMIT was never sent, as the journal tells, and {inquiry}"
        )),
        Inquiry::Answered {
            status: XactStatus::Aborted,
            ..
        } if replay.last().is_some_and(|last| last.tag_contradicted) => Inquiry::Contradicted(
            format!("{ANSWERED_COMMIT}, as the journal tells, and {inquiry}"),
        ),
        inquiry => inquiry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unreachable() -> Inquiry {
        Inquiry::Unreachable("refused".into())
    }

    #[test]
    fn what_is_committed_is_told_with_the_place_where_the_journal_breaks() {
        let broken = Broken {
            line: 25,
            what: "it was edited".into(),
        };
        let said = "COMMITTED (transaction 7).".to_owned();
        let (answer, code) = doubted(said.clone(), ExitCode::Committed, &broken);
        assert_eq!(code, ExitCode::Committed);
        assert!(answer.starts_with(&said), "{answer}");
        assert!(answer.contains("line 25: it was edited"), "{answer}");
    }

    #[test]
    fn what_was_never_asked_to_commit_is_rolled_back_whoever_answers() {
        let (text, code) = told(&unreachable(), "7", JournalEnd::CommitNeverSent);
        assert!(text.starts_with("ROLLED BACK"), "{text}");
        assert_eq!(code, ExitCode::RolledBackOnError);
    }

    #[test]
    fn what_may_have_been_committed_is_unknown_without_the_server() {
        let (text, code) = told(&unreachable(), "7", JournalEnd::Reached);
        assert!(text.starts_with("UNKNOWN"), "{text}");
        assert!(text.contains("pg_xact_status('7')"), "{text}");
        assert_eq!(code, ExitCode::OutcomeUnknown);
    }

    #[test]
    fn of_a_broken_journal_only_committed_is_believed() {
        let broken = Broken {
            line: 3,
            what: "it was cut in the middle".into(),
        };
        let (text, code) = doubted("ROLLED BACK".into(), ExitCode::RolledBackOnError, &broken);
        assert!(text.starts_with("UNKNOWN"), "{text}");
        assert_eq!(code, ExitCode::OutcomeUnknown);
        let (_, code) = doubted("COMMITTED".into(), ExitCode::Committed, &broken);
        assert_eq!(code, ExitCode::Committed);
    }

    #[test]
    fn a_transaction_in_progress_is_not_an_outcome() {
        let inquiry = Inquiry::Answered {
            status: XactStatus::InProgress,
            server: "s".into(),
        };
        for end in [
            JournalEnd::CommitNeverSent,
            JournalEnd::StillWritten,
            JournalEnd::Reached,
        ] {
            let (text, _) = told(&inquiry, "7", end);
            assert!(text.starts_with("UNKNOWN"), "{text}");
            let gone = end != JournalEnd::StillWritten;
            assert_eq!(text.contains("--end-backend"), gone, "{text}");
        }
    }
}
