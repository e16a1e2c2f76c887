//! After the run: which way its last transaction went, by its journal and by the server.
//!
//! It says COMMITTED only where the journal or the server does, and ROLLED BACK only where nothing that
//! followed can have been committed (I3).

use super::aftermath::{read_journal_text, write_new};
use super::arguments::Connection;
use super::failure::Failure;
use super::finding;
use super::printing::print;
use super::questions::attended;
use super::runtime::start_runtime;
use crate::database::admission::admit;
use crate::database::session::{Identity, of_earlier_run};
use crate::database::settings::Settings;
use crate::gate::ExitCode;
use crate::gate::event::{Inquiry, Target, XactStatus};
use crate::gate::phase::{ANSWERED_COMMIT, LOOK_YOURSELF, OutcomeWord, how_to_end};
use crate::journal;
use crate::journal::chain::{self, Broken};
use crate::journal::earlier;
use crate::journal::replay::{RecordedOutcome, Replay};
use crate::runbook::printable::printable;
use color_eyre::eyre::eyre;
use std::path::Path;

/// Asks the server that the settings lead to which way the transaction `xid` went.
fn ask_the_server(
    settings: &Settings,
    identity: &Identity,
    xid: &str,
    end_backend: bool,
) -> Result<Inquiry, Failure> {
    let runtime = start_runtime()?;
    let inquiry = runtime.block_on(attended(settings, async |settings| {
        // What stands in the way stands there for the question too, and is told of it.
        let _ = admit(&settings).await;
        of_earlier_run(&settings, identity, xid, end_backend).await
    }))?;
    Ok(inquiry)
}

