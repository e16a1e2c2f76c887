//! A BACKUP of the database that was reached: `pg_dump` into a folder, read back, hashed, recorded.
//!
//! What stands under a whole name is whole: until it is, the file is called `….partial`, and it is
//! removed when the dump fails, is cancelled, or this process ends, however it ends. The password
//! reaches `pg_dump` in a file and nowhere else (I9). Nothing here decides or writes to the server.

mod contents;
mod folder;
mod guard;
mod making;

use crate::database::pinned::Pinned;
use crate::facts::{Dump, Target};
use crate::gate::event::{Body, Report, Seq};
use std::fs;
use std::sync::{Mutex, MutexGuard};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

/// Makes dumps, one at a time. Dropping it stops the one that is under way.
#[derive(Debug)]
pub struct Backups {
    reports: UnboundedSender<Report>,
    stop: Mutex<Option<oneshot::Sender<()>>>,
}

impl Backups {
    pub fn new(reports: UnboundedSender<Report>) -> Backups {
        Backups {
            reports,
            stop: Mutex::default(),
        }
    }

    /// Begins a dump of `target`, where `pinned` leads, into `folder`, as it was typed. It is answered by `BackedUp` or
    /// `BackupFailed`, once. Never blocks; belongs into a tokio runtime.
    pub fn start(&self, seq: Seq, pinned: Pinned, target: Target, folder: String) {
        let (stop, stopped) = oneshot::channel();
        *self.lock() = Some(stop);
        let reports = self.reports.clone();
        let told = reports.clone();
        let task = tokio::spawn(async move {
            let tell = |body| {
                let _ = told.send(Report { seq, body });
            };
            making::make(&pinned, &target, &folder, stopped, &tell).await
        });
        tokio::spawn(async move {
            let body = match task.await {
                Ok(Ok(dump)) => Body::BackedUp(Box::new(dump)),
                Ok(Err(why)) => Body::BackupFailed(why),
                Err(_) => {
                    Body::BackupFailed("the part of stagegate that makes the backup failed".into())
                }
            };
            let _ = reports.send(Report { seq, body });
        });
    }

    /// Stops the dump that is under way. It then fails, unless it was whole before.
    pub fn stop(&self) {
        drop(self.lock().take());
    }

    fn lock(&self) -> MutexGuard<'_, Option<oneshot::Sender<()>>> {
        self.stop.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// Whether `dump` is still there, as long as it was, and of the server that is reached now.
///
/// # Errors
/// What is different, in words.
pub fn look_again(dump: &Dump, target: Option<&Target>) -> Result<(), String> {
    let path = dump.path.display();
    match fs::metadata(&dump.path) {
        Err(error) => return Err(format!("the dump {path} cannot be found any more: {error}")),
        Ok(found) if !found.is_file() || found.len() != dump.bytes => {
            return Err(format!(
                "the dump {path} had {} bytes and has {} now",
                dump.bytes,
                found.len()
            ));
        }
        Ok(_) => {}
    }
    let Some(target) = target else { return Ok(()) };
    let other_system = matches!(
        (&dump.system_identifier, &target.system_identifier),
        (Some(then), Some(now)) if then != now
    );
    if other_system || dump.database != target.database {
        return Err(format!(
            "the dump {path} is of database {} on another server than the one that is reached now",
            dump.database
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_that_is_gone_cut_or_of_another_server_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("d.dump");
        fs::write(&path, "four").unwrap();
        let dump = Dump {
            path: path.clone(),
            bytes: 4,
            database: "d".into(),
            system_identifier: Some("1".into()),
            ..Dump::default()
        };
        let reached = |system: Option<&str>, database: &str| Target {
            database: database.into(),
            system_identifier: system.map(str::to_owned),
            ..Target::default()
        };
        assert_eq!(look_again(&dump, None), Ok(()));
        assert_eq!(look_again(&dump, Some(&reached(Some("1"), "d"))), Ok(()));
        assert_eq!(look_again(&dump, Some(&reached(None, "d"))), Ok(()));
        for other in [reached(Some("2"), "d"), reached(Some("1"), "e")] {
            let why = look_again(&dump, Some(&other)).unwrap_err();
            assert!(why.contains("another server"), "{why}");
        }
        fs::write(&path, "cut").unwrap();
        let why = look_again(&dump, None).unwrap_err();
        assert!(why.contains("had 4 bytes and has 3 now"), "{why}");
        fs::remove_file(&path).unwrap();
        let why = look_again(&dump, None).unwrap_err();
        assert!(why.contains("cannot be found any more"), "{why}");
    }
}
