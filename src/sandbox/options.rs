//! What kind of throw-away server is wanted, and the settings that every one of them gets.

use std::path::PathBuf;

use super::place::ClusterPlace;
use super::programs::Programs;

/// Settings of every sandbox. `synchronous_commit` stays on: a crash must not lose a commit.
///
/// `dynamic_shared_memory_type`: in the data folder it is removed with it, whatever happens.
/// `wal_recycle`, `wal_init_zero`: old segments are files to be copied and memory to be held.
/// `autovacuum`: its locks and its processes would come and go in what tests and demo look at.
pub(super) const SETTINGS: &[(&str, &str)] = &[
    ("fsync", "off"),
    ("full_page_writes", "off"),
    ("autovacuum", "off"),
    ("dynamic_shared_memory_type", "mmap"),
    ("shared_buffers", "32MB"),
    ("max_wal_size", "64MB"),
    ("wal_recycle", "off"),
    ("wal_init_zero", "off"),
    ("jit", "off"),
    ("log_line_prefix", "%m [%p] %q%u@%d %a "),
];

/// What kind of throw-away server is wanted.
#[derive(Debug, Clone, Default)]
pub struct SandboxOptions {
    /// Which server programs; the newest on this machine by default.
    pub programs: Option<Programs>,
    pub place: ClusterPlace,
    /// The folder that keeps the template; `$XDG_CACHE_HOME/stagegate` or the like by default.
    pub cache: Option<PathBuf>,
    /// Listen on a free port of 127.0.0.1 as well. Anybody on this machine can then connect.
    pub tcp: bool,
    /// A name for what the caller loads into the cluster; it changes whenever that does. The first
    /// to use it finds an empty cluster, fills it and calls [`Sandbox::keep`](super::Sandbox::keep) (others wait for
    /// that up to a minute); after that a start finds it [filled](super::Sandbox::is_filled).
    pub content: Option<String>,
    /// Settings on top of the sandbox's own, as in `postgresql.conf`; the last of a name wins.
    pub settings: Vec<(String, String)>,
}

impl SandboxOptions {
    /// For tests: in memory where there is room.
    #[must_use]
    pub fn for_tests() -> Self {
        Self {
            place: ClusterPlace::Memory,
            ..Self::default()
        }
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }
}
