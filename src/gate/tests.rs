//! What the machine does, one story a test, named after what it settles.

use super::act::{Act, Command};
use super::bodies::*;
use super::event::*;
use super::machine::Machine;
use super::offer::{Offer, Refusal};
use super::phase::{Onward, Phase, Prompt, RunningPass, Stage};
use super::plan::{self, Mode, Plan, Requirement, Unheld};
use super::{Effect, Request};
use crate::facts::{
    Alarm, Ending, Evidence, ExitCode, Inquiry, Millis, Proof, ServerMessage, Standing, Target,
    Why, XactStatus,
};
use crate::runbook::check::Verdict;

mod cancelling;
mod consent;
mod earlier;
mod leaving;
mod letting_go;
mod limits;
mod querying;

struct Run {
    machine: Machine,
    seq: Seq,
    effects: Vec<Effect>,
}

impl Run {
    fn new(mode: Mode) -> Run {
        Run::of(Run::plan(mode))
    }

    fn plan(mode: Mode) -> Plan {
        let items = vec![
            Requirement {
                reference: true,
                ..Requirement::default()
            },
            Requirement {
                documents: vec![Document::Script],
                ..Requirement::default()
            },
        ];
        Plan {
            mode,
            items,
            hold_limit: 60_000,
            may_lack_checks: false,
            second_signer: None,
            post_verification: true,
            lock_attempts: 3,
            targets: Vec::new(),
            other_form: false,
            max_waiters: Some(2),
            max_wait: Some(5_000),
            unheld: Unheld::Never,
        }
    }

    fn of(plan: Plan) -> Run {
        let mut run = Run {
            machine: Machine::new(plan),
            seq: 0,
            effects: Vec::new(),
        };
        let effects = run.machine.start();
        run.note(effects);
        run
    }

    fn note(&mut self, effects: Vec<Effect>) {
        for effect in &effects {
            if let Effect::Request { seq, .. } = effect {
                self.seq = *seq;
            }
        }
        self.effects = effects;
    }

    fn event(&mut self, event: Event) -> &mut Run {
        let effects = self.machine.handle(event);
        self.note(effects);
        self
    }

    fn report(&mut self, body: Body) -> &mut Run {
        self.report_to(self.seq, body)
    }

    /// A report on an older request.
    fn report_to(&mut self, seq: Seq, body: Body) -> &mut Run {
        self.event(Event::Reported(Report { seq, body }))
    }

    fn settle(&mut self) -> &mut Run {
        self.report(Body::ScriptFinished).report(Body::Settled {
            same_transaction: true,
        })
    }

    /// A key on a frame that is drawn.
    fn key(&mut self, command: Command) -> &mut Run {
        self.event(Event::Drawn).event(Event::Asked(command))
    }

    fn tick(&mut self, elapsed: Millis) -> &mut Run {
        self.event(Event::Ticked { elapsed })
    }

    fn connected(mode: Mode) -> Run {
        let mut run = Run::new(mode);
        run.report(reached());
        run
    }

    fn probed(&mut self, item: usize, standing: Standing) -> &mut Run {
        self.report(Body::Probed {
            item,
            evidence: Evidence {
                standing,
                findings: Some(2),
                ..Evidence::default()
            },
        })
    }

    fn signed() -> Run {
        let mut run = Run::connected(Mode::Run);
        run.probed(0, Standing::Holds)
            .probed(1, Standing::Warns)
            .event(Event::ReadToEnd(Document::Script));
        for item in 0..2 {
            let note = Some("dump of tonight".to_owned());
            run.key(Command::SignOff { item, note });
        }
        run
    }

    fn applying() -> Run {
        let mut run = Run::signed();
        run.key(Command::Apply).report(begun("7"));
        run
    }

    fn verdict(&mut self, verdict: Verdict) -> &mut Run {
        self.report(check(verdict))
    }

    fn settled(verdicts: &[Verdict]) -> Run {
        let mut run = Run::applying();
        for verdict in verdicts {
            run.verdict(*verdict);
        }
        run.settle();
        run
    }

    fn armed() -> Run {
        let mut run = Run::settled(&[Verdict::Pass, Verdict::Warn]);
        run.event(Event::Drawn).tick(plan::ARMING);
        assert!(run.machine.armed());
        run
    }

    fn committing() -> Run {
        let mut run = Run::armed();
        run.key(Command::AskCommit)
            .key(Command::NameTyped("wiser_ops".into()));
        assert!(matches!(run.machine.phase(), Phase::Committing { .. }));
        run
    }

    fn phase(&self) -> &Phase {
        self.machine.phase()
    }

