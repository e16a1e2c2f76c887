//! What can be said of a run: one type for each fact, and one wording. Nothing is decided here, and
//! nothing here knows who tells it: a wording names no key.

mod backup;
mod consent;
mod ending;
mod evidence;
mod exit;
mod inquiry;
mod perusal;
pub mod query;
mod sight;
mod statement;
mod target;
mod time;

pub use backup::{Dump, Dumping, size_in_words};
pub use consent::Consent;
pub use ending::{
    ANSWERED_COMMIT, Ending, LOCKS_NOT_KNOWN, LOOK_YOURSELF, OutcomeWord, Proof, Why, how_to_end,
};
pub use evidence::{Evidence, Standing};
pub use exit::{Alarm, ExitCode, Signal};
pub use inquiry::{CommitWait, Inquiry, OutcomeAnswer, XactStatus};
pub use perusal::Perusal;
pub use query::{After, Looked, Rows};
pub use sight::{Observation, OtherSession, Progress, ServerLog, Sight};
pub use statement::{Lock, NOT_KEPT, Said, ServerMessage, StatementEnd, StatementReport};
pub use target::{Reach, Target};
pub use time::{Millis, in_words};
