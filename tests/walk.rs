//! The loop itself: a scripted session, a screen in memory, and time that passes only when nothing
//! else is left to do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::backend::TestBackend;
use stagegate::database::session::Order;
use stagegate::facts::{
    After, Alarm, Ending, Evidence, ExitCode, Inquiry, Looked, Millis, Observation, OutcomeWord,
    Rows, ServerMessage, Standing, StatementReport, Target, Why, XactStatus,
};
use stagegate::gate::act::Command;
use stagegate::gate::event::*;
use stagegate::gate::plan::{Mode, Plan};
use stagegate::gate::{Act, Refusal};
use stagegate::journal::earlier::Earlier;
use stagegate::journal::entry::ReadBefore;
use stagegate::journal::measured::Measured;
use stagegate::journal::{Entry, Journal, chain};
use stagegate::rehearse::weighing::Weighing;
use stagegate::runbook::check::{Check, Verdict};
use stagegate::runbook::script::Script;
use stagegate::runbook::{ChecklistItem, ItemKind, Runbook, RunbookOrigin};
use stagegate::tui::input::{Input, What};
use stagegate::tui::terminal::{Surface, Terminal};
use stagegate::tui::{Appearance, Screen};
use stagegate::walk::engine::{Engine, EngineRemark, HeldSession, Log};
use stagegate::walk::past::{FoundInPast, LookingBack};
use stagegate::walk::{self, WalkWires, evidence};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedSender, WeakUnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep};

const DATABASE: &str = "wiser_ops";
const HOLD_LIMIT: Millis = 60_000;

/// A session that answers as the script says, at once, and remembers what it was asked.
struct Scripted {
    reports: UnboundedSender<Report>,
    said: Arc<Mutex<Vec<(Instant, String)>>>,
    /// Orders that are never answered.
    silent: &'static [&'static str],
    spring: Arc<Spring>,
}

/// What comes without end, whatever is taken of it: at each turn of the loop there is more than before.
#[derive(Default)]
struct Spring {
    reports: AtomicBool,
    observations: AtomicBool,
    keys: AtomicBool,
    to_observe: Mutex<Option<UnboundedSender<Observation>>>,
    /// Where keys go, for as long as there is a keyboard.
    to_press: Mutex<Option<WeakUnboundedSender<Input>>>,
}

impl Spring {
    /// From now on it flows, or does not; what flows wakes the loop.
    fn flow(&self, flood: Option<Flood>) {
        let among = |floods: &[Flood]| flood.is_some_and(|flood| floods.contains(&flood));
        for (flows, floods) in [
            (&self.reports, &[Flood::Reports, Flood::Everything][..]),
            (
                &self.observations,
                &[Flood::Observations, Flood::Everything],
            ),
            (&self.keys, &[Flood::Keys]),
        ] {
            flows.store(among(floods), Ordering::SeqCst);
        }
        self.see(u64::from(flood.is_some()));
    }

    fn press(&self) {
        let to = self.to_press.lock().unwrap();
        if let Some(to) = to.as_ref().and_then(WeakUnboundedSender::upgrade) {
            press(&to, Instant::now(), KeyCode::Down);
        }
    }

    fn see(&self, times: u64) {
        if let Some(to) = &*self.to_observe.lock().unwrap() {
            for nth in 0..times {
                let _ = to.send(Observation::Blind(format!("for reason {nth}")));
            }
        }
    }
}

impl Scripted {
    fn note(&self, what: &str) {
        self.said
            .lock()
            .unwrap()
            .push((Instant::now(), what.to_owned()));
    }

    fn report(&self, seq: Seq, body: Body) {
        let _ = self.reports.send(Report { seq, body });
    }
}

impl HeldSession for Scripted {
    fn weigh(&self, seq: Seq, item: usize, weighing: Weighing) {
        let (evidence, _) = weighing.weigh();
        self.report(seq, Body::Probed { item, evidence });
    }

    fn lint(&self, seq: Seq, item: usize, runbook: Arc<Runbook>) {
        runbook.read_through();
        let evidence = evidence::review(&runbook);
        self.report(seq, Body::Probed { item, evidence });
    }

