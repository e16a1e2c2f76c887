//! Whether the files that a walk was read from are still what they were.
//!
//! Looked at before a person has the walk go on with them: what was put right on the disk in the
//! meantime is not what would run. What is read is ordinary files alone: whoever waited for a pipe that
//! stands in the place of one would let a key wait for ever.

use crate::runbook::Runbook;
use crate::runbook::ordinary::{NOT_ORDINARY, read_ordinary_file};
use crate::runbook::printable::hexadecimal;
use crate::runbook::script::{DataFile, Source};
use sha2::{Digest, Sha256};
use std::path::Path;

/// Every file that text of `runbook` was read from.
fn sources_of(runbook: &Runbook) -> impl Iterator<Item = &Source> {
    let scripts = runbook.scripts();
    scripts
        .flat_map(|script| &script.sources)
        .chain(&runbook.manifest)
}

/// Every file that `runbook` was read from, in words where it is not what it was.
pub(super) fn changed(runbook: &Runbook) -> Vec<String> {
    let sources = sources_of(runbook).filter(|source| source.ordinary);
    let sources =
        sources.filter_map(|source| differs(&source.name, source.path.as_deref()?, &source.sha256));
    // What \copy loads was read with the script, and is signed with it.
    let data = runbook.scripts().flat_map(|script| &script.data);
    let told = |file: &DataFile| differs(&file.name, Path::new(&file.name), &file.sha256);
    let mut changed: Vec<String> = Vec::new();
    for told in sources.chain(data.filter_map(told)) {
        if !changed.contains(&told) {
            changed.push(told);
        }
    }
    changed
}

/// Why the files cannot be read once more, in words; `None` where they can.
pub fn why_not_readable_anew(runbook: &Runbook) -> Option<String> {
    sources_of(runbook).find_map(|source| {
        let path = source.path.as_deref()?;
        match (source.ordinary, path.metadata()) {
            (false, _) => Some(format!(
                "{} came through a pipe, and is not read a second time",
                source.name
            )),
            (true, Ok(found)) if !found.is_file() => {
                Some(format!("{} cannot be read: {NOT_ORDINARY}", source.name))
            }
            // What is not there is told by whoever reads it.
            (true, _) => None,
        }
    })
}

fn differs(name: &str, path: &Path, was: &str) -> Option<String> {
    match read_ordinary_file(path) {
        Ok(bytes) => {
            let is = hexadecimal(Sha256::digest(&bytes));
            (is != was).then(|| format!("{name} has changed: its SHA-256 was {was}, and is {is}"))
        }
        Err(error) => Some(format!(
            "{name} cannot be read any more ({error}); its SHA-256 was {was}"
        )),
    }
}
