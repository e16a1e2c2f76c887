//! Each fact of a run is told for each front, and where no key means anything none is named.
//!
//! What a fact says is one wording that lines, report, last words, outcome and journal take as it is; the
//! screen and lines have their own of what is refused. What they put around it are constants, which
//! `keys` looks at.

use crate::keyless::key_in;
use stagegate::acts::{BINDINGS, Front, tell_refusal};
use stagegate::facts::{
    Alarm, CommitWait, Dump, Evidence, Inquiry, Lock, OtherSession, OutcomeWord, Proof, Standing,
    Target, Why, XactStatus, how_to_end,
};
use stagegate::gate::Refusal;
use stagegate::journal::chain::Chain;
use stagegate::journal::entry::{Decision, Entry, Opened};
use stagegate::journal::outcome::WhoKnows;
use stagegate::journal::report::{RunReport, html, json, markdown};
use stagegate::journal::shelf::follow_journal;
use stagegate::runbook::lock::LockMode;

/// One of every variant, which does not compile where one is missing.
macro_rules! every {
    ($type:ident: $($variant:ident
        $(($($inner:expr),+))?
        $({$($field:ident: $value:expr),+})?
    ),+ $(,)?) => {{
        #[allow(unreachable_patterns)]
        let _whole = |of: &$type| match of {
            $($type::$variant { .. } => (),)+
        };
        vec![$($type::$variant $(($($inner),+))? $({$($field: $value),+})?),+]
    }};
}

fn some() -> String {
    "what it was".to_owned()
}

fn every_status() -> Vec<XactStatus> {
    every!(XactStatus: Committed, Aborted, InProgress)
}

fn every_alarm() -> Vec<Alarm> {
    every!(Alarm: HungUp, Interrupted, Terminated, Quit, PartDied("monitor"))
}

fn every_why() -> Vec<Why> {
    let mut all = every!(Why:
        Decision, Rehearsed, BeginFailed, StatementFailed, LockTimeout, TooManyWaiters, WaitedTooLong,
        Cancelled, SettleFailed, NotSettled, ChecksFailed, NothingPassed, OtherTransaction,
        FailedWhileHeld, Disturbed, CommitRefused, HoldLimit, JournalLost, SessionEnded, ForReview,
        ApprovalExpired, OtherTarget, Alarmed(Alarm::Quit),
    );
    all.extend(every_alarm().into_iter().map(Why::Alarmed));
    all
}

fn every_inquiry() -> Vec<Inquiry> {
    let server = || "system 7711017332579952361, timeline 3".to_owned();
    let mut all = every!(Inquiry:
        Answered { status: XactStatus::Aborted, server: server() },
        Prepared { gid: some(), server: server() },
        OtherServer(some()), Unknowable(some()), Unreachable(some()), Contradicted(some()),
    );
    all.extend(every_status().into_iter().map(|status| Inquiry::Answered {
        status,
        server: server(),
    }));
    all
}

fn every_proof() -> Vec<Proof> {
    let mut all = every!(Proof:
        Tag { tag: "COMMIT".to_owned(), xact_status: None },
        Local { warning: some(), xact_status: None },
        Refused, Asked { server: some() }, NeverBegun,
        NeverSent { reason: Inquiry::Unreachable(some()) },
    );
    for status in every_status() {
        let xact_status = Some(status);
        let (tag, warning) = ("ROLLBACK".to_owned(), some());
        all.push(Proof::Tag { tag, xact_status });
        all.push(Proof::Local {
            warning,
            xact_status,
        });
    }
    let asked = every_inquiry().into_iter();
    all.extend(asked.map(|reason| Proof::NeverSent { reason }));
    all
}

fn every_refusal() -> Vec<Refusal> {
    let mut all = every!(Refusal:
        NothingToDoHere, NotDrawn, NoSuchItem, AlreadySigned, NotSigned, EvidenceAwaited, EvidenceFails,
        NoEvidence, ItemFails, NotReadToEnd, FindingsOpen(1), FindingsOpen(2), NothingToAcknowledge,
        ReferenceMissing, WordsMissing, NoReference, NameMissing, ItemsUnsigned(1), ItemsUnsigned(2), JournalGone,
        BackupUnderWay, AlreadyStopping, AlreadyCancelling, CancelWithoutEffect, LookNotCancelled,
        CommitNotCancelled, NotArmed, RehearsalNeverCommits, MustRollBack(Why::ChecksFailed),
        WrongName { expected: "db1".to_owned() }, ReasonMissing, SecondSignerMissing, SamePerson,
        HoldAtMost, TransactionFailed, TransactionOpen, ScriptRunning, CommitsByItself, OutcomeUnderWay,
        TooSoon, HappensTwice(some()), NothingKept(some()), NoNumbers(3), TooOld, NotComparable(some()),
        QueryRuns, AskedAlready,
    );
    all.extend(every_why().into_iter().map(Refusal::MustRollBack));
    all
}

