//! The lock modes of PostgreSQL on a relation: their names, and what each makes others wait for.

/// A lock mode on a relation, from the weakest to the strongest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LockMode {
    AccessShare,
    RowShare,
    RowExclusive,
    ShareUpdateExclusive,
    Share,
    ShareRowExclusive,
    Exclusive,
    AccessExclusive,
}

impl LockMode {
    /// All modes, from the weakest to the strongest.
    pub const ALL: [LockMode; 8] = [
        LockMode::AccessShare,
        LockMode::RowShare,
        LockMode::RowExclusive,
        LockMode::ShareUpdateExclusive,
        LockMode::Share,
        LockMode::ShareRowExclusive,
        LockMode::Exclusive,
        LockMode::AccessExclusive,
    ];

    /// The name in PostgreSQL's documentation.
    pub fn name(self) -> &'static str {
        match self {
            LockMode::AccessShare => "ACCESS SHARE",
            LockMode::RowShare => "ROW SHARE",
            LockMode::RowExclusive => "ROW EXCLUSIVE",
            LockMode::ShareUpdateExclusive => "SHARE UPDATE EXCLUSIVE",
            LockMode::Share => "SHARE",
            LockMode::ShareRowExclusive => "SHARE ROW EXCLUSIVE",
            LockMode::Exclusive => "EXCLUSIVE",
            LockMode::AccessExclusive => "ACCESS EXCLUSIVE",
        }
    }

    /// What other sessions feel, after the conflict table of PostgreSQL's manual, section 13.3.1.
    pub fn blocks(self) -> &'static str {
        match self {
            LockMode::AccessShare => "only DROP, TRUNCATE and most ALTER TABLE wait",
            LockMode::RowShare => "only DDL that locks out row locks waits",
            LockMode::RowExclusive => "CREATE INDEX and most DDL wait",
            LockMode::ShareUpdateExclusive => "VACUUM, ANALYZE and DDL wait",
            LockMode::Share | LockMode::ShareRowExclusive => "writes wait",
            LockMode::Exclusive => "writes and SELECT FOR UPDATE wait",
            LockMode::AccessExclusive => "reads and writes wait",
        }
    }

    /// Whether somebody may have to wait for it who only uses the tables.
    pub fn is_felt(self) -> bool {
        self >= LockMode::Share
    }

    /// From the spelling in `pg_locks.mode`, such as `AccessExclusiveLock`.
    pub fn from_catalog(mode: &str) -> Option<LockMode> {
        LockMode::ALL
            .into_iter()
            .find(|m| mode.strip_suffix("Lock") == Some(&format!("{m:?}")))
    }
}
