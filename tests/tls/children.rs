//! `pg_dump` for a backup and for a clone: it goes to the server that was reached, under the same TLS,
//! with our certificate, and both secrets reach it in files alone.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use stagegate::backup::Backups;
use stagegate::database::pinned::Pinned;
use stagegate::database::{connect, target};
use stagegate::gate::event::Body;
use stagegate::sandbox::programs::Search;
use tokio_postgres::NoTls;

use crate::authority::{Wanted, self_signed};
use crate::child::{Finish, until};
use crate::ground::{Ground, settings};

const PASSPHRASE: &str = "0pen-s3same";
const PASSWORD: &str = "s3cret-w0rd";

/// A server that wants TLS, a certificate of ours and a password, and the way to it: the second of a
/// list whose first is not there, with every secret in a service file.
async fn set() -> (Ground, String) {
    let rules = "hostssl all saver 127.0.0.1/32 scram-sha-256 clientcert=verify-ca";
    let ground = tokio::task::spawn_blocking(move || Ground::new(rules))
        .await
        .unwrap();
    let folder = ground.folder.path();
    let ca = self_signed(
        &Wanted {
            common: "the authority",
            ..Wanted::default()
        },
        true,
    );
    let root = ca.write_certificate(folder, "root");
    let good = ca.issue(&Wanted {
        common: "x",
        names: &["db.example.org"],
        ..Wanted::default()
    });
    ground.show(&good, Some(&root)).await;
    let mine = ca.issue(&Wanted {
        common: "saver",
        serial: 7,
        ..Wanted::default()
    });
    let certificate = mine.write_certificate(folder, "mine");
    let key = folder.join("mine.key");
    let cipher = openssl::symm::Cipher::aes_256_cbc();
    let pem = mine
        .key
        .private_key_to_pem_pkcs8_passphrase(cipher, PASSPHRASE.as_bytes());
    std::fs::write(&key, pem.unwrap()).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let admin = admin(&ground).await;
    let role = format!("CREATE ROLE saver LOGIN SUPERUSER PASSWORD '{PASSWORD}'");
    for sql in [role.as_str(), "CREATE TABLE t AS SELECT 1 AS i"] {
        admin.batch_execute(sql).await.unwrap();
    }
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let way = format!(
        "host=db.example.org,db.example.org hostaddr=127.0.0.1,127.0.0.1 port={closed},{} user=saver \
         dbname=postgres sslmode=verify-full sslrootcert={} sslcert={} sslkey={} \
         target_session_attrs=read-write",
        ground.sandbox.port(),
        root.display(),
        certificate.display(),
        key.display()
    );
    (ground, way)
}

async fn admin(ground: &Ground) -> tokio_postgres::Client {
    let config = ground.sandbox.connection("postgres", "postgres");
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Whether there is a `pg_dump` for this server.
fn cannot_dump(ground: &Ground) -> bool {
    let found = Search::here().clients(ground.major()).ok();
    let Some(clients) = found.filter(|clients| {
        clients.version.split('.').next() == ground.sandbox.version().split('.').next()
    }) else {
        crate::aloud::skip("there is no pg_dump of this server's version");
        return true;
    };
    let program = clients.pg_dump;
    let mut asked = Command::new(&program);
    asked.args(["-w", "-d", "host=/nonexistent sslmode=require"]);
    let said = (&mut asked).finish("pg_dump");
    let plain = String::from_utf8_lossy(&said.stderr).contains("not compiled in");
    if plain {
        crate::aloud::skip("this pg_dump was built without TLS");
    }
    plain
}

/// Nobody on this machine but us has a secret in arguments or environment.
fn nobody_tells() {
    let own = std::process::id().to_string();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.bytes().all(|b| b.is_ascii_digit()) || name == own {
            continue;
        }
        for part in ["cmdline", "environ"] {
            let bytes = std::fs::read(entry.path().join(part)).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            for secret in [PASSPHRASE, PASSWORD] {
                assert!(!text.contains(secret), "{part} of {name}: {text}");
            }
        }
    }
}

