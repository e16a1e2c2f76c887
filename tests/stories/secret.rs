//! However a password is given, nobody sees it: not in a process list, an environment, an output, a journal
//! or a report (I9).

use crate::child::Finish;
use crate::entering::{Door, PASSWORD};
use crate::stage::Walk;
use crate::terminal::{PROGRAM, Terminal};
use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// The part of the password that no quoting changes.
const PIECE: &str = "hunter2";

/// A process as others see it: what it was started with.
struct Seen {
    parent: u32,
    arguments: String,
    environment: String,
}

/// Every process of this machine that can be looked at.
fn processes() -> BTreeMap<u32, Seen> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        // One that ends while it is looked at is none.
        let read = |name: &str| std::fs::read(entry.path().join(name)).ok();
        let (Some(stat), Some(arguments), Some(environment)) =
            (read("stat"), read("cmdline"), read("environ"))
        else {
            continue;
        };
        let stat = String::from_utf8_lossy(&stat).into_owned();
        let after = stat.rsplit_once(") ").map_or("", |(_, after)| after);
        let parent = after.split(' ').nth(1).and_then(|pid| pid.parse().ok());
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        found.insert(
            pid,
            Seen {
                parent: parent.unwrap_or(0),
                arguments: text(arguments),
                environment: text(environment),
            },
        );
    }
    found
}

/// Looks at the program and at all that it started. What the person put into its arguments or environment
/// stands there already; `own` says that it does.
#[track_caller]
fn assert_unseen(terminal: &Terminal, own: bool) {
    let all = processes();
    let program = terminal.process_id();
    let mut family = vec![program];
    while let Some(next) = all
        .iter()
        .find(|(pid, seen)| family.contains(&seen.parent) && !family.contains(pid))
    {
        family.push(*next.0);
    }
    let watches = |seen: &Seen| seen.arguments.contains("keep-watch-over-a-hold");
    assert!(
        family.iter().filter_map(|pid| all.get(pid)).any(watches),
        "the process that watches over the hold is not among {family:?}"
    );
    for (pid, seen) in family.iter().filter_map(|pid| Some((pid, all.get(pid)?))) {
        let shown = seen.arguments.contains(PIECE) || seen.environment.contains(PIECE);
        let expected = own && *pid == program;
        assert_eq!(shown, expected, "{pid}: {}", seen.arguments);
    }
}

/// Nothing below a folder holds it, but for one file.
fn assert_unwritten(folder: &Path, but: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert_unwritten(&path, but);
        } else if path != but {
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            assert!(!text.contains(PIECE), "{}:\n{text}", path.display());
        }
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[test]
fn however_it_is_given_a_password_is_seen_nowhere() {
    if !Path::new("/proc/self/environ").exists() {
        crate::aloud::skip("without /proc nobody can be looked at");
        return;
    }
    for way in ["typed", "variable", "passfile", "service", "conninfo"] {
        let door = Door::with_password();
        let kept = door.stage.home().join("kept");
        let file = |text: String| {
            std::fs::write(&kept, text).unwrap();
            std::fs::set_permissions(&kept, Permissions::from_mode(0o600)).unwrap();
        };
        let path = kept.display().to_string();
        let mut conninfo = door.conninfo();
        let env = match way {
            "variable" => vec![("PGPASSWORD", PASSWORD)],
            "passfile" => {
                let escaped = PASSWORD.replace('\\', "\\\\").replace(':', "\\:");
                file(format!("*:*:*:*:{escaped}\n"));
                vec![("PGPASSFILE", path.as_str())]
            }
            "service" => {
                file(format!("[it]\npassword={PASSWORD}\n"));
                conninfo.push_str(" service=it");
                vec![("PGSERVICEFILE", path.as_str())]
            }
            "conninfo" => {
                conninfo.push_str(&format!(" password={}", quoted(PASSWORD)));
                vec![]
            }
            _ => vec![],
        };
        let mut terminal = door.open(&env, &["run", "-d", &conninfo]);
        if way == "typed" {
            terminal.wait_for("PASSWORD").type_unseen(PASSWORD);
        }
        terminal.walk_to_the_gate();
        assert_unseen(&terminal, matches!(way, "variable" | "conninfo"));
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
        assert!(!raw.contains(PIECE), "{way}: {raw}");
        for format in ["markdown", "html"] {
            let report = Command::new(PROGRAM)
                .args(["report", "--format", format])
                .env_clear()
                .envs(door.stage.env(&env))
                .finish("stagegate report");
            let report = String::from_utf8([report.stdout, report.stderr].concat()).unwrap();
            assert!(report.contains("ROLLED BACK"), "{report}");
            assert!(!report.contains(PIECE), "{way}: {report}");
        }
        assert_unwritten(door.stage.home(), &kept);
    }
}
