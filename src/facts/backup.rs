//! A backup in the making and a backup that was made, as events tell it.
//!
//! It claims only what was found out: that `pg_dump` ended without an error, that `pg_restore` read
//! the table of contents back, and which bytes the file holds. Nobody has restored it.

use super::Millis;
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

impl Dumping {
    /// It in lines: what is being done, then how far it is and what is there to fill.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            self.doing.clone(),
            format!(
                "{} written in {} s; the database has {}",
                size_in_words(self.bytes),
                self.elapsed / 1_000,
                size_in_words(self.database_bytes)
            ),
            format!("file     {}", self.path.display()),
        ];
        if self.free_bytes < self.database_bytes {
            lines.push(format!(
                "The folder had {} free, less than the database has: it fits only as far as \
                 pg_dump can compress it.",
                size_in_words(self.free_bytes)
            ));
        }
        lines
    }
}

/// A dump that was made and read back.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Dump {
    pub path: PathBuf,
    pub bytes: u64,
    /// From the start of `pg_dump` to the file under its own name.
    pub took: Millis,
    /// When that was, in UTC.
    pub made_at: String,
    /// The SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    pub entries: usize,
    /// How many of them are the contents of a table.
    pub tables: usize,
    /// The version of `pg_dump`.
    pub program: String,
    pub server: String,
    pub database: String,
    /// The system identifier of that server, where the role may see it.
    pub system_identifier: Option<String>,
}

impl Dump {
    /// What stands for it where a reference is asked for.
    pub fn reference(&self) -> String {
        format!("{}, SHA-256 {}", self.path.display(), self.sha256)
    }

    pub fn summary(&self) -> String {
        format!(
            "{} is dumped: {}, {}, {} with data",
            self.database,
            size_in_words(self.bytes),
            counted(self.entries, "entry", "entries"),
            counted(self.tables, "table", "tables"),
        )
    }

    pub fn lines(&self) -> Vec<String> {
        vec![
            format!("file     {}", self.path.display()),
            format!("size     {} ({} bytes)", size_in_words(self.bytes), self.bytes),
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

fn seconds(time: Millis) -> String {
    format!("{}.{}", time / 1_000, time % 1_000 / 100)
}

/// A number of bytes for a person, in the units of `pg_size_pretty`.
pub fn size_in_words(bytes: u64) -> String {
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
            assert_eq!(size_in_words(bytes), said);
        }
    }
}
