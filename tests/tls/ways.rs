//! Keywords that psql learnt late, each by the manual's rule, and beside a psql that knows it:
//! who proves what to whom, in which version of TLS, and from the first byte or when asked.
//!
//! STAGEGATE_PSQL names a newer psql, and STAGEGATE_PG_BIN a newer server.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Command, Stdio};

use stagegate::database::settings::Settings;

use crate::authority::{Pair, Wanted, self_signed};
use crate::child::Finish;
use crate::ground::{Came, Ground, find_psql, ours, psql};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Tls,
    Plain,
    Refused,
}

fn end(came: &Came) -> End {
    match came {
        Ok(true) => End::Tls,
        Ok(false) => End::Plain,
        Err(_) => End::Refused,
    }
}

/// The psql to compare with, and its major version.
fn reference() -> Option<(std::path::PathBuf, u32)> {
    let program = find_psql()?;
    let said = Command::new(&program)
        .arg("--version")
        .finish("psql --version");
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let version = said.split_whitespace().nth(2)?;
    let major = version.split(|c: char| !c.is_ascii_digit()).next()?;
    Some((program, major.parse().ok()?))
}

/// Rows, and what they came to.
struct Rows {
    reference: Option<(std::path::PathBuf, u32)>,
    compared: usize,
    by_rule: usize,
    wrong: Vec<String>,
}

impl Rows {
    fn new() -> Rows {
        Rows {
            reference: reference(),
            compared: 0,
            by_rule: 0,
            wrong: Vec::new(),
        }
    }

    /// A row that psql knows since `since`.
    async fn row(&mut self, since: u32, conninfo: &str, expected: End) {
        let came = ours(conninfo).await;
        if end(&came) != expected {
            self.wrong
                .push(format!("{conninfo}\n  rule {expected:?}\n  ours {came:?}"));
        }
        match &self.reference {
            Some((program, major)) if *major >= since => {
                self.compared += 1;
                let theirs = psql(program, conninfo).await;
                if end(&theirs) != expected {
                    self.wrong.push(format!(
                        "{conninfo}\n  rule {expected:?}\n  psql {theirs:?}"
                    ));
                }
            }
            _ => self.by_rule += 1,
        }
    }

    fn held(self, what: &str) {
        println!(
            "{what}: {} beside psql, {} by the manual's rule alone",
            self.compared, self.by_rule
        );
        if self.by_rule > 0 {
            crate::aloud::skip(
                "this psql does not know every keyword; STAGEGATE_PSQL names another",
            );
        }
        assert!(self.wrong.is_empty(), "{}", self.wrong.join("\n"));
    }
}

const RULES: &str = "host all clear 127.0.0.1/32 password
host all hashed 127.0.0.1/32 md5
host all scram 127.0.0.1/32 scram-sha-256
host all trusted 127.0.0.1/32 trust
hostssl all certified 127.0.0.1/32 cert
host all postgres 127.0.0.1/32 trust";

struct Set {
    ground: Ground,
    ca: Pair,
    base: String,
}

/// A server that shows a good certificate, with a role for each way.
async fn set() -> Set {
    let ground = tokio::task::spawn_blocking(|| Ground::new(RULES))
        .await
        .unwrap();
    let ca = self_signed(
        &Wanted {
            common: "the authority",
            ..Wanted::default()
        },
        true,
    );
    let root = ca.write_certificate(ground.folder.path(), "root");
    let good = ca.issue(&Wanted {
        common: "x",
        names: &["localhost", "127.0.0.1"],
        ..Wanted::default()
    });
    ground.show(&good, Some(&root)).await;
    let config = ground.sandbox.connection("postgres", "postgres");
    let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
        .batch_execute(
            "CREATE ROLE trusted LOGIN; CREATE ROLE certified LOGIN;
             SET password_encryption = 'scram-sha-256';
             CREATE ROLE clear LOGIN PASSWORD 'right'; CREATE ROLE scram LOGIN PASSWORD 'right';
             SET password_encryption = 'md5'; CREATE ROLE hashed LOGIN PASSWORD 'right'",
        )
        .await
        .unwrap();
    let base = format!(
        "host=127.0.0.1 port={} dbname=postgres connect_timeout=20 sslrootcert={}",
        ground.sandbox.port(),
        root.display()
    );
    Set { ground, ca, base }
}

