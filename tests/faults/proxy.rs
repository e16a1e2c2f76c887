//! A proxy between the program and the server that knows where a message ends.
//!
//! It strikes once, at a message that was named before: it cuts, freezes, holds, or keeps the
//! answer to COMMIT to itself. Only the held session is struck, which is the first one that calls
//! itself `stagegate`; the monitor and later sessions pass, unless everything is frozen.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A message, by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// The n-th of the client, from 1. The startup message is the first.
    Up(usize),
    /// The n-th of the server, from 1.
    Down(usize),
    /// The query that holds COMMIT.
    Commit,
    /// The n-th message of the server after COMMIT was passed on, from 1.
    Answer(usize),
}

/// Whether the message itself still gets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Before,
    After,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Both ends see an orderly end.
    Cut,
    /// Both ends see a reset.
    Reset,
    /// The client sees the end; the server does not, until the proxy is gone.
    CutClient,
    /// The client sees the end; the message itself arrives at [`Proxy::release`], as one that was
    /// held up in the network.
    Late,
    /// Nothing gets through any more, for anybody; sockets stay open. Until [`Proxy::thaw`].
    Freeze,
    /// The held session waits at this message until [`Proxy::release`].
    Hold,
    /// The server is heard until it is ready again and nothing of it gets through; then the client
    /// sees the end.
    Swallow,
    /// Nothing: the place is only told.
    Tell,
}

#[derive(Debug, Clone, Copy)]
pub struct Strike {
    pub at: At,
    pub side: Side,
    pub act: Act,
}

/// How long the answer to a message that came late is waited for, before the end is seen.
const LINGER: Duration = Duration::from_secs(1);

/// What went through the held session.
#[derive(Debug, Clone, Default)]
pub struct Counted {
    pub up: usize,
    pub down: usize,
    /// The first letters of the messages, `>` before a client's, `<` before a server's.
    pub letters: String,
    /// The number of the query with COMMIT among the client's messages.
    pub commit: Option<usize>,
    /// How many messages of the server came after it.
    pub answers: usize,
    /// The backend's process id.
    pub pid: i32,
}

impl Counted {
    /// Whether the client's last message is a plain query: then no request is divided by what comes now.
    /// Between the messages of one request no limit of the server ends a silent session.
    pub fn is_between_requests(&self) -> bool {
        let last = self
            .letters
            .rfind('>')
            .and_then(|at| self.letters.get(at + 1..));
        last.is_some_and(|last| last.starts_with('Q'))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    None,
    Both,
    Reset,
    Client,
}

struct Inner {
    server: SocketAddr,
    strike: Mutex<Option<Strike>>,
    counted: Mutex<Counted>,
    held_taken: Mutex<bool>,
    /// Adds this to the process id that the server names, as a pooler names one of its own.
    shift_pid: i32,
    delay: Mutex<Duration>,
    frozen: watch::Sender<bool>,
    released: watch::Sender<bool>,
    struck: watch::Sender<bool>,
}

pub struct Proxy {
    pub address: SocketAddr,
    inner: Arc<Inner>,
    listening: tokio::task::JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
        self.thaw();
        self.release();
    }
}

impl Proxy {
    pub async fn to(server: SocketAddr) -> Proxy {
        Proxy::start(server, None, 0).await
    }

    pub async fn striking(server: SocketAddr, strike: Strike) -> Proxy {
        Proxy::start(server, Some(strike), 0).await
    }

    /// One that names another process id than the server does.
    pub async fn pooling(server: SocketAddr) -> Proxy {
        Proxy::start(server, None, 1).await
    }