    /// Why ROLLBACK is under way, where it is.
    fn rolls_back_for(&self) -> Option<&Why> {
        match self.phase() {
            Phase::RollingBack { after, .. } => Some(after.why()),
            _ => None,
        }
    }

    /// Why it was rolled back, where it was.
    fn rolled_back_for(&self) -> Option<&Why> {
        match self.machine.ending() {
            Some(Ending::RolledBack { why, .. }) => Some(why),
            _ => None,
        }
    }

    /// Why only ROLLBACK is left, where it is not yet asked whether to do it.
    fn must_roll_back(&self) -> Option<Why> {
        match self.phase() {
            Phase::MustRollBack {
                why, asking: false, ..
            } => Some(why.clone()),
            _ => None,
        }
    }

    fn asks(&self, wanted: fn(&Request) -> bool) -> bool {
        self.effects
            .iter()
            .any(|e| matches!(e, Effect::Request { request, .. } if wanted(request)))
    }

    fn says(&self, refusal: &Refusal) -> bool {
        self.effects == [Effect::Refuse(refusal.clone())]
    }
}

fn commits(request: &Request) -> bool {
    matches!(request, Request::Commit(_))
}

fn rolls_back(request: &Request) -> bool {
    matches!(request, Request::RollBack)
}

#[test]
fn a_whole_walk_ends_in_committed_with_its_proof() {
    let mut run = Run::committing();
    assert!(run.asks(commits));
    run.report(tagged_commit());
    assert!(run.asks(|r| matches!(r, Request::PostVerify)));
    run.report(Body::PostVerified {
        results: Vec::new(),
    });
    assert!(matches!(
        run.phase(),
        Phase::Ended(Ending::Committed { .. })
    ));
    run.key(Command::Quit);
    assert_eq!(run.effects, [Effect::Leave(ExitCode::Committed)]);
}

#[test]
fn an_item_whose_evidence_fails_cannot_be_signed() {
    let mut run = Run::connected(Mode::Run);
    run.probed(0, Standing::Fails);
    run.key(sign(0, Some("x")));
    assert!(run.says(&Refusal::EvidenceFails));
    assert!(!run.machine.items()[0].signed);
}

#[test]
fn an_item_is_signed_only_with_its_reference_and_its_reading() {
    let mut run = Run::connected(Mode::Run);
    run.probed(0, Standing::Holds).probed(1, Standing::Holds);
    run.key(sign(0, Some("  ")));
    assert!(run.says(&Refusal::ReferenceMissing));
    run.key(sign(1, None));
    assert!(run.says(&Refusal::NotReadToEnd));
    run.event(Event::ReadToEnd(Document::Script));
    run.key(sign(1, None));
    assert!(run.machine.items()[1].signed);
}

#[test]
fn evidence_that_fails_later_takes_the_sign_off_back() {
    let mut run = Run::signed();
    run.key(Command::ProbeAgain);
    run.probed(0, Standing::Holds).probed(1, Standing::Fails);
    let signed: Vec<bool> = run.machine.items().iter().map(|i| i.signed).collect();
    assert_eq!(signed, [true, false]);
    run.key(Command::Apply);
    assert!(run.says(&Refusal::ItemsUnsigned(1)));
}

#[test]
fn evidence_of_an_older_probe_is_ignored() {
    let mut run = Run::signed();
    let old = run.seq;
    run.key(Command::ProbeAgain);
    run.report_to(
        old,
        Body::Probed {
            item: 0,
            evidence: Evidence {
                standing: Standing::Holds,
                ..Evidence::default()
            },
        },
    );
    assert_eq!(run.machine.items()[0].standing, Standing::Awaited);
}

#[test]
fn a_failing_check_leaves_only_rollback_and_says_why() {
    let mut run = Run::settled(&[Verdict::Pass, Verdict::Fail]);
    assert_eq!(run.must_roll_back(), Some(Why::ChecksFailed));
    run.key(Command::AskCommit);
    assert!(run.says(&Refusal::MustRollBack(Why::ChecksFailed)));
    run.key(Command::AskRollback).key(Command::ConfirmRollback);
    assert!(run.asks(rolls_back));
}

#[test]
fn no_checks_or_only_warnings_are_not_a_pass() {
    for verdicts in [&[][..], &[Verdict::Warn][..]] {
        let run = Run::settled(verdicts);
        assert_eq!(run.must_roll_back(), Some(Why::NothingPassed));
    }
}

#[test]
fn a_deferred_constraint_that_fails_after_every_pass_leaves_only_rollback() {
    let mut run = Run::applying();
    run.verdict(Verdict::Pass)
        .report(Body::ScriptFinished)
        .report(Body::SettleFailed {
            deferred: true,
            error: error(),
        });
    assert_eq!(run.must_roll_back(), Some(Why::SettleFailed));
}