#[tokio::test(flavor = "multi_thread")]
async fn require_auth_lets_the_server_ask_in_the_named_ways_alone() {
    if crate::encrypting::cannot_encrypt() {
        return;
    }
    let set = set().await;
    let mine = set.ca.issue(&Wanted {
        common: "certified",
        serial: 7,
        ..Wanted::default()
    });
    let folder = set.ground.folder.path();
    let certificate = mine.write_certificate(folder, "mine");
    let key = folder.join("mine.key");
    std::fs::write(&key, mine.key_bytes("pkcs8")).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let certified = format!("sslcert={} sslkey={}", certificate.display(), key.display());
    let mut rows = Rows::new();
    for (role, way) in [
        ("clear", "password"),
        ("hashed", "md5"),
        ("scram", "scram-sha-256"),
        ("trusted", "none"),
        ("certified", "none"),
    ] {
        let names = ["password", "md5", "gss", "sspi", "scram-sha-256", "none"];
        let mut lists: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        lists.extend(names.iter().map(|name| format!("!{name}")));
        for both in [
            "password,md5",
            "scram-sha-256,none",
            "!password,!md5",
            "!scram-sha-256,!none",
        ] {
            lists.push(both.to_owned());
        }
        let more = if role == "certified" { &certified } else { "" };
        for list in lists {
            let named = list
                .split(',')
                .any(|name| name.trim_start_matches('!') == way);
            let expected = match named != list.starts_with('!') {
                true => End::Tls,
                false => End::Refused,
            };
            let conninfo = format!(
                "{} user={role} password=right sslmode=require {more} require_auth={list}",
                set.base
            );
            rows.row(16, &conninfo, expected).await;
        }
    }
    rows.held("require_auth");
}

#[tokio::test(flavor = "multi_thread")]
async fn sslcertmode_require_lets_in_only_where_our_certificate_was_shown() {
    if crate::encrypting::cannot_encrypt() {
        return;
    }
    let set = set().await;
    let mine = set.ca.issue(&Wanted {
        common: "certified",
        serial: 8,
        ..Wanted::default()
    });
    let folder = set.ground.folder.path();
    let certificate = mine.write_certificate(folder, "shown");
    let key = folder.join("shown.key");
    std::fs::write(&key, mine.key_bytes("pkcs8")).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let shown = format!("sslcert={} sslkey={}", certificate.display(), key.display());
    let none = "sslcert=/nowhere/mine.crt".to_owned();
    let good = set.ca.issue(&Wanted {
        common: "x",
        names: &["localhost", "127.0.0.1"],
        serial: 9,
        ..Wanted::default()
    });
    let root = folder.join("root.crt");
    let mut rows = Rows::new();
    for asks in [true, false] {
        set.ground.show(&good, asks.then_some(&root)).await;
        for version in ["TLSv1.2", "TLSv1.3"] {
            for (certificate, has) in [(&shown, true), (&none, false)] {
                for (mode, required) in [("allow", false), ("require", true), ("disable", false)] {
                    let expected = match required && !(asks && has) {
                        true => End::Refused,
                        false => End::Tls,
                    };
                    let conninfo = format!(
                        "{} user=trusted sslmode=require {certificate} sslcertmode={mode} \
                         ssl_min_protocol_version={version} ssl_max_protocol_version={version}",
                        set.base
                    );
                    rows.row(16, &conninfo, expected).await;
                }
            }
        }
        // Nobody asks for it where there is no TLS; only where the server refuses that, another try
        // is made. Where the certificate is what lets us in, it is seen whether it was shown.
        let certified = match asks {
            true => End::Tls,
            false => End::Refused,
        };
        for (role, mode, show, expected) in [
            ("trusted", "disable", "require", End::Refused),
            ("trusted", "allow", "require", End::Refused),
            ("certified", "allow", "require", certified),
            ("certified", "require", "require", certified),
            ("certified", "require", "allow", certified),
            ("certified", "require", "disable", End::Refused),
        ] {
            let conninfo = format!(
                "{} user={role} sslmode={mode} {shown} sslcertmode={show}",
                set.base
            );
            rows.row(16, &conninfo, expected).await;
        }
    }
    rows.held("sslcertmode");
}

