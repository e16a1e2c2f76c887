//! The words of the file for what readers decide by: each stands here once, to be written and to be read
//! back. What another version wrote is kept as it is, and never taken for something else.

use crate::facts::Standing;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! phase_words {
    ($($phase:ident = $word:literal),* $(,)?) => {
        /// Where the run came to, as a journal names it.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        pub enum PhaseWord {
            $($phase,)*
            /// Of another version.
            Other(String),
        }

        impl PhaseWord {
            pub fn word(&self) -> &str {
                match self {
                    $(PhaseWord::$phase => $word,)*
                    PhaseWord::Other(word) => word,
                }
            }
        }

        impl From<String> for PhaseWord {
            fn from(word: String) -> PhaseWord {
                match word.as_str() {
                    $($word => PhaseWord::$phase,)*
                    _ => PhaseWord::Other(word),
                }
            }
        }
    };
}

phase_words! {
    Connecting = "connecting",
    Checklist = "checklist",
    Beginning = "beginning",
    Applying = "applying",
    Verifying = "verifying",
    TakingDown = "taking down the structure",
    Deciding = "deciding",
    MustRollBack = "must roll back",
    Querying = "querying",
    Reviewing = "reviewing",
    SecondPass = "second pass",
    Committing = "committing",
    RollingBack = "rolling back",
    Inquiring = "asking the server",
    Waiting = "waiting for the next attempt",
    PostVerifying = "post-verifying",
    Ended = "ended",
    StartingOver = "starting over",
    Asked = "asked the server",
    CommitWaits = "COMMIT waits",
    TransactionGone = "the transaction is gone",
    StoodBefore = "structure before BEGIN",
    TakenDown = "structure taken down",
}

impl From<PhaseWord> for String {
    fn from(phase: PhaseWord) -> String {
        phase.word().to_owned()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckStage {
    Verification,
    #[serde(other)]
    PostVerification,
}

const STANDINGS: [(Standing, &str); 6] = [
    (Standing::Awaited, "awaited"),
    (Standing::Holds, "holds"),
    (Standing::Warns, "warns"),
    (Standing::Asks, "needs you"),
    (Standing::Fails, "fails"),
    (Standing::Silent, "no answer"),
];

/// A word of another version is one that nothing rests on.
pub(super) fn read_standing<'de, D: Deserializer<'de>>(from: D) -> Result<Standing, D::Error> {
    let word = String::deserialize(from)?;
    let known = STANDINGS.iter().find(|(_, known)| *known == word);
    Ok(known.map_or(Standing::Awaited, |(standing, _)| *standing))
}

pub(super) fn write_standing<S: Serializer>(standing: &Standing, to: S) -> Result<S::Ok, S::Error> {
    let known = STANDINGS.iter().find(|(known, _)| known == standing);
    to.serialize_str(known.map_or("awaited", |(_, word)| word))
}
