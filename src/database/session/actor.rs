//! The task itself: takes an order, does it, and watches the link while there is none to do.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::inquire::Identity;
use super::limits::SessionLimits;
use super::looking::{self, Looks};
use super::{HoldOptions, Order, OutsideHandle, PresentConnection};
use crate::database::link::{Answer, BrokenLink, Link};
use crate::database::locks::LockLedger;
use crate::database::pinned::Aim;
use crate::database::sentry::{Relieved, Sentry};
use crate::database::tap::Status;
use crate::database::{message, target};
use crate::gate::event::{Body, CommitAnswer, Report, Seq, ServerMessage, Target};
use crate::runbook::Runbook;

/// What it means that nobody watches over the hold.
pub(super) const UNGUARDED: &str = "if this program is stopped while the server waits on the socket \
    in the middle of a statement, its locks are held until it goes on or is killed";

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

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
    sentry: Option<Sentry>,
    /// The same while it starts.
    posting: Option<Posting>,
    unguarded: Option<String>,
    /// What ended the last connection.
    ended: ServerMessage,
    latest: Seq,
    /// When the server last heard of us.
    heard: Instant,
}

/// The process that watches over the hold while it starts.
pub(super) type Posting = JoinHandle<Result<Sentry, String>>;

/// Waits until it is there.
pub(super) async fn wait_for_post(posting: Posting) -> Result<Sentry, String> {
    posting
        .await
        .unwrap_or_else(|_| Err("its start failed".into()))
}

/// Whether somebody watches over the hold, as it is told.
pub(super) fn guard_told(missing: Option<String>) -> Body {
    let why = missing.map(|why| {
        Box::new(message::own_with_hint(
            format!("the process that watches over the hold is not there: {why}"),
            UNGUARDED,
        ))
    });
    Body::Guard { missing: why }
}

/// What is told of a process that died.
fn relieved_told(relieved: &Relieved) -> ServerMessage {
    let Relieved { how, by_nobody } = relieved;
    let died = format!("the process that watches over the hold died ({how})");
    match by_nobody {
        None => message::own_with_hint(
            format!("{died}; another one has taken its place"),
            "until then nobody but this program watched over the hold",
        ),
        Some(why) => message::own_with_hint(
            format!("{died}, and none can be started in its place: {why}"),
            UNGUARDED,
        ),
    }
}

/// How long a server that is not ready is waited for at the most, whatever connect_timeout says.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(500);

