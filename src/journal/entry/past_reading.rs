//! A reading of an earlier run, as it is written where it was taken over, and told.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A document that a person read to its end in an earlier run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadBefore {
    pub document: String,
    /// As [`Entry::Perused`](super::Entry::Perused) says it there, and as it is now.
    pub sha256: String,
    pub lines: usize,
    /// When it was left there, each line of it having been on the screen: it is never the time at which such
    /// a reading was taken over.
    pub at: Timestamp,
    pub os_user: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sudo_user: Option<String>,
    pub journal: String,
    /// What that run reached, where it reached something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

impl ReadBefore {
    /// Who read it, with who became that user by sudo.
    pub fn who(&self) -> String {
        match &self.sudo_user {
            Some(sudo) => format!("{} (sudo by {sudo})", self.os_user),
            None => self.os_user.clone(),
        }
    }

    pub fn told(&self) -> String {
        let at = self.at.strftime("%Y-%m-%d %H:%M UTC");
        let target = self.target.as_ref();
        let place = target.map_or_else(String::new, |target| format!(", in the run on {target}"));
        format!(
            "{} was read to its end by {} on {at}{place}",
            self.document,
            self.who()
        )
    }
}
