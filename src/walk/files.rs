//! Whether the files that a walk was read from are still what they were.
//!
//! Looked at before a person has the walk go on with them: what was put right on the disk in the
//! meantime is not what would run. Ordinary files only; a pipe would never end.

use crate::runbook::Runbook;
use crate::runbook::printable::hexadecimal;
use crate::runbook::script::Script;
use sha2::{Digest, Sha256};
use std::path::Path;

/// Every file that `runbook` was read from, in words where it is not what it was.
pub(super) fn changed(runbook: &Runbook) -> Vec<String> {
    let scripts = std::iter::once(&runbook.script).chain(runbook.check_files());
    let scripts: Vec<&Script> = scripts.chain(&runbook.rollbacks).collect();
    let sources = scripts.iter().flat_map(|script| &script.sources);
    let sources = sources.chain(&runbook.manifest);
    let sources =
        sources.filter_map(|source| differs(&source.name, source.path.as_deref()?, &source.sha256));
    // What \copy loads was read with the script, and is signed with it.
    let data = scripts.iter().flat_map(|script| &script.data);
    let data = data.filter_map(|file| differs(&file.name, Path::new(&file.name), &file.sha256));
    let mut changed: Vec<String> = Vec::new();
    for told in sources.chain(data) {
        if !changed.contains(&told) {
            changed.push(told);
        }
    }
    changed
}

fn differs(name: &str, path: &Path, was: &str) -> Option<String> {
    let bytes = match path.metadata() {
        Ok(found) if !found.is_file() => return None,
        Ok(_) => std::fs::read(path),
        Err(error) => Err(error),
    };
    match bytes {
        Ok(bytes) => {
            let is = hexadecimal(Sha256::digest(&bytes));
            (is != was).then(|| format!("{name} has changed: its SHA-256 was {was}, and is {is}"))
        }
        Err(error) => Some(format!(
            "{name} cannot be read any more ({error}); its SHA-256 was {was}"
        )),
    }
}