#[test]
fn what_fails_before_the_decision_is_not_called_a_deferred_constraint() {
    let mut run = Run::applying();
    run.verdict(Verdict::Pass)
        .report(Body::ScriptFinished)
        .report(Body::SettleFailed {
            deferred: false,
            error: error(),
        });
    let Phase::MustRollBack { why, .. } = run.phase() else {
        panic!("{:?}", run.phase());
    };
    assert_eq!(*why, Why::NotSettled);
}

#[test]
fn the_gate_is_not_armed_before_its_time_on_screen() {
    let mut run = Run::settled(&[Verdict::Pass]);
    // Time that passes before it is drawn does not count.
    run.tick(10 * plan::ARMING);
    run.key(Command::AskCommit);
    assert!(run.says(&Refusal::NotArmed));
    run.tick(plan::ARMING - 1).key(Command::AskCommit);
    assert!(run.says(&Refusal::NotArmed));
}

#[test]
fn a_key_that_is_held_down_never_finds_the_gate_armed() {
    let mut run = Run::settled(&[Verdict::Pass]);
    for _ in 0..100 {
        run.event(Event::Drawn)
            .tick(33)
            .event(Event::Asked(Command::AskCommit));
        assert!(run.says(&Refusal::NotArmed));
    }
}

#[test]
fn a_key_typed_before_its_frame_is_drawn_does_nothing() {
    let mut run = Run::armed();
    run.key(Command::AskCommit);
    // The prompt is open but not drawn: what was typed ahead must not answer it.
    run.event(Event::Asked(Command::NameTyped("wiser_ops".into())));
    assert!(run.says(&Refusal::NotDrawn));
    assert!(matches!(
        run.phase(),
        Phase::Deciding {
            prompt: Prompt::Name,
            ..
        }
    ));
}

#[test]
fn enter_in_the_same_breath_as_the_last_letter_does_nothing() {
    let mut run = Run::armed();
    run.key(Command::AskCommit)
        .event(Event::Drawn)
        .event(Event::Edited);
    run.event(Event::Asked(Command::NameTyped("wiser_ops".into())));
    assert!(run.says(&Refusal::NotDrawn));
}

#[test]
fn a_wrong_name_sends_nothing() {
    let mut run = Run::armed();
    run.key(Command::AskCommit);
    for wrong in ["", "wiser_op", "wiser_ops ", "WISER_OPS", "postgres"] {
        run.key(Command::NameTyped(wrong.into()));
        assert!(run.says(&Refusal::WrongName {
            expected: "wiser_ops".into()
        }));
    }
}

#[test]
fn a_second_name_does_not_commit_twice() {
    let mut run = Run::committing();
    run.key(Command::NameTyped("wiser_ops".into()));
    assert!(!run.asks(commits));
}

#[test]
fn without_the_intent_on_disk_nothing_is_committed() {
    let mut run = Run::committing();
    run.event(Event::IntentLost("disk full".into()));
    assert_eq!(run.must_roll_back(), Some(Why::JournalLost));
    run.key(Command::AskCommit);
    assert!(run.says(&Refusal::MustRollBack(Why::JournalLost)));
}

#[test]
fn a_journal_lost_while_the_script_runs_forbids_commit() {
    let mut run = Run::applying();
    run.event(Event::JournalLost("disk full".into()))
        .verdict(Verdict::Pass)
        .settle();
    assert_eq!(run.must_roll_back(), Some(Why::JournalLost));
}

#[test]
fn without_a_journal_nothing_is_applied() {
    let mut run = Run::signed();
    run.event(Event::JournalLost("disk full".into()));
    run.key(Command::Apply);
    assert!(run.says(&Refusal::JournalGone));
    assert!(matches!(run.phase(), Phase::Checklist { .. }));
}

#[test]
fn a_checklist_that_changes_all_the_time_is_left_all_the_same() {
    let changes: [fn(&mut Run) -> &mut Run; 2] = [
        |run| run.report(Body::SessionEnded(ServerMessage::default())),
        |run| run.key(Command::ProbeAgain),
    ];
    for change in changes {
        let mut run = Run::signed();
        change(&mut run).event(Event::Asked(Command::Quit));
        assert!(matches!(run.phase(), Phase::Left(_)), "{:?}", run.phase());
    }
}

