//! The same walk as lines: for a log, a pipe, a dumb terminal.
//!
//! With somebody at the terminal, words stand for keys and the same machine decides. With nobody
//! there it is a rehearsal: it applies, verifies and rolls back, and never commits.

mod pages;
mod place;
mod prompt;
mod table;
mod telling;
mod typing;
mod words;

use crate::acts::{Front, tell_refusal};
use crate::asking::Challenge;
use crate::facts::{Alarm, ExitCode, Observation};
use crate::gate::event::{Body, Event, Report};
use crate::gate::phase::{PhaseKind, Prompt};
use crate::gate::{Act, Command, Machine, Mode, Offer, Phase, plan};
use crate::runbook::Runbook;
use crate::runbook::printable::ascii_only;
use crate::walk::engine::{Engine, EngineRemark, HeldSession};
use prompt::Invitation;
use std::io::Write;
use std::time::Duration;
use telling::Teller;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;
use typing::Asked;

pub use typing::{EchoOff, TypedLine, listen, write_prompt, write_to_terminal};

const TICK: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub struct Feed {
    pub reports: UnboundedReceiver<Report>,
    pub observations: UnboundedReceiver<Observation>,
    pub alarms: UnboundedReceiver<Alarm>,
    /// What a person is asked for on the way in.
    pub questions: UnboundedReceiver<Challenge>,
    /// Typed lines; `None` where nobody is there to type.
    pub lines: Option<UnboundedReceiver<TypedLine>>,
    /// Whether a terminal is on both sides: there is a prompt, and what is long comes in pages.
    pub prompts: bool,
    /// Whether nothing but ASCII is written.
    pub ascii: bool,
}

/// Walks to the end with an engine that was started, telling each step on `out`.
pub async fn walk<H: HeldSession>(
    engine: &mut Engine<H>,
    runbook: &Runbook,
    out: &mut dyn Write,
    feed: &mut Feed,
) -> ExitCode {
    let mut teller = Teller::new(runbook, feed.prompts);
    let mut invite = Invitation::new(feed.prompts);
    let mut clock = tokio::time::interval(TICK);
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut ticked = Instant::now();
    let mut prompted = Instant::now();
    let alone = feed.lines.is_none();
    let mut asked: Option<Asked> = None;
    // Where nobody decides, lines are read only while a question is open.
    let mut answers: Option<UnboundedReceiver<TypedLine>> = None;

    loop {
        tell_news(engine, &mut teller, &mut invite, out, feed.ascii);
        if let Some(code) = engine.left() {
            return code;
        }
        if !engine.machine().is_shown() {
            prompted = Instant::now();
            engine.take(Event::Drawn);
        }
        if asked.as_ref().is_some_and(Asked::is_over) {
            asked = None;
        }
        if alone && let Some(command) = alone_next(engine.machine()) {
            engine.take(Event::Asked(command));
            continue;
        }
        // Each place the walk comes to is told before it goes on to the next one.
        let told = engine.machine().phase().kind();
        tokio::select! {
            biased;
            Some(alarm) = feed.alarms.recv() => take_alarm(engine, &mut invite, alarm),
            _ = clock.tick() => {
                let now = Instant::now();
                let elapsed = now.duration_since(ticked).as_millis();
                ticked = now;
                let elapsed = u64::try_from(elapsed).unwrap_or(u64::MAX);
                engine.take(Event::Ticked { elapsed });
                invite.wait(engine, asked.is_some());
            }
            () = engine.hear_past() => {}
            Some(question) = feed.questions.recv(), if asked.is_none() => {
                asked = Asked::put(question);
                if alone && asked.is_some() && answers.is_none() {
                    answers = Some(listen());
                }
            }
            line = next_line(&mut answers), if asked.is_some() && alone => {
                if line.is_none() {
                    answers = None;
                }
                asked = take_answer(asked, line);
            }
            line = next_line(&mut feed.lines) => {
                match line {
                    line @ Some(_) if asked.is_some() => asked = take_answer(asked, line),
                    Some(line) if invite.turns(engine, &line.text) => {}
                    Some(line) => {
                        let early = line.at <= prompted + reading(engine.machine(), &line.text);
                        take_line(engine, runbook, &mut teller, &mut invite, &line.text, early);
                    }
                    None => {
                        feed.lines = None;
                        take_alarm(engine, &mut invite, Alarm::HungUp);
                    }
                }
                take_report(engine, feed, told);
            }
            Some(observation) = feed.observations.recv() => {
                engine.take(Event::Observed(observation));
                take_report(engine, feed, told);
            }
            Some(report) = feed.reports.recv() => {
                engine.take(Event::Reported(report));
                take_batch(engine, feed, told);
            }
        }
    }
}

fn tell_news<H: HeldSession>(
    engine: &mut Engine<H>,
    teller: &mut Teller<'_>,
    invite: &mut Invitation,
    out: &mut dyn Write,
    ascii: bool,
) {
    for remark in engine.take_said() {
        teller.say(&match remark {
            EngineRemark::Refused(refusal) => tell_refusal(&refusal, Front::Lines),
            EngineRemark::Said(text) => text,
        });
    }
    teller.tell(engine.machine(), engine.account());
    if teller.take_turn() {
        invite.leave(engine);
    }
    invite.open(engine, teller.take_long(), None);
    let told = invite.before(teller.take());
    let told = match ascii {
        true => ascii_only(&told),
        false => told.into(),
    };
    let lost = out
        .write_all(told.as_bytes())
        .and_then(|()| out.flush())
        .is_err();
    // Whoever read the output is gone: there is no screen any more.
    if lost && engine.left().is_none() {
        take_alarm(engine, invite, Alarm::HungUp);
    }
}

