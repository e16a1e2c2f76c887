//! A cancel request goes the way that its session went: under TLS, if that one is.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use stagegate::database::session::{HoldOptions, Order, Session};
use stagegate::gate::event::Body;
use stagegate::runbook::Runbook;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::authority::{Wanted, self_signed};
use crate::ground::{Ground, settings};

/// How a client opens a connection, as its first bytes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opening {
    AsksForTls,
    Tls,
    Plain,
    Cancel,
}

/// Passes everything on to `port`, and keeps how each connection was opened.
async fn listen_in(port: u16) -> (u16, Arc<Mutex<Vec<Opening>>>) {
    let openings: Arc<Mutex<Vec<Opening>>> = Arc::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = listener.local_addr().unwrap().port();
    let kept = Arc::clone(&openings);
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let kept = Arc::clone(&kept);
            tokio::spawn(async move {
                let mut first = [0; 8];
                near.read_exact(&mut first).await.unwrap();
                let code = u32::from_be_bytes(first[4..].try_into().unwrap());
                kept.lock().unwrap().push(match (first[0], code) {
                    (0x16, _) => Opening::Tls,
                    (_, 80_877_103) => Opening::AsksForTls,
                    (_, 80_877_102) => Opening::Cancel,
                    _ => Opening::Plain,
                });
                let mut far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                far.write_all(&first).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    (own, openings)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_request_is_as_protected_as_its_session() {
    if crate::encrypting::cannot_encrypt() {
        return;
    }
    let rules = "host all postgres 127.0.0.1/32 trust";
    let ground = tokio::task::spawn_blocking(move || Ground::new(rules))
        .await
        .unwrap();
    let good = self_signed(
        &Wanted {
            common: "localhost",
            names: &["127.0.0.1"],
            ..Wanted::default()
        },
        false,
    );
    ground.show(&good, None).await;
    let own = good.write_certificate(ground.folder.path(), "own");
    let script = ground.folder.path().join("sleeps.sql");
    std::fs::write(&script, "SELECT pg_sleep(3600);\n").unwrap();
    let direct = ground.major() >= 17;
    if !direct {
        crate::aloud::skip("this server knows no direct TLS; STAGEGATE_PG_BIN names another");
    }
    let ways = [
        ("sslmode=disable", Opening::Plain, Opening::Cancel),
        ("sslmode=prefer", Opening::AsksForTls, Opening::AsksForTls),
        (
            "sslmode=verify-full",
            Opening::AsksForTls,
            Opening::AsksForTls,
        ),
        (
            "sslmode=verify-full sslnegotiation=direct",
            Opening::Tls,
            Opening::Tls,
        ),
    ];
    for (way, session_opens, cancel_opens) in ways.into_iter().take(if direct { 4 } else { 3 }) {
        let (port, openings) = listen_in(ground.sandbox.port()).await;
        let settings = settings(&format!(
            "host=127.0.0.1 port={port} user=postgres dbname=postgres sslrootcert={} {way}",
            own.display()
        ));
        let runbook = Runbook::load(Some(&script)).unwrap();
        let (sender, mut reports) = tokio::sync::mpsc::unbounded_channel();
        let (session, _task) =
            Session::spawn(Arc::new(runbook), settings, HoldOptions::default(), sender);
        session.order(1, Order::Connect);
        session.order(2, Order::Begin);
        session.order(3, Order::RunScript);
        let config = ground.sandbox.connection("postgres", "postgres");
        let (admin, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let sleeps = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        let patience = Duration::from_secs(60);
        tokio::time::timeout(patience, async {
            while admin.query_one(sleeps, &[]).await.unwrap().get::<_, i64>(0) == 0 {}
        })
        .await
        .unwrap_or_else(|_| panic!("{way}: the statement runs"));
        session.cancel();
        let failed = tokio::time::timeout(patience, async {
            loop {
                match reports.recv().await.unwrap().body {
                    Body::StatementFailed { error, .. } => return error,
                    Body::ConnectFailed(why) | Body::SessionEnded(why) => panic!("{way}: {why:?}"),
                    _ => {}
                }
            }
        })
        .await
        .unwrap_or_else(|_| panic!("{way}: it is cancelled"));
        assert_eq!(failed.sqlstate.as_deref(), Some("57014"), "{way}");
        let seen = openings.lock().unwrap().clone();
        assert_eq!(seen, [session_opens, cancel_opens], "{way}");
    }
}