#[test]
fn a_rollback_tag_for_commit_is_never_called_committed() {
    let mut run = Run::committing();
    run.report(Body::CommitAnswered(CommitAnswer::Tag {
        tag: "ROLLBACK".into(),
        idle: true,
        xact_status: Some(XactStatus::Aborted),
    }));
    assert_eq!(run.rolled_back_for(), Some(&Why::CommitRefused));
    run.key(Command::Quit);
    assert_eq!(run.effects, [Effect::Leave(ExitCode::RolledBackOnError)]);
}

#[test]
fn a_tag_and_a_status_that_contradict_each_other_prove_nothing() {
    for status in [XactStatus::Aborted, XactStatus::InProgress] {
        for idle in [true, false] {
            let mut run = Run::committing();
            run.report(Body::CommitAnswered(CommitAnswer::Tag {
                tag: "COMMIT".into(),
                idle,
                xact_status: Some(status),
            }));
            assert!(!run.asks(|r| matches!(r, Request::Inquire)));
            assert!(matches!(run.phase(), Phase::Ended(Ending::Unknown { .. })));
            // Asked again it says the same, and the tag stays what was answered.
            run.key(Command::AskOutcome);
            run.report(answered(XactStatus::Aborted));
            assert!(matches!(run.phase(), Phase::Ended(Ending::Unknown { .. })));
            run.key(Command::Quit);
            assert_eq!(run.effects, [Effect::Leave(ExitCode::OutcomeUnknown)]);
        }
    }
}

#[test]
fn a_link_lost_during_commit_is_asked_about_and_proven_committed() {
    let mut run = Run::committing();
    run.report(Body::CommitAnswered(CommitAnswer::LinkLost(error())));
    assert!(run.asks(|r| matches!(r, Request::Inquire)));
    run.report(answered(XactStatus::Committed));
    assert!(run.asks(|r| matches!(r, Request::PostVerify)));
}

#[test]
fn a_link_lost_during_commit_with_no_server_left_is_unknown() {
    let mut run = Run::committing();
    run.report(session_ended());
    run.report(Body::Asked(Inquiry::Unreachable("refused".into())));
    assert!(matches!(run.phase(), Phase::Ended(Ending::Unknown { .. })));
    run.key(Command::AskOutcome);
    assert!(run.asks(|r| matches!(r, Request::Inquire)));
    run.report(Body::Asked(Inquiry::OtherServer("promoted".into())))
        .key(Command::Quit);
    assert_eq!(run.effects, [Effect::Leave(ExitCode::OutcomeUnknown)]);
}

#[test]
fn a_link_lost_before_commit_was_sent_is_rolled_back_even_if_nobody_answers() {
    let mut run = Run::armed();
    run.report(session_ended());
    run.report(Body::Asked(Inquiry::Unreachable("refused".into())));
    assert!(matches!(
        run.phase(),
        Phase::Ended(Ending::RolledBack {
            proof: Proof::NeverSent { .. },
            ..
        })
    ));
}

#[test]
fn a_transaction_still_in_progress_after_commit_offers_to_end_the_old_backend() {
    let mut run = Run::committing();
    run.report(Body::CommitAnswered(CommitAnswer::LinkLost(error())));
    run.report(answered(XactStatus::InProgress));
    assert!(run.machine.offer(Act::EndBackend).is_open());
    run.tick(plan::ask_again(1));
    assert!(
        run.asks(|r| matches!(r, Request::Inquire)),
        "asked again by itself"
    );
}

#[test]
fn a_script_that_committed_by_itself_is_told_as_committed() {
    let mut run = Run::armed();
    run.key(Command::AskRollback).key(Command::ConfirmRollback);
    run.report(rolled_back(false, Some(XactStatus::Committed)));
    assert!(matches!(run.phase(), Phase::PostVerifying { .. }));
}

/// Says which way it went where COMMIT was never sent: a proof that contradicts itself is none, however
/// often it is asked for again.
fn hold_contradicted(run: &mut Run) {
    let Phase::Ended(
        ending @ Ending::Unknown {
            reason: reason @ Inquiry::Contradicted(_),
        },
    ) = run.phase()
    else {
        panic!("{:?}", run.phase());
    };
    assert_eq!(ending.exit_code(), ExitCode::OutcomeUnknown);
    let told = reason.to_string();
    assert!(told.contains("pg_xact_status says committed"), "{told}");
}

#[test]
fn committed_where_our_own_rollback_was_answered_is_unknown() {
    let committed = || answered(XactStatus::Committed);
    let mut run = Run::armed();
    run.key(Command::AskRollback).key(Command::ConfirmRollback);
    run.report(rolled_back(true, Some(XactStatus::Committed)));
    hold_contradicted(&mut run);
    run.key(Command::AskOutcome).report(committed());
    hold_contradicted(&mut run);
    // The same where the link was lost before COMMIT was sent.
    let mut run = Run::armed();
    run.report(session_ended());
    run.report(committed());
    hold_contradicted(&mut run);
    // And where the intent to COMMIT could not be written down, so that it was not sent.
    let mut run = Run::committing();
    run.event(Event::IntentLost(String::new()));
    run.report(session_ended());
    run.key(Command::AskRollback).key(Command::ConfirmRollback);
    run.report(session_ended());
    run.report(committed());
    hold_contradicted(&mut run);
}

