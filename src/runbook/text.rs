//! Texts that are kept once and shared: a statement of a file without a copy of it, a kind or a name that
//! many statements have in common.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

/// A short text that many have in common. Each of them has a pointer to it, without a length beside.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommonText(Arc<Box<str>>);

impl CommonText {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for CommonText {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

// The text alone is hashed, as it is where it is looked up by a `str`.
impl Borrow<str> for CommonText {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl From<String> for CommonText {
    fn from(text: String) -> CommonText {
        CommonText(Arc::new(text.into()))
    }
}

impl From<&str> for CommonText {
    fn from(text: &str) -> CommonText {
        CommonText(Arc::new(text.into()))
    }
}

impl PartialEq<str> for CommonText {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for CommonText {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Debug for CommonText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for CommonText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

/// Those that were met so far.
#[derive(Debug, Default)]
pub(super) struct CommonTexts(HashSet<CommonText>);

impl CommonTexts {
    /// The one that reads so, which is kept once.
    pub(super) fn share(&mut self, text: &str) -> CommonText {
        if let Some(known) = self.0.get(text) {
            return known.clone();
        }
        let new = CommonText::from(text);
        self.0.insert(new.clone());
        new
    }
}

/// A piece of a shared text of less than 4 GiB: nothing larger is read, see
/// [`MOST_BYTES`](super::scanner::MOST_BYTES).
#[derive(Clone)]
pub struct Passage {
    whole: Arc<str>,
    start: u32,
    end: u32,
}

impl Passage {
    /// The bytes `range` of `whole`; empty where they are no whole characters of it.
    pub fn of(whole: &Arc<str>, range: Range<usize>) -> Passage {
        let range = match whole.get(range.clone()) {
            Some(_) => range,
            None => 0..0,
        };
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Passage {
            whole: Arc::clone(whole),
            start: place(range.start),
            end: place(range.end),
        }
    }

    pub fn as_str(&self) -> &str {
        let range = self.start as usize..self.end as usize;
        self.whole.get(range).unwrap_or_default()
    }
}

impl Deref for Passage {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl From<String> for Passage {
    fn from(text: String) -> Passage {
        let range = 0..text.len();
        Passage::of(&text.into(), range)
    }
}

impl From<&str> for Passage {
    fn from(text: &str) -> Passage {
        Passage::from(text.to_owned())
    }
}

impl PartialEq for Passage {
    fn eq(&self, other: &Passage) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Passage {}

impl PartialEq<str> for Passage {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Passage {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Debug for Passage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for Passage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}
