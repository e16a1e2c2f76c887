//! Walks every reachable state of small plans, breadth first, and holds I1 to I4 on each edge.
//!
//! Beside the machine each state carries a witness: what really happened since BEGIN, written down
//! without asking the machine. What is unbounded by nature (request numbers, how many checks there
//! are) is reduced to what the machine can tell apart, so that the walk ends.

use super::act::{Act, Command};
use super::bodies::*;
use super::event::*;
use super::machine::Machine;
use super::pass::{CameOut, Pass, Structure};
use super::phase::{AfterRollback, Phase, PhaseKind, Prompt, RunningPass};
use super::plan::{self, FirstSigner, Mode, Plan, Requirement, Unheld};
use super::{Effect, Request};
use crate::facts::{
    After, Alarm, CommitWait, Ending, Evidence, ExitCode, Inquiry, Millis, Observation,
    OtherSession, OutcomeAnswer, ServerMessage, Sight, Standing, Target, Why, XactStatus,
};
use crate::runbook::check::Verdict;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

mod hashing;

const DATABASE: &str = "wiser_ops";

/// What happened since BEGIN, by its own bookkeeping.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct Witness {
    commits: u8,
    something_failed: bool,
    passed: bool,
    checked: bool,
    failed_check: bool,
    settled: bool,
    journal_lost: bool,
    /// Something else than this program ended the transaction, or may end it.
    strayed: bool,
    /// A query was sent into the transaction and is not answered.
    asking: bool,
    /// Milliseconds for which the closed gate has been on screen, up to the arming time.
    on_screen: Millis,
    /// Where the session is, and which pass came out of the script.
    place: Option<WitnessTarget>,
    came_out: Option<Shown>,
    /// What was let go and is reviewed: which pass, where, and for how many ticks.
    kept: Option<Kept>,
    /// What was approved, and whether the first statement's rows may differ. It is gone with the verdict.
    approved: Option<(Kept, bool)>,
}

/// A server that can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum WitnessTarget {
    There,
    Elsewhere,
}

/// What a pass comes out as: the rows that its statement touched, and the structure once it is taken
/// down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Shown {
    rows: u8,
    column: Column,
}

/// A structure of one column, by its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Column {
    NotLookedAt,
    NotKnown,
    Bigint,
    Text,
}

/// A pass as it was let go.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Kept {
    pass: Shown,
    place: WitnessTarget,
    age: Millis,
}

/// How old what was shown may be, in the walk.
const APPROVAL_LIMIT: Millis = 2 * plan::ARMING;

impl WitnessTarget {
    fn of(target: &Target) -> WitnessTarget {
        match target.host.as_str() {
            "elsewhere" => WitnessTarget::Elsewhere,
            _ => WitnessTarget::There,
        }
    }
}

impl Column {
    fn made(self) -> Structure {
        let known = |column: &str| Structure::Known(BTreeMap::from([("c".into(), column.into())]));
        match self {
            Column::NotLookedAt => Structure::default(),
            Column::NotKnown => Structure::Unknown("it was cancelled".into()),
            Column::Bigint => known("bigint"),
            Column::Text => known("text"),
        }
    }

    fn of(structure: &Structure) -> Column {
        let mut all = [Column::NotKnown, Column::Bigint, Column::Text].into_iter();
        all.find(|one| one.made() == *structure).unwrap()
    }

    fn is_known(self) -> bool {
        matches!(self, Column::Bigint | Column::Text)
    }
}

impl Shown {
    /// Those that a script comes to, before its structure is taken down.
    const ALL: [Shown; 2] = [Shown::touching(5), Shown::touching(6)];

    const fn touching(rows: u8) -> Shown {
        Shown {
            rows,
            column: Column::NotLookedAt,
        }
    }

    fn made(self) -> Pass {
        Pass {
            statements: [(1, self.rows), (2, 3)]
                .map(|(number, rows)| CameOut {
                    number,
                    tag: format!("UPDATE {rows}").into(),
                    rows: None,
                    checks: Box::default(),
                })
                .to_vec(),
            before: Structure::Known(BTreeMap::new()),
            structure: self.column.made(),
            ..Pass::of("script")
        }
    }

    fn of(pass: &Pass) -> Shown {
        let mut all = Shown::ALL.into_iter();
        all.find(|one| one.made() == *pass).unwrap()
    }

    fn is_approved_by(self, approved: Shown, numbers: bool) -> bool {
        self.column == approved.column
            && self.column.is_known()
            && (self.rows == approved.rows || numbers)
    }
}

type State = (Machine, Witness);

struct Walk {
    states: Vec<State>,
    edges: Vec<(usize, Event, usize)>,
}

pub(crate) fn plan(mode: Mode, items: usize, post_verification: bool) -> Plan {
    let mut requirements = vec![
        Requirement {
            reference: true,
            ..Requirement::default()
        },
        Requirement {
            documents: vec![Document::Script],
            ..Requirement::default()
        },
    ];
    requirements.truncate(items);
    Plan {
        mode,
        items: requirements,
        hold_limit: 2 * plan::ARMING,
        may_lack_checks: false,
        second_signer: None,
        post_verification,
        lock_attempts: 2,
        targets: Vec::new(),
        other_form: false,
        max_waiters: Some(0),
        max_wait: None,
        unheld: Unheld::Never,
    }
}

/// A run in which COMMIT can be given with nothing held.
pub(crate) fn unheld(by_itself: bool, review_again: bool) -> Plan {
    Plan {
        max_waiters: None,
        unheld: Unheld::Offered {
            limit: APPROVAL_LIMIT,
            by_itself,
            review_again,
        },
        ..plan(Mode::Run, 0, false)
    }
}

/// Everything that can be asked beside: a finding, the name on an item, a reason, a second person.
pub(crate) fn bare() -> Plan {
    Plan {
        items: vec![Requirement {
            database_name: true,
            lints: true,
            ..Requirement::default()
        }],
        may_lack_checks: true,
        second_signer: Some(FirstSigner(Some("ann".into()))),
        lock_attempts: 1,
        max_waiters: None,
        ..plan(Mode::Run, 0, false)
    }
}

fn taken_down(column: Column) -> Body {
    Body::TakenDown {
        structure: Box::new(column.made()),
        duration: 0,
    }
}