#[test]
fn what_the_script_ended_itself_is_believed_though_rollback_was_answered_too() {
    let mut run = Run::armed();
    run.key(Command::AskRollback).key(Command::ConfirmRollback);
    run.report(Body::TransactionGone);
    run.report(rolled_back(true, Some(XactStatus::Committed)));
    assert!(matches!(run.phase(), Phase::PostVerifying { .. }));
    // Where that was seen at ROLLBACK alone, and its status came only on another connection.
    let mut run = Run::armed();
    run.key(Command::AskRollback).key(Command::ConfirmRollback);
    run.report(rolled_back(false, None));
    run.report(answered(XactStatus::Committed));
    assert!(matches!(run.phase(), Phase::PostVerifying { .. }));
}

#[test]
fn the_hold_limit_rolls_back_from_the_gate_by_itself() {
    let mut run = Run::armed();
    run.key(Command::AskCommit).tick(60_000);
    assert!(run.asks(rolls_back));
    assert_eq!(run.rolls_back_for(), Some(&Why::HoldLimit));
}

#[test]
fn extending_the_hold_has_a_limit_too() {
    let mut run = Run::armed();
    run.key(Command::Extend);
    let said = "Extended by 1:00: 1:59 were left then, until it is rolled back by itself.";
    let left = run.machine.hold_left().unwrap();
    assert_eq!(run.effects, [Effect::Renew(left), Effect::Say(said.into())]);
    assert!(run.machine.hold_left().unwrap() > 60_000);
    run.key(Command::Extend);
    assert!(run.says(&Refusal::HoldAtMost));
}

#[test]
fn a_beat_that_finds_the_transaction_failed_disarms_the_gate() {
    let mut run = Run::armed();
    let beaten = run.seq;
    run.report_to(beaten, Body::FoundFailed(error()));
    let why = Why::FailedWhileHeld;
    assert_eq!(run.must_roll_back(), Some(why.clone()));
    run.key(Command::AskCommit);
    assert!(run.says(&Refusal::MustRollBack(why)));
    // What an older session found is nothing to this one.
    let mut run = Run::armed();
    run.report_to(0, Body::FoundFailed(error()));
    assert!(run.machine.armed());
}

#[test]
fn a_cancel_without_effect_is_told_and_asked_again_it_closes_the_link() {
    let mut run = Run::applying();
    run.key(Command::Cancel).key(Command::Cancel);
    assert!(run.says(&Refusal::AlreadyCancelling));
    run.tick(plan::CANCEL_PATIENCE);
    let told = Effect::Refuse(Refusal::CancelWithoutEffect);
    assert_eq!(run.effects, [Effect::Cancel, told]);
    run.tick(100);
    assert_eq!(run.effects, [Effect::Cancel], "it is told once");
    run.key(Command::Cancel);
    assert!(run.asks(rolls_back));
    run.tick(plan::PATIENCE);
    assert!(run.effects.contains(&Effect::Sever), "{:?}", run.effects);
    assert!(matches!(
        run.phase(),
        Phase::Inquiring {
            commit_sent: false,
            onward: Onward::End(Why::Cancelled),
            ..
        }
    ));
}

#[test]
fn a_hang_up_rolls_back_and_leaves_with_its_code() {
    let mut run = Run::applying();
    run.event(Event::Alarmed(Alarm::HungUp));
    assert_eq!(
        run.effects[0],
        Effect::Cancel,
        "what runs is cancelled first"
    );
    assert!(run.asks(rolls_back));
    run.report(rolled_back(true, Some(XactStatus::Aborted)));
    assert_eq!(run.effects, [Effect::Leave(Alarm::HungUp.exit_code())]);
    assert!(matches!(
        run.machine.ending(),
        Some(Ending::RolledBack { .. })
    ));
}

#[test]
fn a_hang_up_during_commit_waits_for_the_proof() {
    let mut run = Run::committing();
    run.event(Event::Alarmed(Alarm::Terminated));
    assert!(run.effects.is_empty());
    run.report(tagged_commit());
    assert_eq!(run.effects, [Effect::Leave(ExitCode::Committed)]);
}

