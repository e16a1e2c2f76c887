//! What is known of backups in a run, and what that is worth as evidence.

use crate::facts::{Dump, Dumping, Evidence, Standing};
use crate::gate::event::{Body, Seq};

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
                "The reference says where the backup lies and of when it is, so that somebody else finds \
                 it; or one is made from here, with pg_dump."
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
