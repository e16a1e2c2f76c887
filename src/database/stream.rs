//! The wire to a server: a socket of either kind, as one type.
//!
//! TLS takes its place here, between the socket and the tap, so that the tap always reads plain
//! messages. A dead peer must be noticed from our side too, hence the keepalives.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::settings::{Host, Place};

/// Something that bytes go through in both directions.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// The wire, whatever it is made of.
pub type Wire = Box<dyn Duplex>;

/// Keepalives of our own side: a peer that vanished is noticed after 3 + 3 × 1 s, as the server's
/// own 3/1/3 does it there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(3);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(1);
const KEEPALIVE_COUNT: u32 = 3;

/// How long sent bytes may stay unacknowledged; keepalives are silent while there are such bytes.
const USER_TIMEOUT: Duration = Duration::from_secs(10);

/// One address of one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A unix socket.
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
            Place::Socket(directory) => Ok(vec![Endpoint::Unix(
                directory.join(format!(".s.PGSQL.{}", host.port)),
            )]),
            Place::Tcp {
                host: name,
                address,
            } => {
                let name = address.as_deref().unwrap_or(name);
                let found = tokio::net::lookup_host((name, host.port)).await?;
                Ok(found.map(Endpoint::Tcp).collect())
            }
        }
    }

    /// Opens a wire to it.
    ///
    /// # Errors
    /// What the operating system says.
    pub async fn open(&self) -> io::Result<Wire> {
        match self {
            Endpoint::Unix(path) => Ok(Box::new(UnixStream::connect(abstract_name(path)).await?)),
            Endpoint::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                let keepalive = socket2::TcpKeepalive::new()
                    .with_time(KEEPALIVE_IDLE)
                    .with_interval(KEEPALIVE_INTERVAL)
                    .with_retries(KEEPALIVE_COUNT);
                let socket = socket2::SockRef::from(&stream);
                socket.set_tcp_keepalive(&keepalive)?;
                #[cfg(target_os = "linux")]
                socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
                Ok(Box::new(stream))
            }
        }
    }
}

/// libpq writes an abstract socket with `@`, the kernel with a NUL.
fn abstract_name(path: &Path) -> PathBuf {
    match path.to_str().and_then(|p| p.strip_prefix('@')) {
        Some(rest) => PathBuf::from(format!("\0{rest}")),
        None => path.to_owned(),
    }
}
