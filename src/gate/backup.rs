//! A backup in the making and a backup that was made, as events tell it, and what both are worth as
//! evidence.
//!
//! It claims only what was found out: that `pg_dump` ended without an error, that `pg_restore` read
//! the table of contents back, and which bytes the file holds. Nobody has restored it.

use super::event::{Body, Evidence, Millis, Seq, Standing};
use crate::runbook::printable::counted;
use std::path::PathBuf;

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Dumping {
    /// The file that it is going to be; until then it has `.partial` behind its name.
    pub path: PathBuf,
    pub bytes: u64,
    pub elapsed: Millis,
    /// What is being done, such as `dumping contents of table "public.x"`.
    pub doing: String,
    /// The size of the database on the server, in bytes.
    pub database_bytes: u64,
    /// What was free in the folder when it was begun, in bytes.
    pub free_bytes: u64,
}

/// A dump that was made and read back.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Dump {
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// From the start of `pg_dump` to the file under its own name.
    pub took: Millis,
    /// When that was, in UTC.
    pub made_at: String,
    /// The SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Entries of its table of contents.
    pub entries: usize,
    /// How many of them are the contents of a table.
    pub tables: usize,
    /// The version of `pg_dump`.
    pub program: String,
    /// The version of the server that it was made from.
    pub server: String,
    /// The database that it was made from.
    pub database: String,
    /// The system identifier of that server, where the role may see it.
    pub system_identifier: Option<String>,
}

/// What is known of backups in a run.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Backup {
    pub under_way: Option<(Seq, Dumping)>,
    /// The dump that was made last, while its file is there.
    pub made: Option<Dump>,
    /// Why the last attempt made none, or what became of its file.
    pub failed: Option<String>,
}

impl Backup {
    /// Takes down what is reported; says whether the evidence is another now. Only the dump that
    /// was begun last is heard.
    pub fn take_down(&mut self, seq: Seq, body: &Body) -> bool {
        let current = self.under_way.as_ref().is_some_and(|(now, _)| *now == seq);
        match body {
            Body::BackupStarted(dumping) => {
                self.under_way = Some((seq, (**dumping).clone()));
                self.failed = None;
                true
            }
            Body::BackupProgressed(dumping) => {
                if current {
                    self.under_way = Some((seq, (**dumping).clone()));
                }
                false
            }
            Body::BackedUp(dump) if current => {
                self.under_way = None;
                self.made = Some((**dump).clone());
                self.failed = None;
                true
            }
            // It may fail before it was begun.
            Body::BackupFailed(why) if current || self.under_way.is_none() => {
                self.under_way = None;
                self.failed = Some(why.clone());
                true
            }
            Body::BackupLost(why) => {
                self.made = None;
                self.failed = Some(why.clone());
                true
            }
            _ => false,
        }
    }

    /// What it is worth for a signature.
    pub fn evidence(&self) -> Evidence {
        let (standing, summary, mut lines) = match (&self.made, &self.failed) {
            (Some(dump), _) => (Standing::Holds, dump.summary(), dump.lines()),
            (None, Some(why)) => {
                let mut said = why.lines();
                let first = said.next().unwrap_or_default();
                (
                    Standing::Warns,
                    format!("no dump: {first}"),
                    said.map(str::to_owned).collect(),
                )
            }
            (None, None) => (
                Standing::Asks,
                "a reference to the backup is typed with the sign-off".into(),
                Vec::new(),
            ),
        };
        match (&self.made, &self.failed) {
            (Some(_), Some(why)) => lines.push(format!("another dump was not made: {why}")),
            (Some(_), None) => {}
            (None, _) => lines.push(
                "Name the backup so that somebody else finds it: where it lies, and of when it is. \
                 Or have one made from here, with pg_dump."
                    .into(),
            ),
        }
        Evidence {
            standing,
            summary,
            lines,
            ..Evidence::default()
        }
    }
}

