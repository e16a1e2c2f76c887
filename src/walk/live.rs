//! The real session and monitor behind the engine, and the watch over their tasks.
//!
//! A task that dies is told as what it means for the run: the session's as a session that ended,
//! the monitor's as a display that went blind (I12). No order is left without an answer.

use super::engine::HeldSession;
use super::{asking_earlier, evidence};
use crate::backup::Backups;
use crate::database::monitor::{LogWanted, Monitor};
use crate::database::pinned::Aim;
use crate::database::session::{HoldOptions, Identity, Order, Session, Severer};
use crate::database::target::pooler;
use crate::facts::{Inquiry, Millis, Observation, ServerMessage, Target};
use crate::gate::event::{Body, Report, Seq};
use crate::rehearse::weighing::Weighing;
use crate::runbook::Runbook;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

#[derive(Debug)]
pub struct Live {
    session: Session,
    reports: UnboundedSender<Report>,
    state: Arc<LiveState>,
    log: LogWanted,
    backups: Backups,
    evidence: watch::Receiver<EvidenceSeen>,
}

/// How much of the evidence the server has given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum EvidenceSeen {
    Nothing,
    /// What was reached.
    First,
    All,
}

impl EvidenceSeen {
    /// How much it is once that was said. The sizes of the tables come last; whatever else is said is said
    /// where no evidence is looked for.
    fn after(body: &Body) -> EvidenceSeen {
        match body {
            Body::Connected(_) | Body::Guard { .. } | Body::Noticed { .. } => EvidenceSeen::Nothing,
            Body::Probed { .. } => EvidenceSeen::First,
            _ => EvidenceSeen::All,
        }
    }
}

#[derive(Debug, Default)]
struct LiveState {
    last: AtomicU32,
    dead: AtomicBool,
}

/// What is said of a session whose task died.
const DIED: &str = "the part of stagegate that holds the session failed; its connection is closed";

fn died() -> ServerMessage {
    ServerMessage {
        message: DIED.into(),
        ..ServerMessage::default()
    }
}

impl Live {
    /// Starts the session's task; a monitor follows each session that connects, to where it did, once the
    /// evidence is there.
    pub fn start(
        runbook: Arc<Runbook>,
        aim: impl Into<Aim>,
        options: HoldOptions,
    ) -> (
        Live,
        UnboundedReceiver<Report>,
        UnboundedReceiver<Observation>,
    ) {
        let (inner, from_session) = unbounded_channel();
        let (reports, outer) = unbounded_channel();
        let (observations, sights) = unbounded_channel();
        let aim: Aim = aim.into();
        let (seen, evidence) = watch::channel(EvidenceSeen::Nothing);
        tokio::spawn(lint_the_rest(Arc::clone(&runbook), evidence.clone()));
        let (session, task) = Session::spawn(runbook, aim.clone(), options, inner);
        let state = Arc::new(LiveState::default());
        let log = LogWanted::default();
        let beside = MonitorNeeds {
            aim,
            observations,
            log: log.clone(),
            seen,
        };
        tokio::spawn(relay(beside, from_session, reports.clone()));
        let (watched, to) = (Arc::clone(&state), reports.clone());
        tokio::spawn(async move {
            if task.await.is_err() {
                watched.dead.store(true, Ordering::SeqCst);
                let seq = watched.last.load(Ordering::SeqCst);
                let body = Body::SessionEnded(died());
                let _ = to.send(Report { seq, body });
            }
        });
        let live = Live {
            session,
            backups: Backups::new(reports.clone()),
            reports,
            state,
            log,
            evidence,
        };
        (live, outer, sights)
    }
}

impl Live {
    /// Ends the session's hold from a thread of its own.
    pub fn severer(&self) -> Severer {
        self.session.severer()
    }
}

struct MonitorNeeds {
    aim: Aim,
    observations: UnboundedSender<Observation>,
    log: LogWanted,
    seen: watch::Sender<EvidenceSeen>,
}

/// How long the connection goes before the linter's work on other scripts than the one that is applied.
const CONNECTION_FIRST: Duration = Duration::from_secs(1);

/// Parses and lints all scripts, once it is known what was reached: on a machine of few cores the way there
/// would take as long again beside it. Then the server has its own work.
async fn lint_the_rest(runbook: Arc<Runbook>, mut evidence: watch::Receiver<EvidenceSeen>) {
    if runbook.is_read_through() {
        return;
    }
    let first = evidence.wait_for(|seen| *seen >= EvidenceSeen::First);
    // Which of the two it was makes no difference.
    let _ = timeout(CONNECTION_FIRST, first).await;
    // Where it fails, whoever asks waits.
    let _ = tokio::task::spawn_blocking(move || runbook.read_through()).await;
}

