//! The held session: one task that owns the connection and does one order after the other.
//!
//! A caller never waits: orders go into a queue, reports come out of a channel. Cancelling and
//! severing work from outside the task, so that nothing that is under way can stand in their way.
//! It claims of the transaction's end only what the server said.

mod actor;
mod answers;
mod asked;
pub mod caps;
mod client_checks;
mod committing;
mod durability;
mod evidence;
mod guard;
mod hold;
mod identity;
mod inquire;
mod known_tables;
mod last_words;
mod lease;
mod limits;
mod line;
mod looking;
pub mod measure;
mod outside;
mod posting;
mod probe;
mod query;
mod reaching;
pub mod read_only;
mod script;
mod settling;
mod status;
mod structure;
mod traffic;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::message;
use super::pinned::{Aim, Pinned};
use crate::facts::{Evidence, Millis};
use crate::gate::event::{Body, Report, Seq};
use crate::gate::plan::HOLD_LIMIT;
use crate::gate::warrant::Recorded;
use crate::runbook::Runbook;
use crate::runbook::question::Question;

use line::OutsideHandle;

pub use identity::{Identity, ask};
pub use inquire::{of_earlier_run, of_earlier_run_at};

/// What the held session can be asked to do. Each order is answered by reports with its number;
/// exactly one of them is final.
#[derive(Debug)]
pub enum Order {
    /// Connect and find out what was reached. Final: `Connected` or `ConnectFailed`. A session
    /// that is there already is closed first.
    Connect,
    /// Look for the evidence of the items with these indexes, as far as it comes from the server
    /// (connection, structure); others are passed over. One `Probed` for each; the last is final.
    Probe(Vec<usize>),
    /// Whether the structure is one that was rehearsed, for the item with this index: one `Probed`. What
    /// is to be compared comes when it was read; where nothing comes there is nothing to do.
    Compare(usize, oneshot::Receiver<Claim>),
    /// Open the held transaction. Final: `Begun` or `BeginFailed`.
    Begin,
    /// Run the script. Final: `ScriptFinished` or `StatementFailed`.
    RunScript,
    /// Bring deferred constraints forward. Final: `Settled` or `SettleFailed`.
    Settle,
    /// Take down the structure of what the transaction touched. Final: `TakenDown`, or what became of
    /// the transaction.
    TakeDown,
    /// COMMIT, guarded and proven. Final: `CommitAnswered`, even when the link is gone.
    Commit(Recorded),
    /// ROLLBACK. Final: `RollbackAnswered`.
    RollBack,
    /// Ask something inside the transaction and prove that it is as it was. Final: `Looked`.
    Query(Question, Millis),
    /// Ask something outside of any transaction of the run, in one that is READ ONLY. Final: `Looked`.
    QueryOutside(Question),
    /// On a new connection: which way did it go? Final: `Asked`.
    Inquire,
    /// End the backend that still holds the transaction after a lost link, and ask again. Takes
    /// the same role. Final: `Asked`.
    EndBackend,
    /// The post-verification. Final: `PostVerified` or `PostVerifyFailed`.
    PostVerify,
}

impl Order {
    /// Whether it runs in transactions of its own that only read, where none is held.
    fn only_looks(&self) -> bool {
        matches!(
            self,
            Order::Probe(_) | Order::Compare(..) | Order::QueryOutside(_) | Order::PostVerify
        )
    }
}

/// What rehearsals claim for an item, if the structure is still the one they were of.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// Digests of structures that were rehearsed, each with the evidence if it is that of now.
    pub rehearsed: Vec<(String, Evidence)>,
    /// The evidence if it is none of them.
    pub otherwise: Evidence,
}

/// How the transaction is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldOptions {
    /// The program that is run as [`super::sentry::Sentry`], this one; `None` starts none.
    pub guard: Option<PathBuf>,
    /// How long it may be held, counted from BEGIN, unless [`Session::renew`] says otherwise. If
    /// nobody has ended it [`GRACE`] after that, the session closes the link.
    pub hold_limit: Millis,
    /// How long a statement waits for a lock. Never 0: 0 would be for ever.
    pub lock_timeout: Millis,
    /// After how long without a word from us the server ends the session. While a transaction is
    /// held and nothing else is under way, the session says one three times in it.
    pub dead_man: Millis,
    /// How long a statement of the script may take at most, by the server's own clock. A client
    /// that is stopped in the middle of one can neither cancel it nor be missed: its socket stays
    /// open. A stricter limit of the role or of the script stands; 0 sets none. What COMMIT runs itself
    /// (triggers that defer anew what was brought forward) is cancelled after as long, by this program:
    /// the server's clock does not run there. A wait for standbys is not: what is given up then is for a
    /// person to decide.
    pub statement_limit: Millis,
    /// The structure of what the script touched may be taken down before the transaction's end, for one
    /// pass to be held against another: said before anything is begun.
    pub takes_down: bool,
    /// How long one query of a probe or of the post-verification may take.
    pub read_timeout: Millis,
    /// How long a cancel request may take to be delivered.
    pub cancel_timeout: Millis,
    /// How long an answer that should come at once may take before the link is given up: to BEGIN,
    /// to the question for the outcome, and to COMMIT unless the server is seen working on it.
    pub answer_timeout: Millis,
}

