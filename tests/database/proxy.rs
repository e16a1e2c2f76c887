//! A proxy between the session and the server that can keep the server's bytes to itself, hide the
//! client's end from the server, cut the connections, and lead to another server.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

#[derive(Clone, Copy)]
struct Ways {
    server: SocketAddr,
    swallow: bool,
    hold_open: bool,
    linger: bool,
    cut_when_open: bool,
    writable: bool,
    /// Up to so many words of the client, and what the server hears in their place.
    misheard: [Option<(&'static str, &'static str)>; MISHEARD],
}

const MISHEARD: usize = 6;

/// How long an answer takes then; long against what a client needs to send what does not wait for it.
const LINGER: Duration = Duration::from_millis(100);

pub struct Proxy {
    pub address: SocketAddr,
    ways: Arc<Mutex<Ways>>,
    cut: watch::Sender<u32>,
    flights: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
    /// How many bytes of the server were swallowed.
    pub swallowed: watch::Receiver<usize>,
}

impl Proxy {
    /// Listens on loopback and passes everything on to `server`.
    pub async fn to(server: SocketAddr) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let ways = Arc::new(Mutex::new(Ways {
            server,
            swallow: false,
            hold_open: false,
            linger: false,
            cut_when_open: false,
            writable: false,
            misheard: [None; MISHEARD],
        }));
        let (cut, cuts) = watch::channel(0);
        let (count, swallowed) = watch::channel(0);
        let shared = Arc::clone(&ways);
        let flights = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&flights);
        let connections = Arc::new(AtomicUsize::new(0));
        let accepted = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                accepted.fetch_add(1, Ordering::SeqCst);
                let (ways, count) = (Arc::clone(&shared), count.clone());
                let flights = Arc::clone(&counted);
                let mut cuts = cuts.clone();
                cuts.mark_unchanged();
                tokio::spawn(async move {
                    tokio::select! {
                        () = pass(client, ways, count, flights) => {}
                        _ = cuts.changed() => {}
                    }
                });
            }
        });
        Proxy {
            address,
            ways,
            cut,
            flights,
            connections,
            swallowed,
        }
    }

    /// How many connections there were so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// How often a client has spoken after the server had: each time it had waited for a round trip.
    pub fn flights(&self) -> usize {
        self.flights.load(Ordering::SeqCst)
    }

    /// From now on what the server says takes its time: whatever a client has to say without waiting
    /// for it is said before.
    pub fn linger(&self, on: bool) {
        self.ways.lock().unwrap().linger = on;
    }

    /// From now on nothing that the server says gets through.
    pub fn swallow_answers(&self, on: bool) {
        self.ways.lock().unwrap().swallow = on;
    }

    /// From now on the server does not learn that a client has closed.
    pub fn hold_open(&self, on: bool) {
        self.ways.lock().unwrap().hold_open = on;
    }

    /// From now on a connection breaks where the server says that a transaction is open on it.
    pub fn cut_when_open(&self) {
        self.ways.lock().unwrap().cut_when_open = true;
    }

    /// New sessions begin as if nobody had asked for READ ONLY, as behind what drops options.
    pub fn forget_read_only(&self) {
        self.ways.lock().unwrap().writable = true;
    }

    /// From now on the server hears others in the place of these words of a client. The others are no
    /// longer than they, and what is missing is filled with spaces.
    pub fn mishear(&self, words: &[&'static str], heard: &'static str) {
        let misheard = &mut self.ways.lock().unwrap().misheard;
        assert!(words.len() <= misheard.len());
        *misheard = [None; MISHEARD];
        for (slot, word) in misheard.iter_mut().zip(words) {
            assert!(heard.len() <= word.len(), "{word}");
            *slot = Some((word, heard));
        }
    }

    /// Leads new connections to another server.
    pub fn redirect(&self, server: SocketAddr) {
        self.ways.lock().unwrap().server = server;
    }

    /// Closes every connection that is open.
    pub fn cut(&self) {
        self.cut.send_modify(|n| *n += 1);
    }
}

async fn pass(
    client: TcpStream,
    ways: Arc<Mutex<Ways>>,
    count: watch::Sender<usize>,
    flights: Arc<AtomicUsize>,
) {
    let now = || *ways.lock().unwrap();
    let Ok(server) = TcpStream::connect(now().server).await else {
        return;
    };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    // The first flight is answered by nobody before it.
    let answered = AtomicBool::new(true);
    let up = async {
        if now().writable
            && begin_writable(&mut from_client, &mut to_server)
                .await
                .is_err()
        {
            return;
        }
        let mut buffer = vec![0; 65_536];
        while let Ok(read) = from_client.read(&mut buffer).await {
            if read == 0 {
                break;
            }
            if answered.swap(false, Ordering::SeqCst) {
                flights.fetch_add(1, Ordering::SeqCst);
            }
            for (words, heard) in now().misheard.into_iter().flatten() {
                mishear(&mut buffer[..read], words.as_bytes(), heard.as_bytes());
            }
            if to_server.write_all(&buffer[..read]).await.is_err() {
                break;
            }
        }
        if now().hold_open {
            std::future::pending::<()>().await;
        }
        let _ = to_server.shutdown().await;
    };
    let down = async {
        let mut buffer = vec![0; 65_536];
        while let Ok(read) = from_server.read(&mut buffer).await {
            if read == 0 {
                break;
            }
            if now().linger {
                tokio::time::sleep(LINGER).await;
            }
            answered.store(true, Ordering::SeqCst);
            let open = now().cut_when_open.then(|| end_of_open(&buffer[..read]));
            if now().swallow {
                count.send_modify(|n| *n += read);
            } else if let Some(Some(end)) = open {
                let _ = to_client.write_all(&buffer[..end]).await;
                break;
            } else if to_client.write_all(&buffer[..read]).await.is_err() {
                break;
            }
        }
        let _ = to_client.shutdown().await;
    };
    tokio::join!(up, down);
}

/// Where a ReadyForQuery ends that tells of an open transaction.
fn end_of_open(bytes: &[u8]) -> Option<usize> {
    const OPEN: &[u8] = b"Z\0\0\0\x05T";
    let at = bytes.windows(OPEN.len()).position(|part| part == OPEN);
    at.map(|at| at + OPEN.len())
}

/// Puts `heard` in every place of `words`, as long as they are.
fn mishear(bytes: &mut [u8], words: &[u8], heard: &[u8]) {
    let mut from = 0;
    while let Some(at) = bytes[from..]
        .windows(words.len())
        .position(|part| part == words)
    {
        let place = &mut bytes[from + at..from + at + words.len()];
        place.fill(b' ');
        place[..heard.len()].copy_from_slice(heard);
        from += at + words.len();
    }
}

/// Passes the first message on with READ ONLY turned off in it: by a word of the same length, so that
/// the message is as long as it says.
async fn begin_writable(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
) -> std::io::Result<()> {
    const ON: &[u8] = b"default_transaction_read_only=on";
    const OFF: &[u8] = b"default_transaction_read_only=no";
    let mut length = [0; 4];
    from.read_exact(&mut length).await?;
    let mut message = vec![0; u32::from_be_bytes(length) as usize - 4];
    from.read_exact(&mut message).await?;
    let at = message.windows(ON.len()).position(|words| words == ON);
    let at = at.expect("READ ONLY is asked for from the first message on");
    message[at..at + ON.len()].copy_from_slice(OFF);
    to.write_all(&length).await?;
    to.write_all(&message).await
}