    async fn start(server: SocketAddr, strike: Option<Strike>, shift_pid: i32) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Arc::new(Inner {
            server,
            strike: Mutex::new(strike),
            counted: Mutex::default(),
            held_taken: Mutex::new(false),
            shift_pid,
            delay: Mutex::default(),
            frozen: watch::channel(false).0,
            released: watch::channel(false).0,
            struck: watch::channel(false).0,
        });
        let shared = Arc::clone(&inner);
        let listening = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, Arc::clone(&shared)));
            }
        });
        Proxy {
            address,
            inner,
            listening,
        }
    }

    /// What has gone through the held session so far.
    pub fn counted(&self) -> Counted {
        lock(&self.inner.counted).clone()
    }

    /// Nothing gets through any more; sockets stay open.
    pub fn freeze(&self) {
        self.inner.frozen.send_replace(true);
    }

    pub fn thaw(&self) {
        self.inner.frozen.send_replace(false);
    }

    /// Lets go of what is held.
    pub fn release(&self) {
        self.inner.released.send_replace(true);
    }

    /// Every message waits this long before it is passed on.
    pub fn delay(&self, each: Duration) {
        *lock(&self.inner.delay) = each;
    }

    /// Waits until it has struck.
    pub async fn struck(&self) {
        let mut struck = self.inner.struck.subscribe();
        let _ = struck.wait_for(|struck| *struck).await;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|broken| broken.into_inner())
}

/// One connection through the proxy.
struct Passage {
    inner: Arc<Inner>,
    held: Mutex<bool>,
    end: watch::Sender<End>,
    swallowing: Mutex<bool>,
    /// What is to arrive late.
    late: Mutex<Vec<u8>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

async fn serve(mut client: TcpStream, inner: Arc<Inner>) {
    inner.wait_while_frozen().await;
    let Ok(mut server) = TcpStream::connect(inner.server).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (end, mut ended) = watch::channel(End::None);
    let passage = Passage {
        inner: Arc::clone(&inner),
        held: Mutex::new(false),
        end,
        swallowing: Mutex::new(false),
        late: Mutex::default(),
    };
    {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let both = async {
            tokio::join!(
                passage.pass(Way::Up, from_client, to_server),
                passage.pass(Way::Down, from_server, to_client)
            )
        };
        tokio::select! {
            biased;
            _ = ended.wait_for(|end| *end != End::None) => {}
            _ = both => {}
        }
    }
    let how = *passage.end.borrow();
    match how {
        End::None | End::Both => {}
        End::Reset => {
            let _ = client.set_zero_linger();
            let _ = server.set_zero_linger();
        }
        End::Client => {
            drop(client);
            let mut released = inner.released.subscribe();
            let _ = released.wait_for(|released| *released).await;
            let late = std::mem::take(&mut *lock(&passage.late));
            if !late.is_empty() && server.write_all(&late).await.is_ok() {
                // Closing with something unread would take the message back.
                let mut answer = vec![0; 16_384];
                let read = async { while server.read(&mut answer).await.is_ok_and(|n| n > 0) {} };
                let _ = tokio::time::timeout(LINGER, read).await;
            }
        }
    }
}

impl Inner {
    async fn wait_while_frozen(&self) {
        let mut frozen = self.frozen.subscribe();
        let _ = frozen.wait_for(|frozen| !frozen).await;
    }
}

impl Passage {
    async fn pass(
        &self,
        way: Way,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
    ) {
        let mut buffer: Vec<u8> = Vec::new();
        let mut chunk = vec![0; 16_384];
        let mut started = way == Way::Down;
        'reading: while let Ok(read) = from.read(&mut chunk).await {
            if read == 0 {
                break;
            }
            buffer.extend_from_slice(&chunk[..read]);
            while let Some(length) = whole(&buffer, started) {
                let mut message: Vec<u8> = buffer.drain(..length).collect();
                if !started {
                    started = true;
                    self.meet(&message);
                }
                if way == Way::Down {
                    self.rename(&mut message);
                }
                if !self.carry(way, &message, &mut to).await {
                    break 'reading;
                }
            }
        }
        self.inner.wait_while_frozen().await;
        let _ = to.shutdown().await;
    }

    /// The first session that calls itself `stagegate` is the held one.
    fn meet(&self, startup: &[u8]) {
        let mut words = startup.split(|byte| *byte == 0);
        let named = words.any(|word| word == b"application_name");
        if named && words.next() == Some(b"stagegate") {
            let mut taken = lock(&self.inner.held_taken);
            *lock(&self.held) = !*taken;
            *taken = true;
        }
    }

