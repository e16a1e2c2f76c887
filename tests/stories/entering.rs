//! A server that wants a password, or a certificate whose key is encrypted: who is asked, how often, and
//! what is seen of it.

use crate::authority::{self, Pair, Wanted};
use crate::stage::{Stage, Walk};
use crate::terminal::Terminal;
use stagegate::sandbox::SandboxOptions;
use stagegate::sandbox::demo::{DemoOptions, Scenario};
use std::ffi::OsStr;
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::PathBuf;

/// No text of the program's has it in it.
pub const PASSWORD: &str = "Zq7: \\'w\"ä-hunter2";
/// The same for a key.
pub const PASSPHRASE: &str = "open sesame";

/// A server on the network that wants to know who comes.
pub struct Door {
    pub stage: Stage,
    folder: tempfile::TempDir,
    authority: Pair,
}

impl Door {
    /// `rules` are lines of pg_hba.conf; whoever comes by the socket is let in.
    pub fn with(rules: &str) -> Door {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let hba = folder.path().join("hba.conf");
        std::fs::write(&hba, format!("local all all trust\n{rules}\n")).unwrap();
        let mut options = DemoOptions::for_tests(Scenario::Clean);
        options.sandbox = SandboxOptions {
            tcp: true,
            ..options.sandbox
        }
        .with("hba_file", &hba.display().to_string());
        let stage = Stage::with(options);
        let password = PASSWORD.replace('\'', "''");
        let role = stage.role();
        stage.ask(&format!("ALTER ROLE {role} PASSWORD '{password}'"));
        let wanted = Wanted {
            common: "the authority",
            ..Wanted::default()
        };
        Door {
            stage,
            folder,
            authority: authority::self_signed(&wanted, true),
        }
    }

    pub fn with_password() -> Door {
        Door::with("host all all 127.0.0.1/32 scram-sha-256")
    }

    /// One that speaks TLS and wants a certificate of ours.
    pub fn with_certificate() -> Door {
        let door = Door::with("hostssl all all 127.0.0.1/32 cert");
        let server = door.issue("127.0.0.1", "server", "pkcs8");
        let owner = std::fs::metadata(door.stage.host()).unwrap();
        chown(&server.key, Some(owner.uid()), Some(owner.gid())).unwrap();
        let authority = door.authority.write_certificate(door.folder.path(), "ca");
        for (name, value) in [
            ("ssl_key_file", &server.key),
            ("ssl_ca_file", &authority),
            ("ssl_cert_file", &server.certificate),
        ] {
            let value = value.display();
            door.stage
                .ask(&format!("ALTER SYSTEM SET {name} = '{value}'"));
        }
        door.stage.ask("ALTER SYSTEM SET ssl = on");
        door.stage.ask("SELECT pg_reload_conf()");
        door.stage.wait_until("SHOW ssl", "on");
        door
    }

    fn issue(&self, common: &str, name: &str, form: &str) -> Papers {
        let pair = self.authority.issue(&Wanted {
            common,
            names: &["127.0.0.1"],
            ..Wanted::default()
        });
        let certificate = pair.write_certificate(self.folder.path(), name);
        let key = self.folder.path().join(format!("{name}.key"));
        std::fs::write(&key, pair.key_bytes(form)).unwrap();
        std::fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
        Papers { certificate, key }
    }

    pub fn conninfo(&self) -> String {
        format!(
            "host=127.0.0.1 port={} user={} dbname=wiser_ops",
            self.stage.port(),
            self.stage.role()
        )
    }

    /// The same as a URI; `login` stands behind the role, `parameters` behind the database.
    pub fn uri(&self, login: &str, parameters: &str) -> String {
        let (role, port) = (self.stage.role(), self.stage.port());
        format!("postgresql://{role}{login}@127.0.0.1:{port}/wiser_ops{parameters}")
    }