fn statuses() -> [Option<XactStatus>; 4] {
    [
        None,
        Some(XactStatus::Committed),
        Some(XactStatus::Aborted),
        Some(XactStatus::InProgress),
    ]
}

/// Everything that the session can say, whether or not it makes sense now.
fn bodies(items: usize, keeps: bool) -> Vec<Body> {
    let mut bodies = every_body(items);
    if keeps {
        bodies.retain(is_worth_it_unheld);
    }
    bodies
}

/// What the other plans walk already, and a decision with nothing held takes no notice of: dumps, and
/// the finer proofs of COMMIT and ROLLBACK.
fn is_worth_it_unheld(body: &Body) -> bool {
    match body {
        Body::BackupStarted(_)
        | Body::BackedUp(_)
        | Body::BackupFailed(_)
        | Body::BackupLost(_)
        | Body::EarlierAnswered { .. }
        | Body::StatementStarted { .. }
        | Body::Noticed { .. }
        | Body::Measured(_)
        | Body::StoodBefore { .. }
        | Body::CommitWaits(_)
        | Body::PostVerified { .. }
        | Body::PostVerifyFailed(_) => false,
        Body::CommitAnswered(CommitAnswer::Tag {
            tag,
            idle,
            xact_status,
        }) => *idle && tag == "COMMIT" && *xact_status == Some(XactStatus::Committed),
        Body::CommitAnswered(CommitAnswer::Refused { xact_status, .. }) => {
            *xact_status == Some(XactStatus::Aborted)
        }
        Body::CommitAnswered(CommitAnswer::LinkLost(_)) => true,
        Body::CommitAnswered(_) => false,
        Body::Asked(Inquiry::OtherServer(_) | Inquiry::Unknowable(_)) => false,
        _ => true,
    }
}

fn every_body(items: usize) -> Vec<Body> {
    let mut bodies = vec![
        reached(),
        Body::Connected(Box::new(Target {
            database: DATABASE.into(),
            host: "elsewhere".into(),
            ..Target::default()
        })),
        Body::ConnectFailed(ServerMessage::default()),
        Body::StoodBefore {
            structure: Box::default(),
            duration: 0,
        },
        taken_down(Column::Bigint),
        taken_down(Column::Text),
        taken_down(Column::NotKnown),
        Body::BackupStarted(Box::default()),
        Body::BackedUp(Box::default()),
        Body::BackupFailed(String::new()),
        Body::BackupLost(String::new()),
        Body::EarlierAnswered {
            journal: PathBuf::new(),
            answer: Box::new(OutcomeAnswer {
                text: String::new(),
                code: ExitCode::OutcomeUnknown,
                settled: false,
            }),
        },
        begun("7"),
        Body::BeginFailed(ServerMessage::default()),
        Body::StatementStarted { number: 1 },
        check(Verdict::Pass),
        check(Verdict::Warn),
        check(Verdict::Fail),
        statement_failed(),
        Body::StatementFailed {
            number: 1,
            duration: 0,
            error: Box::new(ServerMessage {
                sqlstate: Some("55P03".into()),
                ..ServerMessage::default()
            }),
        },
        Body::Noticed {
            number: None,
            message: error(),
        },
        Body::Measured(crate::runbook::impact::Measure::default()),
        Body::ScriptFinished,
        Body::Settled {
            same_transaction: true,
        },
        Body::Settled {
            same_transaction: false,
        },
        Body::SettleFailed {
            deferred: true,
            error: error(),
        },
        Body::SettleFailed {
            deferred: false,
            error: error(),
        },
        Body::CommitWaits(CommitWait::default()),
        Body::CommitAnswered(CommitAnswer::LinkLost(error())),
        Body::Asked(Inquiry::Prepared {
            gid: String::new(),
            server: String::new(),
        }),
        Body::Asked(Inquiry::OtherServer(String::new())),
        Body::Asked(Inquiry::Unknowable(String::new())),
        Body::Asked(Inquiry::Unreachable(String::new())),
        looked(After::Unchanged),
        looked(After::Disturbed(String::new())),
        Body::TransactionGone,
        Body::FoundFailed(error()),
        session_ended(),
        Body::PostVerified {
            results: Vec::new(),
        },
        Body::PostVerifyFailed(error()),
    ];
    // WARN differs from HOLDS only for the eye; the tables of tests.rs hold that.
    let evidences = [
        (Standing::Holds, None),
        (Standing::Holds, Some("run.jsonl")),
        (Standing::Fails, None),
        (Standing::Awaited, None),
    ];
    for (standing, rehearsal) in evidences {
        for item in 0..items {
            bodies.push(Body::Probed {
                item,
                evidence: Evidence {
                    standing,
                    rehearsal: rehearsal.map(str::to_owned),
                    // With a rehearsal, nothing is said of the linter.
                    findings: rehearsal.is_none().then_some(1),
                    ..Evidence::default()
                },
            });
        }
    }
    for xact_status in statuses() {
        for tag in ["COMMIT", "ROLLBACK"] {
            for idle in [true, false] {
                bodies.push(Body::CommitAnswered(CommitAnswer::Tag {
                    tag: tag.into(),
                    idle,
                    xact_status,
                }));
            }
        }
        bodies.push(Body::CommitAnswered(CommitAnswer::Refused {
            error: error(),
            xact_status,
        }));
        bodies.push(Body::CommitAnswered(CommitAnswer::OtherTransaction {
            xact_status,
        }));
        for idle in [true, false] {
            bodies.push(Body::CommitAnswered(CommitAnswer::Local {
                warning: error(),
                idle,
                xact_status,
            }));
        }
        for ended_ours in [true, false] {
            bodies.push(rolled_back(ended_ours, xact_status));
        }
        if let Some(status) = xact_status {
            bodies.push(answered(status));
        }
    }
    bodies
}

