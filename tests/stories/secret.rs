//! However a password is given, nobody sees it: not in a process list, an environment, an open file, an
//! output, a journal or a report (I9).

use crate::backing_up::block;
use crate::child::Finish;
use crate::entering::{Door, PASSPHRASE, PASSWORD};
use crate::prying::{assert_unseen, assert_unwritten, tells};
use crate::stage::Walk;
use crate::terminal::PROGRAM;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// As a URI has it: all but letters and digits, byte by byte.
fn percent_encoded(text: &str) -> String {
    let encoded = |byte: u8| match byte.is_ascii_alphanumeric() {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(encoded).collect()
}

/// One way to give a secret.
#[derive(Default)]
struct Way<'a> {
    name: &'a str,
    /// Where it is: a conninfo string or a URI.
    place: String,
    options: &'a [&'a str],
    env: Vec<(&'a str, &'a str)>,
    typed: Option<(&'a str, &'a str)>,
    /// The person put it into arguments or environment.
    own: bool,
}

/// A file that keeps a secret, for its owner alone.
fn keep(door: &Door, text: &str) -> PathBuf {
    let kept = door.stage.home().join("kept");
    std::fs::write(&kept, text).unwrap();
    std::fs::set_permissions(&kept, Permissions::from_mode(0o600)).unwrap();
    kept
}

/// Walks to the gate and back, and looks everywhere.
fn walk(door: &Door, way: &Way, kept: &Path) {
    let name = way.name;
    let arguments = [way.options, &["-d", &way.place]].concat();
    let mut terminal = door.open(&way.env, &[&["run"], arguments.as_slice()].concat());
    if let Some((asked, secret)) = way.typed {
        terminal.wait_for(asked).type_unseen(secret);
    }
    terminal.walk_to_the_gate();
    assert_unseen(&terminal, way.own, kept, "keep-watch-over-a-hold");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", terminal.process_id()));
    let limits = limits.unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let soft = core.and_then(|line| line.split_whitespace().nth(4));
    assert_eq!(soft, Some("0"), "memory is not written down: {core:?}");
    terminal.roll_back().key("q");
    door.stage
        .assert_rolled_back(&mut terminal, 1, "you decided so");
    let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
    assert!(!tells(&raw), "{name}: {raw}");
    for format in ["markdown", "html"] {
        let report = Command::new(PROGRAM)
            .args(["report", "--format", format])
            .env_clear()
            .envs(door.stage.env(&way.env))
            .finish("stagegate report");
        let report = String::from_utf8([report.stdout, report.stderr].concat()).unwrap();
        assert!(report.contains("ROLLED BACK"), "{name}: {report}");
        assert!(!tells(&report), "{name}: {report}");
    }
    assert_unwritten(door.stage.home(), kept);
}

fn nobody_can_be_looked_at() -> bool {
    let blind = !Path::new("/proc/self/environ").exists();
    if blind {
        crate::aloud::skip("without /proc nobody can be looked at");
    }
    blind
}

#[test]
fn however_it_is_given_a_password_is_seen_nowhere() {
    if nobody_can_be_looked_at() {
        return;
    }
    for name in [
        "typed",
        "-W",
        "variable",
        "passfile",
        "service",
        "conninfo",
        "uri",
        "parameter",
    ] {
        let door = Door::with_password();
        let escaped = PASSWORD.replace('\\', "\\\\").replace(':', "\\:");
        let kept = match name {
            "service" => keep(&door, &format!("[it]\npassword={PASSWORD}\n")),
            _ => keep(&door, &format!("*:*:*:*:{escaped}\n")),
        };
        let path = kept.display().to_string();
        let place = door.conninfo();
        let way = match name {
            "-W" => Way {
                place,
                options: &["-W"],
                env: vec![("PGPASSWORD", "old")],
                typed: Some(("PASSWORD", PASSWORD)),
                ..Way::default()
            },
            "variable" => Way {
                place,
                env: vec![("PGPASSWORD", PASSWORD)],
                own: true,
                ..Way::default()
            },
            "passfile" => Way {
                place,
                env: vec![("PGPASSFILE", &path)],
                ..Way::default()
            },
            "service" => Way {
                place: format!("{place} service=it"),
                env: vec![("PGSERVICEFILE", &path)],
                ..Way::default()
            },
            "conninfo" => Way {
                place: format!("{place} password={}", quoted(PASSWORD)),
                own: true,
                ..Way::default()
            },
            "uri" => Way {
                place: door.uri(&format!(":{}", percent_encoded(PASSWORD)), ""),
                own: true,
                ..Way::default()
            },
            "parameter" => Way {
                place: door.uri("", &format!("?password={}", percent_encoded(PASSWORD))),
                own: true,
                ..Way::default()
            },
            _ => Way {
                place,
                typed: Some(("PASSWORD", PASSWORD)),
                ..Way::default()
            },
        };
        walk(&door, &Way { name, ..way }, &kept);
    }
}

