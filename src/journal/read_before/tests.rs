use super::*;
use crate::facts::{Perusal, Target};
use crate::journal::Entry;
use crate::journal::chain::Chain;
use crate::journal::shelf::read_shelf;
use crate::runbook::script::{Fate, Script};
use crate::runbook::variables::Variables;
use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;

/// A run of some hours ago, in which a script of three lines was read to its end.
struct PastRunOf {
    opened: Opened,
    /// How long ago it was left, in seconds.
    left: i64,
    /// How long ago the run ended.
    ended: i64,
    seen: usize,
    sha256: Option<String>,
    /// What stands between the reading and the end.
    more: Vec<Entry>,
    whole: bool,
    mode: u32,
    /// What somebody made of it afterwards.
    edit: fn(String) -> String,
}

const DAY: i64 = 24 * 3600;

fn now() -> Timestamp {
    Timestamp::from_second(1_900_000_000).unwrap()
}

fn ago(seconds: i64) -> Timestamp {
    now() - SignedDuration::from_secs(seconds)
}

fn opened() -> Opened {
    Opened {
        version: "0.2.0".into(),
        mode: "run".into(),
        os_user: Some("alice".into()),
        sudo_user: Some("bob".into()),
        login_uid: Some(1000),
        ssh_connection: Some("10.0.0.7 50000 10.0.0.1 22".into()),
        ..Opened::default()
    }
}

fn script() -> Script {
    Script::read("a.sql", None, b"SELECT 1;\nSELECT 2;\nSELECT 3;\n")
}

impl PastRunOf {
    fn this_script() -> PastRunOf {
        PastRunOf {
            opened: opened(),
            left: 7_200,
            ended: 3_600,
            seen: 3,
            sha256: Some(script().sha256_as_read()),
            more: Vec::new(),
            whole: true,
            mode: 0o600,
            edit: |text| text,
        }
    }

    fn perused(&self) -> Entry {
        Entry::Perused(Perused {
            document: "a.sql".into(),
            perusal: Perusal {
                milliseconds: 60_000,
                lines: 3,
                shown: 1,
                seen: self.seen,
            },
            sha256: self.sha256.clone(),
        })
    }

    fn write(&self, path: &Path) {
        let target = Target {
            host: "db1".into(),
            port: 5432,
            database: "d".into(),
            ..Target::default()
        };
        let target = serde_json::to_value(target).unwrap();
        let mut lines = vec![
            (self.left + 60, Entry::Opened(Box::new(self.opened.clone()))),
            (self.left + 60, Entry::Connected { target }),
            (self.left, self.perused()),
        ];
        let more = self.more.iter().cloned();
        lines.extend(more.map(|entry| (self.ended, entry)));
        if self.whole {
            lines.push((self.ended, Entry::Left { code: 1 }));
        }
        let mut chain = Chain::default();
        let lines = lines.iter().map(|(at, entry)| chain.line(entry, ago(*at)));
        std::fs::write(path, (self.edit)(lines.collect())).unwrap();
        std::fs::set_permissions(path, Permissions::from_mode(self.mode)).unwrap();
    }
}

fn edited(journal: String) -> String {
    journal.replace("\"milliseconds\":60000", "\"milliseconds\":70000")
}

fn to_be_read(who: Option<WhoReads>, script: &Script) -> ToBeRead {
    let sha256 = script.sha256_as_read();
    ToBeRead {
        who,
        documents: vec![(Document::Script, script.name.clone(), sha256)],
    }
}

/// What alice has read of this script, with one journal that says it.
fn found(run: &PastRunOf, script: &Script) -> Option<ReadBefore> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("1.jsonl");
    run.write(&path);
    let folders = [folder.path().to_owned()];
    let to_be_read = to_be_read(WhoReads::of(&opened()), script);
    let own = folder.path().join("2.jsonl");
    let found = to_be_read.find_past_readings(&read_shelf(&folders, &own), now());
    found.into_iter().next().map(|(_, reading)| reading)
}

#[test]
fn what_the_same_person_read_to_its_end_is_told_with_when_and_where() {
    let reading = found(&PastRunOf::this_script(), &script()).unwrap();
    assert_eq!(
        reading.told(),
        format!(
            "a.sql was read to its end by alice (sudo by bob) on {}, in the run on db1:5432/d",
            ago(7_200).strftime("%Y-%m-%d %H:%M UTC")
        )
    );
    assert_eq!((reading.at, reading.lines), (ago(7_200), 3));
    assert_eq!(reading.sha256, script().sha256());
    // To the last moment of the seventh day.
    let long_ago = PastRunOf {
        left: 7 * DAY,
        ..PastRunOf::this_script()
    };
    assert!(found(&long_ago, &script()).is_some());
}