#[test]
fn a_rollback_that_is_not_answered_closes_the_link() {
    let mut run = Run::applying();
    run.event(Event::Alarmed(Alarm::HungUp));
    run.tick(plan::PATIENCE);
    assert_eq!(run.effects[0], Effect::Sever);
    assert!(run.asks(|r| matches!(r, Request::Inquire)));
}

#[test]
fn a_cancel_that_hit_nothing_is_sent_again() {
    let mut run = Run::applying();
    run.key(Command::Cancel);
    assert_eq!(run.effects, [Effect::Cancel]);
    run.tick(100);
    assert_eq!(run.effects, [Effect::Cancel]);
    run.report(statement_failed());
    assert_eq!(run.must_roll_back(), Some(Why::Cancelled));
}

#[test]
fn a_script_that_finished_despite_the_cancel_is_not_offered_for_commit() {
    let mut run = Run::applying();
    run.verdict(Verdict::Pass)
        .key(Command::Cancel)
        .report(Body::ScriptFinished);
    assert_eq!(run.must_roll_back(), Some(Why::Cancelled));
}

#[test]
fn a_stale_failure_after_the_rollback_was_ordered_changes_nothing() {
    let mut run = Run::applying();
    let script = run.seq;
    run.event(Event::Alarmed(Alarm::HungUp));
    run.report_to(script, statement_failed());
    assert!(matches!(run.phase(), Phase::RollingBack { .. }));
}

#[test]
fn leaving_is_refused_while_the_transaction_is_open() {
    let mut run = Run::armed();
    run.key(Command::Quit);
    assert!(run.says(&Refusal::TransactionOpen));
    let mut run = Run::applying();
    run.key(Command::Quit);
    assert!(run.says(&Refusal::ScriptRunning));
}

#[test]
fn again_connects_afresh_and_keeps_sign_offs_where_the_evidence_still_holds() {
    let mut run = Run::armed();
    run.key(Command::AskRollback)
        .key(Command::ConfirmRollback)
        .report(rolled_back(true, Some(XactStatus::Aborted)))
        .key(Command::Again);
    assert!(run.asks(|r| matches!(r, Request::Connect)));
    run.report(reached())
        .probed(0, Standing::Holds)
        .probed(1, Standing::Fails);
    let signed: Vec<bool> = run.machine.items().iter().map(|i| i.signed).collect();
    assert_eq!(signed, [true, false]);
}

#[test]
fn what_was_signed_for_one_target_is_not_signed_for_another() {
    let reached_again = |change: fn(&mut Target)| {
        let mut target = Target {
            database: "wiser_ops".into(),
            ..Target::default()
        };
        change(&mut target);
        let mut run = Run::signed();
        run.report(session_ended())
            .report(Body::Connected(Box::new(target)))
            .probed(0, Standing::Holds)
            .probed(1, Standing::Holds);
        run
    };
    let others: [fn(&mut Target); 5] = [
        |target| target.host = "db2".into(),
        |target| target.system_identifier = Some("2".into()),
        |target| target.timeline = Some(2),
        |target| target.role = "other".into(),
        |target| target.database = "other".into(),
    ];
    for other in others {
        let mut run = reached_again(other);
        assert!(run.machine.items().iter().all(|item| !item.signed));
        run.key(Command::Apply);
        assert!(run.says(&Refusal::ItemsUnsigned(2)));
    }
    // The same server after a restart: another backend, and nothing else.
    let run = reached_again(|target| {
        target.backend_pid = 9;
        target.recovered = Some("2".into());
    });
    assert!(run.machine.items().iter().all(|item| item.signed));
}

#[test]
fn a_rehearsal_needs_no_signatures_and_never_commits() {
    let mut run = Run::connected(Mode::Rehearse);
    run.probed(0, Standing::Holds).probed(1, Standing::Fails);
    run.key(Command::Apply);
    assert!(run.says(&Refusal::ItemFails), "not on a wrong database");
    run.key(Command::ProbeAgain)
        .probed(0, Standing::Holds)
        .probed(1, Standing::Warns);
    run.key(Command::Apply)
        .report(begun("7"))
        .verdict(Verdict::Pass)
        .settle()
        .event(Event::Drawn)
        .tick(plan::ARMING);
    run.key(Command::AskCommit);
    assert!(run.says(&Refusal::RehearsalNeverCommits));
}