    /// Another process id in BackendKeyData.
    fn rename(&self, message: &mut [u8]) {
        if self.inner.shift_pid != 0
            && message.first() == Some(&b'K')
            && let Some(Ok(pid)) = message.get(5..9).map(<[u8; 4]>::try_from)
        {
            let pid = i32::from_be_bytes(pid).wrapping_add(self.inner.shift_pid);
            message[5..9].copy_from_slice(&pid.to_be_bytes());
        }
    }

    /// Counts a message and passes it on, unless this is where to strike. `false`: no more.
    async fn carry(&self, way: Way, message: &[u8], to: &mut (impl AsyncWrite + Unpin)) -> bool {
        let delay = *lock(&self.inner.delay);
        if delay > Duration::ZERO {
            tokio::time::sleep(delay).await;
        }
        let strike = self.count(way, message);
        if let Some(strike) = strike
            && strike.side == Side::Before
        {
            if strike.act == Act::Late {
                *lock(&self.late) = message.to_vec();
            }
            self.strike(strike.act).await;
        }
        self.inner.wait_while_frozen().await;
        if way == Way::Down && *lock(&self.swallowing) {
            if message.first() == Some(&b'Z') {
                self.end.send_replace(End::Both);
                std::future::pending::<()>().await;
            }
        } else if *self.end.borrow() != End::None || to.write_all(message).await.is_err() {
            return false;
        }
        if let Some(strike) = strike
            && strike.side == Side::After
        {
            self.strike(strike.act).await;
        }
        true
    }

    fn count(&self, way: Way, message: &[u8]) -> Option<Strike> {
        if !*lock(&self.held) {
            return None;
        }
        let mut counted = lock(&self.inner.counted);
        let letter = message
            .first()
            .filter(|byte| **byte != 0)
            .map_or('^', |byte| char::from(*byte));
        let mut here = Vec::new();
        match way {
            Way::Up => {
                counted.up += 1;
                counted.letters.extend(['>', letter]);
                here.push(At::Up(counted.up));
                if letter == 'Q' && message.windows(6).any(|word| word == b"COMMIT") {
                    counted.commit = Some(counted.up);
                    here.push(At::Commit);
                }
            }
            Way::Down => {
                counted.down += 1;
                counted.letters.extend(['<', letter]);
                if letter == 'K'
                    && let Some(Ok(pid)) = message.get(5..9).map(<[u8; 4]>::try_from)
                {
                    counted.pid = i32::from_be_bytes(pid);
                }
                here.push(At::Down(counted.down));
                if counted.commit.is_some() {
                    counted.answers += 1;
                    here.push(At::Answer(counted.answers));
                }
            }
        }
        lock(&self.inner.strike).take_if(|strike| here.contains(&strike.at))
    }

    async fn strike(&self, act: Act) {
        match act {
            Act::Cut => self.finish(End::Both).await,
            Act::Reset => self.finish(End::Reset).await,
            Act::CutClient | Act::Late => self.finish(End::Client).await,
            Act::Freeze => {
                self.inner.frozen.send_replace(true);
                self.inner.struck.send_replace(true);
            }
            Act::Hold => {
                self.inner.struck.send_replace(true);
                let mut released = self.inner.released.subscribe();
                let _ = released.wait_for(|released| *released).await;
            }
            Act::Swallow => {
                *lock(&self.swallowing) = true;
                self.inner.struck.send_replace(true);
            }
            Act::Tell => {
                self.inner.struck.send_replace(true);
            }
        }
    }

    /// Never comes back: the connection is dropped around it.
    async fn finish(&self, how: End) {
        self.end.send_replace(how);
        self.inner.struck.send_replace(true);
        std::future::pending::<()>().await;
    }
}

/// The length of the first message, if it is whole.
fn whole(buffer: &[u8], started: bool) -> Option<usize> {
    let tag = usize::from(started);
    let length: [u8; 4] = buffer.get(tag..tag + 4)?.try_into().ok()?;
    let length = tag + usize::try_from(u32::from_be_bytes(length)).ok()?;
    (buffer.len() >= length).then_some(length)
}