/// The sentences of what has one wording for every front.
fn tell_facts() -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    told.extend(every_why().iter().map(Why::to_string));
    told.extend(every_proof().iter().map(Proof::to_string));
    told.extend(every_inquiry().iter().map(Inquiry::to_string));
    let standings = every!(Standing: Awaited, Holds, Warns, Asks, Fails, Silent);
    for standing in standings {
        let evidence = Evidence {
            standing,
            summary: some(),
            ..Evidence::default()
        };
        told.push(standing.word().to_owned());
        told.extend(evidence.in_lines());
    }
    for event in [None, Some("SyncRep".to_owned()), Some("WALSync".to_owned())] {
        let standbys = "ANY 1 (s1, s2)".to_owned();
        let wait = CommitWait { event, standbys };
        told.push(wait.to_string());
        told.extend(wait.told_with("cancel", "quit"));
    }
    let other = OtherSession {
        pid: 4711,
        role: "app".to_owned(),
        relation: Some("public.made".to_owned()),
        since: Some(12_000),
        ..OtherSession::default()
    };
    told.extend([other.who(), other.in_the_way(), other.in_the_queue()]);
    told.push(how_to_end("two"));
    let modes = every!(LockMode: AccessShare, RowShare, RowExclusive, ShareUpdateExclusive, Share,
        ShareRowExclusive, Exclusive, AccessExclusive);
    for mode in modes {
        let relation = "public.made".to_owned();
        told.extend([
            mode.blocks().to_owned(),
            Lock { mode, relation }.to_string(),
        ]);
    }
    told.push(Dump::default().summary());
    told.extend(Dump::default().lines());
    told.push(Target::default().place());
    told.push(Target::default().protection().to_owned());
    let words = every!(OutcomeWord: NotConnected, Committed, RolledBack, Prepared, Unknown);
    told.extend(words.into_iter().map(|word| word.word().to_owned()));
    told
}

/// What a journal says of a run that ended so, in all that is made of it.
fn tell_from_journal(outcome: Option<Entry>) -> Vec<String> {
    let target = serde_json::to_value(Target {
        host: "db1".to_owned(),
        database: "wiser_ops".to_owned(),
        ..Target::default()
    });
    let mut entries = vec![
        Entry::Opened(Box::new(Opened {
            mode: "run".to_owned(),
            ..Opened::default()
        })),
        Entry::Connected {
            target: target.unwrap(),
        },
        Entry::Begun {
            xid: "748".to_owned(),
            added: Vec::new(),
        },
        Entry::intent(Decision::Commit, Some("748".to_owned())),
    ];
    let whole = outcome.is_some();
    entries.extend(outcome);
    entries.extend(whole.then_some(Entry::Left { code: 0 }));
    let mut chain = Chain::default();
    let at: jiff::Timestamp = "2026-03-07T21:00:00Z".parse().unwrap();
    let lines = entries.iter().map(|entry| chain.line(entry, at));
    let text: String = lines.collect();
    let report = RunReport::of(&text, "run.jsonl").unwrap();
    let read = follow_journal(&text, false).unwrap();
    let mut told = vec![markdown::render(&report), json::render(&report)];
    // Of its rules for a browser, which stand ahead of it, nothing is told.
    let html = html::render(&report);
    let (_, body) = html.split_once("<body>").expect("a body");
    let behind_tags = body.split('<').filter_map(|part| part.split_once('>'));
    told.push(behind_tags.map(|(_, text)| text).collect());
    match read.who_knows() {
        WhoKnows::Journal(answer) => told.push(answer.text),
        WhoKnows::Server { xid, .. } => {
            let answers = every_inquiry().into_iter();
            told.extend(answers.map(|inquiry| read.answered(inquiry, xid).text));
        }
        WhoKnows::Nobody => {}
    }
    told
}

#[track_caller]
fn names_no_key(text: &str) {
    for line in text.lines() {
        assert_eq!(key_in(line), None, "{line}");
    }
}

#[test]
fn no_fact_names_a_key() {
    for told in tell_facts() {
        assert!(!told.contains(['{', '|']), "{told}");
        names_no_key(&told);
    }
}

#[test]
fn what_is_refused_names_keys_on_the_screen_alone() {
    for refusal in every_refusal() {
        let lines = tell_refusal(&refusal, Front::Lines);
        names_no_key(&lines);
        assert!(!lines.contains("Enter"), "{lines}");
        for text in [lines, tell_refusal(&refusal, Front::Keys)] {
            assert!(!text.contains(['{', '}', '|']), "{text}");
        }
    }
    for binding in BINDINGS.iter().filter(|binding| !binding.word.is_empty()) {
        names_no_key(&format!("{}: {}", binding.word, binding.help(Front::Lines)));
    }
}

#[test]
fn nothing_that_is_made_of_a_journal_names_a_key() {
    let whys = every_why().into_iter().map(|why| Some(why.to_string()));
    let proof = |why| (why, Proof::NeverBegun.to_string());
    let proofs = every_proof().into_iter();
    let told = whys
        .map(proof)
        .chain(proofs.map(|of| (None, of.to_string())));
    for (why, proof) in told {
        let words = every!(OutcomeWord: NotConnected, Committed, RolledBack, Prepared, Unknown);
        for outcome in words {
            let entry = Entry::Outcome {
                outcome,
                why: why.clone(),
                proof: proof.clone(),
                rehearsed: false,
                tag_contradicted: false,
            };
            tell_from_journal(Some(entry))
                .iter()
                .for_each(|text| names_no_key(text));
        }
    }
    tell_from_journal(None)
        .iter()
        .for_each(|text| names_no_key(text));
}
