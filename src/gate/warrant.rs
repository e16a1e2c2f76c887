//! The permission to send COMMIT, as a value.
//!
//! A [`Warrant`] can be made only inside the gate, by the one edge that leads from an armed gate
//! to COMMIT; it cannot be copied. It becomes [`Recorded`] only through a writer that says the
//! intent is on disk, and the session takes only that. So COMMIT at most once (I1) and the
//! intent before COMMIT (I6) are held by the compiler.

/// Permission to send COMMIT once, for one transaction.
#[derive(Debug, PartialEq, Eq)]
pub struct Warrant {
    xid: String,
}

impl Warrant {
    /// Only [`super::Machine`] calls this.
    pub(super) fn new(xid: String) -> Warrant {
        Warrant { xid }
    }

    /// The transaction that may be committed.
    pub fn xid(&self) -> &str {
        &self.xid
    }

    /// Makes the intent to commit durable.
    ///
    /// # Errors
    /// Whatever `write` says; the warrant is then gone, and nothing was sent.
    pub fn record<E>(self, write: impl FnOnce(&str) -> Result<(), E>) -> Result<Recorded, E> {
        write(&self.xid)?;
        Ok(Recorded(self))
    }
}

/// A warrant whose intent is on disk.
#[derive(Debug, PartialEq, Eq)]
pub struct Recorded(Warrant);

impl Recorded {
    /// The transaction that may be committed.
    pub fn xid(&self) -> &str {
        &self.0.xid
    }
}
