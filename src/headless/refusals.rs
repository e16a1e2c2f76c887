//! Why something was refused, in words for lines: what the screen says of keys is said of words.

use crate::gate::Refusal;

/// The refusal for somebody who types lines.
#[expect(clippy::too_many_lines, reason = "one match over every refusal")]
pub fn in_words(refusal: &Refusal) -> String {
    let text = match refusal {
        Refusal::NothingToDoHere => "That does nothing here. help lists what can be typed.",
        Refusal::NotDrawn => "The state changed as you typed; read, then type it again.",
        Refusal::AlreadySigned => "Signed already; withdraw N withdraws it.",
        Refusal::EvidenceFails => {
            "The evidence fails, so it cannot be signed; show N shows it, probe looks again."
        }
        Refusal::NoEvidence => {
            "Nothing answered, so it cannot be signed; show N shows who is in the way, probe looks again."
        }
        Refusal::NotReadToEnd => {
            "Read it to its end first: read script, and read N for a rollback script."
        }
        Refusal::FindingsOpen(1) => "1 finding is not acknowledged yet: acknowledge N.",
        Refusal::FindingsOpen(findings) => {
            return format!(
                "{findings} findings are not acknowledged yet: acknowledge N, one after the other."
            );
        }
        Refusal::NoReference => {
            "That is no reference: say where the backup lies, so that somebody else finds it."
        }
        Refusal::NameMissing => "It needs the name of the database that you mean: sign N DATABASE.",
        Refusal::ReferenceMissing => "It needs a reference: sign N REFERENCE.",
        Refusal::WordsMissing => "It needs words that tell somebody else: sign N WORDS.",
        Refusal::BackupUnderWay => "The backup is still being made; cancel cancels it.",
        Refusal::CancelWithoutEffect => {
            "The cancel has no effect yet. cancel again rolls back, and closes the link if it is silent."
        }
        Refusal::LookNotCancelled => {
            "The cancel has no effect yet. cancel again closes the link; nothing is held on it."
        }
        Refusal::CommitNotCancelled => {
            "The cancel has no effect yet: COMMIT goes on. cancel asks once more; quit, and quit again, \
             leave it to the server."
        }
        Refusal::NotArmed => "The gate is not armed yet: read what it says, then type it again.",
        Refusal::RehearsalNeverCommits => "This is a rehearsal: it never commits. Type rollback.",
        Refusal::MustRollBack(why) => {
            return format!("COMMIT is refused: {why}. Type rollback.");
        }
        Refusal::WrongName { expected } => {
            return format!(
                "That is not the name that is asked for ({expected}). Nothing was sent; type it again, or back."
            );
        }
        Refusal::ReasonMissing => {
            "Nothing checks what the script did, so COMMIT needs a reason: type one, or back."
        }
        Refusal::SecondSignerMissing => "COMMIT needs another person: type their name, or back.",
        Refusal::SamePerson => {
            "That is who began this run. The other signer is somebody else; type their name, or back."
        }
        Refusal::TransactionFailed => {
            "No query can run in this transaction any more; what the server said stands above. \
             stagegate inspect, in another window, shows the database as it was before."
        }
        Refusal::TransactionOpen => {
            "The transaction is open: rollback rolls back. quit again rolls back and leaves."
        }
        Refusal::ScriptRunning => {
            "The script is running: cancel cancels it. quit again cancels, rolls back and leaves."
        }
        Refusal::OutcomeUnderWay => {
            "The outcome is being proven. quit again leaves, if need be without it."
        }
        Refusal::TooSoon => {
            "That quit came too soon after the first to be an answer: read, then type quit again."
        }
        Refusal::NotComparable(why) => {
            return format!(
                "Nothing can be approved here, because a second pass cannot be held against this one: {why}. \
                 rollback ends this run; walk it again with --decide held."
            );
        }
        Refusal::TooOld => {
            "What is reviewed here is too old to be approved (--approval-limit). rollback ends this \
             run; then walk again."
        }
        Refusal::QueryRuns => {
            "A query is still running; cancel cancels it, or wait for its answer."
        }
        // Nothing in these is about keys.
        Refusal::NoSuchItem
        | Refusal::NotSigned
        | Refusal::EvidenceAwaited
        | Refusal::ItemFails
        | Refusal::NothingToAcknowledge
        | Refusal::ItemsUnsigned(_)
        | Refusal::AlreadyStopping
        | Refusal::AskedAlready
        | Refusal::AlreadyCancelling
        | Refusal::HappensTwice(_)
        | Refusal::NothingKept(_)
        | Refusal::NoNumbers(_)
        | Refusal::HoldAtMost => return refusal.to_string(),
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::Why;

    #[test]
    fn no_key_is_named_by_lines() {
        let refusals = [
            Refusal::NothingToDoHere,
            Refusal::NotDrawn,
            Refusal::NoSuchItem,
            Refusal::AlreadySigned,
            Refusal::NotSigned,
            Refusal::EvidenceAwaited,
            Refusal::EvidenceFails,
            Refusal::ItemFails,
            Refusal::NotReadToEnd,
            Refusal::FindingsOpen(1),
            Refusal::FindingsOpen(2),
            Refusal::NothingToAcknowledge,
            Refusal::ReferenceMissing,
            Refusal::WordsMissing,
            Refusal::NameMissing,
            Refusal::ItemsUnsigned(2),
            Refusal::BackupUnderWay,
            Refusal::AlreadyStopping,
            Refusal::AlreadyCancelling,
            Refusal::CancelWithoutEffect,
            Refusal::LookNotCancelled,
            Refusal::CommitNotCancelled,
            Refusal::NotArmed,
            Refusal::RehearsalNeverCommits,
            Refusal::MustRollBack(Why::ChecksFailed),
            Refusal::WrongName {
                expected: "d1".into(),
            },
            Refusal::ReasonMissing,
            Refusal::SecondSignerMissing,
            Refusal::SamePerson,
            Refusal::HoldAtMost,
            Refusal::TransactionFailed,
            Refusal::TransactionOpen,
            Refusal::ScriptRunning,
            Refusal::OutcomeUnderWay,
            Refusal::TooSoon,
            Refusal::HappensTwice("statement 2 calls nextval".into()),
            Refusal::NothingKept("the structure is not known".into()),
            Refusal::NoNumbers(3),
            Refusal::TooOld,
            Refusal::NotComparable("it is not known".into()),
            Refusal::QueryRuns,
            Refusal::AskedAlready,
        ];
        for refusal in refusals {
            let text = in_words(&refusal);
            let keys = |word: &&str| {
                let word = word.trim_matches(|c: char| !c.is_alphanumeric());
                let key = word.len() == 1 && word.chars().all(|c| c.is_ascii_lowercase());
                (key && word != "a") || ["Esc", "Enter", "Space", "press"].contains(&word)
            };
            assert_eq!(text.split_whitespace().find(keys), None, "{text}");
        }
    }
}
