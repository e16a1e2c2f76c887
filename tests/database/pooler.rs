//! A transaction pooler, as small as one can be: every client gets the same session of the server for
//! as long as its transaction lasts, and a process id of the pooler's own.
//!
//! What a client sets outside a transaction stays on that session, as it does behind any pooler that
//! does not reset it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

/// The process id that clients are told.
const OWN_PID: i32 = 1_999_999;

pub struct Pooler {
    pub address: SocketAddr,
    clients: Arc<AtomicU32>,
}

type Message = (u8, Vec<u8>);

async fn read(stream: &mut TcpStream) -> std::io::Result<Message> {
    let kind = stream.read_u8().await?;
    let length = usize::try_from(stream.read_u32().await?).unwrap();
    let mut body = vec![0; length - 4];
    stream.read_exact(&mut body).await?;
    Ok((kind, body))
}

async fn write(stream: &mut TcpStream, (kind, body): &Message) -> std::io::Result<()> {
    let mut bytes = vec![*kind];
    bytes.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
    bytes.extend(body);
    stream.write_all(&bytes).await
}

/// The start-up packet of the pooler's own session.
fn startup(user: &str, database: &str) -> Vec<u8> {
    let mut body = 196_608_u32.to_be_bytes().to_vec();
    for text in ["user", user, "database", database, ""] {
        body.extend(text.as_bytes());
        body.push(0);
    }
    let mut packet = u32::try_from(body.len() + 4)
        .unwrap()
        .to_be_bytes()
        .to_vec();
    packet.extend(body);
    packet
}

impl Pooler {
    /// Stands before `server`, where it has one session as `user` in `database`.
    pub async fn before(server: SocketAddr, user: &str, database: &str) -> Pooler {
        let mut session = TcpStream::connect(server).await.unwrap();
        session.write_all(&startup(user, database)).await.unwrap();
        let mut greeting = Vec::new();
        loop {
            let message = read(&mut session).await.unwrap();
            match message.0 {
                b'Z' => break,
                // BackendKeyData: ours is told instead.
                b'K' => {}
                b'E' => panic!("{}", String::from_utf8_lossy(&message.1)),
                _ => greeting.push(message),
            }
        }
        let greeting = Arc::new(greeting);
        let session = Arc::new(Mutex::new(session));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let clients = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&clients);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let (session, greeting) = (Arc::clone(&session), Arc::clone(&greeting));
                tokio::spawn(async move {
                    // A client that goes away is no fault of the pooler's.
                    let _ = serve(client, &session, &greeting).await;
                });
            }
        });
        Pooler { address, clients }
    }

    /// How many clients came so far.
    pub fn clients(&self) -> u32 {
        self.clients.load(Ordering::SeqCst)
    }
}

/// What asks for TLS before the startup message.
const SSL_REQUEST: [u8; 4] = 80_877_103_u32.to_be_bytes();

async fn serve(
    mut client: TcpStream,
    session: &Mutex<TcpStream>,
    greeting: &[Message],
) -> std::io::Result<()> {
    // As poolers do that have no certificate: TLS is declined, and the startup message follows.
    loop {
        let length = usize::try_from(client.read_u32().await?).unwrap();
        let mut packet = vec![0; length - 4];
        client.read_exact(&mut packet).await?;
        if packet != SSL_REQUEST {
            break;
        }
        client.write_all(b"N").await?;
    }
    for message in greeting {
        write(&mut client, message).await?;
    }
    let key = [OWN_PID.to_be_bytes(), 7_i32.to_be_bytes()].concat();
    write(&mut client, &(b'K', key)).await?;
    write(&mut client, &(b'Z', b"I".to_vec())).await?;
    loop {
        let mut message = read(&mut client).await?;
        if message.0 == b'X' {
            return Ok(());
        }
        let mut server = session.lock().await;
        // As long as a transaction is open the session is this client's.
        let lost = loop {
            write(&mut server, &message).await?;
            let status = match message.0 {
                b'Q' | b'S' => answer(&mut client, &mut server).await?,
                _ => b'T',
            };
            if status == b'I' {
                break false;
            }
            match read(&mut client).await {
                Ok(next) if next.0 != b'X' => message = next,
                Ok(_) | Err(_) => break true,
            }
        };
        if lost {
            write(&mut server, &(b'Q', b"ROLLBACK\0".to_vec())).await?;
            while read(&mut server).await?.0 != b'Z' {}
            return Ok(());
        }
    }
}

/// Passes an answer on to its end; the transaction's status.
async fn answer(client: &mut TcpStream, server: &mut TcpStream) -> std::io::Result<u8> {
    loop {
        let message = read(server).await?;
        // The client may be gone; the answer is read to its end all the same.
        let _ = write(client, &message).await;
        if message.0 == b'Z' {
            return Ok(message.1[0]);
        }
    }
}