pub(crate) fn commands(items: usize) -> Vec<Command> {
    let mut commands = vec![
        Command::ProbeAgain,
        Command::BackUp {
            folder: String::new(),
        },
        Command::Apply,
        Command::Cancel,
        Command::AskCommit,
        Command::ReasonGiven(" ".into()),
        Command::ReasonGiven("it is empty".into()),
        Command::SecondSigned(" Ann ".into()),
        Command::SecondSigned("ben".into()),
        Command::NameTyped(DATABASE.into()),
        Command::NameTyped("wrong".into()),
        Command::AskRollback,
        Command::ConfirmRollback,
        Command::Query("SELECT 1".into()),
        Command::Query("COMMIT".into()),
        Command::TakeTime,
        Command::AllowNumbers(None),
        Command::AllowNumbers(Some(2)),
        Command::StepBack,
        Command::Extend,
        Command::Again,
        Command::EndBackend,
        Command::AskOutcome,
        Command::LeaveOut,
        Command::Quit,
    ];
    // One index too many: asking for an item that is not there.
    for item in 0..=items {
        for note in [None, Some(" "), Some("ref"), Some(DATABASE)] {
            let note = note.map(str::to_owned);
            commands.push(Command::SignOff { item, note });
        }
        commands.push(Command::Acknowledge { item });
        commands.push(Command::Withdraw { item });
    }
    commands
}

/// Every event worth telling apart in a state.
fn events(machine: &Machine, items: usize, bodies: &[Body]) -> Vec<Event> {
    let mut events = vec![
        Event::Observed(Observation::Blind(String::new())),
        Event::Observed(Observation::Seen(Box::new(Sight {
            waiters: vec![OtherSession::default()],
            ..Sight::default()
        }))),
        Event::Drawn,
        Event::Edited,
        Event::Ticked {
            elapsed: plan::ARMING,
        },
        Event::ReadToEnd(Document::Script),
        Event::ReadToEnd(Document::Rollback(0)),
        Event::Alarmed(Alarm::HungUp),
        Event::JournalLost(String::new()),
    ];
    if !machine.plan().keeps() {
        events.extend([Event::LeftOpen(true), Event::LeftOpen(false)]);
    }
    if machine.plan().keeps() && matches!(machine.phase(), Phase::Verifying { .. }) {
        // Which one a pass is has a meaning only beside the one that was approved.
        let some = match machine.approval() {
            Some(_) => &Shown::ALL[..],
            None => &Shown::ALL[..1],
        };
        let passes = some.iter().map(|pass| Arc::new(pass.made()));
        events.extend(passes.map(Event::CameOut));
    }
    // The intent is lost only instead of sending COMMIT; the walk below takes that edge apart.
    if matches!(machine.phase(), Phase::Committing { .. }) {
        events.push(Event::IntentLost(String::new()));
    }
    events.extend(commands(items).into_iter().map(Event::Asked));
    // The first session is where it is; the others may be elsewhere. So with the structure.
    let returning = matches!(machine.phase(), Phase::Returning { .. });
    let worth_it = |body: &&Body| match body {
        Body::Connected(target) => returning || WitnessTarget::of(target) == WitnessTarget::There,
        Body::TakenDown { structure, .. } => {
            machine.approval().is_some() || Column::of(structure) != Column::Text
        }
        _ => true,
    };
    let current = machine.sequence_numbers();
    for body in bodies.iter().filter(worth_it) {
        for seq in &current {
            events.push(Event::Reported(Report {
                seq: *seq,
                body: body.clone(),
            }));
        }
    }
    events
}

fn signed(machine: &Machine) -> bool {
    machine.items().iter().all(|item| item.signed)
}

fn witnessed(before: &State, event: &Event, effects: &[Effect], after: &Machine) -> Witness {
    let (machine, witness) = before;
    let mut witness = witness.clone();
    let asks = |wanted: fn(&Request) -> bool| {
        effects
            .iter()
            .any(|e| matches!(e, Effect::Request { request, .. } if wanted(request)))
    };
    if asks(|r| matches!(r, Request::Begin)) {
        witness = Witness {
            journal_lost: witness.journal_lost,
            place: witness.place,
            kept: witness.kept.take(),
            approved: witness.approved.take(),
            ..Witness::default()
        };
    }
    witness.asking |= asks(|r| matches!(r, Request::Query { .. }));
    if asks(|r| matches!(r, Request::Commit(_))) {
        witness.commits = (witness.commits + 1).min(2);
    }
    if machine.plan().keeps() {
        witness_approval(&mut witness, machine, event, after);
    }
    if let Event::Reported(Report { seq, body }) = event
        && machine.sequence_numbers().contains(seq)
    {
        let applying = matches!(machine.phase(), Phase::Applying { .. });
        match body {
            Body::StatementFinished(report) if applying => {
                witness.checked = true;
                match report.checks[0].verdict {
                    Verdict::Pass => witness.passed = true,
                    Verdict::Fail => witness.failed_check = true,
                    Verdict::Warn => {}
                }
            }
            Body::StatementFailed { .. } if applying => witness.something_failed = true,
            Body::Settled { same_transaction }
                if matches!(machine.phase(), Phase::Verifying { .. }) =>
            {
                witness.settled = *same_transaction;
                witness.strayed |= !same_transaction;
            }
            Body::SettleFailed { .. } if matches!(machine.phase(), Phase::Verifying { .. }) => {
                witness.something_failed = true;
            }
            Body::SessionEnded(_) => witness.something_failed = true,
            Body::TransactionGone => witness.strayed = true,
            Body::RollbackAnswered {
                ended_ours: false, ..
            } if matches!(machine.phase(), Phase::RollingBack { .. }) => witness.strayed = true,
            Body::Asked(Inquiry::Prepared { .. })
                if matches!(machine.phase(), Phase::Inquiring { .. }) =>
            {
                witness.strayed = true;
            }
            Body::Looked(looked) if matches!(machine.phase(), Phase::Querying { .. }) => {
                witness.asking = false;
                witness.something_failed |= looked.after != After::Unchanged;
            }
            _ => {}
        }
    }
    match event {
        Event::JournalLost(_) => witness.journal_lost = true,
        Event::IntentLost(_) => {
            // It stands for a COMMIT that was never sent.
            witness.commits = 0;
            witness.journal_lost = true;
        }
        _ => {}
    }
    let closed_gate = |machine: &Machine| {
        matches!(
            machine.phase(),
            Phase::Deciding {
                prompt: Prompt::Closed,
                ..
            } | Phase::Reviewing {
                prompt: Prompt::Closed,
                ..
            }
        )
    };
    if !matches!(
        after.phase(),
        Phase::Deciding { .. } | Phase::Reviewing { .. }
    ) || after.phase().kind() != machine.phase().kind()
    {
        witness.on_screen = 0;
    } else if closed_gate(machine)
        && machine.is_shown()
        && let Event::Ticked { elapsed } = event
    {
        witness.on_screen = (witness.on_screen + elapsed).min(plan::ARMING);
    }
    witness
}

