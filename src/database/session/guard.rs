//! What COMMIT stands behind, so that it fails in any transaction but the one that was begun (I1).

/// Tells this transaction from others where the guard of COMMIT is not answered: a savepoint is known to
/// the transaction that made it alone, and needs no right.
pub(super) const MARK: &str = "SAVEPOINT stagegate_held";

/// COMMIT that fails in any transaction but the one that was marked.
pub(super) const COMMIT_BEHIND_SAVEPOINT: &str = "RELEASE SAVEPOINT stagegate_held; COMMIT";

/// Whether the guard before COMMIT fails with it where the transaction is another one, or none.
pub(super) fn is_guards(sqlstate: Option<&str>) -> bool {
    matches!(sqlstate, Some("22012" | "3B001" | "25P01"))
}

/// A question that divides by zero in any transaction but this one: what COMMIT stands behind.
/// `None` when the number is none.
pub(super) fn guard(xid: &str) -> Option<String> {
    if xid.is_empty() || !xid.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(format!(
        "SELECT 1 OPERATOR(pg_catalog./) COALESCE(pg_catalog.pg_current_xact_id_if_assigned() \
         OPERATOR(pg_catalog.=) '{xid}'::pg_catalog.xid8, false)::pg_catalog.int4"
    ))
}
