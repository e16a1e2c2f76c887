//! Why something is refused, in one wording for both fronts.

use super::wording::{Front, word_for};
use crate::gate::Refusal;

/// The refusal for somebody who presses keys, or types lines.
pub fn tell_refusal(refusal: &Refusal, front: Front) -> String {
    let (wording, value) = wording_of(refusal);
    word_for(front, wording, &value)
}

/// Its wording, and the value that it has a place for.
#[expect(clippy::too_many_lines, reason = "one match over every refusal")]
fn wording_of(refusal: &Refusal) -> (&'static str, String) {
    let wording = match refusal {
        Refusal::NothingToDoHere => {
            "{That key does nothing here.|That does nothing here. help lists what can be typed.}"
        }
        Refusal::NotDrawn => {
            "{The screen changed as you pressed; look, then press again.|The state changed as you typed; \
             read, then type it again.}"
        }
        Refusal::NoSuchItem => "There is no such item.",
        Refusal::AlreadySigned => "Signed already; {withdraw} withdraws it.",
        Refusal::NotSigned => "It is not signed.",
        Refusal::EvidenceAwaited => "The evidence is still being looked for; wait a moment.",
        Refusal::EvidenceFails => {
            "The evidence fails, so it cannot be signed; {show} shows it, {probe} {probes|looks} again."
        }
        Refusal::NoEvidence => {
            "Nothing answered, so it cannot be signed; {show} shows who is in the way, {probe} \
             {probes|looks} again."
        }
        Refusal::ItemFails => "The evidence of an item fails, so nothing is applied.",
        Refusal::NotReadToEnd => {
            "Read it to its end first: {{read} opens the scripts|read script, and read N for a rollback \
             script}."
        }
        Refusal::FindingsOpen(1) => {
            "1 finding is not acknowledged yet: {acknowledge} acknowledges it."
        }
        Refusal::FindingsOpen(findings) => {
            return (
                "{} findings are not acknowledged yet: {acknowledge} acknowledges one after the other.",
                findings.to_string(),
            );
        }
        Refusal::NothingToAcknowledge => "There is no finding left to acknowledge on this item.",
        Refusal::NameMissing => {
            "{Type the name of the database that you mean, then it is signed|It needs the name of the \
             database that you mean: sign N DATABASE}."
        }
        Refusal::ReferenceMissing => "It needs a reference: {type one|sign N REFERENCE}.",
        Refusal::WordsMissing => {
            "It needs words that tell somebody else: {type them|sign N WORDS}."
        }
        Refusal::NoReference => {
            "That is no reference: say where the backup lies, so that somebody else finds it."
        }
        Refusal::ItemsUnsigned(1) => "1 item is not signed yet.",
        Refusal::ItemsUnsigned(items) => {
            return ("{} items are not signed yet.", items.to_string());
        }
        Refusal::JournalGone => {
            "The journal was lost, so nothing is applied: it could not be committed. {quit} leaves; walk \
             again with --journal PATH for another place."
        }
        Refusal::BackupUnderWay => "The backup is still being made; {cancel} cancels it.",
        Refusal::AlreadyStopping => "The backup is being stopped already.",
        Refusal::AlreadyCancelling => "Cancelling already; waiting for the server's answer.",
        Refusal::CancelWithoutEffect => {
            "The cancel has no effect yet. {cancel} again rolls back, and closes the link if it is silent."
        }
        Refusal::LookNotCancelled => {
            "The cancel has no effect yet. {cancel} again closes the link; nothing is held on it."
        }
        Refusal::CommitNotCancelled => {
            "The cancel has no effect yet: COMMIT goes on. {cancel} asks once more; {quit}, and {quit} \
             again, leave it to the server."
        }
        Refusal::NotArmed => {
            "The gate was not armed yet: {let go of the keys, look, then press again|read what it says, \
             then type it again}."
        }
        Refusal::RehearsalNeverCommits => {
            "This is a rehearsal: it never commits. {rollback} rolls back."
        }
        Refusal::MustRollBack(why) => {
            return (
                "COMMIT is refused: {}. {rollback} rolls back.",
                why.to_string(),
            );
        }
        Refusal::WrongName { expected } => {
            return (
                "That is not the name that is asked for ({}). Nothing was sent; type it again, or {back}.",
                expected.clone(),
            );
        }
        Refusal::ReasonMissing => {
            "Nothing checks what the script did, so COMMIT needs a reason: type one, or {back}."
        }
        Refusal::SecondSignerMissing => "COMMIT needs a second person: type their name, or {back}.",
        Refusal::SamePerson => {
            "That is who began this run. The second signer is somebody else; type their name, or {back}."
        }
        Refusal::HoldAtMost => "The hold cannot be extended further than this.",
        Refusal::TransactionFailed => {
            "No query can run in this transaction any more{. {messages} shows what the server said;|; what \
             the server said stands above.} stagegate inspect, in another window, shows the database as it \
             was before."
        }
        Refusal::TransactionOpen => {
            "The transaction is open: {rollback} rolls back. {quit} again rolls back and leaves."
        }
        Refusal::ScriptRunning => {
            "The script is running: {cancel} cancels it. {quit} again cancels, rolls back and leaves."
        }
        Refusal::CommitsByItself => {
            "What comes out as approved is committed by itself: {cancel} cancels it, and it is rolled back."
        }
        Refusal::OutcomeUnderWay => {
            "The outcome is being proven. {quit} again leaves, if need be without it."
        }
        Refusal::TooSoon => {
            "That {quit} came too soon after the first{: let go, look, then press {quit} again to leave| to \
             be an answer: read, then type {quit} again}."
        }
        Refusal::HappensTwice(what) => {
            return (
                "The script cannot be run twice, so it is decided here, with the locks held: {}.",
                what.clone(),
            );
        }
        Refusal::NothingKept(why) => {
            return (
                "A second pass could not be held against this one, so it is decided here: {}.",
                why.clone(),
            );
        }
        Refusal::NoNumbers(number) => {
            return (
                "Statement {} showed no number that could differ: no rows, or 0.",
                number.to_string(),
            );
        }
        Refusal::TooOld => {
            "What is reviewed here is too old to be approved (--approval-limit). {rollback} ends this run; \
             then walk again."
        }
        Refusal::NotComparable(why) => {
            return (
                "Nothing can be approved here, because a second pass cannot be held against this one: {}. \
                 {rollback} ends this run; walk it again with --decide held.",
                why.clone(),
            );
        }
        Refusal::QueryRuns => {
            "A query is still running; {cancel} cancels it, or wait for its answer."
        }
        Refusal::AskedAlready => "The server is being asked already; wait for its answer.",
    };
    (wording, String::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_cannot_ask_any_more_is_told_where_to_look() {
        for front in [Front::Keys, Front::Lines] {
            let told = tell_refusal(&Refusal::TransactionFailed, front);
            assert!(told.contains("inspect"), "{told}");
        }
    }
}