/// Default of [`HoldOptions::lock_timeout`].
pub const LOCK_TIMEOUT: Millis = 3_000;

/// Default of [`HoldOptions::dead_man`].
pub const DEAD_MAN: Millis = 15_000;

/// Default of [`HoldOptions::statement_limit`]: the hold of five minutes, extended once.
pub const STATEMENT_LIMIT: Millis = 10 * 60 * 1_000;

/// Default of [`HoldOptions::read_timeout`].
pub const READ_TIMEOUT: Millis = 30_000;

/// Default of [`HoldOptions::cancel_timeout`].
pub const CANCEL_TIMEOUT: Millis = 5_000;

/// Default of [`HoldOptions::answer_timeout`].
pub const ANSWER_TIMEOUT: Millis = 5_000;

impl Default for HoldOptions {
    fn default() -> HoldOptions {
        HoldOptions {
            guard: None,
            hold_limit: HOLD_LIMIT,
            lock_timeout: LOCK_TIMEOUT,
            dead_man: DEAD_MAN,
            statement_limit: STATEMENT_LIMIT,
            takes_down: false,
            read_timeout: READ_TIMEOUT,
            cancel_timeout: CANCEL_TIMEOUT,
            answer_timeout: ANSWER_TIMEOUT,
        }
    }
}

/// The held session, from outside. When the last clone is dropped the session ends, and with it
/// an open transaction.
#[derive(Debug, Clone)]
pub struct Session {
    aim: Aim,
    orders: mpsc::UnboundedSender<(Seq, Order)>,
    reports: mpsc::UnboundedSender<Report>,
    line: Arc<OutsideHandle>,
    cancel_timeout: Duration,
}

impl Session {
    /// Starts the task; it connects when it is ordered to. The join handle ends when the session
    /// has ended for good; a task that ends otherwise has died.
    pub fn spawn(
        runbook: Arc<Runbook>,
        aim: impl Into<Aim>,
        options: HoldOptions,
        reports: mpsc::UnboundedSender<Report>,
    ) -> (Session, JoinHandle<()>) {
        let (orders, queue) = mpsc::unbounded_channel();
        let line = Arc::new(OutsideHandle::default());
        let aim = aim.into();
        let session = Session {
            aim: aim.clone(),
            orders,
            reports: reports.clone(),
            line: Arc::clone(&line),
            cancel_timeout: Duration::from_millis(options.cancel_timeout),
        };
        let actor = actor::Actor::new(runbook, aim, options, reports, line);
        (session, tokio::spawn(actor.run(queue)))
    }

    /// Queues an order. Never blocks. When the task is gone the order is lost, and the join
    /// handle says so.
    pub fn order(&self, seq: Seq, order: Order) {
        let _ = self.orders.send((seq, order));
    }

    /// Cancels the statement that runs, on a connection of its own, in a task of its own. The
    /// statement then fails with 57014, unless it finished first. When the request cannot be
    /// delivered, a `Noticed` without a statement says why.
    pub fn cancel(&self) {
        let Some((there, under_way)) = self.line.to_be_cancelled() else {
            return;
        };
        let (seq, reports) = (self.line.latest(), self.reports.clone());
        let limit = self.cancel_timeout;
        tokio::spawn(async move {
            let Err(why) = there.keep_cancelling(under_way, limit).await else {
                return;
            };
            let message = message::own_with_hint(
                format!("the cancel request could not be delivered: {why}"),
                "the statement still runs; ROLLBACK after it, or cut the link",
            );
            let body = Body::Noticed {
                number: None,
                message: Box::new(message),
            };
            let _ = reports.send(Report { seq, body });
        });
    }

    /// The way to the server that this session reached, for whoever goes there beside it; `None`
    /// until it reached one.
    pub fn pinned(&self) -> Option<&Pinned> {
        self.aim.pinned()
    }

    /// The transaction may be held for so long from now on.
    pub fn renew(&self, left: Millis) {
        self.line.lease.renew(left);
    }

    /// Closes the link to the server, whatever is under way; an attempt to connect is given up.
    pub fn sever(&self) {
        self.line.sever();
    }

    /// For a thread that has to end it when nobody else does. To be called within a runtime.
    pub fn severer(&self) -> Severer {
        Severer {
            line: Arc::clone(&self.line),
            runtime: tokio::runtime::Handle::current(),
        }
    }
}

/// Ends what a session holds from a thread of nobody's, when its own cannot any more. It keeps no
/// session alive.
#[derive(Debug, Clone)]
pub struct Severer {
    line: Arc<OutsideHandle>,
    runtime: tokio::runtime::Handle,
}

impl Severer {
    /// Cancels what runs, as far as that goes, and closes the link after it. Waits for neither.
    pub fn cancel(&self) {
        let _entered = self.runtime.enter();
        self.line.let_go();
    }

    pub fn sever(&self) {
        self.line.sever();
    }
}