#[test]
fn nothing_counts_that_is_not_surely_this_persons_reading_of_this_text() {
    // In the next run it stands as taken over, and is no reading there.
    let taken_over = found(&PastRunOf::this_script(), &script()).unwrap();
    let take_over = |run: &mut PastRunOf| {
        run.sha256 = None;
        run.more = vec![Entry::ReadBefore(Box::new(taken_over.clone()))];
    };
    let other_ssh = |run: &mut PastRunOf| {
        run.opened.ssh_connection = Some("10.0.0.8 50000 10.0.0.1 22".into());
    };
    type Otherwise<'a> = (&'a str, &'a dyn Fn(&mut PastRunOf));
    let cases: [Otherwise<'_>; 18] = [
        ("another user", &|run| {
            run.opened.os_user = Some("carol".into())
        }),
        ("nobody knows whose", &|run| run.opened.os_user = None),
        ("another behind sudo", &|run| run.opened.sudo_user = None),
        ("another behind su", &|run| {
            run.opened.login_uid = Some(1001)
        }),
        ("from another machine by ssh", &other_ssh),
        ("not by ssh", &|run| run.opened.ssh_connection = None),
        ("a rehearsal", &|run| run.opened.mode = "rehearse".into()),
        ("another version", &|run| {
            run.opened.version = "0.1.0".into()
        }),
        ("a line was not seen", &|run| run.seen = 2),
        ("of an earlier release", &|run| run.sha256 = None),
        ("killed", &|run| run.whole = false),
        ("others may write it", &|run| run.mode = 0o620),
        ("edited", &|run| run.edit = edited),
        ("appended to", &|run| run.edit = |text| text + "{}\n"),
        ("too long ago", &|run| run.left = 7 * DAY + 1),
        ("in the future", &|run| (run.left, run.ended) = (-1, 0)),
        ("ends in the future", &|run| run.ended = -1),
        ("taken over", &take_over),
    ];
    let counts = |change: &dyn Fn(&mut PastRunOf)| {
        let mut run = PastRunOf::this_script();
        change(&mut run);
        found(&run, &script()).is_some()
    };
    let counted = cases.iter().filter(|(_, change)| counts(change));
    let counted: Vec<&str> = counted.map(|(why, _)| *why).collect();
    assert_eq!(counted, Vec::<&str>::new());
}

/// A file that brings in another one, read with these variables.
fn script_of_two(folder: &Path, included: &str, variables: &[&str]) -> Script {
    let bytes = b"\\ir b.sql\nSELECT :'v';\n";
    let path = folder.join("a.sql");
    std::fs::write(&path, bytes).unwrap();
    std::fs::write(folder.join("b.sql"), included).unwrap();
    let words: Vec<String> = variables.iter().map(|&word| word.to_owned()).collect();
    let variables = Variables::given(&words).unwrap();
    Script::read_with("a.sql", Some(&path), bytes, &variables)
}

#[test]
fn a_text_that_is_another_by_one_byte_an_include_a_variable_or_a_choice_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let two = |included, variables| script_of_two(folder.path(), included, variables);
    let was = two("SELECT 1;\n", &["v=1"]);
    let run = PastRunOf {
        sha256: Some(was.sha256_as_read()),
        ..PastRunOf::this_script()
    };
    assert!(found(&run, &was).is_some());
    let mut chosen = was.clone();
    chosen.statements[0].fate = Fate::LeftOut;
    let mut chosen_otherwise = was.clone();
    chosen_otherwise.statements[1].fate = Fate::LeftOut;
    let others = [
        ("an include changed", two("SELECT 2;\n", &["v=1"])),
        ("a variable has another value", two("SELECT 1;\n", &["v=2"])),
        ("a variable more", two("SELECT 1;\n", &["v=1", "w=1"])),
        ("a statement is left out", chosen.clone()),
    ];
    let counted = others.iter().filter(|(_, now)| found(&run, now).is_some());
    let counted: Vec<&str> = counted.map(|(why, _)| *why).collect();
    assert_eq!(counted, Vec::<&str>::new());
    assert_ne!(chosen.sha256_as_read(), chosen_otherwise.sha256_as_read());
    let byte = Script::read("a.sql", None, b"SELECT 1;\nSELECT 2;\nSELECT 4;\n");
    assert!(found(&PastRunOf::this_script(), &byte).is_none());
}

#[test]
fn a_journal_that_is_written_or_the_runs_own_tells_of_no_earlier_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("1.jsonl");
    PastRunOf::this_script().write(&path);
    let folders = [folder.path().to_owned()];
    let to_be_read = to_be_read(WhoReads::of(&opened()), &script());
    let other = folder.path().join("2.jsonl");
    let counts = |own| {
        !to_be_read
            .find_past_readings(&read_shelf(&folders, own), now())
            .is_empty()
    };
    assert!(counts(&other));
    assert!(!counts(&path), "its own");
    let file = File::open(&path).unwrap();
    file.try_lock().unwrap();
    assert!(!counts(&other), "its program still runs");
    drop(file);
    assert!(counts(&other));
    std::fs::remove_file(&path).unwrap();
    assert!(!counts(&other), "no journal");
    std::fs::remove_dir(folder.path()).unwrap();
    assert!(!counts(&other), "no folder");
}

#[test]
fn of_several_readings_the_newest_is_told_and_a_broken_one_hides_none() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let run = PastRunOf::this_script;
    PastRunOf {
        left: 2 * DAY,
        ..run()
    }
    .write(&at("1.jsonl"));
    PastRunOf { left: DAY, ..run() }.write(&at("2.jsonl"));
    PastRunOf {
        edit: edited,
        ..run()
    }
    .write(&at("3.jsonl"));
    let to_be_read = to_be_read(WhoReads::of(&opened()), &script());
    let folders = [folder.path().to_owned()];
    let found = to_be_read.find_past_readings(&read_shelf(&folders, Path::new("/none")), now());
    let told: Vec<Timestamp> = found.iter().map(|(_, reading)| reading.at).collect();
    assert_eq!(told, [ago(DAY)]);
}
