//! The checklist: the items that a manifest names, or those of a runbook that names none.

use super::page::Page;
use super::{Manifest, ManifestItem};
use crate::runbook::error::RunbookError;
use crate::runbook::script::Script;
use crate::runbook::{ChecklistItem, ItemKind};

pub(super) fn read_items(
    page: &Page<'_>,
    manifest: &Manifest,
) -> Result<Vec<ChecklistItem>, RunbookError> {
    let mut items: Vec<ChecklistItem> = Vec::new();
    for item in &manifest.checklist {
        let id = page.not_empty("id", &item.id)?;
        let at = item.id.span().start;
        if items.iter().any(|known| known.id == id) {
            let message = format!("a checklist item `{id}` is there already; ids are unique");
            return Err(page.error(at, Some("id"), message));
        }
        let needs = match item.kind {
            ItemKind::Structure if manifest.expected_state.is_none() => Some("expected_state"),
            ItemKind::Rollback if manifest.rollback.is_empty() => Some("rollback"),
            _ => None,
        };
        if let Some(needs) = needs {
            let message = format!("an item of this kind needs the key `{needs}`");
            return Err(page.error(at, Some("checklist"), message));
        }
        let title = page.not_empty("title", &item.title)?;
        items.push(ChecklistItem {
            text: read_attested_text(page, item)?,
            checks: checks(page, item)?,
            ..ChecklistItem::new(&id, &title, item.kind)
        });
    }
    Ok(items)
}

fn read_attested_text(
    page: &Page<'_>,
    item: &ManifestItem,
) -> Result<Option<String>, RunbookError> {
    let Some(text) = &item.text else {
        return Ok(None);
    };
    if item.kind != ItemKind::Attest {
        let message = format!(
            "an item of kind \"{}\" brings its own evidence; a text is for kind = \"attest\"",
            item.kind.word()
        );
        return Err(page.error(text.span().start, Some("text"), message));
    }
    page.not_empty("text", text).map(Some)
}

fn checks(page: &Page<'_>, item: &ManifestItem) -> Result<Option<Script>, RunbookError> {
    match (item.kind == ItemKind::Checks, &item.file) {
        (true, Some(file)) => page.checks("file", file).map(Some),
        (true, None) => {
            let message = "an item of kind \"checks\" needs it: the SQL file whose rows must pass";
            Err(page.error(item.id.span().start, Some("file"), message.to_owned()))
        }
        (false, Some(file)) => {
            let message = format!(
                "an item of kind \"{}\" has no file of its own; a file is for kind = \"checks\"",
                item.kind.word()
            );
            Err(page.error(file.span().start, Some("file"), message))
        }
        (false, None) => Ok(None),
    }
}

/// The checklist of a runbook that brings none of its own.
pub(super) fn where_none<S, R>(expected_state: Option<&S>, rollbacks: &[R]) -> Vec<ChecklistItem> {
    let mut items = vec![
        ChecklistItem::new("review", "The script was read to its end", ItemKind::Review),
        ChecklistItem::new(
            "connection",
            "This is the right server, database and role",
            ItemKind::Connection,
        ),
        ChecklistItem::new(
            "backup",
            "A backup of the database exists",
            ItemKind::Backup,
        ),
    ];
    if expected_state.is_some() {
        let title = "The structure is as the script expects it";
        items.push(ChecklistItem::new("structure", title, ItemKind::Structure));
    }
    if rollbacks.is_empty() {
        let title = "The way back is planned: how to undo this is known";
        items.push(ChecklistItem {
            asks: Some("How is this undone, once it is committed?".to_owned()),
            ..ChecklistItem::new("rollback-plan", title, ItemKind::Attest)
        });
    } else {
        let title = "The way back is planned: the rollback scripts were read";
        items.push(ChecklistItem::new("rollback", title, ItemKind::Rollback));
    }
    items
}
