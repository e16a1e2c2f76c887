//! Runs scripts as `run` and as `verify` do, and looks whether anything came of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use stagegate::database::link::Link;
use stagegate::database::session::{HoldOptions, Order, Session, read_only};
use stagegate::facts::{ServerMessage, XactStatus};
use stagegate::gate::event::{Body, Report, Seq};
use stagegate::runbook::script::{Script, Statement};
use stagegate::runbook::{Runbook, RunbookOrigin};
use tokio::sync::mpsc;

use crate::ground::{Ground, PATIENCE, server};
use crate::pieces;
use crate::random::Dice;

/// Scripts that run at the same time.
const WORKERS: usize = 5;

/// What became of the scripts.
#[derive(Debug, Default, Clone, Copy)]
pub struct Tally {
    /// Refused by the reader; never sent.
    pub refused: u64,
    /// Sent: held for a decision, or by a session that only looks.
    pub sent: u64,
    /// Of these: by a session that only looks.
    pub looked: u64,
    /// The server took every statement.
    pub whole: u64,
    /// Stopped because the server had come to read in another way than the reader, or refused a text
    /// as more than one command.
    pub read_otherwise: u64,
    /// A session that only looks closed the connection.
    pub escaped: u64,
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.refused += other.refused;
        self.sent += other.sent;
        self.looked += other.looked;
        self.whole += other.whole;
        self.read_otherwise += other.read_otherwise;
        self.escaped += other.escaped;
    }
}

/// Runs until so many scripts were sent; or the one with that number alone.
pub fn run(seed: u64, scripts: u64, only: Option<u64>) -> Tally {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let server = server();
    let next = Arc::new(AtomicU64::new(0));
    let sent = Arc::new(AtomicU64::new(0));
    runtime.block_on(async {
        let mut workers = Vec::new();
        for number in 0..WORKERS {
            let ground = Ground::new(&server, number).await;
            let (next, sent) = (Arc::clone(&next), Arc::clone(&sent));
            workers.push(tokio::spawn(async move {
                let mut worker = Worker {
                    ground,
                    tally: Tally::default(),
                    looker: None,
                };
                if let Some(only) = only {
                    // On every ground: which one it was is not known.
                    worker.one(seed, only).await;
                    return worker.tally;
                }
                while sent.load(Ordering::Relaxed) < scripts {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let before = worker.tally.sent;
                    worker.one(seed, number).await;
                    sent.fetch_add(worker.tally.sent - before, Ordering::Relaxed);
                }
                worker.tally
            }));
        }
        let mut tally = Tally::default();
        for worker in workers {
            tally.add(worker.await.unwrap());
        }
        tally
    })
}

struct Worker {
    ground: Ground,
    tally: Tally,
    looker: Option<Link>,
}

impl Worker {
    async fn one(&mut self, seed: u64, number: u64) {
        let mut dice = Dice::new(seed ^ number.wrapping_mul(0x2545_F491));
        let looks = dice.percent(30);
        let text = match looks {
            true => pieces::checks(&mut dice),
            false => pieces::script(&mut dice),
        };
        let script = Script::read("fuzz.sql", None, text.as_bytes());
        if !script.refusals.is_empty() {
            self.tally.refused += 1;
            return;
        }
        self.tally.sent += 1;
        let wrong = match looks {
            true => self.looks(script).await,
            false => self.holds(script).await,
        };
        let traces = self.ground.traces().await;
        let wrong = match (wrong, traces.is_empty()) {
            (None, true) => return,
            (wrong, _) => format!("{} {traces}", wrong.unwrap_or_default()),
        };
        panic!(
            "FUZZ_SEED={seed} FUZZ_ONLY={number} on {}: {wrong}\n{text:?}",
            self.ground.name
        );
    }

    /// As `verify` does, again and again on one connection.
    async fn looks(&mut self, script: Script) -> Option<String> {
        self.tally.looked += 1;
        let mut link = match self.looker.take() {
            Some(link) => link,
            None => read_only::open(&self.ground.settings()).await.unwrap().0,
        };
        let limits = read_only::ReadOnlyLimits {
            statement: 10_000,
            lock: None,
        };
        let ran = tokio::time::timeout(
            PATIENCE,
            read_only::script(&mut link, &script, limits, Some("public")),
        );
        match ran.await.expect("the script is answered") {
            Ok(Ok(_)) => self.tally.whole += 1,
            Ok(Err(stopped)) => {
                self.count(&stopped.error);
                if stopped.escaped {
                    self.tally.escaped += 1;
                    return None;
                }
            }
            Err(_) => return None,
        }
        self.looker = Some(link);
        None
    }