#[test]
fn however_it_is_given_a_pass_phrase_is_seen_nowhere() {
    if nobody_can_be_looked_at() || crate::encrypting::cannot_encrypt() {
        return;
    }
    for name in ["typed", "service", "conninfo"] {
        let door = Door::with_certificate();
        let place = door.conninfo_with_papers("pkcs8 encrypted");
        let kept = keep(&door, &format!("[it]\nsslpassword={PASSPHRASE}\n"));
        let path = kept.display().to_string();
        let way = match name {
            "service" => Way {
                place: format!("{place} service=it"),
                env: vec![("PGSERVICEFILE", &path)],
                ..Way::default()
            },
            "conninfo" => Way {
                place: format!("{place} sslpassword={}", quoted(PASSPHRASE)),
                own: true,
                ..Way::default()
            },
            _ => Way {
                place,
                typed: Some(("PASS PHRASE", PASSPHRASE)),
                ..Way::default()
            },
        };
        walk(&door, &Way { name, ..way }, &kept);
    }
}

#[test]
fn a_backup_has_the_password_in_a_file_of_its_own_and_nowhere_else() {
    if nobody_can_be_looked_at() {
        return;
    }
    for own in [false, true] {
        let door = Door::with_password();
        let home = door.stage.home();
        for name in ["b", "private"] {
            std::fs::create_dir(home.join(name)).unwrap();
        }
        let private = home.join("private").display().to_string();
        let mut env = vec![("XDG_RUNTIME_DIR", private.as_str())];
        env.extend(own.then_some(("PGPASSWORD", PASSWORD)));
        let place = door.conninfo();
        let mut terminal = door.open(&env, &["run", "--backup-dir", "~/b", "-d", &place]);
        if !own {
            terminal.wait_for("PASSWORD").type_unseen(PASSWORD);
        }
        terminal.wait_for_evidence();
        let blocker = block(&door.stage);
        terminal.key("b").wait_for("> ~/b");
        terminal.key("Enter").wait_for("x cancels it");
        door.stage.wait_until(
            "SELECT count(*) FROM pg_stat_activity
             WHERE application_name = 'stagegate backup' AND wait_event_type = 'Lock'",
            "1",
        );
        let within = |folder: &Path| -> Vec<PathBuf> {
            let entries = std::fs::read_dir(folder).unwrap();
            entries.map(|entry| entry.unwrap().path()).collect()
        };
        let [guarded] = within(Path::new(&private)).try_into().unwrap();
        let passfile = guarded.join("passfile");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&guarded), mode(&passfile)), (0o700, 0o600));
        assert!(tells(&std::fs::read_to_string(&passfile).unwrap()));
        assert_unseen(&terminal, own, Path::new(""), "--no-password");
        assert_unwritten(home, &passfile);
        drop(blocker);
        terminal.wait_for("Space signs on the dump").key("q");
        assert_eq!(terminal.exit_code(), 1, "{}", terminal.picture());
        assert_eq!(within(Path::new(&private)), Vec::<PathBuf>::new());
        let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
        assert!(!tells(&raw), "{raw}");
        assert_unwritten(home, Path::new(""));
    }
}

#[test]
fn a_uri_that_is_typed_where_no_database_belongs_is_not_shown() {
    let door = Door::with_password();
    let uri = door.uri(&format!(":{}", percent_encoded(PASSWORD)), "");
    for command in ["run", "rehearse", "verify", "inspect", "rollback"] {
        let mut terminal = door.open(&[], &[command, &uri]);
        terminal.wait_for("holds a password, and is not shown here");
        assert_eq!(terminal.exit_code(), 2, "{command}: {}", terminal.picture());
        let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
        assert!(!tells(&raw), "{command}: {raw}");
        assert_unwritten(door.stage.home(), Path::new(""));
    }
}
