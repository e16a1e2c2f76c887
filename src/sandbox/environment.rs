//! The environment in which the server's programs run.

use std::process::Command;

/// Environment that reaches the server's programs. Nothing else does: no `PG*` variable may steer
/// the server, and no password of ours belongs in its environment.
const KEPT_VARIABLES: &[&str] = &["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"];

/// Leaves the command only what the server's programs need, and a locale that every system has.
pub(super) fn clean_environment(command: &mut Command) {
    command.env_clear();
    for name in KEPT_VARIABLES {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    // Also what keeps macOS from starting threads in the postmaster.
    command.env("LC_ALL", "C");
}