    fn order(&self, seq: Seq, order: Order) {
        let name = match &order {
            Order::Connect => "connect",
            Order::Probe(_) => "probe",
            Order::Compare(..) => "compare",
            Order::Begin => "begin",
            Order::RunScript => "run script",
            Order::Settle => "settle",
            Order::TakeDown => "take down",
            Order::Commit(_) => "commit",
            Order::RollBack => "roll back",
            Order::Query(..) => "query",
            Order::QueryOutside(_) => "query outside",
            Order::Inquire => "inquire",
            Order::EndBackend => "end backend",
            Order::PostVerify => "post-verify",
        };
        self.note(name);
        if self.silent.contains(&name) {
            return;
        }
        match order {
            Order::Connect => self.report(
                seq,
                Body::Connected(Box::new(Target {
                    database: DATABASE.into(),
                    ..Target::default()
                })),
            ),
            Order::Probe(items) => {
                for item in items {
                    let evidence = Evidence {
                        standing: Standing::Holds,
                        ..Evidence::default()
                    };
                    self.report(seq, Body::Probed { item, evidence });
                }
            }
            Order::Compare(..) => {}
            Order::Begin => self.report(
                seq,
                Body::Begun {
                    xid: "7".into(),
                    added: Vec::new(),
                },
            ),
            Order::RunScript => {
                let report = StatementReport {
                    number: 1,
                    checks: vec![Check {
                        name: "c".into(),
                        verdict: Verdict::Pass,
                        detail: String::new(),
                    }],
                    ..StatementReport::default()
                };
                self.report(seq, Body::StatementFinished(Box::new(report)));
                self.report(seq, Body::ScriptFinished);
            }
            Order::Settle => self.report(
                seq,
                Body::Settled {
                    same_transaction: true,
                },
            ),
            Order::TakeDown => self.report(
                seq,
                Body::TakenDown {
                    structure: Box::default(),
                    duration: 1,
                },
            ),
            Order::Commit(recorded) => {
                assert_eq!(recorded.xid(), "7");
                self.report(
                    seq,
                    Body::CommitAnswered(CommitAnswer::Tag {
                        tag: "COMMIT".into(),
                        idle: true,
                        xact_status: Some(XactStatus::Committed),
                    }),
                );
            }
            Order::Query(question, _) | Order::QueryOutside(question) => self.report(
                seq,
                Body::Looked(Box::new(Looked {
                    question,
                    duration: 1,
                    answer: Ok(Rows::default()),
                    after: After::Unchanged,
                })),
            ),
            Order::RollBack => self.report(
                seq,
                Body::RollbackAnswered {
                    tag: "ROLLBACK".into(),
                    ended_ours: true,
                    xact_status: Some(XactStatus::Aborted),
                },
            ),
            Order::Inquire | Order::EndBackend => self.report(
                seq,
                Body::Asked(Inquiry::Answered {
                    status: XactStatus::Aborted,
                    server: "the same server".into(),
                }),
            ),
            Order::PostVerify => self.report(
                seq,
                Body::PostVerified {
                    results: Vec::new(),
                },
            ),
        }
    }

    fn cancel(&self) {
        self.note("cancel");
    }

    fn renew(&self, left: Millis) {
        let tenths = left.div_ceil(1_000) * 1_000;
        self.note(&format!("renew {tenths} ms, or a moment less"));
    }

    fn sever(&self) {
        self.note("sever");
    }

    fn back_up(&self, _: Seq, _: Target, folder: String) {
        self.note(&format!("back up into {folder}"));
    }

    fn stop_backup(&self) {
        self.note("stop the backup");
    }

    fn ask_earlier(&self, _: Seq, journal: PathBuf, _: String) {
        self.note(&format!("ask about {}", journal.display()));
    }

    /// Asked for at each turn.
    fn look_at_log(&self, _: bool) {
        if self.spring.reports.load(Ordering::SeqCst) {
            for _ in 0..Flood::HEAP {
                self.report(0, Body::StatementStarted { number: 1 });
            }
        }
        if self.spring.observations.load(Ordering::SeqCst) {
            self.spring.see(Flood::HEAP);
        }
        if self.spring.keys.load(Ordering::SeqCst) {
            self.spring.press();
        }
    }
}

fn press(input: &UnboundedSender<Input>, at: Instant, code: KeyCode) {
    let key = KeyEvent::new(code, KeyModifiers::NONE);
    // A run that was left takes no more keys.
    let _ = input.send(Input {
        at: at.into_std(),
        what: What::Key(key),
    });
}

/// A run under way: the wires' other ends, and what was said so far.
struct Stage {
    input: Option<UnboundedSender<Input>>,
    spring: Arc<Spring>,
    alarms: UnboundedSender<Alarm>,
    said: Arc<Mutex<Vec<(Instant, String)>>>,
    run: tokio::task::JoinHandle<(ExitCode, Option<Ending>)>,
}

fn runbook() -> Runbook {
    let text = "BEGIN;\nSELECT 'c' AS \"check\", 'PASS' AS status;\n";
    let script = Script::read("script.sql", None, text.as_bytes());
    Runbook {
        items: vec![ChecklistItem::new(
            "structure",
            "The expected tables",
            ItemKind::Structure,
        )],
        ..Runbook::bare("Title", RunbookOrigin::BuiltIn, script)
    }
}

impl Stage {
    fn set(silent: &'static [&'static str], log: Log) -> Stage {
        Stage::on(TestBackend::new(80, 24), silent, log)
    }

    fn on<B: Surface + Send + 'static>(
        backend: B,
        silent: &'static [&'static str],
        log: Log,
    ) -> Stage
    where
        B::Error: std::fmt::Debug + Send,
    {
        let runbook = Arc::new(runbook());
        let (reports, reported) = unbounded_channel();
        let (alarms, alarmed) = unbounded_channel();
        let (input, typed) = unbounded_channel();
        let (seen, observations) = unbounded_channel();
        let spring = Arc::new(Spring {
            to_observe: Mutex::new(Some(seen)),
            to_press: Mutex::new(Some(input.downgrade())),
            ..Spring::default()
        });
        let said: Arc<Mutex<Vec<(Instant, String)>>> = Arc::default();
        let held = Scripted {
            reports,
            said: Arc::clone(&said),
            silent,
            spring: Arc::clone(&spring),
        };
        let plan = Plan::new(&runbook, Mode::Run, HOLD_LIMIT);
        let run = tokio::spawn(async move {
            let mut engine = Engine::new(Arc::clone(&runbook), plan, log, held);
            let mut screen = Screen::new(runbook, Appearance::detect(|_| None, true));
            let mut terminal = Terminal::over(backend).unwrap();
            let mut wires = WalkWires {
                reports: reported,
                observations,
                alarms: alarmed,
                questions: stagegate::asking::open_desk().1,
                input: typed,
                editor: None,
            };
            engine.start();
            let code = walk::walk(&mut engine, &mut screen, &mut terminal, &mut wires, true).await;
            (code, engine.machine().ending().cloned())
        });
        Stage {
            input: Some(input),
            spring,
            alarms,
            said,
            run,
        }
    }

    /// Lets everything happen that has nothing to wait for but the clock.
    async fn pass(&self, time: Duration) {
        sleep(time).await;
    }

    fn send(&self, at: Instant, code: KeyCode) {
        press(self.input.as_ref().unwrap(), at, code);
    }

    async fn key(&self, code: KeyCode) {
        self.send(Instant::now(), code);
        self.pass(Duration::from_millis(150)).await;
    }

    async fn text(&self, text: &str) {
        for letter in text.chars() {
            self.key(KeyCode::Char(letter)).await;
        }
    }

    /// Signs, applies, and waits until the gate is armed.
    async fn gate(silent: &'static [&'static str], log: Log) -> Stage {
        let stage = Stage::set(silent, log);
        stage.pass(Duration::from_secs(1)).await;
        stage.key(KeyCode::Char(' ')).await;
        stage.key(KeyCode::Char('a')).await;
        stage.pass(Duration::from_secs(1)).await;
        assert_eq!(stage.count("settle"), 1);
        stage
    }

    fn count(&self, what: &str) -> usize {
        let said = self.said.lock().unwrap();
        said.iter().filter(|(_, said)| said == what).count()
    }

    async fn end(self) -> (ExitCode, Option<Ending>) {
        self.run.await.unwrap()
    }
}

