//! How far a section of the script is applied, and what that makes of a difference in it.
//!
//! The checks say it; its objects only where no check does. What is missing or left as it was is a
//! fault only in a section that is applied, wholly or in part.

use crate::inspect::CheckSet;
use crate::inspect::applied::{Extent, migrations};
use crate::inspect::compare::{ComparedObject, Comparison, Mark};
use crate::runbook::Runbook;

/// The word for what is as it was before, where the section is not applied.
pub(super) const NOT_YET: &str = "not yet applied";

/// How far a section of the script is applied: by its checks, or by its objects where no check
/// says so.
pub(in crate::inspect) fn extent(
    runbook: &Runbook,
    sets: &[CheckSet],
    comparison: &Comparison,
    section: Option<usize>,
) -> Extent {
    let title = section.and_then(|at| runbook.script.sections.get(at));
    let by_checks = title.and_then(|section| {
        let words: Vec<&str> = section.title.split([' ', ':', ',']).collect();
        migrations(runbook, sets)
            .into_iter()
            .find(|migration| words.contains(&migration.number.as_str()))
            .map(|migration| migration.extent)
    });
    match by_checks {
        Some(extent @ (Extent::No | Extent::Partly | Extent::Yes)) => extent,
        Some(Extent::Unknown) | None => by_objects(comparison, section),
    }
}

fn by_objects(comparison: &Comparison, section: Option<usize>) -> Extent {
    let own: Vec<Mark> = comparison
        .rows
        .iter()
        .filter(|row| row.section == section && row.added && row.mark != Mark::Unsure)
        .map(|row| row.mark)
        .collect();
    let absent = own.iter().filter(|mark| **mark == Mark::Missing).count();
    match (absent, own.len()) {
        (_, 0) => Extent::Unknown,
        (absent, all) if absent == all => Extent::No,
        (0, _) => Extent::Yes,
        (_, _) => Extent::Partly,
    }
}

/// The word for a row in a section that is applied so far.
pub(in crate::inspect) fn word(row: &ComparedObject, extent: Extent) -> &'static str {
    match (row.mark, extent) {
        (Mark::Differs | Mark::Text, Extent::No) if !row.added => NOT_YET,
        (Mark::Same, _) => "same",
        (Mark::Differs, _) => "DIFFERS",
        (Mark::Text, _) => "differs in text",
        (Mark::Missing | Mark::StillThere | Mark::Unsure, Extent::No) => NOT_YET,
        (Mark::Missing, _) => "MISSING",
        (Mark::Unsure, _) => "not sure",
        (Mark::StillThere, _) => "STILL THERE",
    }
}
