//! How a document was before a person.

use super::Millis;
use serde::{Deserialize, Serialize};

/// One time that a document was open, from when it was opened until it was left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Perusal {
    pub milliseconds: Millis,
    pub lines: usize,
    /// How many of them were on the screen this time.
    pub shown: usize,
    /// How many of them were on the screen at any time so far.
    pub seen: usize,
}