/// `stagegate outcome`: which way the last transaction of a run went.
pub(super) fn ask_outcome(
    path: &Path,
    connection: &Connection,
    end_backend: bool,
) -> Result<ExitCode, Failure> {
    // Asked before the lines are read: what is read after it is the whole of what was written.
    let still_runs = journal::is_being_written(path);
    let (lines, broken) = chain::read_chain(&read_journal_text(path)?);
    if lines.is_empty() {
        let shown = printable(&path.display().to_string()).into_owned();
        let why = broken.map_or("it is empty".to_owned(), |broken| broken.to_string());
        return Err(Failure::usage(eyre!("{shown} is no journal: {why}")));
    }
    let replay = Replay::of(lines);
    let (answer, code) = match (replay.outcome(), replay.xid(), &replay.target) {
        (Some(RecordedOutcome { word, proof, .. }), xid, _)
            if word.is_final() =>
        {
            let of = xid.map(|xid| format!(" (transaction {xid})"));
            let of = of.unwrap_or_default();
            (
                format!(
                    "{}{of}, as the program itself recorded: {proof}.{}",
                    word.word(),
                    open_end(&replay, still_runs)
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
        (_, None, _) if still_runs => (
            "UNKNOWN: the program that writes this journal still runs, and has begun no transaction \
             yet. Ask again when it has ended."
                .to_owned(),
            ExitCode::OutcomeUnknown,
        ),
        (_, None, target) => (without_number(target.as_ref()), ExitCode::OutcomeUnknown),
        (_, Some(_), None) => {
            return Err(Failure::usage(eyre!(
                "the journal does not say which server the transaction was on"
            )));
        }
        (_, Some(xid), Some(target)) => {
            let identity = Identity {
                durable: replay.last().is_some_and(|attempt| attempt.transaction.durable),
                ..Identity::of(target)
            };
            let settings = settings(connection, target)?;
            let inquiry = ask_the_server(&settings, &identity, xid, end_backend)?;
            let never_sent = replay.is_whole() && replay.never_committed();
            let inquiry = held_against_journal(inquiry, &replay);
            let (mut answer, code) = told(&inquiry, xid, never_sent);
            if code == ExitCode::Committed {
                if !replay.is_whole() && !replay.commit_intended() && !still_runs {
                    answer.push_str(COMMIT_MISSING);
                }
            } else {
                if !replay.is_whole() && !replay.commit_intended() {
                    answer.push_str(" Up to where the journal ends COMMIT was not sent.");
                }
                answer.push_str(open_end(&replay, still_runs));
            }
            (answer, code)
        }
    };
    let left_open = code == ExitCode::RolledBackOnError && replay.goes_on() && !replay.is_whole();
    let (answer, code) = match code {
        ExitCode::RolledBackOnError if left_open => (
            followed_by_more(&answer, still_runs),
            ExitCode::OutcomeUnknown,
        ),
        code => (answer, code),
    };
    let (answer, code) = match broken {
        Some(broken) => doubted(answer, code, &broken),
        None => (answer, code),
    };
    print(&format!("{}\n", printable(&answer)))?;
    // Of what was left open the server has said all that it ever will.
    let asked = left_open || matches!(code, ExitCode::Committed | ExitCode::RolledBackOnError);
    if asked && !still_runs {
        // So that the next run here does not ask for it again. Where it cannot be kept, it is asked.
        let _ = write_new(&earlier::answer_beside(path), &format!("{answer}\n"));
    }
    Ok(code)
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

/// The answer in words. What was never asked to commit, in a journal that has the end of its run,
/// cannot have been committed, whoever is there to ask; anything else needs the same server's word.
fn told(inquiry: &Inquiry, xid: &str, never_sent: bool) -> (String, ExitCode) {
    match inquiry {
        Inquiry::Answered {
            status: XactStatus::Committed,
            ..
        } => (
            format!("COMMITTED (transaction {xid}): {inquiry}."),
            ExitCode::Committed,
        ),
        Inquiry::Answered {
            status: XactStatus::Aborted,
            ..
        } => (
            format!("ROLLED BACK (transaction {xid}): {inquiry}."),
            ExitCode::RolledBackOnError,
        ),
        Inquiry::Answered {
            status: XactStatus::InProgress,
            ..
        } => (
            format!(
                "UNKNOWN (transaction {xid}): {inquiry}. The old session has not noticed that the \
                 program is gone; ask again in a moment, or end it with --end-backend."
            ),
            ExitCode::OutcomeUnknown,
        ),
        Inquiry::Prepared { gid, .. } => (
            format!(
                "PREPARED (transaction {xid}): {inquiry}. Its locks are held until somebody ends it. {}",
                how_to_end(gid)
            ),
            ExitCode::OutcomeUnknown,
        ),
        Inquiry::OtherServer(_) | Inquiry::Unknowable(_) | Inquiry::Unreachable(_)
            if never_sent =>
        {
            (
                format!("ROLLED BACK (transaction {xid}): COMMIT was never sent; {inquiry}."),
                ExitCode::RolledBackOnError,
            )
        }
        Inquiry::OtherServer(_) | Inquiry::Unknowable(_) | Inquiry::Unreachable(_) => (
            format!(
                "UNKNOWN (transaction {xid}): {inquiry}. Ask the server it was on: \
                 SELECT pg_xact_status('{xid}');"
            ),
            ExitCode::OutcomeUnknown,
        ),
        Inquiry::Contradicted(_) => (
            format!("UNKNOWN (transaction {xid}): {inquiry}. {LOOK_YOURSELF}"),
            ExitCode::OutcomeUnknown,
        ),
    }
}

/// The server of the journal, unless the command line names another way to it.
fn settings(connection: &Connection, target: &Target) -> Result<Settings, Failure> {
    let named = connection.dbname.is_some() || connection.host.is_some();
    let mut connection = connection.clone();
    if !named {
        connection.host = Some(target.host.clone());
        connection.port.get_or_insert(target.port.to_string());
    }
    if connection.dbname.is_none() {
        let database = target.database.replace('\\', "\\\\").replace('\'', "\\'");
        // Addresses in the environment are of other names.
        let addresses = match (named, &target.hostaddr) {
            (true, _) => String::new(),
            (false, address) => format!(" hostaddr='{}'", address.as_deref().unwrap_or_default()),
        };
        connection.dbname = Some(format!("dbname='{database}'{addresses}"));
    }
    let role = target.session_role.as_ref().unwrap_or(&target.role);
    connection.username.get_or_insert(role.clone());
    finding::settings(&connection)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::settings::ServerAddress;

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
    fn an_address_that_was_asked_for_is_asked_again() {
        let target = Target {
            host: "db.example.invalid".into(),
            hostaddr: Some("192.0.2.1".into()),
            port: 5433,
            database: "it's".into(),
            role: "dba".into(),
            ..Target::default()
        };
        let found = settings(&Connection::default(), &target).ok().unwrap();
        assert_eq!((found.database.as_str(), found.hosts.len()), ("it's", 1));
        let place = ServerAddress::Tcp {
            host: target.host.clone(),
            address: target.hostaddr.clone(),
        };
        assert_eq!(found.hosts[0].place, place);
    }

    #[test]
    fn what_was_never_asked_to_commit_is_rolled_back_whoever_answers() {
        let (text, code) = told(&unreachable(), "7", true);
        assert!(text.starts_with("ROLLED BACK"), "{text}");
        assert_eq!(code, ExitCode::RolledBackOnError);
    }

    #[test]
    fn what_may_have_been_committed_is_unknown_without_the_server() {
        let (text, code) = told(&unreachable(), "7", false);
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
        for never_sent in [false, true] {
            let (text, _) = told(&inquiry, "7", never_sent);
            assert!(text.starts_with("UNKNOWN"), "{text}");
        }
    }
}