    fn count(&mut self, error: &ServerMessage) {
        let words = ["multiple commands", "elsewhere than this program does"];
        let otherwise = words.iter().any(|words| error.message.contains(words));
        self.tally.read_otherwise += u64::from(otherwise);
    }

    /// As `run` does, up to a decision that is ROLLBACK. What went wrong.
    async fn holds(&mut self, script: Script) -> Option<String> {
        let read = script.statements.clone();
        let ended = |body: &Body| ended(body, &read);
        let origin = RunbookOrigin::BareScript(PathBuf::new());
        let book = Runbook::bare("fuzz", origin, script);
        let mut held = Held::spawn(book, &self.ground);
        match held.ask(Order::Connect).await.pop() {
            Some(Body::Connected(_)) => {}
            other => return Some(format!("not connected: {other:?}")),
        }
        let Some(Body::Begun { xid, .. }) = held.ask(Order::Begin).await.pop() else {
            return Some("not begun".into());
        };
        let ran = held.ask(Order::RunScript).await;
        let mut wrong = ran.iter().find_map(&ended);
        match ran.last() {
            Some(Body::ScriptFinished) => {
                self.tally.whole += 1;
                let settled = held.ask(Order::Settle).await;
                wrong = wrong.or_else(|| settled.iter().find_map(&ended));
            }
            Some(Body::StatementFailed { error, .. }) => self.count(error),
            _ => {}
        }
        let rolled_back = held.ask(Order::RollBack).await;
        wrong = wrong.or_else(|| rolled_back.iter().find_map(&ended));
        held.end().await;
        if self.ground.status(&xid).await == "committed" {
            return Some(format!("transaction {xid} was committed; {ran:?}"));
        }
        wrong
    }
}

/// The transaction ended, or was divided, by a statement of the script that the reader did not take
/// for one about a savepoint.
fn ended(body: &Body, read: &[Statement]) -> Option<String> {
    const TAGS: &[&str] = &[
        "COMMIT",
        "ROLLBACK",
        "BEGIN",
        "START TRANSACTION",
        "SAVEPOINT",
        "RELEASE",
        "PREPARE TRANSACTION",
        "COMMIT PREPARED",
        "ROLLBACK PREPARED",
    ];
    let wrong = match body {
        Body::StatementFinished(report) => {
            let statement = read.iter().find(|s| s.number == report.number).unwrap();
            let known = match &*report.tag {
                tag @ ("SAVEPOINT" | "RELEASE") => statement.kind == tag,
                "ROLLBACK" => statement.goes_back,
                _ => false,
            };
            TAGS.contains(&&*report.tag) && !known
        }
        Body::StatementFailed { error, .. } => error.message.contains("ended the transaction"),
        Body::Settled { same_transaction } => !same_transaction,
        Body::RollbackAnswered { xact_status, .. } => *xact_status != Some(XactStatus::Aborted),
        // No transaction is in progress.
        Body::Noticed { message, .. } => message.sqlstate.as_deref() == Some("25P01"),
        _ => false,
    };
    wrong.then(|| format!("{body:?}"))
}

/// A session that holds a transaction, and its reports.
struct Held {
    session: Session,
    task: tokio::task::JoinHandle<()>,
    reports: mpsc::UnboundedReceiver<Report>,
    seq: Seq,
}

impl Held {
    fn spawn(book: Runbook, ground: &Ground) -> Held {
        let (sender, reports) = mpsc::unbounded_channel();
        let options = HoldOptions::default();
        let (session, task) = Session::spawn(Arc::new(book), ground.settings(), options, sender);
        Held {
            session,
            task,
            reports,
            seq: 0,
        }
    }

    /// Everything up to the final report of an order.
    async fn ask(&mut self, order: Order) -> Vec<Body> {
        self.seq += 1;
        self.session.order(self.seq, order);
        let mut bodies = Vec::new();
        loop {
            let report = tokio::time::timeout(PATIENCE, self.reports.recv()).await;
            let report = report.expect("an order is answered").unwrap();
            let goes_on = matches!(
                report.body,
                Body::StatementStarted { .. } | Body::StatementFinished(_) | Body::Noticed { .. }
            );
            bodies.push(report.body);
            if !goes_on {
                return bodies;
            }
        }
    }

    async fn end(self) {
        drop(self.session);
        let ended = tokio::time::timeout(PATIENCE, self.task).await;
        ended.expect("the session ends").unwrap();
    }
}
