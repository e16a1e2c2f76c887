//! The wire to a server: a socket of either kind, as one type.
//!
//! TLS takes its place between the socket and the tap, so that the tap always reads plain messages. A
//! dead peer must be noticed from our side too, hence the keepalives.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::Instant;

use super::message;
use super::settings::{Host, Keepalive, Protection, ServerAddress, look_up_user};
use super::tls::{self, NoTlsWhy, Seal};
use crate::facts::ServerMessage;

/// Something that bytes go through in both directions.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

pub type Wire = Box<dyn Duplex>;

/// Keepalives of our own side: a peer that vanished is noticed after 3 + 3 × 1 s, as the server's
/// own 3/1/3 does it there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(3);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(1);
const KEEPALIVE_COUNT: u32 = 3;

/// How long sent bytes may stay unacknowledged; keepalives are silent while there are such bytes.
const USER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a full queue of new connections is waited for on a unix socket, and how often it is tried
/// meanwhile.
const QUEUE_PATIENCE: Duration = Duration::from_secs(5);
const QUEUE_PAUSE: Duration = Duration::from_millis(20);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    Unix(PathBuf),
    /// An address on the network.
    Tcp(SocketAddr),
}

impl Endpoint {
    /// The addresses of `host`, looked up where it is a name.
    ///
    /// # Errors
    /// When the name has no address.
    pub async fn of(host: &Host) -> io::Result<Vec<Endpoint>> {
        match &host.place {
            ServerAddress::Socket(directory) => Ok(vec![Endpoint::Unix(
                directory.join(format!(".s.PGSQL.{}", host.port)),
            )]),
            ServerAddress::Tcp {
                host: name,
                address,
            } => {
                let name = address.as_deref().unwrap_or(name);
                let found = tokio::net::lookup_host((name, host.port)).await?;
                Ok(found.map(Endpoint::Tcp).collect())
            }
        }
    }

    /// Opens a wire to it. On a unix socket the server has to run as `peer`, where one is named.
    ///
    /// # Errors
    /// What the operating system says, or whom the server runs as instead.
    pub async fn open(&self, keepalive: Keepalive, peer: Option<&str>) -> io::Result<Wire> {
        match self {
            Endpoint::Unix(path) => {
                let stream = connect_to_socket(path).await?;
                if let Some(wanted) = peer {
                    let uid = stream.peer_cred()?.uid();
                    let runs_as = look_up_user(uid, 0).unwrap_or_else(|| format!("number {uid}"));
                    if runs_as != wanted {
                        return Err(io::Error::other(format!(
                            "requirepeer specifies \"{wanted}\", but the server runs as \"{runs_as}\""
                        )));
                    }
                }
                Ok(Box::new(stream))
            }
            Endpoint::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                watch(&stream, keepalive)?;
                Ok(Box::new(stream))
            }
        }
    }
}

/// Connects to a unix socket. A server whose queue of new connections is full refuses at once there,
/// where TCP would try again.
async fn connect_to_socket(path: &Path) -> io::Result<UnixStream> {
    let until = Instant::now() + QUEUE_PATIENCE;
    loop {
        match UnixStream::connect(abstract_name(path)).await {
            Err(why) if why.kind() == io::ErrorKind::WouldBlock && Instant::now() < until => {
                tokio::time::sleep(QUEUE_PAUSE).await;
            }
            connected => return connected,
        }
    }
}

/// An address as libpq's `hostaddr` has it.
pub(super) fn numeric(address: SocketAddr) -> String {
    match address {
        SocketAddr::V6(v6) if v6.scope_id() != 0 => {
            format!("{}%{}", v6.ip(), v6.scope_id())
        }
        _ => address.ip().to_string(),
    }
}

/// Has the kernel look after a peer that may vanish.
fn watch(stream: &TcpStream, wanted: Keepalive) -> io::Result<()> {
    let socket = socket2::SockRef::from(stream);
    if !wanted.off {
        let mut keepalive = socket2::TcpKeepalive::new();
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        // Zero leaves a time as the system has it.
        match wanted.idle {
            None => keepalive = keepalive.with_time(KEEPALIVE_IDLE),
            Some(0) => {}
            Some(idle) => keepalive = keepalive.with_time(seconds(idle)),
        }
        match wanted.interval {
            None => keepalive = keepalive.with_interval(KEEPALIVE_INTERVAL),
            Some(0) => {}
            Some(interval) => keepalive = keepalive.with_interval(seconds(interval)),
        }
        match wanted.count {
            None => keepalive = keepalive.with_retries(KEEPALIVE_COUNT),
            Some(0) => {}
            Some(count) => keepalive = keepalive.with_retries(count),
        }
        socket.set_tcp_keepalive(&keepalive)?;
    }
    #[cfg(target_os = "linux")]
    match wanted.user_timeout {
        None => socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?,
        Some(0) => {}
        Some(limit) => {
            socket.set_tcp_user_timeout(Some(Duration::from_millis(limit.into())))?;
        }
    }
    Ok(())
}

/// The way that led to a server: enough to go there once more, as protected as before.
#[derive(Debug, Clone)]
pub struct Route {
    pub endpoint: Endpoint,
    pub name: String,
    pub protection: Protection,
    pub keepalive: Keepalive,
    /// Whom it has to run as.
    pub peer: Option<String>,
    /// The TLS that the link has, if it has any.
    pub seal: Option<Seal>,
}

impl Route {
    /// Opens another wire to the same address: under TLS, if the first one is.
    pub async fn open_another(&self) -> Result<(Wire, Option<Seal>), ServerMessage> {
        let wire = self
            .endpoint
            .open(self.keepalive, self.peer.as_deref())
            .await
            .map_err(|error| message::own(message::from_io(&error)))?;
        if self.seal.is_none() {
            return Ok((wire, None));
        }
        tls::negotiate(wire, &self.name, &self.protection.enforced())
            .await
            .map_err(NoTlsWhy::said)
    }
}

/// libpq writes an abstract socket with `@`, the kernel with a NUL.
fn abstract_name(path: &Path) -> PathBuf {
    match path.to_str().and_then(|p| p.strip_prefix('@')) {
        Some(rest) => PathBuf::from(format!("\0{rest}")),
        None => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_queue_of_new_connections_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("full");
        let socket =
            socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
        socket
            .bind(&socket2::SockAddr::unix(&path).unwrap())
            .unwrap();
        socket.listen(0).unwrap();
        let mut queued = Vec::new();
        let full = loop {
            match UnixStream::connect(&path).await {
                Ok(connection) => queued.push(connection),
                Err(why) => break why,
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        let connecting = connect_to_socket(&path);
        tokio::pin!(connecting);
        tokio::select! {
            biased;
            connected = &mut connecting => panic!("{connected:?}"),
            () = std::future::ready(()) => {}
        }
        for _ in &queued {
            socket.accept().unwrap();
        }
        connecting.await.unwrap();
    }
}
