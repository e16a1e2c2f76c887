//! Functions by what stays of a call.
//!
//! By name alone: a script rarely says the schema, and what stands in front of `pg_catalog` on the
//! search path may hide what is named here. What is in no list is not known, never harmless.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::Beyond;

/// Functions of PostgreSQL and of the extensions that come with it whose effects, where they have
/// any, go with the transaction; keywords that are written like a call; and what indexes are built with.
static HARMLESS: LazyLock<BTreeSet<&str>> =
    LazyLock::new(|| include_str!("harmless.txt").split_whitespace().collect());

/// Functions that run a text which they are given.
const RUN_A_TEXT: &str = "connectby crosstab crosstab2 crosstab3 crosstab4 query_to_xml \
    query_to_xml_and_xmlschema query_to_xmlschema ts_rewrite ts_stat xpath_table";

/// Functions that leave something on the whole server.
const ON_THE_SERVER: &str = "heap_force_freeze heap_force_kill pg_backup_start pg_backup_stop \
    pg_buffercache_evict pg_buffercache_evict_all pg_buffercache_evict_relation \
    pg_create_restore_point pg_log_backend_memory_contexts pg_log_standby_snapshot \
    pg_logical_emit_message pg_logical_slot_get_binary_changes pg_logical_slot_get_changes \
    pg_promote pg_reload_conf pg_replication_slot_advance pg_rotate_logfile pg_rotate_logfile_old \
    pg_start_backup pg_stat_statements_reset pg_stop_backup pg_stop_making_pinned_objects \
    pg_switch_wal pg_sync_replication_slots pg_truncate_visibility_map pg_wal_replay_pause \
    pg_wal_replay_resume";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KnownFunction {
    Harmless,
    Lasts(Beyond),
    RunsText,
    No,
}

/// What is known of the function `name`, which is in lower case unless it was quoted; `built_in` where
/// it is named with a schema of the server's own.
pub(super) fn known(name: &str, built_in: bool) -> KnownFunction {
    if let Some(beyond) = lasts(name) {
        KnownFunction::Lasts(beyond)
    } else if RUN_A_TEXT.split(' ').any(|one| one == name) {
        KnownFunction::RunsText
    } else if built_in || HARMLESS.contains(name) || is_of_a_harmless_kind(name) {
        KnownFunction::Harmless
    } else {
        KnownFunction::No
    }
}

/// Families of functions that only look.
fn is_of_a_harmless_kind(name: &str) -> bool {
    ["pg_stat_get_", "pg_get_", "has_", "st_", "postgis_"]
        .iter()
        .any(|start| name.starts_with(start))
        && !name.starts_with("has_been")
        || (name.starts_with("pg_") && name.ends_with("_is_visible"))
}

fn lasts(name: &str) -> Option<Beyond> {
    Some(match name {
        "nextval" | "setval" => Beyond::Numbers,
        "lo_export" | "pg_file_write" | "pg_file_rename" | "pg_file_unlink" => Beyond::File,
        "http" | "http_get" | "http_post" | "http_put" | "http_patch" | "http_delete"
        | "http_head" => Beyond::Elsewhere,
        name if name.starts_with("dblink") => Beyond::Elsewhere,
        "pg_terminate_backend" | "pg_cancel_backend" => Beyond::Sessions,
        "pg_advisory_lock"
        | "pg_advisory_lock_shared"
        | "pg_try_advisory_lock"
        | "pg_try_advisory_lock_shared"
        | "pg_advisory_unlock"
        | "pg_advisory_unlock_shared"
        | "pg_advisory_unlock_all" => Beyond::Locks,
        "setseed"
        | "set_limit"
        | "pg_replication_origin_session_setup"
        | "pg_replication_origin_session_reset"
        | "postgres_fdw_disconnect"
        | "postgres_fdw_disconnect_all" => Beyond::Session,
        name if ON_THE_SERVER.split(' ').any(|one| one == name) => Beyond::Server,
        name if name.starts_with("pg_stat_reset") => Beyond::Server,
        name if name.starts_with("pg_replication_origin_") => Beyond::Server,
        name if name.starts_with("pg_")
            && (name.ends_with("_replication_slot") || name.ends_with("_logfile_v1_1")) =>
        {
            Beyond::Server
        }
        name if name.starts_with("binary_upgrade_") => Beyond::Server,
        _ => return None,
    })
}
