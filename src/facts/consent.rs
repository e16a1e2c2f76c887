//! What people said to COMMIT.

/// What people said to COMMIT, beside the name of the database.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Consent {
    /// Why a script without checks is committed.
    pub reason: Option<String>,
    pub second_signer: Option<String>,
}
