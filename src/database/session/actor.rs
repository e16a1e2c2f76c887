//! The task itself: takes an order, does it, and watches the link while there is none to do.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::asked::AskedFor;
use super::identity::Identity;
use super::last_words::{explain_end, explain_idle_end};
use super::limits::SessionLimits;
use super::line::OutsideHandle;
use super::looking::Looks;
use super::{HoldOptions, Order};
use crate::database::link::{BrokenLink, Link};
use crate::database::locks::LockLedger;
use crate::database::message;
use crate::database::pinned::Aim;
use crate::database::sentry::Sentry;
use crate::database::tap::Status;
use crate::facts::{ServerMessage, Target};
use crate::gate::event::{Body, CommitAnswer, Report, Seq};
use crate::runbook::Runbook;

/// How long a goodbye may take.
pub(super) const GOODBYE: Duration = Duration::from_secs(1);

/// How long what was asked for a checklist is kept when nobody orders one.
const UNWANTED: Duration = Duration::from_millis(100);

pub(super) struct Actor {
    pub(super) runbook: Arc<Runbook>,
    pub(super) aim: Aim,
    pub(super) options: HoldOptions,
    pub(super) reports: mpsc::UnboundedSender<Report>,
    pub(super) line: Arc<OutsideHandle>,
    /// The connection, while there is one.
    pub(super) link: Option<Link>,
    /// What the last connection reached.
    pub(super) target: Option<Target>,
    /// What is on its way for a checklist, asked together with what was reached.
    pub(super) asked: Option<AskedFor>,
    /// The server that the transaction was opened on, and its backend.
    pub(super) identity: Option<Identity>,
    /// The transaction that was opened last.
    pub(super) xid: Option<String>,
    pub(super) ledger: LockLedger,
    /// How this session looks at the locks.
    pub(super) looks: Looks,
    /// The limits as they are to stand from BEGIN on.
    pub(super) limits_found: Option<SessionLimits>,
    /// Up to where the WAL must be on disk for the transaction's number to be durable.
    pub(super) written_up_to: Option<String>,
    /// A savepoint tells this transaction from others at COMMIT, because its number cannot be asked.
    pub(super) guarded_by_savepoint: bool,
    /// A statement of the script was answered as one that begins or ends a transaction.
    pub(super) ended_by_tag: bool,
    /// The statement of the script that was started last and may end sessions, this one too: its line.
    pub(super) ends_sessions: Option<usize>,
    /// Who ends our backend when we cannot.
    pub(super) sentry: Option<Sentry>,
    /// The same while it starts.
    pub(super) posting: Option<Posting>,
    pub(super) unguarded: Option<String>,
    /// What ended the last connection.
    pub(super) ended: ServerMessage,
    pub(super) latest: Seq,
    /// When a server was reached last.
    pub(super) reached: Option<Instant>,
    /// When the server last heard of us.
    heard: Instant,
}

/// The process that watches over the hold while it starts.
pub(super) type Posting = JoinHandle<Result<Sentry, String>>;

/// What the task turns to.
enum ActorTurn {
    Lost(BrokenLink),
    Obey(Option<(Seq, Order)>),
    Beat,
    LetPass,
    LetGo,
}

impl Actor {
    pub(super) fn new(
        runbook: Arc<Runbook>,
        aim: Aim,
        options: HoldOptions,
        reports: mpsc::UnboundedSender<Report>,
        line: Arc<OutsideHandle>,
    ) -> Actor {
        Actor {
            runbook,
            aim,
            options,
            reports,
            line,
            link: None,
            target: None,
            asked: None,
            identity: None,
            xid: None,
            ledger: LockLedger::default(),
            looks: Looks::default(),
            limits_found: None,
            written_up_to: None,
            guarded_by_savepoint: false,
            ended_by_tag: false,
            ends_sessions: None,
            sentry: None,
            posting: None,
            unguarded: None,
            ended: message::own("there is no session yet"),
            latest: 0,
            reached: None,
            heard: Instant::now(),
        }
    }

