//! What moved the run, in words: phases, decisions, backups, alarms.

use crate::journal::entry::{Decision, Entry};
use crate::journal::report::words::counted;

/// What a line of the course says, and why or by which proof: a step each.
pub fn tell_steps(entry: &Entry) -> Vec<(String, Option<String>)> {
    let step = |what: &str, why: &str| vec![(what.to_owned(), Some(why.to_owned()))];
    match entry {
        Entry::Approved { digest, .. } => step("COMMIT was given on what was reviewed", digest),
        Entry::Compared { same: true, .. } => vec![("it came out as approved".to_owned(), None)],
        Entry::Compared {
            differences, more, ..
        } => {
            let all = counted(differences.len() + more, "difference", "differences");
            step("it came out otherwise than approved", &all)
        }
        Entry::BackupStarted { path, .. } => step("a backup is being made", path),
        Entry::BackedUp {
            path,
            bytes,
            milliseconds,
            sha256,
            ..
        } => step(
            &format!("backed up in {milliseconds} ms"),
            &format!("{path}, {bytes} bytes, SHA-256 {sha256}"),
        ),
        Entry::BackupFailed { why } => step("no backup", why),
        Entry::EarlierAsked { journal, answer } => step(
            "the server was asked about an earlier run",
            &format!("{answer} ({journal})"),
        ),
        Entry::Phase { phase, why, .. } => vec![(phase.word().to_owned(), why.clone())],
        Entry::Alarm { alarm } => vec![(format!("alarm: {alarm}"), None)],
        Entry::Left { code } => vec![(format!("left with exit code {code}"), None)],
        Entry::Outcome { outcome, proof, .. } => step(outcome.word(), proof),
        Entry::Blocked { number, by } => {
            let what = match number {
                Some(number) => format!("statement {number} waited for a lock"),
                None => "the script waited for a lock".to_owned(),
            };
            let steps = by.iter();
            let steps = steps.map(|who| (what.clone(), Some(format!("blocked by {who}"))));
            steps.collect()
        }
        Entry::Intent {
            decision,
            xid,
            second_signer,
            ..
        } => {
            let word = match decision {
                Decision::Commit => "COMMIT",
                Decision::RollBack => "ROLLBACK",
            };
            let second = second_signer.as_ref();
            let second = second.map_or_else(String::new, |name| format!("; second signer {name}"));
            let of = xid.as_ref();
            let of = of.map(|xid| format!("for transaction {xid}{second}"));
            vec![(format!("{word} is about to be sent"), of)]
        }
        _ => Vec::new(),
    }
}
