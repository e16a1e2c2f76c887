//! Where the files of a throw-away server live, and which folder keeps the template.
//!
//! A folder is fit when the user who runs the server can get there and the socket's path in it is
//! short enough for the kernel. An unfit one is passed over, with its reason kept for the error.

use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::SandboxError;
use super::account::{self, SystemAccount};

/// Longest path of a socket that is used, in bytes. Linux takes 107, macOS 103.
const SOCKET_PATH_LIMIT: usize = 100;

/// Room that a memory file system must have left to be chosen, in bytes: a cluster takes 40 MB,
/// and a container's /dev/shm is often 64 MB in all.
const MEMORY_ROOM: u64 = 1 << 29;

/// Where to put the server's files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ClusterPlace {
    /// The system's folder for temporary files.
    #[default]
    Temporary,
    /// `/dev/shm` where it is there and roomy, else as [`ClusterPlace::Temporary`]. For tests.
    Memory,
    /// This folder and no other.
    In(PathBuf),
}

impl ClusterPlace {
    fn candidates(&self) -> Vec<PathBuf> {
        let mut folders = Vec::new();
        match self {
            Self::In(folder) => return vec![folder.clone()],
            Self::Memory if roomy(Path::new("/dev/shm")) => folders.push("/dev/shm".into()),
            Self::Memory | Self::Temporary => {}
        }
        folders.push(std::env::temp_dir());
        // Where TMPDIR is a private folder or a long name.
        for folder in ["/tmp", "/var/tmp"].map(PathBuf::from) {
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
        folders
    }

    /// Makes an empty folder, mode 0700 and ours, in the first fit place.
    pub(super) fn make_folder(
        &self,
        account: Option<&SystemAccount>,
        program: &Path,
    ) -> Result<PathBuf, SandboxError> {
        let mut tried = Vec::new();
        for parent in self.candidates() {
            match make_in(&parent, account, program) {
                Ok(folder) => return Ok(folder),
                Err(reason) => tried.push(format!("  {}: {reason}", parent.display())),
            }
        }
        Err(SandboxError::NoPlace {
            tried: tried.join("\n"),
        })
    }
}

fn make_in(
    parent: &Path,
    account: Option<&SystemAccount>,
    program: &Path,
) -> Result<PathBuf, String> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let parent = fs::canonicalize(parent).map_err(|error| error.to_string())?;
    if let Some(account) = account {
        account::reaches(account, program, &parent)?;
    }
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = parent.join(format!("stagegate-{}-{count}", std::process::id()));
        let socket = socket_folder(&folder).join(".s.PGSQL.65535");
        let length = socket.as_os_str().len();
        if length > SOCKET_PATH_LIMIT {
            return Err(format!(
                "the path of a socket in it would have {length} bytes, more than the \
                 {SOCKET_PATH_LIMIT} that are sure to work"
            ));
        }
        match DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => return Ok(folder),
            // Left by a process of the same number whose reaper was killed too.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// Where the socket is, within a server's folder.
pub(super) fn socket_folder(folder: &Path) -> PathBuf {
    folder.join("s")
}

fn roomy(folder: &Path) -> bool {
    rustix::fs::statvfs(folder)
        .is_ok_and(|stat| stat.f_bavail.saturating_mul(stat.f_frsize) >= MEMORY_ROOM)
}

/// A folder of ours that outlives the process, for the template; none where there is none to trust.
pub(super) fn cache_folder(wanted: Option<&Path>) -> Option<PathBuf> {
    if let Some(wanted) = wanted {
        return trusted(wanted.to_owned());
    }
    let of = |variable: &str| {
        std::env::var_os(variable)
            .map(PathBuf::from)
            .filter(|folder| folder.is_absolute())
    };
    let uid = rustix::process::geteuid().as_raw();
    [
        of("XDG_CACHE_HOME").map(|folder| folder.join("stagegate")),
        of("HOME").map(|folder| folder.join(".cache/stagegate")),
        Some(std::env::temp_dir().join(format!("stagegate-cache-{uid}"))),
    ]
    .into_iter()
    .flatten()
    .find_map(trusted)
}

/// Makes the folder if need be. Nobody else may own it or write in it: we run what it holds.
fn trusted(folder: PathBuf) -> Option<PathBuf> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .ok()?;
    let metadata = fs::symlink_metadata(&folder).ok()?;
    let ours = metadata.is_dir()
        && metadata.uid() == rustix::process::geteuid().as_raw()
        && metadata.mode() & 0o022 == 0;
    ours.then_some(folder)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_cache_that_others_may_write_is_not_used() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("cache");
        assert_eq!(trusted(folder.clone()), Some(folder.clone()));
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(trusted(folder), None);
    }

    #[test]
    fn a_path_too_long_for_a_socket_is_refused_with_its_length() {
        let parent = tempfile::tempdir().unwrap();
        let long = parent.path().join("x".repeat(90));
        fs::create_dir(&long).unwrap();
        let reason = make_in(&long, None, Path::new("/bin/sh")).unwrap_err();
        assert!(reason.contains("bytes"), "{reason}");
        assert_eq!(fs::read_dir(&long).unwrap().count(), 0);
    }
}