    /// The same with a certificate of ours, whose key is kept in that form.
    pub fn conninfo_with_papers(&self, form: &str) -> String {
        let papers = self.issue(self.stage.role(), "ours", form);
        format!(
            "{} sslmode=verify-full sslrootcert={} sslcert={} sslkey={}",
            self.conninfo(),
            self.folder.path().join("ca.crt").display(),
            papers.certificate.display(),
            papers.key.display()
        )
    }

    /// A command of the program in a terminal.
    pub fn open(&self, env: &[(&str, &str)], arguments: &[&str]) -> Terminal {
        let env = self.stage.env(env);
        let env: Vec<(&str, &OsStr)> = env.iter().map(|(n, v)| (*n, v.as_os_str())).collect();
        Terminal::spawn(80, 24, &env, arguments)
    }

    /// `role@host:port/database`.
    pub fn place(&self) -> String {
        let (role, port) = (self.stage.role(), self.stage.port());
        format!("{role}@127.0.0.1:{port}/wiser_ops")
    }
}

struct Papers {
    certificate: PathBuf,
    key: PathBuf,
}

impl Terminal {
    /// Types what is not shown, and Enter.
    pub fn type_unseen(&mut self, secret: &str) -> &mut Self {
        self.breathe();
        // Enter behind a paste that waits for a frame of a stuck terminal would be dropped.
        self.paste_bracketed(secret).wait_for("(typed, not shown)");
        self.breathe().key("Enter").wait_while("(typed, not shown)")
    }
}

#[test]
fn a_password_is_asked_for_in_the_screen_and_nothing_of_it_is_shown() {
    let door = Door::with_password();
    let mut terminal = door.open(&[], &["run", "-d", &door.conninfo()]);
    terminal.wait_for("PASSWORD").shows(&[&door.place()]);
    terminal.key("z").wait_for("(typed, not shown)");
    terminal.key("Backspace").wait_while("(typed, not shown)");
    terminal.type_unseen(PASSWORD);
    terminal.walk_to_the_gate();
    // Nobody was asked again for the monitor.
    door.stage.wait_until(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'stagegate monitor'",
        "1",
    );
    terminal.roll_back().key("q");
    door.stage
        .assert_rolled_back(&mut terminal, 1, "you decided so");
    let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
    assert!(!raw.contains("hunter2"), "{raw}");
}

#[test]
fn a_wrong_password_is_told_and_asked_for_twice_more() {
    let door = Door::with_password();
    let mut terminal = door.open(&[], &["run", "-d", &door.conninfo()]);
    terminal.wait_for("PASSWORD");
    for _ in 0..2 {
        terminal
            .paste_bracketed("another one")
            .wait_for("(typed, not shown)")
            .breathe()
            .key("Enter")
            // The question before says the same: this one begins empty.
            .wait_while("(typed, not shown)")
            .wait_for("password authentication failed")
            .wait_for("PASSWORD");
    }
    terminal
        .type_unseen("another one")
        .wait_for("N O T   C O N N E C T E D");
    terminal.key("q");
    assert_eq!(terminal.exit_code(), 6);
}

#[test]
fn whoever_is_asked_can_leave() {
    let door = Door::with_password();
    for key in ["Esc", "Ctrl-C"] {
        let mut terminal = door.open(&[], &["run", "-d", &door.conninfo()]);
        terminal.wait_for("PASSWORD").key(key);
        assert_eq!(terminal.exit_code(), 6, "{key}");
        assert_eq!(terminal.is_taken(), [false; 3]);
    }
    let mut terminal = door.open(&[], &["inspect", "-d", &door.conninfo()]);
    terminal.wait_for("PASSWORD").key("Esc");
    assert_eq!(terminal.exit_code(), 0);
}