/// What was let go, approved and came out, from the outside.
fn witness_approval(witness: &mut Witness, machine: &Machine, event: &Event, after: &Machine) {
    let moved = machine.phase().kind() != after.phase().kind();
    if let Event::Ticked { elapsed } = event {
        let older = |kept: &mut Kept| kept.age = (kept.age + elapsed).min(APPROVAL_LIMIT);
        witness.kept.iter_mut().for_each(older);
        let approved = witness.approved.iter_mut();
        approved.for_each(|(kept, _)| older(kept));
    }
    match event {
        Event::CameOut(pass) if matches!(machine.phase(), Phase::Verifying { .. }) => {
            witness.came_out = Some(Shown::of(pass));
        }
        Event::Reported(Report {
            seq,
            body: Body::TakenDown { structure, .. },
        }) if machine.sequence_numbers().contains(seq)
            && matches!(machine.phase(), Phase::TakingDown { .. }) =>
        {
            let column = Column::of(structure);
            witness.came_out = witness.came_out.map(|shown| Shown { column, ..shown });
        }
        Event::Reported(Report {
            seq,
            body: Body::Connected(target),
        }) if machine.sequence_numbers().contains(seq)
            && matches!(machine.phase(), Phase::Connecting | Phase::Returning { .. }) =>
        {
            witness.place = Some(WitnessTarget::of(target));
        }
        Event::Asked(Command::NameTyped(name))
            if name == DATABASE && moved && matches!(after.phase(), Phase::Returning { .. }) =>
        {
            let kept = witness.kept.take().expect("approved what was never let go");
            witness.approved = Some((kept, machine.allowance().covers(Some(1))));
        }
        _ => {}
    }
    if let Phase::RollingBack { after: next, .. } = after.phase()
        && *next.why() == Why::ForReview
        && moved
        && let (Some(pass), Some(place)) = (witness.came_out, witness.place)
    {
        witness.approved = None;
        witness.kept = Some(Kept {
            pass,
            place,
            age: 0,
        });
    }
    // It is given back where nothing was begun.
    if moved
        && matches!(after.phase(), Phase::Reviewing { .. })
        && let Some((kept, _)) = witness.approved.take()
    {
        witness.kept = Some(kept);
    }
    if matches!(after.phase(), Phase::Ended(_) | Phase::Left(_)) {
        witness.kept = None;
    }
    let ends = !matches!(
        machine.phase(),
        Phase::RollingBack { .. } | Phase::Inquiring { .. }
    ) && matches!(
        after.phase(),
        Phase::RollingBack { .. } | Phase::Inquiring { .. }
    );
    // With the verdict, with anything that a person has to see, or with any other end, it is over.
    if matches!(
        after.phase(),
        Phase::Deciding { .. }
            | Phase::MustRollBack { .. }
            | Phase::Committing { .. }
            | Phase::Ended(_)
            | Phase::Left(_)
            | Phase::PostVerifying { .. }
    ) || ends && !gives_way(event)
    {
        witness.approved = None;
    }
    if !matches!(
        after.phase(),
        Phase::Verifying { .. }
            | Phase::TakingDown { .. }
            | Phase::Deciding { .. }
            | Phase::Querying { .. }
            | Phase::Committing { .. }
    ) {
        witness.came_out = None;
    }
}

/// Whether the server says with it that a lock was not granted in time: the one end of a second pass that
/// its approval outlasts.
fn gives_way(event: &Event) -> bool {
    match event {
        Event::Reported(Report {
            body: Body::StatementFailed { error, .. },
            ..
        }) => error.sqlstate.as_deref() == Some("55P03"),
        _ => false,
    }
}

/// I13 where COMMIT follows by itself.
fn hold_approval(before: &State, event: &Event, after: &State) {
    let (machine, witness) = before;
    assert!(
        matches!(
            event,
            Event::Reported(Report {
                body: Body::TakenDown { .. },
                ..
            })
        ) && matches!(
            machine.phase(),
            Phase::TakingDown(RunningPass {
                cancelling: None,
                ..
            })
        ),
        "I13: {event:?} commits"
    );
    let (kept, numbers) = witness.approved.as_ref().expect("I13: nothing is approved");
    let came_out = after.1.came_out.expect("I13: nobody knows what came out");
    assert!(
        came_out.is_approved_by(kept.pass, *numbers),
        "I13: as approved"
    );
    assert_eq!(witness.place, Some(kept.place), "I13: on the same target");
    assert!(kept.age < APPROVAL_LIMIT, "I13: within its limit");
}

