//! The runbook that is compiled into the program, and writing it out.
//!
//! It is the folder `sql/stage_1_utn_workflow` as it stands in the source, without its demo, read
//! by the same code as any other folder. An existing file is never overwritten.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::MANIFEST;
use super::Runbook;
use super::error::RunbookError;

macro_rules! built_in {
    ($name:literal) => {
        include_str!(concat!("../../sql/stage_1_utn_workflow/", $name))
    };
}

pub(super) const MANIFEST_TEXT: &str = built_in!("runbook.toml");

/// The built-in files by the names that the manifest gives them.
const FILES: &[(&str, &str)] = &[
    (
        "STAGE_1_UTN_WORKFLOW_MIGRATIONS.sql",
        built_in!("STAGE_1_UTN_WORKFLOW_MIGRATIONS.sql"),
    ),
    ("expected_state.sql", built_in!("expected_state.sql")),
    (
        "post_migration_verification.sql",
        built_in!("post_migration_verification.sql"),
    ),
    (
        "rollback/013_integration_receive_serviceops.sql",
        built_in!("rollback/013_integration_receive_serviceops.sql"),
    ),
    (
        "rollback/012_packet_decision.sql",
        built_in!("rollback/012_packet_decision.sql"),
    ),
    (
        "rollback/011_integration_inbox.sql",
        built_in!("rollback/011_integration_inbox.sql"),
    ),
];

pub(super) fn file(name: &str) -> Option<&'static str> {
    FILES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, text)| *text)
}

impl Runbook {
    /// Writes the built-in runbook into `dir`, which is made if it is not there, and says which
    /// files it wrote.
    ///
    /// # Errors
    /// If one of the files exists already (then nothing is written), or cannot be written.
    pub fn export(dir: &Path) -> Result<Vec<PathBuf>, RunbookError> {
        let files = || std::iter::once((MANIFEST, MANIFEST_TEXT)).chain(FILES.iter().copied());
        for (name, _) in files() {
            let path = dir.join(name);
            if path.symlink_metadata().is_ok() {
                return Err(RunbookError::Exists { path });
            }
        }
        let mut written = Vec::new();
        for (name, text) in files() {
            let path = dir.join(name);
            let folder = path.parent().unwrap_or(dir);
            std::fs::create_dir_all(folder).map_err(|error| RunbookError::Unwritable {
                path: folder.to_path_buf(),
                error,
            })?;
            write_new(&path, text)?;
            written.push(path);
        }
        Ok(written)
    }
}

fn write_new(path: &Path, text: &str) -> Result<(), RunbookError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => RunbookError::Exists {
                path: path.to_path_buf(),
            },
            _ => RunbookError::Unwritable {
                path: path.to_path_buf(),
                error,
            },
        })
}