#[tokio::test(flavor = "multi_thread")]
async fn channel_binding_is_had_where_it_is_required_or_nobody_gets_in() {
    if crate::encrypting::cannot_encrypt() {
        return;
    }
    let set = set().await;
    let mut rows = Rows::new();
    for (role, mode, bound) in [
        ("scram", "require", true),
        ("scram", "disable", false),
        ("hashed", "require", false),
        ("clear", "require", false),
        ("trusted", "require", false),
        ("trusted", "disable", false),
    ] {
        for wanted in ["disable", "prefer", "require"] {
            let expected = match (wanted, mode) {
                ("require", _) if !bound => End::Refused,
                (_, "disable") => End::Plain,
                _ => End::Tls,
            };
            let conninfo = format!(
                "{} user={role} password=right sslmode={mode} channel_binding={wanted}",
                set.base
            );
            rows.row(13, &conninfo, expected).await;
        }
    }
    rows.held("channel_binding");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_versions_of_tls_that_either_side_allows_have_to_meet() {
    if crate::encrypting::cannot_encrypt() {
        return;
    }
    let set = set().await;
    let mut rows = Rows::new();
    for (least, most) in [("TLSv1.2", "TLSv1.2"), ("TLSv1.3", "TLSv1.3")] {
        let settings = [
            ("ssl_min_protocol_version", least),
            ("ssl_max_protocol_version", most),
        ];
        set.ground.tell(&settings).await;
        for version in ["TLSv1.2", "TLSv1.3"] {
            for keyword in ["ssl_min_protocol_version", "ssl_max_protocol_version"] {
                let fits = match keyword {
                    "ssl_min_protocol_version" => version <= most,
                    _ => version >= least,
                };
                let conninfo = format!(
                    "{} user=postgres sslmode=verify-full {keyword}={version}",
                    set.base
                );
                let expected = if fits { End::Tls } else { End::Refused };
                rows.row(13, &conninfo, expected).await;
            }
        }
    }
    rows.held("versions of TLS");
}

/// The OS user of that number.
fn user_name(uid: u32) -> String {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
    let mut lines = passwd
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>());
    let line = lines.find(|line| line[2] == uid.to_string()).unwrap();
    line[0].to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_unix_socket_the_server_has_to_be_whom_requirepeer_names() {
    if crate::encrypting::cannot_encrypt() {
        return;
    }
    let set = set().await;
    let owner = std::fs::metadata(set.ground.sandbox.folder())
        .unwrap()
        .uid();
    let owner = user_name(owner);
    let socket = set.ground.sandbox.socket_dir().display().to_string();
    let port = set.ground.sandbox.port();
    let mut rows = Rows::new();
    for (peer, expected) in [
        (owner.as_str(), End::Plain),
        ("somebody-else", End::Refused),
        ("''", End::Plain),
    ] {
        let conninfo =
            format!("host={socket} port={port} dbname=postgres user=postgres requirepeer={peer}");
        rows.row(13, &conninfo, expected).await;
    }
    // Over the network it says nothing.
    let conninfo = format!(
        "{} user=postgres sslmode=require requirepeer=nobody-here",
        set.base
    );
    rows.row(13, &conninfo, End::Tls).await;
    rows.held("requirepeer");
}

#[tokio::test(flavor = "multi_thread")]
async fn direct_tls_begins_with_the_first_byte_where_the_server_knows_it() {
    if crate::encrypting::cannot_encrypt() {
        return;
    }
    let set = set().await;
    let major = set.ground.major();
    let mut rows = Rows::new();
    for mode in ["require", "verify-ca", "verify-full"] {
        let conninfo = format!(
            "{} user=postgres sslmode={mode} sslnegotiation=direct",
            set.base
        );
        let expected = match major >= 17 {
            true => End::Tls,
            false => End::Refused,
        };
        rows.row(17, &conninfo, expected).await;
    }
    rows.held(&format!("sslnegotiation=direct on a server of {major}"));
    if major < 17 {
        crate::aloud::skip("this server knows no direct TLS; STAGEGATE_PG_BIN names another");
    }
    // What libpq calls weak is refused before anything is sent.
    for mode in ["disable", "allow", "prefer"] {
        let given = stagegate::database::settings::ConnectionOptions {
            database: Some(format!("sslmode={mode} sslnegotiation=direct user=u")),
            ..Default::default()
        };
        let why = Settings::find(&given, &|_| None, None, &|_| false).unwrap_err();
        assert!(why.to_string().contains("weak sslmode"), "{why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_systems_own_authorities_are_asked_with_sslrootcert_system() {
    if crate::encrypting::cannot_encrypt() {
        return;
    }
    let set = set().await;
    let root = set.ground.folder.path().join("root.crt");
    assert!(root.exists());
    let reference = reference().filter(|(_, major)| *major >= 16);
    if reference.is_none() {
        crate::aloud::skip(
            "this psql does not know sslrootcert=system; STAGEGATE_PSQL names another",
        );
    }
    let script = set.ground.folder.path().join("one.sql");
    std::fs::write(&script, "SELECT 'PASS' AS status;\n").unwrap();
    // The variable is OpenSSL's own, for what counts as the system's.
    for (trusts, mode, expected) in [
        (true, "verify-full", true),
        (false, "verify-full", false),
        (true, "require", false),
        (true, "verify-ca", false),
    ] {
        let conninfo = format!(
            "host=127.0.0.1 port={} dbname=postgres user=postgres sslrootcert=system sslmode={mode}",
            set.ground.sandbox.port()
        );
        let run = |program: &std::path::Path, arguments: &[&str]| {
            let mut command = Command::new(program);
            command
                .args(arguments)
                .env_clear()
                .env("HOME", "/nonexistent")
                .env("LC_ALL", "C")
                .env("PATH", std::env::var_os("PATH").unwrap_or_default())
                .stdin(Stdio::null());
            if trusts {
                command.env("SSL_CERT_FILE", &root);
            }
            (&mut command).finish("a program that connects")
        };
        let file = script.display().to_string();
        let ours = run(
            std::path::Path::new(env!("CARGO_BIN_EXE_stagegate")),
            &["verify", &file, "-w", "-d", &conninfo],
        );
        let said = String::from_utf8_lossy(&ours.stderr).into_owned()
            + &String::from_utf8_lossy(&ours.stdout);
        assert_eq!(ours.status.success(), expected, "{conninfo}: {said}");
        if let Some((program, _)) = &reference {
            let theirs = run(program, &["-X", "-w", "-c", "SELECT 1", "-d", &conninfo]);
            let said = String::from_utf8_lossy(&theirs.stderr);
            assert_eq!(theirs.status.success(), expected, "psql {conninfo}: {said}");
        }
    }
}
