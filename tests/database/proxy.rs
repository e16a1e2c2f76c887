//! A proxy between the session and the server that can stop passing the server's bytes on, and cut
//! the connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub struct Proxy {
    pub address: SocketAddr,
    swallow: Arc<AtomicBool>,
    cut: watch::Sender<u32>,
    /// How many bytes of the server were swallowed.
    pub swallowed: watch::Receiver<usize>,
}

impl Proxy {
    /// Listens on loopback and passes everything on to `server`.
    pub async fn to(server: SocketAddr) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let swallow = Arc::new(AtomicBool::new(false));
        let (cut, cuts) = watch::channel(0);
        let (count, swallowed) = watch::channel(0);
        let flag = Arc::clone(&swallow);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (flag, count) = (Arc::clone(&flag), count.clone());
                let mut cuts = cuts.clone();
                cuts.mark_unchanged();
                tokio::spawn(async move {
                    tokio::select! {
                        () = pass(client, server, flag, count) => {}
                        _ = cuts.changed() => {}
                    }
                });
            }
        });
        Proxy {
            address,
            swallow,
            cut,
            swallowed,
        }
    }

    /// From now on nothing that the server says gets through; new connections are not affected
    /// once it is switched off again.
    pub fn swallow_answers(&self, on: bool) {
        self.swallow.store(on, Ordering::SeqCst);
    }

    /// Closes every connection that is open.
    pub fn cut(&self) {
        self.cut.send_modify(|n| *n += 1);
    }
}

async fn pass(
    client: TcpStream,
    server: SocketAddr,
    swallow: Arc<AtomicBool>,
    count: watch::Sender<usize>,
) {
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = async {
        let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
        let _ = to_server.shutdown().await;
    };
    let down = async {
        let mut buffer = vec![0; 65_536];
        while let Ok(read) = from_server.read(&mut buffer).await {
            if read == 0 {
                break;
            }
            if swallow.load(Ordering::SeqCst) {
                count.send_modify(|n| *n += read);
            } else if to_client.write_all(&buffer[..read]).await.is_err() {
                break;
            }
        }
        let _ = to_client.shutdown().await;
    };
    tokio::join!(up, down);
}
