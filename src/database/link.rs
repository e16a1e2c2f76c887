//! One connection, with the tap's frames beside tokio-postgres' own answers.
//!
//! Every request is answered by frames up to one ReadyForQuery; counting those pairs a tag, a
//! status, a notice and an error with the request they belong to, even when requests are
//! pipelined. It never gathers more rows than it keeps.

mod copying;
mod parameters;
mod reading;

use std::pin::Pin;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::{AbortHandle, JoinHandle};
use tokio_postgres::{CancelToken, Client, SimpleQueryStream};

use super::message;
use super::settings::Host;
use super::stream::{Endpoint, Route};
use super::tap::{Frame, NoByte, Outlet, RequestForm, SideDoor, Status, Tapped};
use crate::gate::event::{CLOSED_BY_US, ServerMessage};
use crate::runbook::encoding::Charset;
use parameters::Parameters;
use reading::AnswerReading;

pub use reading::{Answer, BYTE_CAP, Gathered, NOTICE_CAP, ROW_CAP};

/// The link is gone; what is known of the cause.
#[derive(Debug, Clone)]
pub struct BrokenLink(Box<ServerMessage>);

impl BrokenLink {
    pub fn new(why: ServerMessage) -> BrokenLink {
        BrokenLink(Box::new(why))
    }

    pub fn why(self) -> ServerMessage {
        *self.0
    }
}

/// Why a request was not sent.
#[derive(Debug, Clone)]
pub enum Unsent {
    /// The text cannot be sent as it is; the session is as it was.
    Text(ServerMessage),
    Gone(BrokenLink),
}

/// For whom a request that cannot be sent is as bad as a link that is gone.
impl From<Unsent> for BrokenLink {
    fn from(why: Unsent) -> BrokenLink {
        match why {
            Unsent::Gone(broken) => broken,
            Unsent::Text(why) => BrokenLink::new(why),
        }
    }
}

/// A request that was sent and is not answered yet.
pub struct Sent {
    /// Which of the link's requests it is.
    number: u64,
    /// `None` once nothing more of it is read here; tokio-postgres lets the rest pass.
    stream: Option<Pin<Box<SimpleQueryStream>>>,
}

impl Sent {
    async fn next(
        &mut self,
    ) -> Option<Result<tokio_postgres::SimpleQueryMessage, tokio_postgres::Error>> {
        match &mut self.stream {
            Some(stream) => stream.next().await,
            None => None,
        }
    }
}

/// A session with a server.
pub struct Link {
    client: Client,
    frames: UnboundedReceiver<Tapped>,
    side_door: SideDoor,
    driver: Driver,
    status: Status,
    fatal: Option<ServerMessage>,
    cause: Option<ServerMessage>,
    host: Host,
    route: Route,
    protocol_pid: i32,
    parameters: Parameters,
    early_notices: Vec<ServerMessage>,
    checks_client: bool,
    /// How many requests were sent, and how many of them are answered.
    sent: u64,
    answered: u64,
}