#[test]
fn what_is_offered_is_what_happens() {
    // Every offer that is open changes something or asks for something; every refused one says why.
    for run in [Run::signed(), Run::applying(), Run::armed()] {
        for act in Act::ALL {
            let command = match act {
                Act::SignOff => sign(9, None),
                Act::Withdraw => Command::Withdraw { item: 0 },
                Act::ProbeAgain => Command::ProbeAgain,
                Act::BackUp => Command::BackUp { folder: "/".into() },
                Act::Apply => Command::Apply,
                Act::Cancel => Command::Cancel,
                Act::AskCommit => Command::AskCommit,
                Act::Acknowledge => Command::Acknowledge { item: 0 },
                Act::Answer => Command::NameTyped("wiser_ops".into()),
                Act::AskRollback => Command::AskRollback,
                Act::ConfirmRollback => Command::ConfirmRollback,
                Act::StepBack => Command::StepBack,
                Act::TakeTime => Command::TakeTime,
                Act::AllowNumbers => Command::AllowNumbers(None),
                Act::Extend => Command::Extend,
                Act::Again => Command::Again,
                Act::EndBackend => Command::EndBackend,
                Act::AskOutcome => Command::AskOutcome,
                Act::Query => Command::Query("SELECT 1".into()),
                Act::LeaveOut => Command::LeaveOut,
                Act::Quit => Command::Quit,
            };
            let mut machine = run.machine.clone();
            machine.handle(Event::Drawn);
            let before = machine.clone();
            let effects = machine.handle(Event::Asked(command));
            match run.machine.offer(act) {
                Offer::Absent => assert_eq!(effects, [Effect::Refuse(Refusal::NothingToDoHere)]),
                Offer::Refused(refusal) => assert_eq!(effects, [Effect::Refuse(refusal)]),
                Offer::Open => assert!(!effects.is_empty() || machine != before, "{act:?}"),
            }
        }
    }
}

impl Run {
    /// A dump is under way, and `seq` is its number.
    fn backing_up() -> Run {
        let mut run = Run::signed();
        run.key(Command::BackUp {
            folder: "/b".into(),
        });
        run
    }

    fn sign_backup(&mut self, note: Option<&str>) -> &mut Run {
        self.key(sign(0, note))
    }
}

#[test]
fn a_dump_opens_its_item_and_holds_the_script_back_until_it_is_made() {
    let mut run = Run::backing_up();
    let folder = "/b".to_owned();
    let seq = run.seq;
    let request = Request::BackUp { folder };
    assert_eq!(run.effects, [Effect::Request { seq, request }]);
    assert!(!run.machine.items()[0].signed, "it was signed on less");
    run.sign_backup(Some("b7"));
    assert!(run.says(&Refusal::BackupUnderWay));
    run.key(Command::Apply);
    assert!(run.says(&Refusal::BackupUnderWay));
    run.key(Command::BackUp {
        folder: "/c".into(),
    });
    assert!(run.says(&Refusal::BackupUnderWay));
    run.report(Body::BackedUp(Box::default()));
    assert!(!run.machine.is_shown(), "looked at before it is signed");
    run.sign_backup(None);
    assert!(run.machine.items()[0].signed, "no reference is asked for");
    run.key(Command::Apply);
    assert!(matches!(run.phase(), Phase::Beginning { .. }));
}

#[test]
fn a_dump_that_fails_leaves_the_typed_reference() {
    let mut run = Run::backing_up();
    run.report(Body::BackupFailed("no room".into()));
    assert_eq!(run.machine.items()[0].standing, Standing::Warns);
    run.sign_backup(None);
    assert!(run.says(&Refusal::ReferenceMissing));
    run.sign_backup(Some("b7"));
    assert!(run.machine.items()[0].signed);
}

#[test]
fn a_dump_is_stopped_once_and_only_its_own_end_counts() {
    let mut run = Run::backing_up();
    run.key(Command::Cancel);
    assert_eq!(run.effects, [Effect::StopBackup]);
    run.key(Command::Cancel);
    assert!(run.says(&Refusal::AlreadyStopping));
    run.report_to(run.seq - 1, Body::BackedUp(Box::default()));
    assert!(run.machine.is_backing_up() && !run.machine.is_backed_up(0));
    run.report(Body::BackupFailed("it was cancelled".into()));
    assert!(!run.machine.is_backing_up());
    run.key(Command::Cancel);
    assert!(run.says(&Refusal::NothingToDoHere));
}

#[test]
fn whoever_leaves_stops_the_dump_first() {
    for event in [
        Event::Asked(Command::Quit),
        Event::Alarmed(Alarm::HungUp),
        Event::Alarmed(Alarm::Terminated),
    ] {
        let mut run = Run::backing_up();
        run.event(Event::Drawn).event(event);
        assert_eq!(run.effects.len(), 2, "{:?}", run.effects);
        assert_eq!(run.effects[0], Effect::StopBackup);
        assert!(matches!(run.effects[1], Effect::Leave(_)));
    }
}