/// What the task turns to.
enum ActorTurn {
    Lost(BrokenLink),
    Obey(Option<(Seq, Order)>),
    Beat,
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
            heard: Instant::now(),
        }
    }

    pub(super) async fn run(mut self, mut orders: mpsc::UnboundedReceiver<(Seq, Order)>) {
        let line = Arc::clone(&self.line);
        loop {
            let (seq, reports) = (self.latest, self.reports.clone());
            let mut notice = |message| noticed(&reports, seq, None, message);
            let (due, held) = (self.heard + self.between_beats(), line.lease.is_held());
            let turn = tokio::select! {
                biased;
                end = watch(&mut self.link, &mut notice) => ActorTurn::Lost(end),
                order = orders.recv() => ActorTurn::Obey(order),
                () = line.lease.run_out() => ActorTurn::LetGo,
                () = tokio::time::sleep_until(due), if held => ActorTurn::Beat,
            };
            let done = match turn {
                ActorTurn::Lost(broken) => Err(broken),
                ActorTurn::Obey(None) => break,
                ActorTurn::Obey(Some((seq, order))) => {
                    self.latest = seq;
                    line.note(seq, &order);
                    self.obey_within_lease(seq, order).await
                }
                ActorTurn::Beat => self.beat(seq).await,
                ActorTurn::LetGo => {
                    line.let_go();
                    Ok(())
                }
            };
            self.heard = Instant::now();
            if let Err(broken) = done {
                self.lost(self.latest, broken.why());
            }
        }
        self.line.set(None);
        if let Some(link) = self.link.take() {
            link.close(GOODBYE).await;
        }
    }

    /// Starts the process that watches over the hold, unless one does; why there is none. It is there
    /// before there is anything to hold.
    pub(super) async fn post_sentry(&mut self, seq: Seq) -> Option<String> {
        let posting = self.posting_under_way()?;
        self.posted(seq, wait_for_post(posting).await)
    }

    /// Its start, unless it is there.
    pub(super) fn posting_under_way(&mut self) -> Option<Posting> {
        let program = self.options.guard.clone()?;
        if self.sentry.as_ref().is_some_and(Sentry::is_there) {
            return None;
        }
        self.posting.take().or_else(|| self.start_posting(program))
    }

    /// Takes the process that was started; why there is none.
    pub(super) fn posted(&mut self, seq: Seq, posted: Result<Sentry, String>) -> Option<String> {
        let missing = posted.as_ref().err().cloned();
        self.say_guard(seq, missing.clone());
        self.take_post(posted);
        missing
    }

    /// The same where it was told already.
    pub(super) fn take_post(&mut self, posted: Result<Sentry, String>) {
        self.unguarded = posted.as_ref().err().cloned();
        self.sentry = posted.ok();
    }

    /// Why nobody watches over the hold, as it was told last.
    pub(super) fn unguarded(&self) -> Option<String> {
        self.unguarded.clone()
    }

    /// Starts it, and waits for nothing.
    fn start_posting(&self, program: PathBuf) -> Option<Posting> {
        let pinned = self.aim.pinned().cloned()?;
        let line = Arc::clone(&self.line);
        let silence = Duration::from_millis(self.options.dead_man);
        let (told, reports) = (Arc::clone(&self.line), self.reports.clone());
        let tell = move |relieved: Relieved| {
            noticed(&reports, told.latest(), None, relieved_told(&relieved));
        };
        Some(tokio::task::spawn_blocking(move || {
            let alive = move || !line.lease.is_overdue();
            Sentry::post(&program, &pinned, silence, alive, tell)
        }))
    }

    /// Says whether somebody watches over the hold, where that has changed.
    fn say_guard(&mut self, seq: Seq, missing: Option<String>) {
        if missing.is_some() {
            self.sentry = None;
        }
        if self.unguarded == missing {
            return;
        }
        self.unguarded.clone_from(&missing);
        self.say(seq, guard_told(missing));
    }

    /// From here on the transaction is ended by others than us, too.
    fn guard(&self) {
        let (Some(sentry), Some(identity), Some(xid)) = (&self.sentry, &self.identity, &self.xid)
        else {
            return;
        };
        sentry.hold(identity.clone(), xid.clone());
    }

    /// Starts a process once more where one died that could not be replaced.
    async fn look_after_sentry(&mut self, seq: Seq) {
        let gone = |sentry: &Sentry| !sentry.is_there();
        if self.sentry.as_ref().is_some_and(gone) && self.post_sentry(seq).await.is_none() {
            self.guard();
        }
    }

    fn stand_down(&self) {
        if let Some(sentry) = &self.sentry {
            sentry.free();
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
        let looks = matches!(
            order,
            Order::Probe(_) | Order::Compare(..) | Order::QueryOutside(_) | Order::PostVerify
        );
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

    async fn connect(&mut self, seq: Seq) {
        self.line.set(None);
        self.line.lease.forget();
        // It knows the way to the server of the session before; what that one still holds it ends.
        self.sentry = None;
        self.posting = None;
        if let Some(link) = self.link.take() {
            link.close(GOODBYE).await;
        }
        self.xid = None;
        match self.reach_patiently(seq).await {
            Ok(target) => {
                // It takes a moment; who looks for evidence meanwhile does not wait for it.
                let expected = self.runbook.expected_database.as_deref();
                if target::objections(&target, expected).is_empty()
                    && let Some(program) = self.options.guard.clone()
                {
                    self.posting = self.start_posting(program);
                }
                self.say(seq, Body::Connected(Box::new(target)));
            }
            Err(why) => {
                self.ended = why.clone();
                self.say(seq, Body::ConnectFailed(why));
            }
        }
    }

    /// Reaches a server; one that is starting up is asked again for as long as an attempt may take.
    async fn reach_patiently(&mut self, seq: Seq) -> Result<Target, ServerMessage> {
        let mut severed = self.line.severed.subscribe();
        let limit = self.aim.connect_timeout().min(LONGEST_WAIT);
        let until = Instant::now() + limit;
        let mut told = false;
        loop {
            let why = match self.reach().await {
                Err(why) if why.is_not_ready() => why,
                reached => return reached,
            };
            if severed.has_changed().unwrap_or(true) {
                return Err(given_up());
            }
            if Instant::now() >= until {
                return Err(why);
            }
            if !told {
                told = true;
                let limit = limit.as_secs();
                let told = ServerMessage {
                    hint: Some(format!(
                        "it is asked again for up to {limit} s (psql would not wait); leaving ends that"
                    )),
                    ..why
                };
                noticed(&self.reports, seq, None, told);
            }
            tokio::select! {
                () = tokio::time::sleep(BETWEEN_ATTEMPTS) => {}
                _ = severed.changed() => return Err(given_up()),
            }
        }
    }

    /// Opens a new connection and finds out what it reached; `sever` gives it up.
    pub(super) async fn reach(&mut self) -> Result<Target, ServerMessage> {
        let mut severed = self.line.severed.subscribe();
        let aim = self.aim.clone();
        let attempt = async {
            let mut link = aim.open().await?;
            if let Some(why) = link.reads_otherwise() {
                return Err(why);
            }
            // A link that goes silent after the first answer must not hold the attempt for ever.
            let limit = aim.connect_timeout();
            let questions = async {
                let unread = |why: ServerMessage| target::unread(&why);
                let asked = target::Questions::send(&mut link, None).await;
                let asked = asked.map_err(unread)?;
                let tried = super::hold::ask_for_client_checks(&mut link).await;
                let tried = tried.map_err(|broken| unread(broken.why()))?;
                let answers = asked.hear(&mut link).await.map_err(unread)?;
                let learned = super::hold::learn_client_checks(&mut link, tried).await;
                learned.map_err(|broken| unread(broken.why()))?;
                answers.complete(&mut link).await.map_err(unread)
            };
            let mut target: Target = match tokio::time::timeout(limit, questions).await {
                Ok(answered) => answered?,
                Err(_) => return Err(target::unread(&ServerMessage::default())),
            };
            target.hostaddr = aim.address_asked(&target.host, target.port);
            Ok((link, target))
        };
        let (mut link, target) = tokio::select! {
            result = attempt => result?,
            _ = severed.changed() => return Err(given_up()),
        };
        for notice in link.take_early_notices() {
            noticed(&self.reports, self.latest, None, notice);
        }
        self.aim.pin(&link);
        self.line.set(Some(PresentConnection {
            token: link.cancel_token(),
            route: link.route().clone(),
            abort: link.abort_handle(),
        }));
        self.link = Some(link);
        self.looks = Looks::default();
        self.target = Some(target.clone());
        Ok(target)
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

    /// Whether the transaction's number is on the server's disk by now: then no crash can give it
    /// to another transaction. Where the server does not answer that, it is not asked again, and
    /// the number is not known to be. An error is returned only where it cost the transaction.
    pub(super) async fn look_at_durability(
        &mut self,
        seq: Seq,
    ) -> Result<Option<ServerMessage>, BrokenLink> {
        let Some(lsn) = self.written_up_to.clone() else {
            return Ok(None);
        };
        let (answer, back) = looking::ask_aside(self.link()?, &flushed(&lsn)).await?;
        self.note_durability(seq, &answer);
        Ok(back)
    }

    /// Takes the answer to [`flushed`].
    pub(super) fn note_durability(&mut self, seq: Seq, answer: &Answer) {
        let first = answer.results.last().and_then(|r| r.set.rows.first());
        let yes = first.is_some_and(|row| row.first() == Some(&Some("t".into())));
        if answer.error.is_some() {
            self.written_up_to = None;
        } else if yes && let Some(identity) = &mut self.identity {
            identity.durable = true;
            self.written_up_to = None;
            self.say(seq, Body::NumberDurable);
        }
    }

    /// [`HoldOptions::answer_timeout`]
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

    /// Says that the session is gone; once for each order that finds it gone.
    fn lost(&mut self, seq: Seq, why: ServerMessage) {
        let why = match self.line.lease.ran_out() {
            true => message::own_with_hint(
                "the hold limit was reached, and this program closed the link",
                "the server rolls the open transaction back as soon as it notices",
            ),
            false if self.may_be_open() => explained(why, &self.options, self.ends_sessions),
            false => explained_idle(why),
        };
        self.dropped(&why);
        self.say(seq, Body::SessionEnded(why));
    }

    /// Whether a transaction may be open on the link: what the server said last cannot tell of a BEGIN that
    /// is on its way.
    fn may_be_open(&self) -> bool {
        let idle = |link: &Link| link.status() == Status::Idle;
        self.line.lease.is_held() || !self.link.as_ref().is_some_and(idle)
    }

    /// Lets go of a link that is gone.
    pub(super) fn dropped(&mut self, why: &ServerMessage) {
        self.line.set(None);
        self.line.lease.end();
        self.link = None;
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

/// What is told of an attempt to connect that somebody left.
fn given_up() -> ServerMessage {
    message::own("the attempt was given up")
}

/// Why a silent link was given up.
pub(super) fn unanswered(limit: Duration) -> BrokenLink {
    BrokenLink::new(message::own(format!(
        "the server did not answer within {} s, so the link was given up",
        limit.as_secs_f32()
    )))
}

/// Whether the WAL is on the server's disk up to there.
pub(super) fn flushed(lsn: &str) -> String {
    format!(
        "SELECT pg_catalog.pg_current_wal_flush_lsn() OPERATOR(pg_catalog.>=) \
         '{lsn}'::pg_catalog.pg_lsn"
    )
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

/// The server's last word where no transaction was open.
fn explained_idle(why: ServerMessage) -> ServerMessage {
    let ended = match why.sqlstate.as_deref() {
        Some("57P01") => "an administrator ended this session; ",
        Some("57P02") => "the server crashed or another backend did; ",
        Some("57P05") => "the session was idle for longer than its idle_session_timeout; ",
        Some(_) | None => "",
    };
    ServerMessage {
        hint: why.hint.or_else(|| {
            Some(format!(
                "{ended}no transaction was open, so nothing was rolled back"
            ))
        }),
        ..why
    }
}

/// The server's last word with what it means for the transaction.
fn explained(
    why: ServerMessage,
    options: &HoldOptions,
    ends_sessions: Option<usize>,
) -> ServerMessage {
    if why.hint.is_some() {
        return why;
    }
    let hint = match why.sqlstate.as_deref() {
        Some("25P03") => format!(
            "the server heard nothing from this program for {} s, or for less where the script sets a \
             shorter idle_in_transaction_session_timeout, and rolled the open transaction back",
            options.dead_man / 1000
        ),
        Some("57P01") if let Some(line) = ends_sessions => format!(
            "the statement on line {line} ends sessions and was running: it ended its own, unless an \
             administrator did at that moment; the server rolled the open transaction back"
        ),
        Some("57P01") => {
            "an administrator ended this session, or the process that watches over the \
                          hold, because this program was stopped; the server rolled the open \
                          transaction back"
                .into()
        }
        Some("57P02") => "the server crashed or another backend did; it rolls every open \
                          transaction back when it recovers"
            .into(),
        Some(_) => "the server ended the session and rolled the open transaction back".into(),
        None => "the server rolls an open transaction back as soon as it notices".into(),
    };
    ServerMessage {
        hint: Some(hint),
        ..why
    }
}