impl Dump {
    /// What stands for it where a reference is asked for.
    pub fn reference(&self) -> String {
        format!("{}, SHA-256 {}", self.path.display(), self.sha256)
    }

    fn summary(&self) -> String {
        format!(
            "{} is dumped: {}, {}, {} with data",
            self.database,
            size(self.bytes),
            counted(self.entries, "entry", "entries"),
            counted(self.tables, "table", "tables"),
        )
    }

    fn lines(&self) -> Vec<String> {
        vec![
            format!("file     {}", self.path.display()),
            format!("size     {} ({} bytes)", size(self.bytes), self.bytes),
            format!("SHA-256  {}", self.sha256),
            format!("made     {}, in {} s", self.made_at, seconds(self.took)),
            format!(
                "by       pg_dump {} from PostgreSQL {}",
                self.program, self.server
            ),
            "pg_dump ended without an error and pg_restore reads the table of contents; nobody has \
             restored it yet."
                .into(),
        ]
    }
}

impl Dumping {
    /// It in lines: what is being done, then how far it is and what is there to fill.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            self.doing.clone(),
            format!(
                "{} written in {} s; the database has {}",
                size(self.bytes),
                self.elapsed / 1_000,
                size(self.database_bytes)
            ),
            format!("file     {}", self.path.display()),
        ];
        if self.free_bytes < self.database_bytes {
            lines.push(format!(
                "The folder had {} free, less than the database has: it fits only as far as \
                 pg_dump can compress it.",
                size(self.free_bytes)
            ));
        }
        lines
    }
}

fn seconds(time: Millis) -> String {
    format!("{}.{}", time / 1_000, time % 1_000 / 100)
}

/// A number of bytes for a person, in the units of `pg_size_pretty`.
pub fn size(bytes: u64) -> String {
    let mut units = ["bytes", "kB", "MB", "GB", "TB"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    let mut left = bytes;
    for next in units {
        if left < 10 * 1024 {
            break;
        }
        left = left.saturating_add(512) / 1024;
        unit = next;
    }
    format!("{left} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dump() -> Dump {
        Dump {
            path: "/b/d.dump".into(),
            sha256: "ab".into(),
            database: "d".into(),
            ..Dump::default()
        }
    }

    #[test]
    fn sizes_are_those_of_pg_size_pretty() {
        for (bytes, said) in [
            (0, "0 bytes"),
            (10_239, "10239 bytes"),
            (10_240, "10 kB"),
            (8 * 1024 * 1024, "8192 kB"),
            (80 * 1024 * 1024, "80 MB"),
            (u64::MAX, "16777216 TB"),
        ] {
            assert_eq!(size(bytes), said);
        }
    }

    #[test]
    fn only_the_dump_that_was_begun_last_is_heard() {
        let mut backup = Backup::default();
        backup.take_down(4, &Body::BackupStarted(Box::default()));
        assert!(!backup.take_down(3, &Body::BackedUp(Box::new(dump()))));
        assert!(!backup.take_down(3, &Body::BackupFailed("stale".into())));
        assert_eq!((backup.made.clone(), backup.failed.clone()), (None, None));
        assert!(backup.take_down(4, &Body::BackedUp(Box::new(dump()))));
        assert_eq!(backup.made, Some(dump()));
        assert_eq!(backup.evidence().standing, Standing::Holds);
    }

    #[test]
    fn a_second_dump_that_fails_leaves_the_first_as_evidence() {
        let mut backup = Backup::default();
        backup.take_down(1, &Body::BackupStarted(Box::default()));
        backup.take_down(1, &Body::BackedUp(Box::new(dump())));
        backup.take_down(2, &Body::BackupFailed("no room".into()));
        let evidence = backup.evidence();
        assert_eq!(evidence.standing, Standing::Holds);
        assert!(evidence.lines.iter().any(|line| line.contains("no room")));
        backup.take_down(3, &Body::BackupLost("it is gone".into()));
        assert_eq!(backup.evidence().standing, Standing::Warns);
        assert!(backup.evidence().summary.contains("it is gone"));
    }
}
