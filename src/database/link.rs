//! One connection, with the tap's frames beside tokio-postgres' own answers.
//!
//! Every request is answered by frames up to one ReadyForQuery; counting those pairs a tag, a
//! status, a notice and an error with the request they belong to, even when requests are
//! pipelined. It never gathers more rows than it keeps.

mod asking;
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
use super::tap::{Frame, Outlet, RequestForm, SideDoor, Status, Tapped};
use crate::facts::ServerMessage;
use crate::runbook::encoding::Charset;
use parameters::Parameters;
use reading::AnswerReading;

pub use reading::{Answer, BYTE_CAP, Gathered, ROW_CAP};

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

    pub fn knows_client_checks(&mut self, taken: bool) {
        self.checks_client = taken;
    }

    pub fn host(&self) -> &Host {
        &self.host
    }

    pub fn endpoint(&self) -> &Endpoint {
        &self.route.endpoint
    }

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

    pub fn cancel_token(&self) -> CancelToken {
        self.client.cancel_token()
    }

    /// Closes the socket when used, whatever is under way.
    pub fn abort_handle(&self) -> AbortHandle {
        self.driver.0.abort_handle()
    }
}
