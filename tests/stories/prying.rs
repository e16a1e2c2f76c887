//! What others see of the program: its processes, what these have open, and what is written down.

use crate::terminal::Terminal;
use std::collections::BTreeMap;
use std::path::Path;

/// The part of a secret that no quoting changes.
const PIECES: [&str; 2] = ["hunter2", "sesame"];

/// Whether a piece of a secret stands in it.
pub fn tells(text: &str) -> bool {
    PIECES.iter().any(|piece| text.contains(piece))
}

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

/// What a process has open: its names, and what is in it where that can be read without taking it away.
fn open_files(pid: u32) -> Vec<(String, String)> {
    let folder = format!("/proc/{pid}/fd");
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let mut found = Vec::new();
    for entry in entries.flatten() {
        // One that is closed while it is looked at is none.
        let Ok(name) = std::fs::read_link(entry.path()) else {
            continue;
        };
        // A file in memory and one whose name is gone are regular files here, too.
        let regular = std::fs::metadata(entry.path()).is_ok_and(|it| it.is_file());
        let bytes = match regular {
            true => std::fs::read(entry.path()).unwrap_or_default(),
            false => Vec::new(),
        };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        found.push((name.display().to_string(), text));
    }
    found
}

/// Looks at the program and at all that it started. What the person put into its arguments or environment
/// stands there already, `own` says that it does; so does what is in the file `kept`. One whose arguments hold
/// `child` has to be among them.
#[track_caller]
pub fn assert_unseen(terminal: &Terminal, own: bool, kept: &Path, child: &str) {
    let all = processes();
    let program = terminal.process_id();
    let mut family = vec![program];
    while let Some(next) = all
        .iter()
        .find(|(pid, seen)| family.contains(&seen.parent) && !family.contains(pid))
    {
        family.push(*next.0);
    }
    let is_child = |seen: &Seen| seen.arguments.contains(child);
    assert!(
        family.iter().filter_map(|pid| all.get(pid)).any(is_child),
        "{child} is not among {family:?}"
    );
    for (pid, seen) in family.iter().filter_map(|pid| Some((pid, all.get(pid)?))) {
        let shown = tells(&seen.arguments) || tells(&seen.environment);
        let expected = own && *pid == program;
        assert_eq!(shown, expected, "{pid}: {}", seen.arguments);
        for (name, text) in open_files(*pid) {
            let given = Path::new(&name) == kept;
            let shown = tells(&name) || (!given && tells(&text));
            assert!(!shown, "{pid} has {name} open:\n{text}");
        }
    }
}

/// Nothing below a folder holds it, but for one file.
pub fn assert_unwritten(folder: &Path, but: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert_unwritten(&path, but);
        } else if path != but {
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            assert!(!tells(&text), "{}:\n{text}", path.display());
        }
    }
}
