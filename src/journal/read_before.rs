//! What a person read to its end in earlier runs: on the next server the same text need not be read again.
//!
//! It counts for the same person, the same text and the same program, for so many days from the reading
//! itself, and only as a journal says it that nobody else could have written, whose chain holds and whose
//! run has ended. Whatever is in doubt is read again.

use super::entry::{Opened, Perused, ReadBefore};
use super::shelf::{ReadJournal, ShelvedJournal, read_guarded_journal, size_of};
use crate::facts::Target;
use crate::gate::event::Document;
use jiff::{SignedDuration, Timestamp};
use std::path::{Path, PathBuf};

/// How long a reading counts: servers that get the same change within a week are one piece of work, and
/// what was read longer ago is remembered by nobody.
const COUNTS_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How many bytes of journals are read.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// Who sits before a run, and before which program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WhoReads {
    os_user: String,
    sudo_user: Option<String>,
    /// Behind `su` and `sudo` the one who logged in.
    login_uid: Option<u32>,
    /// The address that they came from by ssh: behind one account there may be several people.
    client: Option<String>,
    /// Another version may show the same text in another way.
    version: String,
}

impl WhoReads {
    /// Who sits before the run that opens with this; `None` where it is nobody's, or not known whose.
    pub fn of(opened: &Opened) -> Option<WhoReads> {
        let come_by_ssh = opened.ssh_connection.as_deref();
        let client = come_by_ssh.and_then(|connection| connection.split_whitespace().next());
        Some(WhoReads {
            os_user: opened.os_user.clone().filter(|_| opened.mode == "run")?,
            sudo_user: opened.sudo_user.clone(),
            login_uid: opened.login_uid,
            client: client.map(str::to_owned),
            version: opened.version.clone(),
        })
    }
}

/// What is to be read in a run, and what is known of who is to read it.
#[derive(Debug, Clone)]
pub struct ToBeRead {
    /// `None`: whoever it is, nothing that was read before counts.
    pub who: Option<WhoReads>,
    /// Each with its name and the hash of what is read of it.
    pub documents: Vec<(Document, String, String)>,
}

impl ToBeRead {
    /// Of these documents, those that this person read before `now` so that it still counts.
    pub fn find_past_readings(
        &self,
        shelf: &[ShelvedJournal],
        now: Timestamp,
    ) -> Vec<(Document, ReadBefore)> {
        let mut found: Vec<(Document, ReadBefore)> = Vec::new();
        let Some(who) = &self.who else {
            return found;
        };
        let heads = shelf.iter().filter_map(|ShelvedJournal { path, head }| {
            (WhoReads::of(&head.opened).as_ref() == Some(who)).then_some((head.at, path))
        });
        let mut heads: Vec<(Timestamp, &PathBuf)> = heads.collect();
        heads.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        let mut left = MOST_BYTES;
        for (_, path) in heads {
            let Some(size) = size_of(path).ok().filter(|size| *size <= left) else {
                continue;
            };
            left -= size;
            let missing = self.documents.iter().filter(|(document, ..)| {
                let known = |(one, _): &(Document, ReadBefore)| one == document;
                !found.iter().any(known)
            });
            let missing: Vec<_> = missing.collect();
            if missing.is_empty() {
                break;
            }
            let Some(journal) = PastJournal::read(path, who, now) else {
                continue;
            };
            for (document, name, sha256) in missing {
                let reading = journal.reading_of(sha256, now);
                let reading = reading.map(|perusal| journal.tell(name, sha256, perusal, who));
                found.extend(reading.map(|reading| (*document, reading)));
            }
        }
        found
    }
}

/// A journal whose word counts.
struct PastJournal<'a> {
    path: &'a Path,
    read: ReadJournal,
}

impl PastJournal<'_> {
    fn read<'a>(path: &'a Path, who: &WhoReads, now: Timestamp) -> Option<PastJournal<'a>> {
        let read = read_guarded_journal("perused", path).ok()?;
        let whole = read.broken.is_none() && !read.writing && read.replay.is_whole();
        // Once more: what it opened with was read before the file was asked for its owner.
        let opened = read.replay.opened.as_ref()?;
        let theirs = WhoReads::of(opened).as_ref() == Some(who);
        let past = read.replay.ended.is_some_and(|ended| ended <= now);
        (whole && theirs && past).then_some(PastJournal { path, read })
    }

    /// The first time that each line had been on the screen; later it may have been opened and left again.
    fn reading_of(&self, sha256: &str, now: Timestamp) -> Option<&(Timestamp, Perused)> {
        let whole = |(_, of): &&(Timestamp, Perused)| {
            of.sha256.as_deref() == Some(sha256) && of.perusal.seen == of.perusal.lines
        };
        let first = self.read.replay.perusals.iter().find(whole)?;
        let age = now.duration_since(first.0);
        (SignedDuration::ZERO..=COUNTS_FOR)
            .contains(&age)
            .then_some(first)
    }

    fn tell(
        &self,
        name: &str,
        sha256: &str,
        (left, Perused { perusal, .. }): &(Timestamp, Perused),
        who: &WhoReads,
    ) -> ReadBefore {
        let place =
            |target: &Target| format!("{}:{}/{}", target.host, target.port, target.database);
        ReadBefore {
            document: name.to_owned(),
            sha256: sha256.to_owned(),
            lines: perusal.lines,
            at: *left,
            os_user: who.os_user.clone(),
            sudo_user: who.sudo_user.clone(),
            journal: self.path.display().to_string(),
            target: self.read.replay.target.as_ref().map(place),
        }
    }
}

#[cfg(test)]
mod tests;