/// I13: what a person types below a review makes the one approval, and only there.
fn hold_approving(before: &State, event: &Event, effects: &[Effect], after: &State) {
    let (machine, witness) = before;
    let given = after.0.approval().is_some() && machine.approval().is_none();
    if given {
        let name = Event::Asked(Command::NameTyped(DATABASE.into()));
        assert_eq!(*event, name, "I13: only the name approves");
        assert!(machine.is_shown(), "I5: on a drawn frame");
        assert_eq!(witness.on_screen, plan::ARMING, "I5: armed");
        assert!(!witness.journal_lost, "I6: never without a journal");
        assert!(signed(machine), "I1: every item signed");
        assert!(
            matches!(
                machine.phase(),
                Phase::Reviewing {
                    prompt: Prompt::Name,
                    ..
                }
            ),
            "I13: from the review"
        );
        let kept = witness.kept.as_ref().expect("I13: on what was shown");
        assert!(kept.age < APPROVAL_LIMIT, "I13: not too old");
    }
    let may_live = matches!(
        after.0.phase(),
        Phase::Returning { .. }
            | Phase::Beginning { .. }
            | Phase::Applying { .. }
            | Phase::Verifying { .. }
            | Phase::TakingDown { .. }
            | Phase::RollingBack {
                after: AfterRollback::TryAgain(_),
                ..
            }
            | Phase::Waiting { .. }
    );
    assert!(
        after.0.approval().is_none() || may_live,
        "I13: an approval lives on in {:?}",
        after.0.phase()
    );
    // By both accounts it is given and over at the same time; but where the last attempt got no lock,
    // the machine alone counts, and none is left.
    let counts_attempts = matches!(
        after.0.phase(),
        Phase::RollingBack { .. } | Phase::Inquiring { .. }
    );
    assert!(
        after.0.approval().is_some() == after.1.approved.is_some()
            || counts_attempts && after.0.approval().is_none(),
        "I13: an approval was lost, or outlives what it was given for, in {:?}",
        after.0.phase()
    );
    if matches!(after.0.phase(), Phase::Reviewing { .. }) {
        assert!(!after.0.phase().transaction_open());
        let asked = |e: &Effect| matches!(e, Effect::Request { request, .. } if request.writes());
        assert!(!effects.iter().any(asked), "nothing writes in a review");
    }
    // A second pass begins on the target that was approved and nowhere else.
    let begins = |e: &Effect| {
        matches!(
            e,
            Effect::Request {
                request: Request::Begin,
                ..
            }
        )
    };
    if after.0.approval().is_some() && effects.iter().any(begins) {
        let (kept, _) = after.1.approved.as_ref().expect("I13: nothing is approved");
        assert_eq!(after.1.place, Some(kept.place), "I13: begun elsewhere");
    }
}

/// I1, I3 and I4 on one edge.
fn hold(before: &State, event: &Event, effects: &[Effect], after: &State) {
    let (machine, witness) = before;
    for effect in effects {
        if *effect == Effect::StartOver {
            assert_eq!(
                machine.phase().kind(),
                PhaseKind::Checklist,
                "I2: no transaction is left behind"
            );
            assert!(machine.is_shown(), "I5: on a drawn frame");
            assert!(machine.plan().other_form, "{event:?}");
            assert!(!after.0.items().iter().any(|item| item.signed));
            assert!(matches!(after.0.phase(), Phase::Left(_)));
        }
        let Effect::Request { request, .. } = effect else {
            continue;
        };
        if *request == Request::AskEarlier {
            assert_eq!(*event, Event::Asked(Command::AskOutcome));
            assert!(machine.is_shown(), "I5: on a drawn frame");
            for (machine, _) in [before, after] {
                assert_eq!(machine.phase().kind(), PhaseKind::Checklist, "{event:?}");
            }
        }
        match machine.plan().mode {
            Mode::Run => {}
            Mode::Inspect => assert!(!request.writes(), "I4: {request:?} on {event:?}"),
            Mode::Rehearse => assert!(!matches!(request, Request::Commit(_)), "I4: {event:?}"),
        }
        if let Request::Commit(warrant) = request {
            let by_itself = warrant.approved().is_some();
            match by_itself {
                true => hold_approval(before, event, after),
                false => assert_eq!(
                    *event,
                    Event::Asked(Command::NameTyped(DATABASE.into())),
                    "I1: only the name commits"
                ),
            }
            assert!(signed(machine), "I1: every item signed");
            assert!(!witness.something_failed, "I1: every statement succeeded");
            let consent = warrant.consent();
            let reasoned = !witness.checked && consent.reason.is_some();
            assert!(
                witness.passed || machine.plan().may_lack_checks && reasoned,
                "I1: at least one PASS, or no check and a reason"
            );
            assert!(!witness.failed_check, "I1: no FAIL");
            let second = machine.plan().second_signer.is_some();
            assert_eq!(
                consent.second_signer.as_deref(),
                second.then_some("ben"),
                "a second person, and another one"
            );
            assert!(!witness.asking, "I1: nothing else runs");
            assert!(after.1.settled, "I1: the same transaction");
            assert_eq!(warrant.xid(), "7", "I1: that transaction");
            assert!(!witness.journal_lost, "I6: never without a journal");
            assert!(machine.is_shown() || by_itself, "I5: on a drawn frame");
            assert!(witness.on_screen == plan::ARMING || by_itself, "I5: armed");
            assert!(
                by_itself
                    || matches!(
                        machine.phase(),
                        Phase::Deciding {
                            prompt: Prompt::Name,
                            ..
                        }
                    ),
                "I1: from the gate"
            );
        }
    }
    hold_approving(before, event, effects, after);
    assert!(
        !(after.0.is_backing_up() && after.0.phase().transaction_open()),
        "a backup is under way beside the script on {event:?}"
    );
    if matches!(after.0.phase(), Phase::Left(_)) && machine.is_backing_up() {
        assert!(
            effects.contains(&Effect::StopBackup),
            "left with a backup under way on {event:?}"
        );
    }
    assert!(after.1.commits <= 1, "I1: COMMIT at most once");
    for (index, item) in after.0.items().iter().enumerate() {
        if !item.signed || machine.items()[index].signed {
            continue;
        }
        let needed = &machine.plan().items[index];
        assert_eq!(item.findings.is_some(), needed.lints, "signed unlinted");
        assert_eq!(item.acknowledged, item.findings.unwrap_or(0));
        let Event::Asked(Command::SignOff { note, .. }) = event else {
            panic!("signed by {event:?}");
        };
        if needed.database_name {
            assert_eq!(
                note.as_deref(),
                Some(DATABASE),
                "the guard against the wrong server"
            );
        }
    }
    for (item, needed) in after.0.items().iter().zip(&machine.plan().items) {
        assert!(
            !item.signed || (!item.awaits_linter(needed) && item.open_findings() == 0),
            "I1: no sign-off without what the linter says"
        );
    }
    for item in after.0.items().iter().filter(|item| item.signed) {
        assert_ne!(
            item.standing,
            Standing::Fails,
            "I1: no sign-off on what fails"
        );
        let spared = |document: &Document| match document {
            Document::Rollback(_) => item.rehearsed,
            Document::Script | Document::Checks(_) => false,
        };
        assert!(
            item.unread.iter().all(spared),
            "I1: read to its end, or a rollback script that was rehearsed"
        );
    }

    let says_committed = |machine: &Machine| {
        matches!(
            machine.phase(),
            Phase::PostVerifying { .. } | Phase::Ended(Ending::Committed { .. })
        )
    };
    if says_committed(&after.0) && !says_committed(machine) {
        let Event::Reported(Report { body, .. }) = event else {
            panic!("I3: committed without the server's word: {event:?}");
        };
        let proven = match body {
            Body::CommitAnswered(CommitAnswer::Tag {
                tag,
                idle,
                xact_status,
            }) => {
                *xact_status == Some(XactStatus::Committed)
                    || (tag == "COMMIT" && *idle && xact_status.is_none())
            }
            Body::CommitAnswered(CommitAnswer::Local {
                idle, xact_status, ..
            }) => *xact_status == Some(XactStatus::Committed) || (*idle && xact_status.is_none()),
            Body::RollbackAnswered {
                xact_status,
                ended_ours,
                ..
            } => *xact_status == Some(XactStatus::Committed) && (!ended_ours || witness.strayed),
            Body::Asked(Inquiry::Answered { status, .. }) => {
                *status == XactStatus::Committed && (witness.commits > 0 || witness.strayed)
            }
            _ => false,
        };
        assert!(proven, "I3: committed on {body:?}");
    }
    if let Phase::Ended(Ending::RolledBack { .. }) = after.0.phase()
        && !matches!(machine.phase(), Phase::Ended(_))
    {
        // Once COMMIT was sent, only the server's own word makes it a rollback.
        if after.1.commits == 1 {
            let proven = matches!(
                event,
                Event::Reported(Report {
                    body: Body::CommitAnswered(
                        CommitAnswer::Tag {
                            xact_status: Some(XactStatus::Aborted),
                            ..
                        } | CommitAnswer::Refused {
                            xact_status: Some(XactStatus::Aborted),
                            ..
                        }
                    ) | Body::Asked(Inquiry::Answered {
                        status: XactStatus::Aborted,
                        ..
                    }),
                    ..
                })
            );
            assert!(proven, "I3: rolled back after COMMIT on {event:?}");
        }
    }
    if let Phase::Left(code) = after.0.phase()
        && machine.phase().transaction_open()
    {
        // It is left only through an ending.
        let out_of_time = effects.contains(&Effect::Sever) && matches!(event, Event::Ticked { .. });
        assert!(
            matches!(event, Event::Reported(_)) || out_of_time,
            "I2: left with {code:?} on {event:?}"
        );
    }
}

