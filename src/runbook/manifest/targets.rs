//! The servers that the manifest knows by name: `[[target]]`.
//!
//! A name is typed to let COMMIT through, so no two have the same; one that says nothing about a
//! server would be every server.

use super::Manifest;
use super::page::Page;
use crate::runbook::error::RunbookError;
use crate::runbook::targets::Named;

pub(super) fn read_targets(
    page: &Page<'_>,
    manifest: &Manifest,
) -> Result<Vec<Named>, RunbookError> {
    let mut targets: Vec<Named> = Vec::new();
    for one in &manifest.target {
        let at = one.name.span().start;
        let name = page.not_empty("name", &one.name)?;
        let error = |message: String| Err(page.error(at, Some("name"), message));
        if targets.iter().any(|known| known.name == name) {
            return error(format!("there is a target `{name}` already"));
        }
        if name.trim() != name || name.chars().any(char::is_control) {
            return error("it is typed, so it has no spaces around it".to_owned());
        }
        if one.host.is_none() && one.database.is_none() && one.system_identifier.is_none() {
            return error(
                "it says nothing by which it can be told: give it a host, a database or a \
                 system_identifier"
                    .to_owned(),
            );
        }
        let text = |key, value: &Option<toml::Spanned<String>>| {
            let value = value.as_ref();
            value.map(|value| page.not_empty(key, value)).transpose()
        };
        targets.push(Named {
            host: text("host", &one.host)?,
            port: one.port,
            database: text("database", &one.database)?,
            system_identifier: text("system_identifier", &one.system_identifier)?,
            colour: one.colour,
            name,
        });
    }
    Ok(targets)
}