fn journal(folder: &Path) -> (Log, std::path::PathBuf) {
    let path = folder.join("run.jsonl");
    let journal = Journal::create(Some(&path), |_| None).unwrap();
    (Log::Kept(Box::new(journal)), path)
}

fn intents(path: &Path) -> Vec<Entry> {
    chain::verify(&std::fs::read_to_string(path).unwrap())
        .unwrap()
        .into_iter()
        .map(|line| line.entry)
        .filter(|entry| matches!(entry, Entry::Intent { .. } | Entry::Outcome { .. }))
        .collect()
}

fn rolled_back(ending: &Option<Ending>, wanted: &Why) -> bool {
    matches!(ending, Some(Ending::RolledBack { why, .. }) if why == wanted)
}

#[tokio::test(start_paused = true)]
async fn keys_lead_to_commit_and_the_journal_has_the_intent_before_the_outcome() {
    let folder = tempfile::tempdir().unwrap();
    let (log, path) = journal(folder.path());
    let stage = Stage::gate(&[], log).await;
    stage.key(KeyCode::Char('c')).await;
    stage.text(DATABASE).await;
    stage.key(KeyCode::Enter).await;
    assert_eq!(stage.count("commit"), 1);
    stage.key(KeyCode::Char('q')).await;
    let (code, ending) = stage.end().await;
    assert_eq!(code, ExitCode::Committed);
    assert!(matches!(ending, Some(Ending::Committed { .. })));
    let entries = intents(&path);
    assert!(
        matches!(
            &entries[..],
            [Entry::Intent { .. }, Entry::Outcome { outcome, .. }]
                if *outcome == OutcomeWord::Committed
        ),
        "{entries:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn keys_that_were_typed_before_the_gate_was_drawn_do_nothing() {
    let stage = Stage::set(&["settle"], Log::Unwanted);
    stage.pass(Duration::from_secs(1)).await;
    stage.key(KeyCode::Char(' ')).await;
    let ahead = Instant::now();
    stage.key(KeyCode::Char('a')).await;
    stage.pass(Duration::from_secs(1)).await;
    // Read before the present screen came up, however late they are handed on.
    stage.send(ahead, KeyCode::Char('x'));
    stage.pass(Duration::from_secs(1)).await;
    assert_eq!(stage.count("cancel"), 0);
    // The same key on the screen that shows it does what it says.
    stage.key(KeyCode::Char('x')).await;
    assert!(stage.count("cancel") > 0);
    stage.run.abort();
}

#[tokio::test(start_paused = true)]
async fn enter_typed_ahead_of_the_name_it_ends_sends_nothing_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::gate(&[], journal(folder.path()).0).await;
    stage.key(KeyCode::Char('c')).await;
    stage.text(DATABASE).await;
    // Read long before the frame that shows the whole name.
    stage.send(Instant::now() - Duration::from_secs(2), KeyCode::Enter);
    stage.pass(Duration::from_secs(1)).await;
    assert_eq!(stage.count("commit"), 0);
    // The name is still there: Enter alone sends it now.
    stage.key(KeyCode::Enter).await;
    assert_eq!(stage.count("commit"), 1);
    stage.run.abort();
}

#[tokio::test(start_paused = true)]
async fn a_key_held_down_from_before_the_gate_never_opens_it() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::set(&[], journal(folder.path()).0);
    stage.pass(Duration::from_secs(1)).await;
    stage.key(KeyCode::Char(' ')).await;
    stage.send(Instant::now(), KeyCode::Char('a'));
    for _ in 0..200 {
        stage.send(Instant::now(), KeyCode::Char('c'));
        stage.pass(Duration::from_millis(33)).await;
    }
    // What a name prompt would have taken: had it opened, Enter would now be refused in words.
    stage.key(KeyCode::Char('r')).await;
    stage.key(KeyCode::Char('y')).await;
    assert_eq!(stage.count("commit"), 0);
    assert_eq!(stage.count("roll back"), 1);
    stage.run.abort();
}