/// I2: what a hang-up and the end of the hold lead to.
fn hold_by_itself(state: &State) {
    let (machine, _) = state;
    let under_way = |phase: &Phase| {
        matches!(
            phase,
            Phase::RollingBack { .. } | Phase::Committing { .. } | Phase::Inquiring { .. }
        )
    };
    if !machine.phase().transaction_open() {
        return;
    }
    let mut hung_up = machine.clone();
    hung_up.handle(Event::Alarmed(Alarm::HungUp));
    assert!(
        under_way(hung_up.phase()),
        "I2: hang-up in {:?}",
        machine.phase()
    );

    let mut waited = machine.clone();
    for _ in 0..12 {
        waited.handle(Event::Ticked {
            elapsed: plan::ARMING,
        });
    }
    let held = !matches!(machine.phase(), Phase::Beginning { .. });
    assert!(
        under_way(waited.phase()) || matches!(waited.phase(), Phase::Left(_)) || !held,
        "I2: the hold ends {:?}",
        machine.phase()
    );
}

/// I2, I3: from every state a signal, and a key pressed twice, lead out of the program within 5 s,
/// though no server answers any more; and nothing is said of a COMMIT that nobody proved.
fn hold_leaving(state: &State) {
    let (machine, witness) = state;
    if matches!(machine.phase(), Phase::Left(_)) {
        return;
    }
    let tick = Event::Ticked {
        elapsed: plan::ARMING,
    };
    let mut signalled = machine.clone();
    signalled.handle(Event::Alarmed(Alarm::Terminated));
    let mut asked = machine.clone();
    // What a person sees and presses, each time on a frame that has been there for long enough.
    for _ in 0..2 {
        let quit = Event::Asked(Command::Quit);
        for event in [Event::Drawn, quit, Event::Drawn, tick.clone()] {
            asked.handle(event);
        }
    }
    for mut machine in [signalled, asked] {
        let open = machine.phase().transaction_open();
        let mut severed = false;
        for _ in 0..plan::LEAVING / plan::ARMING {
            severed |= machine.handle(tick.clone()).contains(&Effect::Sever);
        }
        let Phase::Left(_) = machine.phase() else {
            panic!("I2: not left from {:?} but {:?}", state.0, machine.phase());
        };
        assert!(!open || severed, "I2: an open link is left behind");
        let known = |machine: &Machine| matches!(machine.phase(), Phase::Ended(_));
        if witness.commits > 0 && open && !known(&state.0) {
            assert!(
                matches!(machine.ending(), Some(Ending::Unknown { .. })),
                "I3: {:?} of a COMMIT that nobody answered",
                machine.ending()
            );
        }
    }
}

/// A report of a request that is no longer waited for changes nothing.
fn hold_against_stale(state: &State, bodies: &[Body]) {
    let mut machine = state.0.clone();
    for body in bodies {
        let effects = machine.handle(Event::Reported(Report {
            seq: 0,
            body: body.clone(),
        }));
        assert!(effects.is_empty(), "a stale {body:?} has effects");
    }
    assert!(machine == state.0, "a stale report was acted on");
}

/// What is reviewed touched the rows and has the structure of the first one from here on, where it is
/// known: nothing tells passes apart but being held against each other, and all of them can come out of
/// the next one.
fn relabel(state: &mut State) {
    let (machine, witness) = state;
    // As the reduced machine has it.
    witness.strayed &= matches!(
        machine.phase(),
        Phase::RollingBack { .. }
            | Phase::Inquiring { .. }
            | Phase::Ended(Ending::Unknown { .. } | Ending::Prepared { .. })
    );
    if matches!(machine.phase(), Phase::Reviewing { .. })
        && let Some(kept) = &mut witness.kept
    {
        kept.pass.rows = 5;
        if kept.pass.column.is_known() {
            kept.pass.column = Column::Bigint;
        }
        machine.relabel(kept.pass.made());
    }
}