/// What is open in pages is put away first: it may be the end of the run.
fn take_alarm<H: HeldSession>(engine: &mut Engine<H>, invite: &mut Invitation, alarm: Alarm) {
    invite.leave(engine);
    engine.take(Event::Alarmed(alarm));
}

/// The most reports that are taken before somebody else is heard.
const BATCH: usize = 64;

/// Takes what streams while nothing else happens: each step is told, and written with others.
fn take_batch<H: HeldSession>(engine: &mut Engine<H>, feed: &mut Feed, told: PhaseKind) {
    take_streaming(engine, feed, told);
    engine.write_down();
}

fn take_streaming<H: HeldSession>(engine: &mut Engine<H>, feed: &mut Feed, told: PhaseKind) {
    for _ in 0..BATCH {
        let moved = engine.machine().phase().kind() != told;
        if moved || engine.left().is_some() {
            return;
        }
        let Ok(report) = feed.reports.try_recv() else {
            return;
        };
        // What is said between two statements is told between them.
        let streams = matches!(
            report.body,
            Body::StatementStarted { .. } | Body::StatementFinished(_)
        );
        engine.take_among(report);
        if !streams {
            return;
        }
    }
}

/// Takes a report, if one waits: whoever is heard before the session lets it speak as well (I14).
fn take_report<H: HeldSession>(engine: &mut Engine<H>, feed: &mut Feed, told: PhaseKind) {
    if engine.left().is_none()
        && engine.machine().phase().kind() == told
        && let Ok(report) = feed.reports.try_recv()
    {
        engine.take(Event::Reported(report));
    }
}

/// Takes a line as the answer; what was typed before the question was put leaves it open.
fn take_answer(asked: Option<Asked>, line: Option<TypedLine>) -> Option<Asked> {
    match (asked, line) {
        (Some(asked), Some(line)) if asked.takes(&line) => {
            asked.answer(line);
            None
        }
        (asked, Some(_)) => asked,
        (_, None) => None,
    }
}

/// How long a question must have been asked before a line can be its answer. The name for COMMIT
/// that was pasted together with the word `commit` may be read after the question was asked, when
/// the two threads get in each other's way; nobody reads and types it in this time (I5). To go back is always safe.
fn reading(machine: &Machine, line: &str) -> Duration {
    match machine.phase().prompt().is_for_commit() && line.trim() != "back" {
        true => Duration::from_millis(plan::ARMING),
        false => Duration::ZERO,
    }
}

async fn next_line(lines: &mut Option<UnboundedReceiver<TypedLine>>) -> Option<TypedLine> {
    match lines {
        Some(lines) => lines.recv().await,
        None => std::future::pending().await,
    }
}

/// What a rehearsal does next where nobody is there: never anything that commits.
fn alone_next(machine: &Machine) -> Option<Command> {
    if machine.plan().mode != Mode::Rehearse || !machine.is_shown() {
        return None;
    }
    match machine.phase() {
        Phase::Checklist { .. } => match machine.offer(Act::Apply) {
            Offer::Open => Some(Command::Apply),
            Offer::Refused(_) if machine.fails() => Some(Command::Quit),
            Offer::Refused(_) | Offer::Absent => None,
        },
        Phase::Deciding {
            prompt: Prompt::Closed,
            ..
        }
        | Phase::MustRollBack { asking: false, .. } => Some(Command::AskRollback),
        Phase::Deciding {
            prompt: Prompt::RollBack,
            ..
        }
        | Phase::MustRollBack { asking: true, .. } => Some(Command::ConfirmRollback),
        Phase::Ended(_) => Some(Command::Quit),
        Phase::Deciding {
            prompt: Prompt::Reason | Prompt::SecondSigner | Prompt::Name,
            ..
        }
        | Phase::Connecting
        | Phase::Beginning { .. }
        | Phase::Applying { .. }
        | Phase::Verifying { .. }
        | Phase::TakingDown { .. }
        | Phase::Querying { .. }
        | Phase::Reviewing { .. }
        | Phase::Returning { .. }
        | Phase::Committing { .. }
        | Phase::RollingBack { .. }
        | Phase::Inquiring { .. }
        | Phase::Waiting { .. }
        | Phase::PostVerifying { .. }
        | Phase::Left(_) => None,
    }
}

/// A typed line: words for commands, or the answer to the question that is open.
fn take_line<H: HeldSession>(
    engine: &mut Engine<H>,
    runbook: &Runbook,
    teller: &mut Teller<'_>,
    invite: &mut Invitation,
    text: &str,
    early: bool,
) {
    match words::read_typed_line(text, engine.machine(), runbook) {
        words::TypedMeaning::Command(_) if early => {
            teller.say("Typed before this was asked; type it again.");
        }
        words::TypedMeaning::Command(command) => engine.take(Event::Asked(command)),
        words::TypedMeaning::Show(item) => teller.show_item(engine.account(), item),
        words::TypedMeaning::Read(document) => {
            invite.open(engine, teller.read_out(document), Some(document));
        }
        words::TypedMeaning::Told(pane) => teller.tell_pane(pane, engine.account()),
        words::TypedMeaning::Help => teller.help(engine.machine()),
        words::TypedMeaning::Nothing(why) => teller.say(&why),
    }
}