#[tokio::test(start_paused = true)]
async fn a_paste_at_the_gate_never_acts() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::gate(&[], journal(folder.path()).0).await;
    let paste = |text: &str| {
        let input = stage.input.as_ref().unwrap();
        input
            .send(Input {
                at: Instant::now().into_std(),
                what: What::Paste(text.into()),
            })
            .unwrap();
    };
    paste("c\nwiser_ops\n");
    stage.pass(Duration::from_secs(1)).await;
    stage.key(KeyCode::Char('c')).await;
    paste("wiser_ops");
    stage.pass(Duration::from_secs(1)).await;
    stage.key(KeyCode::Enter).await;
    assert_eq!(stage.count("commit"), 0);
    stage.run.abort();
}

#[tokio::test(start_paused = true)]
async fn the_hold_limit_rolls_back_and_its_end_waits_for_a_key() {
    let stage = Stage::gate(&[], Log::Unwanted).await;
    stage.pass(Duration::from_secs(57)).await;
    assert_eq!(stage.count("roll back"), 0);
    stage.pass(Duration::from_secs(4)).await;
    assert_eq!(stage.count("roll back"), 1);
    stage.pass(Duration::from_secs(24 * 3600)).await;
    assert!(!stage.run.is_finished(), "the end stays on screen");
    stage.key(KeyCode::Char('q')).await;
    let (code, ending) = stage.end().await;
    assert_eq!(code, ExitCode::RolledBackOnError);
    assert!(rolled_back(&ending, &Why::HoldLimit));
}

#[tokio::test(start_paused = true)]
async fn only_more_time_renews_what_the_session_holds_by_itself() {
    let stage = Stage::gate(&[], Log::Unwanted).await;
    stage.pass(Duration::from_secs(30)).await;
    let before = stage.said.lock().unwrap().len();
    stage.key(KeyCode::Char('+')).await;
    stage.pass(Duration::from_secs(30)).await;
    let said = stage.said.lock().unwrap()[before..].to_vec();
    let (at, what) = said.first().unwrap();
    // Less than half a minute was left of a minute, and a minute came to it.
    assert_eq!(what, "renew 89000 ms, or a moment less");
    assert_eq!(
        said.len(),
        1,
        "nothing is asked of it meanwhile: {said:?} {at:?}"
    );
    stage.run.abort();
}

#[tokio::test(start_paused = true)]
async fn without_the_intent_on_disk_commit_is_not_sent() {
    // A socket takes lines but cannot be synced to disk.
    let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let file = std::fs::File::from(std::os::fd::OwnedFd::from(ours));
    let journal = Journal::over("run.jsonl".into(), file);
    let stage = Stage::gate(&[], Log::Kept(Box::new(journal))).await;
    stage.key(KeyCode::Char('c')).await;
    stage.text(DATABASE).await;
    stage.key(KeyCode::Enter).await;
    assert_eq!(stage.count("commit"), 0);
    // And not by a second try either.
    stage.key(KeyCode::Char('c')).await;
    stage.text(DATABASE).await;
    stage.key(KeyCode::Enter).await;
    assert_eq!(stage.count("commit"), 0);
    stage.key(KeyCode::Char('r')).await;
    stage.key(KeyCode::Char('y')).await;
    stage.key(KeyCode::Char('q')).await;
    let (_, ending) = stage.end().await;
    assert!(rolled_back(&ending, &Why::JournalLost));
}

#[tokio::test(start_paused = true)]
async fn a_run_without_a_journal_never_commits() {
    let stage = Stage::gate(&[], Log::Unwanted).await;
    stage.key(KeyCode::Char('c')).await;
    stage.text(DATABASE).await;
    stage.key(KeyCode::Enter).await;
    assert_eq!(stage.count("commit"), 0);
    stage.run.abort();
}

#[tokio::test(start_paused = true)]
async fn a_hang_up_rolls_back_and_leaves() {
    let stage = Stage::gate(&[], Log::Unwanted).await;
    stage.alarms.send(Alarm::HungUp).unwrap();
    let (code, ending) = stage.end().await;
    assert_eq!(code.code(), 129);
    assert!(rolled_back(&ending, &Why::Alarmed(Alarm::HungUp)));
}

#[tokio::test(start_paused = true)]
async fn a_dead_input_thread_rolls_back_and_leaves() {
    let mut stage = Stage::gate(&[], Log::Unwanted).await;
    stage.input = None;
    let (_, ending) = stage.end().await;
    assert!(rolled_back(
        &ending,
        &Why::Alarmed(Alarm::PartDied("input"))
    ));
}

#[tokio::test(start_paused = true)]
async fn a_rollback_that_is_not_answered_severs_the_link_and_asks() {
    let stage = Stage::gate(&["roll back"], Log::Unwanted).await;
    let started = Instant::now();
    stage.alarms.send(Alarm::Terminated).unwrap();
    let said = Arc::clone(&stage.said);
    let (code, ending) = stage.end().await;
    assert_eq!(code.code(), 143);
    assert!(rolled_back(&ending, &Why::Alarmed(Alarm::Terminated)));
    let said = said.lock().unwrap();
    let severed = said.iter().find(|(_, what)| what == "sever").unwrap();
    assert!(severed.0.duration_since(started) < Duration::from_secs(2));
    assert_eq!(said.last().unwrap().1, "inquire");
}

/// Something that comes without end.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Flood {
    Reports,
    Observations,
    Keys,
    Everything,
}

impl Flood {
    /// More than one turn of the loop must find, so that there is something left at the next.
    const HEAP: u64 = 2;

    /// Among everything, keys come as from a terminal, or another key would stand behind too many of them.
    fn press(self, stage: &Stage) {
        if self == Flood::Everything {
            for _ in 0..20 {
                stage.send(Instant::now(), KeyCode::Down);
            }
        }
    }
}