fn explore(plan: Plan) -> Walk {
    let items = plan.items.len();
    let mut first = Machine::new(plan);
    let effects = first.start();
    assert_eq!(effects.len(), 1);
    first.canonical();
    let start: State = (first, Witness::default());

    let mut index: HashMap<State, usize, hashing::Hashing> =
        HashMap::from_iter([(start.clone(), 0)]);
    let mut walk = Walk {
        states: vec![start],
        edges: Vec::new(),
    };
    let mut queue = VecDeque::from([0]);
    let bodies = bodies(items, walk.states[0].0.plan().keeps());
    while let Some(from) = queue.pop_front() {
        let state = walk.states[from].clone();
        hold_by_itself(&state);
        hold_leaving(&state);
        hold_against_stale(&state, &bodies);
        for event in events(&state.0, items, &bodies) {
            let mut machine = state.0.clone();
            let effects = machine.handle(event.clone());
            let witness = witnessed(&state, &event, &effects, &machine);
            let mut after = (machine, witness);
            hold(&state, &event, &effects, &after);
            after.0.canonical();
            relabel(&mut after);
            // Most events change nothing, and comparing costs less than looking it up.
            if after == state {
                continue;
            }
            let to = match index.get(&after) {
                Some(known) => *known,
                None => {
                    let new = walk.states.len();
                    index.insert(after.clone(), new);
                    walk.states.push(after);
                    queue.push_back(new);
                    new
                }
            };
            walk.edges.push((from, event, to));
        }
    }
    walk
}

/// I2: from every state with an open transaction, keys and an honest server lead to ROLLED BACK; but
/// where COMMIT was answered with its tag and contradicted, to UNKNOWN with the link closed.
fn hold_way_out(walk: &Walk) {
    let mut into: Vec<Vec<usize>> = vec![Vec::new(); walk.states.len()];
    for (from, event, to) in &walk.edges {
        let honest = match event {
            Event::Asked(command) => matches!(
                command,
                Command::Cancel
                    | Command::AskRollback
                    | Command::ConfirmRollback
                    | Command::StepBack
                    | Command::EndBackend
            ),
            Event::Drawn => true,
            // The answers that a server gives to a cancel request and to ROLLBACK.
            Event::Reported(Report { body, .. }) => matches!(
                body,
                Body::StatementFailed { .. }
                    | Body::SettleFailed { .. }
                    | Body::TakenDown { .. }
                    | Body::Looked(_)
                    | Body::RollbackAnswered {
                        xact_status: Some(XactStatus::Aborted),
                        ..
                    }
                    | Body::CommitAnswered(_)
                    | Body::Asked(_)
            ),
            Event::Observed(_)
            | Event::Edited
            | Event::Ticked { .. }
            | Event::ReadToEnd(_)
            | Event::Perused { .. }
            | Event::CameOut(_)
            | Event::LeftOpen(_)
            | Event::Alarmed(_)
            | Event::JournalLost(_)
            | Event::IntentLost(_) => false,
        };
        if honest {
            into[*to].push(*from);
        }
    }
    let mut reaches = vec![false; walk.states.len()];
    let mut queue: VecDeque<usize> = VecDeque::new();
    for (i, (machine, _)) in walk.states.iter().enumerate() {
        let out = matches!(machine.phase(), Phase::Ended(Ending::RolledBack { .. }))
            || matches!(machine.phase(), Phase::Left(_))
            || matches!(machine.phase(), Phase::Ended(Ending::Unknown { .. }))
                && machine.is_tag_contradicted();
        if out {
            reaches[i] = true;
            queue.push_back(i);
        }
    }
    while let Some(to) = queue.pop_front() {
        for from in &into[to] {
            if !reaches[*from] {
                reaches[*from] = true;
                queue.push_back(*from);
            }
        }
    }
    for (i, (machine, _)) in walk.states.iter().enumerate() {
        assert!(
            reaches[i] || !machine.phase().transaction_open(),
            "I2: no key leads out of {machine:?}"
        );
    }
}

fn walk_every_state(name: &str, plan: Plan) -> Walk {
    let mode = plan.mode;
    // Where each pass is let go, no lock is ever held for a person.
    let never_held = matches!(
        plan.unheld,
        Unheld::Offered {
            by_itself: true,
            review_again: true,
            ..
        }
    );
    let walk = explore(plan);
    hold_way_out(&walk);
    let reached = |wanted: fn(&Phase) -> bool| {
        walk.states
            .iter()
            .any(|(machine, _)| wanted(machine.phase()))
    };
    // The walk saw what it is about; an empty walk would hold anything.
    assert_eq!(
        reached(|p| matches!(p, Phase::Ended(Ending::Committed { .. }))),
        mode != Mode::Inspect,
        "the script itself may have committed, even in a rehearsal"
    );
    assert_eq!(
        reached(|p| matches!(p, Phase::Committing { .. })),
        mode == Mode::Run
    );
    let held = mode != Mode::Inspect && !never_held;
    assert_eq!(reached(|p| matches!(p, Phase::Deciding { .. })), held);
    assert_eq!(
        reached(|p| matches!(p, Phase::Querying { why: None, .. })),
        held
    );
    assert_eq!(
        reached(|p| matches!(
            p,
            Phase::Ended(Ending::RolledBack {
                why: Why::HoldLimit,
                ..
            })
        )),
        mode != Mode::Inspect
    );
    println!(
        "{name}: I1, I2, I3, I4 hold in {} states and on {} edges between them",
        walk.states.len(),
        walk.edges.len()
    );
    walk
}

#[test]
fn each_act_is_asked_for_in_every_state() {
    let asked = commands(1);
    for act in Act::ALL {
        let commands = asked.iter().filter(|command| command.act() == act);
        assert!(commands.count() > 0, "{act:?} is no step of the walk");
    }
}

#[test]
fn every_reachable_state_of_a_run() {
    walk_every_state("run", plan(Mode::Run, 1, true));
}

#[test]
fn every_reachable_state_of_a_bare_script_with_a_second_signer() {
    walk_every_state("bare script", bare());
}

#[test]
fn every_reachable_state_of_a_run_whose_rollback_was_rehearsed() {
    let item = Requirement {
        documents: vec![Document::Rollback(0)],
        ..Requirement::default()
    };
    let plan = Plan {
        items: vec![item],
        lock_attempts: 1,
        targets: Vec::new(),
        other_form: true,
        max_waiters: None,
        ..plan(Mode::Run, 0, false)
    };
    walk_every_state("rehearsed", plan);
}

