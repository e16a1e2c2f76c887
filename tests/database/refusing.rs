//! What is told of a server that does not let us in: what happened, in its words, and what to do next.

use std::os::unix::fs::PermissionsExt;

use stagegate::database::connect::connect;
use stagegate::facts::ServerMessage;
use stagegate::sandbox::{Sandbox, SandboxOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::ending::Own;
use crate::stage::{psql, settings, within};

async fn refused(conninfo: &str) -> ServerMessage {
    match within("an answer", connect(&settings(conninfo))).await {
        Ok(_) => panic!("{conninfo}: it was let in"),
        Err(why) => why,
    }
}

/// Closed, and was free a moment ago.
async fn closed_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

/// Something that listens and speaks HTTP alone.
async fn a_web_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 64]).await;
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    port
}

const HBA: &str = "local all mapped peer
local all all trust
host all password 127.0.0.1/32 scram-sha-256
host all barred 127.0.0.1/32 reject
hostssl all tls_only 127.0.0.1/32 trust
host all unlisted 192.0.2.1/32 trust
host all free,limited,closed,nobody 127.0.0.1/32 trust
host all postgres 127.0.0.1/32 trust
";

const ROLES: &[&str] = &[
    "CREATE ROLE password LOGIN PASSWORD 'right'",
    "CREATE ROLE mapped LOGIN",
    "CREATE ROLE barred LOGIN",
    "CREATE ROLE tls_only LOGIN",
    "CREATE ROLE unlisted LOGIN",
    "CREATE ROLE free LOGIN",
    "CREATE ROLE limited LOGIN CONNECTION LIMIT 0",
    "CREATE ROLE closed NOLOGIN",
    "CREATE DATABASE private",
    "REVOKE CONNECT ON DATABASE private FROM PUBLIC",
    "CREATE DATABASE shut ALLOW_CONNECTIONS false",
];

async fn with_rules(folder: &tempfile::TempDir) -> Own {
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let hba = folder.path().join("hba.conf");
    std::fs::write(&hba, HBA).unwrap();
    let options = SandboxOptions {
        tcp: true,
        ..SandboxOptions::for_tests()
    }
    .with("hba_file", &hba.display().to_string());
    let own = Own::start(options).await;
    let client = psql(own.server(), "postgres").await;
    for sql in ROLES {
        client.batch_execute(sql).await.unwrap();
    }
    own
}