    pub(super) async fn run(mut self, mut orders: mpsc::UnboundedReceiver<(Seq, Order)>) {
        let line = Arc::clone(&self.line);
        loop {
            let (seq, reports) = (self.latest, self.reports.clone());
            let mut notice = |message| noticed(&reports, seq, None, message);
            let (due, held) = (self.heard + self.between_beats(), line.lease.is_held());
            let asked = self.asked.is_some();
            let mut only_looks = asked;
            let turn = tokio::select! {
                biased;
                // What the server says then are answers.
                end = watch(&mut self.link, &mut notice), if !asked => ActorTurn::Lost(end),
                order = orders.recv() => ActorTurn::Obey(order),
                () = line.lease.run_out() => ActorTurn::LetGo,
                () = tokio::time::sleep_until(due), if held => ActorTurn::Beat,
                () = tokio::time::sleep(UNWANTED), if asked => ActorTurn::LetPass,
            };
            let done = match turn {
                ActorTurn::Lost(broken) => Err(broken),
                ActorTurn::Obey(None) => break,
                ActorTurn::Obey(Some((seq, order))) => {
                    self.latest = seq;
                    line.note(seq, &order);
                    only_looks = order.only_looks();
                    self.obey_within_lease(seq, order).await
                }
                ActorTurn::Beat => self.beat(seq).await,
                ActorTurn::LetPass => self.let_asked_pass().await,
                ActorTurn::LetGo => {
                    line.let_go();
                    Ok(())
                }
            };
            self.heard = Instant::now();
            if let Err(broken) = done {
                self.lost(self.latest, broken.why(), only_looks);
            }
        }
        self.line.set(None);
        if let Some(link) = self.link.take() {
            link.close(GOODBYE).await;
        }
    }

    /// A third of what the server waits for: one beat may be late or lost.
    fn between_beats(&self) -> Duration {
        Duration::from_millis(self.options.dead_man / 3)
    }

    /// Does an order, and lets go when the hold ends in the middle of it and nobody else ends it.
    async fn obey_within_lease(&mut self, seq: Seq, order: Order) -> Result<(), BrokenLink> {
        let line = Arc::clone(&self.line);
        match &order {
            Order::Begin if !line.lease.is_held() => {
                self.post_sentry(seq).await;
                line.lease.begin(self.options.hold_limit);
            }
            // From here on it is COMMIT's time, which no limit of ours may cut.
            Order::Commit(_) => {
                line.lease.end();
                self.stand_down();
            }
            Order::Begin
            | Order::Connect
            | Order::Probe(_)
            | Order::Compare(..)
            | Order::RunScript
            | Order::Settle
            | Order::TakeDown
            | Order::RollBack
            | Order::Query(..)
            | Order::QueryOutside(_)
            | Order::Inquire
            | Order::EndBackend
            | Order::PostVerify => {}
        }
        let ends = matches!(order, Order::Begin | Order::RollBack);
        let looks = order.only_looks();
        let done = {
            let mut work = std::pin::pin!(self.obey(seq, order));
            tokio::select! {
                biased;
                done = &mut work => done,
                () = line.lease.run_out() => {
                    line.let_go();
                    work.await
                }
            }
        };
        if looks {
            // A cancel request that is still on its way would hit what comes next.
            line.close_to_cancels().await;
        }
        let idle = |link: &Link| link.status() == Status::Idle;
        if line.lease.is_held() && self.link.as_ref().is_none_or(idle) {
            line.lease.end();
            if self.link.is_some() {
                self.stand_down();
            }
            // Nobody asked for its end, and there it is.
            if !ends && self.link.is_some() {
                self.say(seq, Body::TransactionGone);
            }
        }
        done
    }

    async fn obey(&mut self, seq: Seq, order: Order) -> Result<(), BrokenLink> {
        if !matches!(order, Order::Connect | Order::Probe(_)) {
            self.let_asked_pass().await?;
        }
        match order {
            Order::Connect => self.connect(seq).await,
            Order::Probe(items) => return self.probe(seq, items).await,
            Order::Compare(item, claim) => return self.compare(seq, item, claim).await,
            Order::Begin => {
                self.begin(seq).await?;
                let open = |link: &Link| link.status() == Status::Open;
                if self.link.as_ref().is_some_and(open) {
                    self.guard();
                }
            }
            Order::RunScript => return self.run_script(seq).await,
            Order::Settle => return self.settle(seq).await,
            Order::TakeDown => return self.take_down(seq).await,
            Order::Commit(recorded) => return self.commit(seq, recorded).await,
            Order::RollBack => return self.roll_back(seq).await,
            Order::Query(question, limit) => return self.query(seq, question, limit).await,
            Order::QueryOutside(question) => return self.query_outside(seq, question).await,
            Order::Inquire => self.inquire(seq).await,
            Order::EndBackend => self.end_backend(seq).await,
            Order::PostVerify => return self.post_verify(seq).await,
        }
        Ok(())
    }