#[test]
fn every_reachable_state_of_a_decision_with_nothing_held() {
    let walk = walk_every_state("unheld", unheld(false, false));
    let by_itself = |(from, event, to): &&(usize, Event, usize)| {
        matches!(event, Event::Reported(_))
            && matches!(walk.states[*from].0.phase(), Phase::TakingDown { .. })
            && matches!(walk.states[*to].0.phase(), Phase::Committing { .. })
    };
    assert!(
        walk.edges.iter().any(|edge| by_itself(&edge)),
        "no approval ever committed"
    );
    let second = |(machine, _): &&State| {
        machine.approval().is_some() && matches!(machine.phase(), Phase::Waiting { .. })
    };
    assert!(
        walk.states.iter().any(|state| second(&state)),
        "no second pass ever waited for a lock"
    );
}

#[test]
fn every_reachable_state_of_a_run_that_holds_nothing_for_a_person() {
    walk_every_state("unheld by itself", unheld(true, true));
}

#[test]
fn every_reachable_state_of_a_rehearsal() {
    walk_every_state("rehearsal", plan(Mode::Rehearse, 0, true));
}

#[test]
fn every_reachable_state_of_an_inspection() {
    walk_every_state("inspection", plan(Mode::Inspect, 2, true));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(256))]
    /// Long random lives, with the full event alphabet and irregular ticks.
    #[test]
    fn random_lives_hold_the_invariants(
        choices in proptest::collection::vec((proptest::prelude::any::<u16>(), 0u64..2_000), 400)
    ) {
        let mut machine = Machine::new(plan(Mode::Run, 2, true));
        machine.start();
        let mut state: State = (machine, Witness::default());
        let bodies = bodies(2, false);
        for (choice, elapsed) in choices {
            let alphabet = events(&state.0, 2, &bodies);
            // Half of the time the next sensible step, so that lives get far.
            let event = if choice % 2 == 0 {
                next_step(&state.0)
            } else {
                match &alphabet[usize::from(choice / 2) % alphabet.len()] {
                    Event::Ticked { .. } => Event::Ticked { elapsed },
                    event => event.clone(),
                }
            };
            let mut after = state.0.clone();
            let effects = after.handle(event.clone());
            let witness = witnessed(&state, &event, &effects, &after);
            let after = (after, witness);
            hold(&state, &event, &effects, &after);
            hold_by_itself(&after);
            hold_leaving(&after);
            state = after;
        }
    }
}

/// What would bring a walk forward.
pub(crate) fn next_step(machine: &Machine) -> Event {
    if !machine.is_shown() {
        return Event::Drawn;
    }
    let current = machine.sequence_numbers();
    let seq = current.last().copied().unwrap_or(0);
    let report = |body| Event::Reported(Report { seq, body });
    match machine.phase() {
        Phase::Connecting => report(reached()),
        Phase::Checklist { .. } => {
            for (item, signature) in machine.items().iter().enumerate() {
                if signature.standing == Standing::Awaited {
                    return report(Body::Probed {
                        item,
                        evidence: Evidence {
                            standing: Standing::Holds,
                            findings: Some(0),
                            ..Evidence::default()
                        },
                    });
                }
                if let Some(document) = signature.unread.first() {
                    return Event::ReadToEnd(*document);
                }
                if !signature.signed {
                    return Event::Asked(sign(item, Some("ref")));
                }
            }
            Event::Asked(Command::Apply)
        }
        Phase::Waiting { left, .. } => Event::Ticked { elapsed: *left },
        Phase::Beginning { .. } => report(begun("7")),
        Phase::Applying { .. } if machine.tally().pass == 0 && !machine.plan().may_lack_checks => {
            report(check(Verdict::Pass))
        }
        Phase::Applying { .. } => report(Body::ScriptFinished),
        Phase::Verifying { .. } => report(Body::Settled {
            same_transaction: true,
        }),
        Phase::TakingDown { .. } => report(taken_down(Column::Bigint)),
        Phase::Deciding { prompt, arming, .. } => match prompt {
            Prompt::Closed if *arming > 0 => Event::Ticked { elapsed: *arming },
            Prompt::Closed => Event::Asked(Command::AskCommit),
            Prompt::Reason => Event::Asked(Command::ReasonGiven("it is empty".into())),
            Prompt::SecondSigner => Event::Asked(Command::SecondSigned("ben".into())),
            Prompt::Name => Event::Asked(Command::NameTyped(DATABASE.into())),
            Prompt::RollBack => Event::Asked(Command::StepBack),
        },
        Phase::Querying { .. } => report(looked(After::Unchanged)),
        Phase::Reviewing { prompt, arming, .. } => match prompt {
            Prompt::Closed if machine.asks_outside() => report(looked(After::Unchanged)),
            Prompt::Closed if *arming > 0 => Event::Ticked { elapsed: *arming },
            Prompt::Closed if machine.approvable_for() == Some(0) => {
                Event::Asked(Command::AskRollback)
            }
            Prompt::Closed => Event::Asked(Command::AskCommit),
            Prompt::Reason => Event::Asked(Command::ReasonGiven("it is empty".into())),
            Prompt::SecondSigner => Event::Asked(Command::SecondSigned("ben".into())),
            Prompt::Name => Event::Asked(Command::NameTyped(DATABASE.into())),
            Prompt::RollBack => Event::Asked(Command::ConfirmRollback),
        },
        Phase::Returning { .. } => report(reached()),
        Phase::MustRollBack { asking: false, .. } => Event::Asked(Command::AskRollback),
        Phase::MustRollBack { asking: true, .. } => Event::Asked(Command::ConfirmRollback),
        Phase::Committing { .. } => report(tagged_commit()),
        Phase::RollingBack { .. } => report(rolled_back(true, Some(XactStatus::Aborted))),
        Phase::Inquiring { .. } => report(answered(XactStatus::Aborted)),
        Phase::PostVerifying { .. } => report(Body::PostVerified {
            results: Vec::new(),
        }),
        Phase::Ended(_) | Phase::Left(_) => Event::Asked(Command::Again),
    }
}
