//! One connection, with the tap's frames beside tokio-postgres' own answers.
//!
//! Every request is answered by frames up to one ReadyForQuery; counting those pairs a tag, a
//! status, a notice and an error with the request they belong to, even when requests are
//! pipelined. It never gathers more rows than it keeps.

mod reading;

use std::pin::Pin;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::{AbortHandle, JoinHandle};
use tokio_postgres::types::Type;
use tokio_postgres::{CancelToken, Client, RowStream, SimpleQueryStream};

use super::message;
use super::settings::Host;
use super::stream::Endpoint;
use super::tap::{Frame, SideDoor, Status, Tapped};
use crate::gate::event::ServerMessage;
use reading::Reading;

pub use reading::{Answer, BYTE_CAP, Gathered, NOTICE_CAP, ROW_CAP};

/// COPY data is sent in pieces of this many bytes.
const COPY_CHUNK: usize = 64 * 1024;

/// The link is gone; what is known of the cause.
#[derive(Debug, Clone)]
pub struct Broken(Box<ServerMessage>);

impl Broken {
    /// Gone, and why.
    pub fn new(why: ServerMessage) -> Broken {
        Broken(Box::new(why))
    }

    /// Why it is gone.
    pub fn why(self) -> ServerMessage {
        *self.0
    }
}

/// Why a request was not sent.
#[derive(Debug, Clone)]
pub enum Unsent {
    /// The text cannot be sent as it is; the session is as it was.
    Text(ServerMessage),
    /// The link is gone.
    Gone(Broken),
}

/// A request that was sent and is not answered yet.
pub struct Sent {
    stream: Pin<Box<SimpleQueryStream>>,
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
    endpoint: Endpoint,
    protocol_pid: i32,
    early_notices: Vec<ServerMessage>,
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

impl Link {
    /// Takes over a connection that is ready for its first request.
    pub(super) fn new(
        client: Client,
        mut frames: UnboundedReceiver<Tapped>,
        side_door: SideDoor,
        driver: JoinHandle<Result<(), tokio_postgres::Error>>,
        host: Host,
        endpoint: Endpoint,
    ) -> Link {
        let mut protocol_pid = 0;
        let mut early_notices = Vec::new();
        // Everything up to the first ReadyForQuery was read while connecting.
        while let Ok(tapped) = frames.try_recv() {
            match tapped.frame {
                Frame::Key(pid) => protocol_pid = pid,
                Frame::Notice(notice) => early_notices.push(*notice),
                Frame::Ready(_) => break,
                Frame::Complete(_) | Frame::Error(_) | Frame::CopyIn => {}
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
            endpoint,
            protocol_pid,
            early_notices,
        }
    }

    /// The host it was asked to reach.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The address it reached.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
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

    /// Sends a request, without waiting for the server.
    ///
    /// # Errors
    /// When the text cannot be sent, or the link is gone.
    pub async fn send(&mut self, sql: &str) -> Result<Sent, Unsent> {
        if sql.contains('\0') {
            return Err(Unsent::Text(message::own(
                "the text holds a NUL character, which the protocol cannot carry",
            )));
        }
        match self.client.simple_query_raw(sql).await {
            Ok(stream) => Ok(Sent {
                stream: Box::pin(stream),
            }),
            Err(error) if error.is_closed() => Err(Unsent::Gone(self.broken().await)),
            Err(error) => Err(Unsent::Text(message::from_error(&error))),
        }
    }

    /// Reads the whole answer to the oldest request that has none. Notices go to `notice` while
    /// the request is worked on.
    ///
    /// # Errors
    /// When the link breaks before the answer is whole.
    pub async fn answer(
        &mut self,
        mut sent: Sent,
        notice: &mut (dyn FnMut(ServerMessage) + Send),
    ) -> Result<Answer, Broken> {
        let mut reading = Reading::default();
        let mut streaming = true;
        // Frames first: the tap has seen every message before tokio-postgres hands it on, so the
        // last frame may come long before the last row.
        while reading.ready.is_none() || streaming {
            tokio::select! {
                biased;
                tapped = self.frames.recv(), if reading.ready.is_none() => match tapped {
                    Some(tapped) => self.take(tapped, &mut reading, notice)?,
                    None => return Err(self.broken().await),
                },
                item = sent.stream.next(), if streaming => match item {
                    Some(Ok(item)) => reading.item(item),
                    // The error itself comes through the tap, with all its fields.
                    Some(Err(_)) | None => streaming = false,
                },
            }
        }
        reading
            .finish(notice)
            .ok_or_else(|| Broken::new(ServerMessage::default()))
    }

    /// Takes one frame of the answer that is being read.
    fn take(
        &mut self,
        tapped: Tapped,
        reading: &mut Reading,
        notice: &mut (dyn FnMut(ServerMessage) + Send),
    ) -> Result<(), Broken> {
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
            Frame::CopyIn => {
                // The server would wait for data for ever, with every lock held.
                self.sever();
                let why = message::own(
                    "the server asked for COPY data that the script does not hold; the link was \
                     closed, which rolls the transaction back",
                );
                self.cause = Some(why.clone());
                return Err(Broken::new(why));
            }
            frame => reading.frame(Tapped { frame, ..tapped }, notice),
        }
        Ok(())
    }