/// Until `pg_dump` stands at the lock; how its link is protected.
async fn waits(admin: &tokio_postgres::Client, application: &str) -> bool {
    let sql = "SELECT s.ssl AND s.client_dn = '/CN=saver' FROM pg_stat_activity a
        JOIN pg_stat_ssl s USING (pid) WHERE a.application_name = $1 AND a.wait_event_type = 'Lock'";
    let begun = std::time::Instant::now();
    loop {
        if let Some(row) = admin.query_opt(sql, &[&application]).await.unwrap() {
            return row.get(0);
        }
        let patience = std::time::Duration::from_secs(60);
        assert!(
            begun.elapsed() < patience,
            "pg_dump of {application} waits for the lock"
        );
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_goes_to_the_server_that_was_reached_under_the_same_tls() {
    if crate::encrypting::cannot_encrypt() {
        return;
    }
    let (ground, way) = set().await;
    if cannot_dump(&ground) {
        return;
    }
    let settings = settings(&format!(
        "{way} password={PASSWORD} sslpassword={PASSPHRASE}"
    ));
    let mut link = connect::connect(&settings).await.unwrap();
    let reached = target::read_target(&mut link).await.unwrap();
    let admin = admin(&ground).await;
    admin
        .batch_execute("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (reports, mut told) = tokio::sync::mpsc::unbounded_channel();
    let backups = Backups::new(reports);
    let place = folder.path().display().to_string();
    backups.start(1, Pinned::of(&settings, &link), reached, place);
    let other = self::admin(&ground).await;
    assert!(
        waits(&other, "stagegate backup").await,
        "TLS, and our certificate"
    );
    nobody_tells();
    admin.batch_execute("ROLLBACK").await.unwrap();
    let dump = loop {
        match told.recv().await.unwrap().body {
            Body::BackedUp(dump) => break dump,
            Body::BackupFailed(why) => panic!("{why}"),
            _ => {}
        }
    };
    assert_eq!(dump.tables, 1);
}

fn clone(folder: &Path, service: &Path, passfile: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stagegate"));
    command
        .args(["rehearse", "--clone", "-w", "-d", "service=prod"])
        .args(["--lock-timeout", "1min"])
        .env_clear()
        .env("HOME", folder)
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("PGSERVICEFILE", service)
        .env("PGPASSFILE", passfile)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(folder) = std::env::var_os("STAGEGATE_PG_BIN") {
        command.env("STAGEGATE_PG_BIN", folder);
    }
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_is_made_of_the_server_that_was_reached_under_the_same_tls() {
    if crate::encrypting::cannot_encrypt() {
        return;
    }
    let (ground, way) = set().await;
    if cannot_dump(&ground) {
        return;
    }
    let folder = ground.folder.path();
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    };
    let lines: Vec<&str> = way.split_whitespace().collect();
    let service = write(
        "service.conf",
        &format!("[prod]\n{}\nsslpassword={PASSPHRASE}\n", lines.join("\n")),
    );
    let passfile = write(
        "passfile",
        &format!("db.example.org:*:postgres:saver:{PASSWORD}\n"),
    );
    let admin = admin(&ground).await;
    admin
        .batch_execute("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    let child = clone(folder, &service, &passfile).spawn().unwrap();
    let other = self::admin(&ground).await;
    assert!(
        waits(&other, "stagegate rehearse").await,
        "TLS, and our certificate"
    );
    nobody_tells();
    admin.batch_execute("ROLLBACK").await.unwrap();
    let output = tokio::task::spawn_blocking(|| child.finish("stagegate rehearse --clone"))
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("The clone is ready"), "{said}");
    let all = said + &String::from_utf8_lossy(&output.stdout);
    for secret in [PASSPHRASE, PASSWORD] {
        assert!(!all.contains(secret), "{all}");
    }
    until("nothing of it is left", || {
        let left = std::fs::read_dir("/dev/shm")
            .into_iter()
            .flatten()
            .flatten();
        let ours = left.filter(|entry| entry.path().join("service").exists());
        (ours.count() == 0).then_some(())
    });
}