/// The task that moves the bytes. The socket closes with it; without the abort it would wait for
/// what is under way.
struct Driver(JoinHandle<Result<(), tokio_postgres::Error>>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// How long the end of the driver is waited for, once it is known to be ending.
const DRIVER_END: Duration = Duration::from_secs(1);

fn no_nul(sql: &str) -> Result<(), Unsent> {
    match sql.contains('\0') {
        false => Ok(()),
        true => Err(Unsent::Text(message::own(
            "the text holds a NUL character, which the protocol cannot carry",
        ))),
    }
}

fn no_byte(charset: Charset) -> Unsent {
    Unsent::Text(message::own(format!(
        "the text holds a letter that {} does not have, in which the bytes of this database are read \
         and sent here",
        charset.name()
    )))
}

impl Link {
    /// Takes over a connection that is ready for its first request.
    pub(super) fn new(
        client: Client,
        outlet: Outlet,
        driver: JoinHandle<Result<(), tokio_postgres::Error>>,
        host: Host,
        route: Route,
        charset: Charset,
    ) -> Link {
        let Outlet {
            mut frames,
            side_door,
        } = outlet;
        let mut protocol_pid = 0;
        let mut parameters = Parameters::new(charset);
        let mut early_notices = Vec::new();
        // Everything up to the first ReadyForQuery was read while connecting.
        while let Ok(tapped) = frames.try_recv() {
            match tapped.frame {
                Frame::Key(pid) => protocol_pid = pid,
                Frame::Notice(notice) => early_notices.push(*notice),
                Frame::Parameter(name, value) => parameters.set(name, value),
                Frame::Ready(_) => break,
                Frame::Complete(_)
                | Frame::Empty
                | Frame::Error(_)
                | Frame::CopyIn
                | Frame::CopyOut => {}
            }
        }
        Link {
            client,
            frames,
            side_door,
            driver: Driver(driver),
            status: Status::Idle,
            fatal: None,
            cause: None,
            host,
            route,
            protocol_pid,
            parameters,
            early_notices,
            checks_client: false,
            sent: 0,
            answered: 0,
        }
    }

    /// Why statements are not read here as this session reads them now, in words; `None` while
    /// both read the same.
    pub fn reads_otherwise(&self) -> Option<ServerMessage> {
        self.parameters.read_otherwise()
    }

    /// Whether the database is SQL_ASCII: it keeps bytes of any encoding, and converts none.
    pub fn keeps_any_bytes(&self) -> bool {
        self.parameters.keeps_any_bytes()
    }

    /// The client_encoding to be set there, so that bytes come and go as they are.
    pub fn takes_bytes_in(&self) -> Option<&'static str> {
        self.parameters.takes()
    }

    /// What the letters of a text are sent in and read in: UTF-8, unless the database converts none
    /// and another encoding is named for its bytes.
    pub fn charset(&self) -> Charset {
        self.parameters.charset()
    }

    /// Why a database that converts nothing would not get what psql sends, the bytes of files whose
    /// letters are so.
    pub fn objection_to_letters(&self, letters: Result<Option<Charset>, String>) -> Option<String> {
        if !self.keeps_any_bytes() {
            return None;
        }
        let here = "the database is SQL_ASCII and keeps the bytes that it is sent";
        match letters {
            Err(why) => Some(format!(
                "{here}, and {why}: convert all of it to one encoding, else run it with psql"
            )),
            Ok(Some(now)) if now != self.charset() => Some(format!(
                "{here}; these are read in {} here and the files are in {} now: leave, and start anew",
                self.charset().name(),
                now.name()
            )),
            Ok(_) => None,
        }
    }

    /// An error about this text, with its place counted in letters: where the server knows of no
    /// letters, it counts the bytes that came.
    pub fn placed(&self, error: ServerMessage, text: &str) -> ServerMessage {
        let bytes = self.keeps_any_bytes() && self.charset() == Charset::Utf8;
        match error.position {
            Some(position) if bytes => {
                let ahead = text.char_indices().take_while(|(at, _)| *at + 1 < position);
                ServerMessage {
                    position: Some(ahead.count() + 1),
                    ..error
                }
            }
            _ => error,
        }
    }

    /// Whether the server says that the session's role is a superuser.
    pub fn is_superuser(&self) -> bool {
        self.parameters.superuser()
    }

    /// The server's major version, 0 where it does not say.
    pub fn server_major(&self) -> u32 {
        self.parameters.major()
    }

    /// Whether the server is known to take `client_connection_check_interval`.
    pub fn checks_client(&self) -> bool {
        self.checks_client
    }

    /// It was tried.
    pub fn knows_client_checks(&mut self, taken: bool) {
        self.checks_client = taken;
    }

    /// The host it was asked to reach.
    pub fn host(&self) -> &Host {
        &self.host
    }

    pub fn endpoint(&self) -> &Endpoint {
        &self.route.endpoint
    }

    /// The way that led there.
    pub fn route(&self) -> &Route {
        &self.route
    }

    /// TLS version and cipher; `None` for plain text.
    pub fn tls(&self) -> Option<&str> {
        self.route.seal.as_ref().map(|seal| seal.words.as_str())
    }

    /// The process id that the protocol names.
    pub fn protocol_pid(&self) -> i32 {
        self.protocol_pid
    }

    /// The transaction status after the last answer.
    pub fn status(&self) -> Status {
        self.status
    }

    /// Notices that came while connecting.
    pub fn take_early_notices(&mut self) -> Vec<ServerMessage> {
        std::mem::take(&mut self.early_notices)
    }

    /// What a cancel request needs.
    pub fn cancel_token(&self) -> CancelToken {
        self.client.cancel_token()
    }

    /// Closes the socket when used, whatever is under way.
    pub fn abort_handle(&self) -> AbortHandle {
        self.driver.0.abort_handle()
    }

    /// Sends a request of the program's own, of one or several commands, without waiting for the
    /// server. Nothing that a script or a file of SQL holds may come this way.
    ///
    /// # Errors
    /// When the text cannot be sent, or the link is gone.
    pub async fn send_ours(&mut self, sql: &str) -> Result<Sent, Unsent> {
        self.send(RequestForm::Several, sql).await
    }

    /// Sends one command of a script, without waiting for the server. A text that the server reads
    /// as several commands is refused by it, and nothing of it runs.
    ///
    /// # Errors
    /// When the text cannot be sent, or the link is gone.
    pub async fn send_one(&mut self, sql: &str) -> Result<Sent, Unsent> {
        self.send(RequestForm::One, sql).await
    }

    /// Sends texts of one command each as one request. After one that fails the server passes over
    /// all the others, and none of them has begun before the ones ahead of it have succeeded.
    ///
    /// # Errors
    /// When a text cannot be sent, or the link is gone.
    pub async fn send_chain(&mut self, texts: &[&str]) -> Result<Sent, Unsent> {
        let whole = texts.concat();
        no_nul(&whole)?;
        let charset = self.charset();
        let announced = self.side_door.announce_chain(texts, charset);
        announced.map_err(|NoByte| no_byte(charset))?;
        self.request(&whole).await
    }

    async fn send(&mut self, form: RequestForm, sql: &str) -> Result<Sent, Unsent> {
        no_nul(sql)?;
        let charset = self.charset();
        let announced = self.side_door.announce(form, sql, charset);
        announced.map_err(|NoByte| no_byte(charset))?;
        self.request(sql).await
    }

    /// Hands an announced request to tokio-postgres.
    async fn request(&mut self, sql: &str) -> Result<Sent, Unsent> {
        match self.client.simple_query_raw(sql).await {
            Ok(stream) => {
                self.sent += 1;
                Ok(Sent {
                    number: self.sent,
                    stream: Some(Box::pin(stream)),
                })
            }
            Err(error) if error.is_closed() => Err(Unsent::Gone(self.broken().await)),
            Err(error) => {
                // It was not even put into words for the wire.
                self.side_door.withdraw();
                Err(Unsent::Text(message::from_error(&error)))
            }
        }
    }

    /// The same, unless the server says nothing for so long.
    ///
    /// # Errors
    /// When the link breaks, or the server stays silent, before the answer is whole.
    pub async fn answer_within(
        &mut self,
        sent: Sent,
        silence: Duration,
    ) -> Result<Answer, BrokenLink> {
        self.read(sent, &mut |_| {}, Some(silence)).await
    }

    /// Reads the whole answer to the oldest request that has none. Notices go to `notice` while
    /// the request is worked on.
    ///
    /// # Errors
    /// When the link breaks before the answer is whole.
    pub async fn answer(
        &mut self,
        sent: Sent,
        notice: &mut (dyn FnMut(ServerMessage) + Send),
    ) -> Result<Answer, BrokenLink> {
        self.read(sent, notice, None).await
    }

    async fn read(
        &mut self,
        mut sent: Sent,
        notice: &mut (dyn FnMut(ServerMessage) + Send),
        silence: Option<Duration>,
    ) -> Result<Answer, BrokenLink> {
        self.answered += 1;
        if sent.number != self.answered {
            // One answer taken for another's could tell a COMMIT that was none.
            self.sever();
            return Err(BrokenLink::new(message::own(
                "an answer was read out of its order, and this program closed the link",
            )));
        }
        let mut reading = AnswerReading::default();
        // Frames first: the tap has seen every message before tokio-postgres hands it on, so the
        // last frame may come long before the last row.
        while reading.ready.is_none() || sent.stream.is_some() {
            let too_long = async {
                match silence {
                    Some(silence) => tokio::time::sleep(silence).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                tapped = self.frames.recv(), if reading.ready.is_none() => match tapped {
                    Some(tapped) => self.take(tapped, &mut reading, notice)?,
                    None => return Err(self.broken().await),
                },
                item = sent.next(), if sent.stream.is_some() => match item {
                    Some(Ok(item)) => reading.item(item),
                    // The error itself comes through the tap, with all its fields. A stream that
                    // nobody reads would hold everything behind it up, so it is let go of.
                    Some(Err(_)) | None => sent.stream = None,
                },
                () = too_long => {
                    return Err(BrokenLink::new(message::own("the server does not answer any more")));
                }
            }
        }
        reading
            .finish(notice)
            .ok_or_else(|| BrokenLink::new(ServerMessage::default()))
    }

    /// Takes one frame of the answer that is being read.
    fn take(
        &mut self,
        tapped: Tapped,
        reading: &mut AnswerReading,
        notice: &mut (dyn FnMut(ServerMessage) + Send),
    ) -> Result<(), BrokenLink> {
        match tapped.frame {
            Frame::Ready(status) => {
                self.status = status;
                reading.ready = Some((status, tapped.at));
            }
            Frame::Error(error) => {
                if message::is_fatal(&error) {
                    self.fatal = Some((*error).clone());
                }
                reading.error = Some(*error);
            }
            Frame::Notice(notice_message) => {
                self.remember_farewell(&notice_message);
                reading.notice(*notice_message, notice);
            }
            Frame::Parameter(name, value) => self.parameters.set(name, value),
            Frame::CopyIn => {
                // The server would wait for data for ever, with every lock held.
                self.sever();
                let why = message::own(
                    "the server asked for COPY data that the script does not hold; the link was \
                     closed, which rolls the transaction back",
                );
                self.cause = Some(why.clone());
                return Err(BrokenLink::new(why));
            }
            frame => reading.frame(Tapped { frame, ..tapped }, notice),
        }
        Ok(())
    }

    /// Sends one command and reads its whole answer. The server takes no second one in it.
    ///
    /// # Errors
    /// When the text cannot be sent, or the link breaks.
    pub async fn ask_one(
        &mut self,
        sql: &str,
        notice: &mut (dyn FnMut(ServerMessage) + Send),
    ) -> Result<Answer, Unsent> {
        let sent = self.send_one(sql).await?;
        self.answer(sent, notice).await.map_err(Unsent::Gone)
    }

    /// Sends a request of the program's own and reads its answer; notices are dropped.
    ///
    /// # Errors
    /// When the link is or gets broken.
    pub async fn ask(&mut self, sql: &str) -> Result<Answer, BrokenLink> {
        let sent = self.send_ours(sql).await?;
        self.answer(sent, &mut |_| {}).await
    }

    /// The first row of the answer to `sql`.
    ///
    /// # Errors
    /// The server's error, or what broke the link; also when there is no row.
    pub async fn row(&mut self, sql: &str) -> Result<Vec<Option<String>>, ServerMessage> {
        let answer = self.ask(sql).await.map_err(BrokenLink::why)?;
        if let Some(error) = answer.error {
            return Err(error);
        }
        answer
            .results
            .into_iter()
            .find_map(|r| r.set.rows.into_iter().next())
            .ok_or_else(|| message::own("the server answered without a row"))
    }

    /// Waits, while nothing was asked, for the end of the session. Notices go to `notice`.
    pub async fn idle(&mut self, notice: &mut (dyn FnMut(ServerMessage) + Send)) -> BrokenLink {
        while let Some(tapped) = self.frames.recv().await {
            match tapped.frame {
                Frame::Notice(message) => {
                    self.remember_farewell(&message);
                    notice(*message);
                }
                Frame::Error(error) => self.fatal = Some(*error),
                Frame::Parameter(name, value) => self.parameters.set(name, value),
                Frame::Complete(_)
                | Frame::Empty
                | Frame::Ready(_)
                | Frame::Key(_)
                | Frame::CopyIn
                | Frame::CopyOut => {}
            }
        }
        self.broken().await
    }

    /// A server that is stopped at once, or that restarts after a crash, says so in a warning and
    /// closes.
    fn remember_farewell(&mut self, message: &ServerMessage) {
        if matches!(message.sqlstate.as_deref(), Some("57P01" | "57P02")) {
            self.fatal = Some(message.clone());
        }
    }

    /// Closes the socket, whatever is under way. The server rolls back what is open.
    pub fn sever(&mut self) {
        self.driver.0.abort();
    }

    /// Says goodbye, and waits at most for `limit` until that is sent.
    pub async fn close(self, limit: Duration) {
        let Link {
            client, mut driver, ..
        } = self;
        drop(client);
        let _ = tokio::time::timeout(limit, &mut driver.0).await;
    }

    /// Why the link is gone: the server's last word, else what the connection died of.
    async fn broken(&mut self) -> BrokenLink {
        if let Some(cause) = &self.cause {
            return BrokenLink::new(cause.clone());
        }
        // The server's last word may still be on its way through the tap.
        while let Ok(tapped) = self.frames.try_recv() {
            if let Frame::Error(error) = tapped.frame
                && message::is_fatal(&error)
            {
                self.fatal = Some(*error);
            }
        }
        let cause = match self.fatal.take() {
            Some(fatal) => fatal,
            None => match tokio::time::timeout(DRIVER_END, &mut self.driver.0).await {
                Ok(Ok(Err(error))) => message::from_error(&error),
                Ok(Err(error)) if error.is_cancelled() => message::own(CLOSED_BY_US),
                Ok(Err(_)) => message::own("the part that reads from the server died"),
                Ok(Ok(Ok(()))) | Err(_) => message::own("the connection was closed"),
            },
        };
        self.sever();
        self.cause = Some(cause.clone());
        BrokenLink::new(cause)
    }
}
