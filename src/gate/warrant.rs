//! The permission to send COMMIT, as a value.
//!
//! A [`Warrant`] can be made only inside the gate: by the one edge that leads from an armed gate
//! to COMMIT, or from an [`Approval`], which it takes whole (I13). It cannot be copied. It becomes
//! [`Recorded`] only through a writer that says the intent is on disk, and the session takes only
//! that. So COMMIT at most once (I1) and the intent before COMMIT (I6) are held by the compiler. It
//! carries what was asked on the way, so that nothing of it can be left out of the record.

use super::approval::Approval;
use super::pass::{Compared, Pass};
use crate::facts::{Consent, Millis, Target};

/// Permission to send COMMIT once, for one transaction.
#[derive(Debug, PartialEq, Eq)]
pub struct Warrant {
    xid: String,
    consent: Consent,
    approved: Option<String>,
}

impl Warrant {
    /// Only [`super::Machine`] calls this.
    pub(super) fn new(xid: String, consent: Consent) -> Warrant {
        Warrant {
            xid,
            consent,
            approved: None,
        }
    }

    /// COMMIT of a pass that came out as it was approved. The approval ends here, one way or the
    /// other; only [`super::Machine`] calls this.
    ///
    /// # Errors
    /// What the pass is different in.
    pub(super) fn on_approval(
        xid: String,
        approval: Approval,
        now: Option<&Pass>,
        target: &Target,
        limit: Millis,
    ) -> Result<Warrant, Compared> {
        let compared = approval.differs(now, target, limit);
        if !compared.is_same() {
            return Err(compared);
        }
        let (consent, digest) = approval.into_consent();
        Ok(Warrant {
            xid,
            consent,
            approved: Some(digest),
        })
    }

    /// The transaction that may be committed.
    pub fn xid(&self) -> &str {
        &self.xid
    }

    pub fn consent(&self) -> &Consent {
        &self.consent
    }

    /// The digest of what was approved, where it rests on an approval.
    pub fn approved(&self) -> Option<&str> {
        self.approved.as_deref()
    }

    /// Makes the intent to commit durable.
    ///
    /// # Errors
    /// Whatever `write` says; the warrant is then gone, and nothing was sent.
    pub fn record<E>(self, write: impl FnOnce(&Warrant) -> Result<(), E>) -> Result<Recorded, E> {
        write(&self)?;
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