    /// Proves to the server that we are alive, and looks whether the transaction is. An empty query
    /// calls nothing that could be forbidden, and runs into no limit.
    async fn beat(&mut self, seq: Seq) -> Result<(), BrokenLink> {
        self.look_after_sentry(seq).await;
        // In an aborted transaction it is activity all the same.
        let limit = Duration::from_millis(self.options.dead_man);
        let was_open = self.link()?.status() == Status::Open;
        let error = match self.written_up_to {
            Some(_) if was_open => within(limit, self.look_at_durability(seq)).await?,
            _ => within(limit, self.link()?.ask("")).await?.error,
        };
        match error {
            Some(error) if was_open && self.link()?.status() == Status::Failed => {
                self.say(seq, Body::FoundFailed(Box::new(error)));
            }
            Some(_) | None => {}
        }
        Ok(())
    }

    /// The program's own limits on this server.
    pub(super) fn limits(&self) -> SessionLimits {
        let checks_client = self.link.as_ref().is_some_and(Link::checks_client);
        SessionLimits::ours(&self.options, checks_client)
    }

    pub(super) fn answer_timeout(&self) -> Duration {
        Duration::from_millis(self.options.answer_timeout)
    }

    /// The link, or why there is none.
    pub(super) fn link(&mut self) -> Result<&mut Link, BrokenLink> {
        match &mut self.link {
            Some(link) => Ok(link),
            None => Err(BrokenLink::new(self.ended.clone())),
        }
    }

    /// Says that the session is gone; once for each order that finds it gone. Where it `only_looks`, a
    /// transaction that reads may be open, and nothing that could be rolled back.
    fn lost(&mut self, seq: Seq, why: ServerMessage, only_looks: bool) {
        let why = match self.line.lease.ran_out() {
            true => message::own_with_hint(
                "the hold limit was reached, and this program closed the link",
                "the server rolls the open transaction back as soon as it notices",
            ),
            false if self.may_be_open(only_looks) => {
                explain_end(why, &self.options, self.ends_sessions)
            }
            false => explain_idle_end(why, self.xid.as_deref()),
        };
        self.dropped(&why);
        self.say(seq, Body::SessionEnded(why));
    }

    /// Whether the run's transaction may be open on the link: what the server said last cannot tell of a
    /// BEGIN that is on its way.
    fn may_be_open(&self, only_looks: bool) -> bool {
        let idle = |link: &Link| link.status() == Status::Idle;
        let told = || !only_looks && !self.link.as_ref().is_some_and(idle);
        self.line.lease.is_held() || told()
    }

    /// Lets go of a link that is gone.
    pub(super) fn dropped(&mut self, why: &ServerMessage) {
        self.line.set(None);
        self.line.lease.end();
        self.link = None;
        self.asked = None;
        self.ended = why.clone();
    }

    /// The answer to a COMMIT that was not answered.
    pub(super) fn commit_unanswered(&mut self, seq: Seq, why: ServerMessage) {
        self.dropped(&why);
        let answer = CommitAnswer::LinkLost(Box::new(why));
        self.say(seq, Body::CommitAnswered(answer));
    }

    pub(super) fn say(&self, seq: Seq, body: Body) {
        // Nobody listens any more: the run is over.
        let _ = self.reports.send(Report { seq, body });
    }
}

/// Gives a link up on which an answer does not come in that time.
pub(super) async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, BrokenLink>>,
) -> Result<T, BrokenLink> {
    match tokio::time::timeout(limit, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(unanswered(limit)),
    }
}

/// Why a silent link was given up.
pub(super) fn unanswered(limit: Duration) -> BrokenLink {
    BrokenLink::new(message::own(format!(
        "the server did not answer within {} s, so the link was given up",
        limit.as_secs_f32()
    )))
}

pub(super) fn noticed(
    reports: &mpsc::UnboundedSender<Report>,
    seq: Seq,
    number: Option<usize>,
    message: ServerMessage,
) {
    let body = Body::Noticed {
        number,
        message: Box::new(message),
    };
    let _ = reports.send(Report { seq, body });
}

/// The end of the link, noticed while nothing is asked; never, where there is no link.
async fn watch(
    link: &mut Option<Link>,
    notice: &mut (dyn FnMut(ServerMessage) + Send),
) -> BrokenLink {
    match link {
        Some(link) => link.idle(notice).await,
        None => std::future::pending().await,
    }
}
