//! Which results of the script are data, from the manifest's `data_results`: the beginning of each query,
//! so that nothing else is meant when the script has changed.

use super::Manifest;
use super::page::Page;
use crate::runbook::error::RunbookError;
use crate::runbook::reading::DATA_RULE;
use crate::runbook::script::{Fate, Finding, Script};

/// Marks the statements of `script` that the manifest names, and tells each as a finding.
pub(super) fn mark_data(
    page: &Page<'_>,
    manifest: &Manifest,
    script: &mut Script,
) -> Result<(), RunbookError> {
    for one in &manifest.data_results {
        let wanted = spaced(&page.not_empty("data_results", one)?);
        let mut found = Vec::new();
        for statement in &mut script.statements {
            if statement.fate != Fate::Sent || !spaced(&statement.text).starts_with(&wanted) {
                continue;
            }
            statement.is_data = true;
            found.push(Finding {
                source: statement.source,
                line: statement.line,
                statement: Some(statement.number),
                rule: DATA_RULE.to_owned(),
                message:
                    "The runbook says that its rows are data: nothing in them counts as a check, \
                          neither PASS nor FAIL."
                        .to_owned(),
                help: None,
            });
        }
        if found.is_empty() {
            let message = format!("no statement of the script begins with `{wanted}`");
            return Err(page.error(one.span().start, Some("data_results"), message));
        }
        script.findings.add(found);
    }
    Ok(())
}

/// With one space wherever there is white space.
fn spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