#[test]
fn nobody_is_asked_where_that_is_forbidden_or_where_it_is_known() {
    let door = Door::with_password();
    let conninfo = door.conninfo();
    let mut terminal = door.open(&[], &["run", "-w", "-d", &conninfo]);
    terminal.wait_for("-w forbids to ask for it").key("q");
    assert_eq!(terminal.exit_code(), 6);
    let mut terminal = door.open(&[("PGPASSWORD", PASSWORD)], &["run", "-d", &conninfo]);
    terminal.wait_for_evidence().key("q");
    assert_eq!(terminal.exit_code(), 1);
    // One that is known and wrong is told, as by psql, and not asked for.
    let mut terminal = door.open(&[("PGPASSWORD", "old")], &["run", "-d", &conninfo]);
    terminal.wait_for("password authentication failed").key("q");
    assert_eq!(terminal.exit_code(), 6);
    // Who wants to be asked is asked before anything else.
    let env = [("PGPASSWORD", "old")];
    let mut terminal = door.open(&env, &["run", "-W", "-d", &conninfo]);
    terminal.wait_for("PASSWORD").type_unseen(PASSWORD);
    terminal.wait_for_evidence().key("q");
    assert_eq!(terminal.exit_code(), 1);
}

#[test]
fn by_lines_and_by_commands_it_is_asked_for_with_the_echo_off() {
    let door = Door::with_password();
    let conninfo = door.conninfo();
    for arguments in [
        &["run", "--plain", "-d", &conninfo][..],
        &["run", "--rehearse", "-d", &conninfo],
        &["rehearse", "-d", &conninfo],
        &["verify", "-d", &conninfo],
    ] {
        let mut terminal = door.open(&[], arguments);
        terminal.wait_for(&format!("Password for {}", door.place()));
        terminal.line(PASSWORD);
        match arguments {
            [_, "--plain", ..] => {
                terminal.wait_for("Checklist").breathe();
                terminal.line("quit");
                assert_eq!(terminal.exit_code(), 1, "{}", terminal.picture());
            }
            [_, "--rehearse", ..] | ["rehearse", ..] => {
                assert_eq!(terminal.exit_code(), 0, "{}", terminal.picture());
            }
            _ => assert_eq!(terminal.exit_code(), 9, "{}", terminal.picture()),
        }
        let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
        assert!(!raw.contains("hunter2"), "{raw}");
    }
    // Ctrl-C leaves the terminal as it was.
    let mut terminal = door.open(&[], &["verify", "-d", &conninfo]);
    terminal.wait_for("Password for ").key("Ctrl-C");
    assert_eq!(terminal.ended_by(), Some("Interrupt".to_owned()));
    let mut terminal = door.open(&[], &["run", "--plain", "-d", &conninfo]);
    terminal.wait_for("Password for ").key("Ctrl-C");
    assert_eq!(terminal.exit_code(), 130);
}

#[test]
fn a_key_that_is_encrypted_is_opened_with_what_is_typed_and_both_decisions_hold() {
    if crate::encrypting::cannot_encrypt() {
        return;
    }
    let door = Door::with_certificate();
    for (form, commits) in [("traditional encrypted", false), ("pkcs8 encrypted", true)] {
        let conninfo = door.conninfo_with_papers(form);
        let mut terminal = door.open(&[], &["run", "-d", &conninfo]);
        terminal.wait_for("PASS PHRASE").shows(&["ours.key"]);
        terminal
            .type_unseen("open barley")
            .wait_for("does not open with this");
        terminal.type_unseen(PASSPHRASE).walk_to_the_gate();
        let ssl = "SELECT client_dn FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
                   WHERE application_name = 'stagegate'";
        assert_eq!(
            door.stage.ask_one(ssl),
            format!("/CN={}", door.stage.role())
        );
        match commits {
            true => {
                terminal.commit().key("q");
                assert_eq!(terminal.exit_code(), 0);
                door.stage.assert_migrated();
            }
            false => {
                terminal.roll_back().key("q");
                assert_eq!(terminal.exit_code(), 1);
                door.stage.assert_untouched();
            }
        }
        door.stage.assert_nobody_left();
    }
    // Who gives it is not asked.
    let given = format!(
        "{} sslpassword='{PASSPHRASE}'",
        door.conninfo_with_papers("pkcs8 encrypted")
    );
    let mut terminal = door.open(&[], &["inspect", "-d", &given]);
    terminal.wait_for("TLSv1.").key("q");
    assert_eq!(terminal.exit_code(), 0);
}