    /// Sends one statement by the extended protocol and reads its whole answer. The server takes
    /// no second statement in it.
    ///
    /// # Errors
    /// When the text cannot be sent, or the link breaks.
    pub async fn ask_one(
        &mut self,
        sql: &str,
        notice: &mut (dyn FnMut(ServerMessage) + Send),
    ) -> Result<Answer, Unsent> {
        if sql.contains('\0') {
            return Err(Unsent::Text(message::own(
                "the text holds a NUL character, which the protocol cannot carry",
            )));
        }
        let none = std::iter::empty::<(&str, Type)>();
        let mut stream: Option<Pin<Box<RowStream>>> =
            match self.client.query_typed_raw(sql, none).await {
                Ok(stream) => Some(Box::pin(stream)),
                // It comes through the tap, with all its fields.
                Err(error) if error.as_db_error().is_some() => None,
                Err(error) if error.is_closed() => return Err(Unsent::Gone(self.broken().await)),
                Err(error) => {
                    // How much of the answer is read is not known: the link is of no more use.
                    self.sever();
                    let why = message::from_error(&error);
                    self.cause = Some(why.clone());
                    return Err(Unsent::Gone(Broken::new(why)));
                }
            };
        let mut reading = Reading::default();
        while reading.ready.is_none() || stream.is_some() {
            let row = async {
                match &mut stream {
                    Some(rows) => rows.next().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                tapped = self.frames.recv(), if reading.ready.is_none() => match tapped {
                    Some(tapped) => self
                        .take(tapped, &mut reading, notice)
                        .map_err(Unsent::Gone)?,
                    None => return Err(Unsent::Gone(self.broken().await)),
                },
                row = row => match row {
                    Some(Ok(row)) => reading.typed(&row),
                    Some(Err(_)) | None => stream = None,
                },
            }
        }
        reading
            .finish(notice)
            .ok_or_else(|| Unsent::Gone(Broken::new(ServerMessage::default())))
    }

    /// Sends one request and reads its answer; notices are dropped.
    ///
    /// # Errors
    /// When the link is or gets broken.
    pub async fn ask(&mut self, sql: &str) -> Result<Answer, Broken> {
        match self.send(sql).await {
            Ok(sent) => self.answer(sent, &mut |_| {}).await,
            Err(Unsent::Gone(broken)) => Err(broken),
            Err(Unsent::Text(why)) => Err(Broken::new(why)),
        }
    }

    /// The first row of the answer to `sql`.
    ///
    /// # Errors
    /// The server's error, or what broke the link; also when there is no row.
    pub async fn row(&mut self, sql: &str) -> Result<Vec<Option<String>>, ServerMessage> {
        let answer = self.ask(sql).await.map_err(Broken::why)?;
        if let Some(error) = answer.error {
            return Err(error);
        }
        answer
            .results
            .into_iter()
            .find_map(|r| r.set.rows.into_iter().next())
            .ok_or_else(|| message::own("the server answered without a row"))
    }

    /// Runs `COPY … FROM STDIN` with its data. Nothing else may be under way.
    ///
    /// # Errors
    /// When the text cannot be sent, or the link breaks.
    pub async fn copy(
        &mut self,
        sql: &str,
        data: &str,
        notice: &mut (dyn FnMut(ServerMessage) + Send),
    ) -> Result<Answer, Unsent> {
        // tokio-postgres knows no CopyInResponse in a simple query, gives up this stream and lets
        // everything up to ReadyForQuery pass; the tap has it all.
        drop(self.send(sql).await?);
        let mut reading = Reading::default();
        let mut feeding = false;
        let side_door = &self.side_door;
        let mut feed = Box::pin(async move {
            for chunk in data.as_bytes().chunks(COPY_CHUNK) {
                if !side_door.copy_data(chunk).await {
                    return;
                }
            }
            side_door.copy_done().await;
        });
        while reading.ready.is_none() {
            tokio::select! {
                biased;
                tapped = self.frames.recv() => match tapped {
                    Some(Tapped { frame: Frame::CopyIn, .. }) => feeding = true,
                    Some(tapped) => {
                        if let Frame::Error(error) = &tapped.frame
                            && message::is_fatal(error)
                        {
                            self.fatal = Some((**error).clone());
                        }
                        reading.frame(tapped, notice);
                    }
                    None => {
                        drop(feed);
                        return Err(Unsent::Gone(self.broken().await));
                    }
                },
                () = &mut feed, if feeding => feeding = false,
            }
        }
        drop(feed);
        // After an early error one piece may still be on its way; the server drops it, but nothing
        // else may be written before it is through. CopyFail outside a COPY is dropped as well.
        if reading.error.is_some() && !self.side_door.copy_fail("").await {
            return Err(Unsent::Gone(self.broken().await));
        }
        if let Some((status, _)) = reading.ready {
            self.status = status;
        }
        reading
            .finish(notice)
            .ok_or_else(|| Unsent::Gone(Broken::new(ServerMessage::default())))
    }

    /// Waits, while nothing was asked, for the end of the session. Notices go to `notice`.
    pub async fn idle(&mut self, notice: &mut (dyn FnMut(ServerMessage) + Send)) -> Broken {
        while let Some(tapped) = self.frames.recv().await {
            match tapped.frame {
                Frame::Notice(message) => {
                    self.remember_farewell(&message);
                    notice(*message);
                }
                Frame::Error(error) => self.fatal = Some(*error),
                Frame::Complete(_) | Frame::Ready(_) | Frame::Key(_) | Frame::CopyIn => {}
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
    async fn broken(&mut self) -> Broken {
        if let Some(cause) = &self.cause {
            return Broken::new(cause.clone());
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
                Ok(Err(error)) if error.is_cancelled() => {
                    message::own("this program closed the link")
                }
                Ok(Err(_)) => message::own("the part that reads from the server died"),
                Ok(Ok(Ok(()))) | Err(_) => message::own("the connection was closed"),
            },
        };
        self.sever();
        self.cause = Some(cause.clone());
        Broken::new(cause)
    }
}