/// Passes reports on, and puts a monitor beside each session.
async fn relay(
    beside: MonitorNeeds,
    mut from: UnboundedReceiver<Report>,
    to: UnboundedSender<Report>,
) {
    let mut monitor: Option<tokio::task::JoinHandle<()>> = None;
    while let Some(report) = from.recv().await {
        let seen = EvidenceSeen::after(&report.body);
        beside.seen.send_if_modified(|known| {
            let before = std::mem::replace(known, seen.max(*known));
            *known != before
        });
        if let Body::Connected(target) = &report.body {
            if let Some(old) = monitor.take() {
                old.abort();
            }
            // Behind a pooler there is nothing to watch: no transaction is held there.
            if let (Some(pinned), None) = (
                beside.aim.pinned(),
                pooler(target.protocol_pid, target.backend_pid),
            ) {
                monitor = Some(Monitor::spawn(
                    pinned,
                    Identity::of(target),
                    beside.observations.clone(),
                    beside.log.clone(),
                    all_evidence(beside.seen.subscribe()),
                ));
            }
        }
        if to.send(report).is_err() {
            break;
        }
    }
    if let Some(monitor) = monitor {
        monitor.abort();
    }
}

/// Waits until the server has given all evidence. Nothing is held before, and the monitor would only take the
/// server's time from it.
async fn all_evidence(mut evidence: watch::Receiver<EvidenceSeen>) {
    // Where nobody tells any more, the session has ended.
    let _ = evidence.wait_for(|seen| *seen == EvidenceSeen::All).await;
}

impl HeldSession for Live {
    fn order(&self, seq: Seq, order: Order) {
        self.state.last.store(seq, Ordering::SeqCst);
        if self.state.dead.load(Ordering::SeqCst) {
            let body = match order {
                Order::Connect => Body::ConnectFailed(died()),
                Order::Inquire | Order::EndBackend => {
                    Body::Asked(Inquiry::Unreachable(DIED.into()))
                }
                Order::PostVerify => Body::PostVerifyFailed(Box::new(died())),
                Order::Probe(_)
                | Order::Compare(..)
                | Order::Begin
                | Order::RunScript
                | Order::Settle
                | Order::TakeDown
                | Order::Commit(_)
                | Order::RollBack
                | Order::QueryOutside(_)
                | Order::Query(..) => Body::SessionEnded(died()),
            };
            let _ = self.reports.send(Report { seq, body });
            return;
        }
        self.session.order(seq, order);
    }

    fn weigh(&self, seq: Seq, item: usize, weighing: Weighing) {
        let (claims, claimed) = oneshot::channel();
        // It has its place among the orders now: what is read late is never compared inside of what
        // comes behind.
        self.order(seq, Order::Compare(item, claimed));
        let reports = self.reports.clone();
        tokio::spawn(async move {
            let plain = weighing.plain.clone();
            let weighed = tokio::task::spawn_blocking(|| weighing.weigh()).await;
            // Where reading them failed, all is read as without them.
            let (evidence, claim) = weighed.unwrap_or((plain, None));
            let body = Body::Probed { item, evidence };
            let _ = reports.send(Report { seq, body });
            if let Some(claim) = claim {
                let _ = claims.send(claim);
            }
        });
    }

    fn lint(&self, seq: Seq, item: usize, runbook: Arc<Runbook>) {
        let (reports, seen) = (self.reports.clone(), self.evidence.clone());
        tokio::spawn(async move {
            lint_the_rest(Arc::clone(&runbook), seen).await;
            let reviewed = tokio::task::spawn_blocking(move || evidence::review(&runbook));
            let evidence = reviewed.await.unwrap_or_else(|_| evidence::not_linted());
            let body = Body::Probed { item, evidence };
            let _ = reports.send(Report { seq, body });
        });
    }

    fn cancel(&self) {
        self.session.cancel();
    }

    fn renew(&self, left: Millis) {
        self.session.renew(left);
    }

    fn sever(&self) {
        self.session.sever();
    }

    fn look_at_log(&self, wanted: bool) {
        self.log.set(wanted);
    }

    fn back_up(&self, seq: Seq, target: Target, folder: String) {
        match self.session.pinned() {
            Some(pinned) => self.backups.start(seq, pinned.clone(), target, folder),
            None => {
                let body = Body::BackupFailed("no server was reached".into());
                let _ = self.reports.send(Report { seq, body });
            }
        }
    }

    fn stop_backup(&self) {
        self.backups.stop();
    }

    fn ask_earlier(&self, seq: Seq, journal: PathBuf, xid: String) {
        let pinned = self.session.pinned().cloned();
        let asked = tokio::spawn(asking_earlier::ask(journal.clone(), xid, pinned));
        let reports = self.reports.clone();
        tokio::spawn(async move {
            let answer = asked.await.unwrap_or_else(|_| {
                asking_earlier::not_known("the part of stagegate that asks failed".into())
            });
            let answer = Box::new(answer);
            let body = Body::EarlierAnswered { journal, answer };
            let _ = reports.send(Report { seq, body });
        });
    }
}