/// Whether something is noted `within` milliseconds of `start`, while a flood goes on.
async fn noted(stage: &Stage, flood: Flood, what: &str, start: Instant, within: u64) -> bool {
    stage.spring.flow(Some(flood));
    while Instant::now() < start + Duration::from_millis(within) && stage.count(what) == 0 {
        flood.press(stage);
        tokio::time::advance(Duration::from_millis(1)).await;
        tokio::task::yield_now().await;
    }
    stage.spring.flow(None);
    stage.count(what) > 0
}

/// A script that runs, on a screen that shows it.
async fn streaming() -> Stage {
    let stage = Stage::set(&["run script"], Log::Unwanted);
    stage.pass(Duration::from_secs(1)).await;
    stage.key(KeyCode::Char(' ')).await;
    stage.key(KeyCode::Char('a')).await;
    stage.pass(Duration::from_secs(1)).await;
    assert_eq!(stage.count("run script"), 1);
    stage
}

#[tokio::test(start_paused = true)]
async fn no_flood_keeps_a_key_waiting() {
    for flood in [Flood::Reports, Flood::Observations, Flood::Everything] {
        // The key comes into whatever the loop is doing then: into a frame, between two, at once.
        for after in [0, 7, 33, 50] {
            let stage = streaming().await;
            let start = Instant::now();
            assert!(!noted(&stage, flood, "cancel", start, after).await);
            let pressed = Instant::now();
            stage.send(pressed, KeyCode::Char('x'));
            // A flood of keys is a queue: whoever comes to it last is heard last.
            let rest = match flood {
                Flood::Everything => Flood::Reports,
                flood => flood,
            };
            let heard = noted(&stage, rest, "cancel", pressed, 50).await;
            assert!(
                heard,
                "{flood:?}: the key that came after {after} ms is not heard"
            );
            stage.run.abort();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_flood_keeps_time_waiting() {
    for flood in [
        Flood::Reports,
        Flood::Observations,
        Flood::Keys,
        Flood::Everything,
    ] {
        let stage = streaming().await;
        // To the last moments of the hold, in peace.
        stage.pass(Duration::from_millis(HOLD_LIMIT - 1_500)).await;
        assert_eq!(stage.count("roll back"), 0);
        let start = Instant::now();
        // What is left of it since the key, a tick to notice that, and one because the clocks do not
        // begin together.
        let over = noted(&stage, flood, "roll back", start, 400 + 200).await;
        assert!(over, "{flood:?}: the hold limit is not kept");
        stage.run.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn no_flood_of_keys_keeps_the_session_waiting() {
    let stage = Stage::set(&["run script"], Log::Unwanted);
    stage.pass(Duration::from_secs(1)).await;
    stage.key(KeyCode::Char(' ')).await;
    let start = Instant::now();
    stage.send(start, KeyCode::Char('a'));
    // BEGIN is answered by a report, and only then the script is asked for.
    let ran = noted(&stage, Flood::Keys, "run script", start, 50).await;
    assert!(ran, "the answer to BEGIN is not heard");
    stage.run.abort();
}

/// What is wrong with a terminal.
#[derive(Clone)]
enum Fault {
    /// It is gone from the third frame on.
    Gone,
    /// Drawing has a fault from the third frame on.
    Panics,
    /// It takes no frame for as long as this is set.
    Stalls(Arc<AtomicBool>),
}

struct Broken {
    inner: TestBackend,
    frames: usize,
    fault: Fault,
}

impl Broken {
    fn new(fault: Fault) -> Broken {
        Broken {
            inner: TestBackend::new(80, 24),
            frames: 0,
            fault,
        }
    }
}

impl ratatui::backend::Backend for Broken {
    type Error = std::io::Error;

    fn draw<'a, I>(&mut self, content: I) -> Result<(), Self::Error>
    where
        I: Iterator<Item = (u16, u16, &'a ratatui::buffer::Cell)>,
    {
        self.frames += 1;
        match &self.fault {
            Fault::Gone if self.frames > 2 => return Err(std::io::Error::other("EIO")),
            Fault::Panics => assert!(self.frames <= 2, "a fault in drawing"),
            Fault::Gone | Fault::Stalls(_) => {}
        }
        self.inner.draw(content).map_err(std::io::Error::other)
    }

    fn hide_cursor(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    fn show_cursor(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    fn get_cursor_position(&mut self) -> Result<ratatui::layout::Position, Self::Error> {
        Ok(ratatui::layout::Position::ORIGIN)
    }

    fn set_cursor_position<P: Into<ratatui::layout::Position>>(
        &mut self,
        _: P,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    fn clear(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    fn clear_region(&mut self, _: ratatui::backend::ClearType) -> Result<(), Self::Error> {
        Ok(())
    }

    fn size(&self) -> Result<ratatui::layout::Size, Self::Error> {
        Ok(ratatui::layout::Size::new(80, 24))
    }

    fn window_size(&mut self) -> Result<ratatui::backend::WindowSize, Self::Error> {
        self.inner.window_size().map_err(std::io::Error::other)
    }

    fn flush(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

impl Surface for Broken {
    async fn written(&mut self) -> Result<(), Self::Error> {
        if let Fault::Stalls(stalls) = &self.fault {
            while stalls.load(Ordering::SeqCst) {
                sleep(Duration::from_millis(10)).await;
            }
        }
        Ok(())
    }
}

/// At the armed gate of a terminal that takes nothing any more, and what lets it go on.
async fn stalled_at_the_gate() -> (Stage, Arc<AtomicBool>) {
    let stalls = Arc::new(AtomicBool::new(false));
    let stage = Stage::on(
        Broken::new(Fault::Stalls(Arc::clone(&stalls))),
        &[],
        Log::Unwanted,
    );
    stage.pass(Duration::from_secs(1)).await;
    stage.key(KeyCode::Char(' ')).await;
    stage.key(KeyCode::Char('a')).await;
    stage.pass(Duration::from_secs(1)).await;
    assert_eq!(stage.count("settle"), 1);
    stalls.store(true, Ordering::SeqCst);
    (stage, stalls)
}

#[tokio::test(start_paused = true)]
async fn no_key_acts_on_what_a_stalled_terminal_has_not_taken() {
    let (stage, stalls) = stalled_at_the_gate().await;
    // The gate was seen, so `r` asks; the question was not, so `y` answers nothing.
    stage.key(KeyCode::Char('r')).await;
    stage.pass(Duration::from_secs(3)).await;
    for _ in 0..20 {
        stage.key(KeyCode::Char('y')).await;
        stage.pass(Duration::from_secs(1)).await;
    }
    assert_eq!(stage.count("roll back"), 0);
    // Nor does what was typed at nothing count when the question comes up.
    stalls.store(false, Ordering::SeqCst);
    stage.pass(Duration::from_secs(2)).await;
    assert_eq!(stage.count("roll back"), 0);
    stage.key(KeyCode::Char('y')).await;
    assert_eq!(stage.count("roll back"), 1);
    stage.run.abort();
}

#[tokio::test(start_paused = true)]
async fn a_stalled_terminal_keeps_neither_time_nor_a_signal_nor_an_answer_waiting() {
    let (stage, _stalls) = stalled_at_the_gate().await;
    // A key that waits for its frame, too.
    stage.key(KeyCode::Char('r')).await;
    stage.key(KeyCode::Char('y')).await;
    stage.pass(Duration::from_millis(HOLD_LIMIT)).await;
    assert_eq!(stage.count("roll back"), 1);
    assert!(!stage.run.is_finished());
    stage.alarms.send(Alarm::Terminated).unwrap();
    let (code, ending) = stage.end().await;
    assert!(rolled_back(&ending, &Why::HoldLimit), "{ending:?}");
    assert_eq!(code, ExitCode::RolledBackOnError);
}

#[tokio::test(start_paused = true)]
async fn a_screen_that_is_gone_rolls_back_and_leaves() {
    for (fault, alarm) in [
        (Fault::Gone, Alarm::HungUp),
        (Fault::Panics, Alarm::PartDied("the screen")),
    ] {
        let stage = Stage::on(Broken::new(fault), &["settle"], Log::Unwanted);
        stage.pass(Duration::from_secs(1)).await;
        stage.key(KeyCode::Char(' ')).await;
        stage.key(KeyCode::Char('a')).await;
        let (_, ending) = stage.end().await;
        // It may be gone before anything was applied; then there is nothing to roll back.
        assert!(
            ending.is_none() || rolled_back(&ending, &Why::Alarmed(alarm)),
            "{ending:?}"
        );
    }
}

/// An engine over one item about a backup, with the session's answers still to be taken.
fn engine_with_a_backup(
    log: Log,
) -> (
    Engine<Scripted>,
    tokio::sync::mpsc::UnboundedReceiver<Report>,
) {
    let (reports, reported) = unbounded_channel();
    let held = Scripted {
        reports,
        said: Arc::default(),
        silent: &["connect", "probe", "begin"],
        spring: Arc::default(),
    };
    let runbook = Runbook {
        items: vec![ChecklistItem::new("backup", "A backup", ItemKind::Backup)],
        ..runbook()
    };
    let plan = Plan::new(&runbook, Mode::Run, 60_000);
    (Engine::new(Arc::new(runbook), plan, log, held), reported)
}

fn reached(system: &str) -> Body {
    Body::Connected(Box::new(Target {
        database: DATABASE.into(),
        system_identifier: Some(system.into()),
        ..Target::default()
    }))
}

/// The checklist is there, whatever journals are still read; what they tell comes to it.
#[tokio::test]
async fn what_earlier_passes_measured_is_told_once_it_was_read_and_nothing_waits_for_it() {
    let (found, reading) = tokio::sync::oneshot::channel();
    let (engine, _reported) = engine_with_a_backup(Log::Unwanted);
    let mut engine = engine.with_past(LookingBack::awaiting(reading));
    engine.start();
    let body = reached("1");
    let Body::Connected(target) = body.clone() else {
        panic!("{body:?}")
    };
    engine.take(Event::Reported(Report { seq: 1, body }));
    assert!(matches!(
        engine.machine().phase(),
        stagegate::gate::Phase::Checklist { .. }
    ));
    assert_eq!(engine.account().expected, None);
    let measured = Measured {
        at: jiff::Timestamp::UNIX_EPOCH,
        target: *target,
        rehearsed: false,
        locked: Some(200),
    };
    let past = FoundInPast {
        measured: vec![measured],
        ..FoundInPast::default()
    };
    found.send(past).unwrap();
    engine.hear_past().await;
    let expected = engine.account().expected.clone().unwrap();
    assert!(expected.in_short.contains("200 ms"), "{expected:?}");
    // Once: from here on there is nothing to hear, and the loop is not woken for it.
    let again = tokio::time::timeout(Duration::from_millis(1), engine.hear_past());
    assert!(again.await.is_err());
}

/// Evidence on the server that was reached says a run without an outcome before all else: it waits until it
/// is known whether there is one, and the rest of the walk does not.
#[tokio::test]
async fn evidence_on_the_server_waits_until_runs_without_an_outcome_are_known() {
    let held = Scripted {
        reports: unbounded_channel().0,
        said: Arc::default(),
        silent: &["connect", "probe", "begin"],
        spring: Arc::default(),
    };
    let item = ChecklistItem::new("server", "It is the right one", ItemKind::Connection);
    let runbook = Runbook {
        items: vec![item],
        ..runbook()
    };
    let plan = Plan::new(&runbook, Mode::Run, 60_000);
    let (runs, looking) = tokio::sync::oneshot::channel();
    let (_found, reading) = tokio::sync::oneshot::channel();
    let past = LookingBack::awaiting(reading).after(looking);
    let engine = Engine::new(Arc::new(runbook), plan, Log::Unwanted, held);
    let mut engine = engine.with_past(past);
    engine.start();
    let body = reached("1");
    let Body::Connected(target) = body.clone() else {
        panic!("{body:?}")
    };
    engine.take(Event::Reported(Report { seq: 1, body }));
    let body = Body::Probed {
        item: 0,
        evidence: Evidence {
            standing: Standing::Holds,
            summary: "d on db1".into(),
            ..Evidence::default()
        },
    };
    engine.take(Event::Reported(Report { seq: 2, body }));
    assert_eq!(engine.account().items[0].evidence.summary, "");
    let earlier = Earlier {
        path: "/j/1.jsonl".into(),
        began: jiff::Timestamp::UNIX_EPOCH,
        target: *target,
        xid: "7".into(),
        commit_intended: true,
        under_way: false,
        answer: None,
    };
    runs.send(vec![earlier]).unwrap();
    engine.hear_past().await;
    let evidence = &engine.account().items[0].evidence;
    assert_eq!(evidence.standing, Standing::Warns);
    assert!(evidence.summary.contains("NO OUTCOME"), "{evidence:?}");
    let offer = engine.machine().offer(Act::AskOutcome);
    assert!(offer.is_open(), "what is told can be asked about");
}

/// An engine over one item, the reading of the script, which was read in an earlier run.
fn engine_with_a_reading(
    log: Log,
    mode: Mode,
) -> (Engine<Scripted>, tokio::sync::oneshot::Sender<FoundInPast>) {
    let held = Scripted {
        reports: unbounded_channel().0,
        said: Arc::default(),
        silent: &["connect", "probe", "begin"],
        spring: Arc::default(),
    };
    let runbook = Runbook {
        items: vec![ChecklistItem::new(
            "review",
            "It was read",
            ItemKind::Review,
        )],
        ..runbook()
    };
    runbook.read_through();
    let plan = Plan::new(&runbook, mode, 60_000);
    let (found, reading) = tokio::sync::oneshot::channel();
    let engine = Engine::new(Arc::new(runbook), plan, log, held);
    (engine.with_past(LookingBack::awaiting(reading)), found)
}

fn read_before() -> ReadBefore {
    ReadBefore {
        document: "script.sql".into(),
        sha256: "s".into(),
        lines: 2,
        at: jiff::Timestamp::UNIX_EPOCH,
        os_user: "alice".into(),
        sudo_user: None,
        journal: "/j/1.jsonl".into(),
        target: Some("db1:5432/d".into()),
    }
}

#[tokio::test]
async fn the_script_is_signed_only_once_the_linter_is_done() {
    let (reports, mut reported) = unbounded_channel();
    let held = Scripted {
        reports,
        said: Arc::default(),
        silent: &["connect", "probe", "begin"],
        spring: Arc::default(),
    };
    let script = Script::read("script.sql", None, b"DROP TABLE s.t;\nSELECT 1;\n");
    let item = ChecklistItem::new("review", "It was read", ItemKind::Review);
    let runbook = Arc::new(Runbook {
        items: vec![item],
        ..Runbook::bare("Title", RunbookOrigin::BuiltIn, script)
    });
    let plan = Plan::new(&runbook, Mode::Run, 60_000);
    let mut engine = Engine::new(Arc::clone(&runbook), plan, Log::Unwanted, held);
    engine.start();
    assert!(!runbook.is_read_through(), "a walk begins without");
    engine.take(Event::Reported(Report {
        seq: 1,
        body: reached("1"),
    }));
    let evidence = &engine.account().items[0].evidence;
    assert_eq!(evidence.standing, Standing::Awaited);
    let told = "the linter is under way, on 2 statements of script.sql";
    assert_eq!(evidence.summary, told);
    let sign = || {
        Event::Asked(Command::SignOff {
            item: 0,
            note: None,
        })
    };
    let refused = |engine: &mut Engine<Scripted>, event| {
        engine.take(Event::Drawn);
        engine.take(event);
        let said = engine.take_said();
        let [EngineRemark::Refused(refusal)] = said.as_slice() else {
            panic!("{said:?}");
        };
        refusal.clone()
    };
    engine.take(Event::ReadToEnd(Document::Script));
    assert_eq!(refused(&mut engine, sign()), Refusal::EvidenceAwaited);
    let apply = Event::Asked(Command::Apply);
    assert_eq!(refused(&mut engine, apply), Refusal::ItemsUnsigned(1));

    engine.take(Event::Reported(reported.recv().await.unwrap()));
    assert_eq!(engine.account().items[0].evidence.standing, Standing::Warns);
    assert_eq!(refused(&mut engine, sign()), Refusal::FindingsOpen(1));
    engine.take(Event::Asked(Command::Acknowledge { item: 0 }));
    engine.take(Event::Drawn);
    engine.take(sign());
    assert!(engine.machine().items()[0].signed);
}

/// The reading is found before the server is reached, or after it; whether it was taken over.
async fn takes_over(log: Log, mode: Mode, late: bool) -> (bool, Engine<Scripted>) {
    let (mut engine, found) = engine_with_a_reading(log, mode);
    engine.start();
    let past = FoundInPast {
        readings: vec![(Document::Script, read_before())],
        ..FoundInPast::default()
    };
    found.send(past).unwrap();
    let reached = || {
        Event::Reported(Report {
            seq: 1,
            body: reached("1"),
        })
    };
    if late {
        engine.take(reached());
        assert_eq!(engine.account().items[0].evidence.standing, Standing::Holds);
        assert_eq!(engine.machine().items()[0].unread, [Document::Script]);
    }
    engine.hear_past().await;
    if !late {
        assert_eq!(engine.machine().items()[0].unread, [Document::Script]);
        engine.take(reached());
    }
    let unread = &engine.machine().items()[0].unread;
    (unread.is_empty(), engine)
}

#[tokio::test]
async fn a_reading_of_an_earlier_run_stands_in_the_journal_in_the_evidence_and_in_what_is_signed() {
    let told = "script.sql was read to its end by alice on 1970-01-01 00:00 UTC, in the run on \
                db1:5432/d";
    for late in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.jsonl");
        let journal = Journal::create(Some(&path), |_| None).unwrap();
        let (taken, mut engine) = takes_over(Log::Kept(Box::new(journal)), Mode::Run, late).await;
        assert!(taken);
        // Asked for again, it is told again, and once.
        for again in [false, true] {
            engine.take(Event::Drawn);
            if again {
                engine.take(Event::Asked(Command::ProbeAgain));
                engine.take(Event::Drawn);
            }
            let evidence = &engine.account().items[0].evidence;
            let lines = evidence.lines.iter().filter(|line| *line == told);
            assert_eq!(lines.count(), 1, "late: {late}, again: {again}");
            assert_eq!(evidence.lines[0], told);
        }
        engine.take(Event::Asked(Command::SignOff {
            item: 0,
            note: None,
        }));
        assert!(engine.machine().items()[0].signed);
        let text = std::fs::read_to_string(&path).unwrap();
        let lines = chain::verify(&text).unwrap();
        let entries: Vec<&Entry> = lines.iter().map(|line| &line.entry).collect();
        let connected = |entry: &&Entry| matches!(entry, Entry::Connected { .. });
        let at = entries.iter().position(connected).unwrap();
        let taken = Entry::ReadBefore(Box::new(read_before()));
        let before = entries.iter().position(|entry| **entry == taken).unwrap();
        assert!(at < before, "a journal names its server in its first lines");
        let signed = entries.iter().find_map(|entry| match entry {
            Entry::Signed { evidence, .. } => Some(evidence),
            _ => None,
        });
        assert!(signed.unwrap().iter().any(|line| line == told));
    }
}

#[tokio::test]
async fn without_a_journal_nothing_is_taken_over_and_a_rehearsal_takes_nothing_over() {
    let folder = tempfile::tempdir().unwrap();
    let kept = |name: &str| {
        let path = folder.path().join(name);
        Log::Kept(Box::new(Journal::create(Some(&path), |_| None).unwrap()))
    };
    let full = || {
        let full = std::fs::OpenOptions::new().append(true).open("/dev/full");
        Log::Kept(Box::new(Journal::over("/dev/full".into(), full.unwrap())))
    };
    for late in [false, true] {
        assert!(!takes_over(Log::Unwanted, Mode::Run, late).await.0);
        assert!(!takes_over(full(), Mode::Run, late).await.0);
        let name = format!("{late}.jsonl");
        assert!(!takes_over(kept(&name), Mode::Rehearse, late).await.0);
    }
}

#[test]
fn a_dump_of_the_server_before_is_no_backup_of_the_one_that_is_reached_now() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("d.dump");
    std::fs::write(&path, "four").unwrap();
    let (mut engine, _reported) = engine_with_a_backup(Log::Unwanted);
    let report = |seq, body| Event::Reported(Report { seq, body });
    engine.start();
    engine.take(report(1, reached("1")));
    engine.take(Event::Drawn);
    engine.take(Event::Asked(Command::BackUp { folder: ".".into() }));
    engine.take(report(3, Body::BackupStarted(Box::default())));
    engine.take(report(3, Body::SessionEnded(ServerMessage::default())));
    engine.take(report(4, reached("2")));
    let dump = stagegate::facts::Dump {
        path,
        bytes: 4,
        database: DATABASE.into(),
        system_identifier: Some("1".into()),
        ..Default::default()
    };
    engine.take(report(3, Body::BackedUp(Box::new(dump))));
    assert!(!engine.machine().is_backing_up());
    assert!(!engine.machine().is_backed_up(0));
    assert_eq!(engine.account().backup.made, None);
    let why = engine.account().backup.failed.clone().unwrap();
    assert!(why.contains("another server"), "{why}");
}

#[test]
fn a_walk_after_one_that_lost_its_journal_knows_it_from_the_start() {
    let (mut engine, _reported) = engine_with_a_backup(Log::Lost);
    engine.start();
    let said = engine.take_said();
    let told = |remark: &EngineRemark| matches!(remark, EngineRemark::Said(text) if text.contains("COMMIT is forbidden"));
    assert!(said.iter().any(told), "{said:?}");
}
