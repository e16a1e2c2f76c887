//! What the instructions promise of a section, from the manifest's `[[promise]]` tables.
//!
//! A promise that no section of the script can keep is an error: it would be compared with nothing.

use super::Manifest;
use super::page::Page;
use crate::runbook::error::RunbookError;
use crate::runbook::impact::Promise;
use crate::runbook::objects::Sort;
use crate::runbook::script::Script;

/// The promises of `manifest`, each for a section of `script`.
pub(super) fn read_promises(
    page: &Page<'_>,
    manifest: &Manifest,
    script: &Script,
) -> Result<Vec<Promise>, RunbookError> {
    let mut promises: Vec<Promise> = Vec::new();
    for one in &manifest.promise {
        let at = one.section.span().start;
        let section = page.not_empty("section", &one.section)?;
        let adds = [
            (Sort::Table, one.tables),
            (Sort::Column, one.columns),
            (Sort::Index, one.indexes),
            (Sort::Constraint, one.constraints),
            (Sort::Sequence, one.sequences),
            (Sort::Comment, one.comments),
        ];
        let promise = Promise {
            section,
            adds: adds
                .into_iter()
                .filter_map(|(sort, count)| Some((sort, count?)))
                .collect(),
            drops: one.drops,
        };
        let known = promises
            .iter()
            .any(|known| known.section == promise.section);
        let mut titles = script.sections.iter().map(|section| &section.title);
        let message = if known {
            format!("section `{}` has a promise already", promise.section)
        } else if !titles.any(|title| promise.is_of(title)) {
            format!(
                "no section of the script has `{}` in its title",
                promise.section
            )
        } else {
            promises.push(promise);
            continue;
        };
        return Err(page.error(at, Some("section"), message));
    }
    Ok(promises)
}