#[test]
fn a_dump_goes_on_while_the_session_is_lost_and_falls_when_its_file_is_gone() {
    let mut run = Run::backing_up();
    let dump = run.seq;
    run.report(session_ended());
    assert!(run.machine.is_backing_up());
    run.report(Body::Connected(Box::default()));
    let probe = run.seq;
    run.seq = dump;
    run.report(Body::BackedUp(Box::default()));
    run.seq = probe;
    run.probed(0, Standing::Holds).probed(1, Standing::Holds);
    run.sign_backup(None);
    assert!(run.machine.items()[0].signed);
    run.key(Command::ProbeAgain);
    run.report(Body::BackupLost("gone".into()))
        .probed(0, Standing::Warns)
        .probed(1, Standing::Holds);
    assert!(!run.machine.items()[0].signed);
    run.sign_backup(None);
    assert!(run.says(&Refusal::ReferenceMissing));
}

#[test]
fn only_a_run_with_a_backup_item_makes_one() {
    let offers = |run: &Run| run.machine.offer(Act::BackUp).is_there();
    assert!(offers(&Run::connected(Mode::Run)));
    assert!(!offers(&Run::connected(Mode::Rehearse)));
    assert!(!offers(&Run::connected(Mode::Inspect)));
    assert!(!offers(&Run::applying()));
}

/// The first statement, which did not get its lock within `lock_timeout`.
fn lock_not_granted() -> Body {
    Body::StatementFailed {
        number: 1,
        duration: 3_000,
        error: Box::new(ServerMessage {
            sqlstate: Some("55P03".into()),
            ..ServerMessage::default()
        }),
    }
}

#[test]
fn what_a_person_cancels_is_not_tried_again_though_it_ends_by_a_lock() {
    let mut run = Run::applying();
    run.key(Command::Cancel);
    run.report(lock_not_granted());
    assert!(!run.asks(rolls_back), "a person looks first");
    assert_eq!(run.must_roll_back(), Some(Why::Cancelled));
    run.key(Command::AskRollback).key(Command::ConfirmRollback);
    run.report(rolled_back(true, Some(XactStatus::Aborted)));
    assert!(matches!(run.phase(), Phase::Ended(_)), "{:?}", run.phase());
}

#[test]
fn a_lock_is_not_tried_for_on_a_session_that_is_gone() {
    let lost: [fn(&mut Run); 2] = [
        |run| {
            run.report(session_ended());
        },
        |run| {
            run.tick(plan::PATIENCE);
        },
    ];
    for lose in lost {
        let mut run = Run::applying();
        run.report(lock_not_granted());
        assert!(run.asks(rolls_back));
        lose(&mut run);
        assert!(run.asks(|r| matches!(r, Request::Inquire)));
        run.report(answered(XactStatus::Aborted));
        assert!(
            matches!(
                run.phase(),
                Phase::Ended(Ending::RolledBack {
                    why: Why::LockTimeout,
                    proof: Proof::Asked { .. },
                })
            ),
            "{:?}",
            run.phase()
        );
    }
}

#[test]
fn an_automatic_rollback_keeps_how_far_it_came() {
    let mut run = Run::applying();
    run.tick(60_000);
    assert_eq!(run.machine.got_to(), Stage::Apply);
    assert!(!run.machine.was_decided());
    let mut run = Run::armed();
    run.tick(60_000);
    assert_eq!(run.machine.got_to(), Stage::Decide);
    assert!(run.machine.was_decided());
    // What failed and then waited too long for a key failed all the same.
    let mut run = Run::settled(&[Verdict::Fail]);
    run.tick(60_000);
    assert_eq!(run.machine.got_to(), Stage::Verify);
    assert!(run.machine.was_decided());
}

#[test]
fn a_transaction_that_is_gone_is_asked_for_and_called_open_no_longer() {
    for run in [&mut Run::applying(), &mut Run::armed()] {
        run.report(Body::TransactionGone);
        assert_eq!(run.effects.first(), Some(&Effect::Sever));
        assert!(run.asks(|r| matches!(r, Request::Inquire)));
        // A script that ended it may have committed it: nobody may say "rolled back" unasked.
        run.report(Body::Asked(Inquiry::Unreachable(String::new())));
        assert!(matches!(run.phase(), Phase::Ended(Ending::Unknown { .. })));
        run.key(Command::AskOutcome);
        run.report(answered(XactStatus::Committed));
        assert!(matches!(run.phase(), Phase::PostVerifying { .. }));
    }
}

#[test]
fn what_an_older_session_lost_is_nothing_to_this_one() {
    let mut run = Run::armed();
    run.report_to(0, Body::TransactionGone);
    assert!(run.machine.armed());
}
