//! A server that speaks TLS with whatever certificate it is given, and both programs that connect.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::time::{Duration, Instant};

use stagegate::database::connect::connect;
use stagegate::database::settings::{ConnectionOptions as Given, Settings};
use stagegate::sandbox::{Sandbox, SandboxOptions};
use std::process::{Command, Stdio};
use tokio_postgres::NoTls;

use crate::authority::Pair;
use crate::child::Finish;

/// How long a condition may take to come true before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server of its own.
pub struct Ground {
    pub sandbox: Sandbox,
    pub folder: tempfile::TempDir,
    showing: std::cell::Cell<u32>,
}

impl Ground {
    /// The server's major version.
    pub fn major(&self) -> u32 {
        let version = self.sandbox.version();
        let digits = version.split(|c: char| !c.is_ascii_digit()).next();
        digits.unwrap().parse().unwrap()
    }

    /// One that asks TLS links for nothing and plain ones for nothing either, unless `rules` say so.
    pub fn new(rules: &str) -> Ground {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let hba = folder.path().join("hba.conf");
        std::fs::write(&hba, format!("local all all trust\n{rules}\n")).unwrap();
        let options = SandboxOptions {
            tcp: true,
            ..SandboxOptions::for_tests()
        }
        .with("hba_file", &hba.display().to_string());
        Ground {
            sandbox: Sandbox::start(options).unwrap(),
            folder,
            showing: 0.into(),
        }
    }

    /// Tells the server something and has it read its settings anew.
    pub async fn tell(&self, settings: &[(&str, &str)]) {
        let config = self.sandbox.connection("postgres", "postgres");
        let (client, connection) = config.connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        for (name, value) in settings {
            client
                .batch_execute(&format!("ALTER SYSTEM SET {name} = '{value}'"))
                .await
                .unwrap();
        }
        client
            .batch_execute("SELECT pg_reload_conf()")
            .await
            .unwrap();
        let (last, value) = settings.last().unwrap();
        let begun = Instant::now();
        // Each connection reads the settings that the postmaster has by then.
        loop {
            let (fresh, connection) = config.connect(NoTls).await.unwrap();
            tokio::spawn(connection);
            let row = fresh
                .query_one("SELECT current_setting($1)", &[last])
                .await
                .unwrap();
            if row.get::<_, String>(0) == *value {
                return;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "the server took {last} = {value}"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Has the server show that certificate, and ask for ones of that authority.
    pub async fn show(&self, pair: &Pair, authority: Option<&Path>) {
        let number = self.showing.get() + 1;
        self.showing.set(number);
        let certificate = pair.write_certificate(self.folder.path(), &format!("server{number}"));
        let key = self.folder.path().join(format!("server{number}.key"));
        std::fs::write(&key, pair.key_bytes("pkcs8")).unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        let owner = std::fs::metadata(self.sandbox.folder()).unwrap();
        chown(&key, Some(owner.uid()), Some(owner.gid())).unwrap();
        let authority = authority.map(|path| path.display().to_string());
        self.tell(&[
            ("ssl_key_file", &key.display().to_string()),
            ("ssl_ca_file", authority.as_deref().unwrap_or("")),
            ("ssl", "on"),
            ("ssl_cert_file", &certificate.display().to_string()),
        ])
        .await;
    }
}

/// What came of an attempt: TLS, plain text, or nothing, with the words.
pub type Came = Result<bool, String>;

/// psql's attempt.
pub async fn psql(program: &Path, conninfo: &str) -> Came {
    let (program, conninfo) = (program.to_owned(), conninfo.to_owned());
    let ended = tokio::task::spawn_blocking(move || {
        Command::new(&program)
            .args(["-X", "-w", "-A", "-t", "-c"])
            .arg("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
            .arg("-d")
            .arg(conninfo)
            .env_clear()
            .env("HOME", "/nonexistent")
            .env("LC_ALL", "C")
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
            .finish("psql")
    });
    let output = ended.await.unwrap();
    match (output.status.success(), output.stdout.as_slice()) {
        (true, b"t\n") => Ok(true),
        (true, b"f\n") => Ok(false),
        _ => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

pub fn settings(conninfo: &str) -> Settings {
    let given = Given {
        database: Some(conninfo.to_owned()),
        ..Given::default()
    };
    let home = |name: &str| (name == "HOME").then(|| "/nonexistent".to_owned());
    Settings::find(&given, &home, None, &|_| false).unwrap()
}

pub async fn ours(conninfo: &str) -> Came {
    match connect(&settings(conninfo)).await {
        Ok(mut link) => {
            let tls = link.tls().is_some();
            let server = link
                .row("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
                .await
                .unwrap();
            assert_eq!(server[0].as_deref() == Some("t"), tls, "both sides agree");
            Ok(tls)
        }
        Err(why) => Err(format!(
            "{} {} {}",
            why.message,
            why.detail.unwrap_or_default(),
            why.hint.unwrap_or_default()
        )),
    }
}

/// The psql of this machine, or the one that STAGEGATE_PSQL names. Debian's wrapper around it adds
/// a host of its own, so what it wraps is taken.
pub fn find_psql() -> Option<std::path::PathBuf> {
    let named = std::env::var_os("STAGEGATE_PSQL").map(std::path::PathBuf::from);
    let wrapped = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin/psql"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let others: Vec<_> = std::env::split_paths(&path)
        .map(|folder| folder.join("psql"))
        .collect();
    let found = named.or_else(|| wrapped.chain(others).find(|program| program.exists()));
    let Some(program) = found else {
        crate::aloud::skip("without psql there is nothing to compare with");
        return None;
    };
    // Some are built without TLS, and know its keywords all the same.
    let mut asked = Command::new(&program);
    asked.args(["-X", "-w", "-d", "host=/nonexistent sslmode=require"]);
    let said = (&mut asked).finish("psql");
    if String::from_utf8_lossy(&said.stderr).contains("not compiled in") {
        crate::aloud::skip("this psql was built without TLS; STAGEGATE_PSQL names another");
        return None;
    }
    Some(program)
}