#[tokio::test]
async fn each_refusal_says_what_happened_and_what_to_do_next() {
    let folder = tempfile::tempdir().unwrap();
    let own = with_rules(&folder).await;
    let port = own.server().port();
    let socket = own.server().socket_dir().display().to_string();
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let quiet = silent.local_addr().unwrap().port();
    let (closed, web) = (closed_port().await, a_web_server().await);
    let tcp = |more: &str| format!("host=127.0.0.1 port={port} dbname=postgres {more}");
    // What was done, the SQLSTATE, words of what happened, words of the next step.
    let table: Vec<(&str, String, Option<&str>, &str, &str)> = vec![
        (
            "unknown host",
            "host=no.such.host.invalid user=u dbname=d".into(),
            None,
            "cannot look the host name up",
            "is the name right (-h)",
        ),
        (
            "refused",
            format!("host=127.0.0.1 port={closed} user=u dbname=d"),
            None,
            "connection refused",
            "is the server running",
        ),
        (
            "no socket",
            "host=/nowhere user=u dbname=d".into(),
            None,
            "no such socket",
            "folder (-h) and port (-p)",
        ),
        (
            "timed out",
            format!("host=127.0.0.1 port={quiet} user=u dbname=d connect_timeout=2"),
            None,
            "no answer within 2 s",
            "firewall",
        ),
        (
            "no PostgreSQL",
            format!("host=127.0.0.1 port={web} user=u dbname=d"),
            None,
            "no answer of PostgreSQL's",
            "is -p right?",
        ),
        (
            "no pg_hba entry",
            tcp("user=unlisted"),
            Some("28000"),
            "no pg_hba.conf entry for host",
            "pg_hba.conf",
        ),
        (
            "rejected by pg_hba",
            tcp("user=barred"),
            Some("28000"),
            "pg_hba.conf rejects connection",
            "pg_hba.conf",
        ),
        (
            "TLS is required, and not there",
            tcp("user=tls_only sslmode=prefer"),
            Some("28000"),
            "no encryption",
            "sslmode=require",
        ),
        (
            "TLS is asked for, and not there",
            tcp("user=free sslmode=require"),
            None,
            "does not support TLS",
            "ssl = on",
        ),
        (
            "wrong password",
            tcp("user=password password=wrong"),
            Some("28P01"),
            "password authentication failed",
            "another one",
        ),
        (
            "no password",
            tcp("user=password"),
            None,
            "asks for a password, and none was given",
            "PGPASSWORD",
        ),
        (
            "role missing",
            tcp("user=nobody"),
            Some("28000"),
            "role \"nobody\" does not exist",
            "-U names the role",
        ),
        (
            "role without LOGIN",
            tcp("user=closed"),
            Some("28000"),
            "not permitted to log in",
            "LOGIN",
        ),
        (
            "not the OS user of the role",
            format!("host={socket} port={port} dbname=postgres user=mapped"),
            Some("28000"),
            "Peer authentication failed",
            "become that one",
        ),
        (
            "database missing",
            tcp("user=free dbname=nosuch"),
            Some("3D000"),
            "database \"nosuch\" does not exist",
            "-d names one",
        ),
        (
            "no right to connect",
            tcp("user=free dbname=private"),
            Some("42501"),
            "permission denied for database",
            "GRANT CONNECT",
        ),
        (
            "closed database",
            tcp("user=free dbname=shut"),
            Some("55000"),
            "not currently accepting connections",
            "-d names another",
        ),
        (
            "too many clients of a role",
            tcp("user=limited"),
            Some("53300"),
            "too many connections",
            "wait",
        ),
        (
            "a standby is wanted",
            tcp("user=free target_session_attrs=standby"),
            None,
            "the server is not a standby",
            "name more of",
        ),
    ];
    for (what, conninfo, sqlstate, words, step) in table {
        let why = refused(&conninfo).await;
        assert_eq!(why.sqlstate.as_deref(), sqlstate, "{what}: {why:?}");
        assert!(why.message.contains(words), "{what}: {why:?}");
        let hint = why.hint.as_deref().unwrap_or_default();
        assert!(hint.contains(step), "{what}: {why:?}");
        let place = why.context.as_deref().unwrap_or_default();
        assert!(place.starts_with("while connecting to"), "{what}: {why:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_full_or_going_down_is_worth_another_try() {
    let options = SandboxOptions {
        tcp: true,
        ..SandboxOptions::for_tests()
    }
    .with("max_connections", "4")
    .with("superuser_reserved_connections", "1");
    let own = tokio::task::spawn_blocking(|| Sandbox::start(options).unwrap())
        .await
        .unwrap();
    let socket = own.socket_dir().display().to_string();
    let way = format!("host={socket} port={} dbname=postgres user=app", own.port());
    let first = psql(&own, "postgres").await;
    first.batch_execute("CREATE ROLE app LOGIN").await.unwrap();
    let mut held = Vec::new();
    let why = loop {
        match connect(&settings(&way)).await {
            Ok(link) => held.push(link),
            Err(why) => break why,
        }
        assert!(held.len() < 5, "the server takes no end of sessions");
    };
    assert_eq!(why.sqlstate.as_deref(), Some("53300"), "{why:?}");
    assert!(why.hint.unwrap().contains("wait"));
    // Told to stop, it waits for those that are there, and lets nobody in.
    let pid = rustix::process::Pid::from_raw(own.pid().unwrap().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    drop(held);
    let why = within("it goes down", async {
        loop {
            match connect(&settings(&way)).await {
                Err(why) if why.sqlstate.as_deref() == Some("57P03") => return why,
                _ => tokio::task::yield_now().await,
            }
        }
    })
    .await;
    assert!(why.message.contains("shutting down"), "{why:?}");
    assert!(why.hint.unwrap().contains("wait and try again"));
    drop(first);
}

#[tokio::test]
async fn an_abstract_socket_is_reached_as_in_psql() {
    let name = format!("@stagegate-test-{}", std::process::id());
    let options = SandboxOptions {
        tcp: true,
        ..SandboxOptions::for_tests()
    }
    .with("unix_socket_directories", &name);
    let own = tokio::task::spawn_blocking(|| Sandbox::start(options).unwrap())
        .await
        .unwrap();
    let way = format!(
        "host={name} port={} dbname=postgres user=postgres",
        own.port()
    );
    let mut link = connect(&settings(&way)).await.unwrap();
    let row = link
        .row("SELECT pg_catalog.inet_server_addr()")
        .await
        .unwrap();
    assert_eq!(row, [None]);
    let why = refused("host=@stagegate-test-nobody dbname=d user=u").await;
    assert!(why.message.contains("connection refused"), "{why:?}");
    assert!(why.hint.unwrap().contains("is the server running"));
}
