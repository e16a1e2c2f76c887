//! A column of the script beside the column of the catalog.
//!
//! Types are compared in the server's spelling of both. Where the server did not spell one, another
//! text is told as a difference of the text and no more.

use super::differences::Differences;
use super::{FoundTable, NameExpectedActual};
use crate::inspect::expected::ChangedColumn;
use crate::inspect::{CatalogColumn, kinds};
use crate::runbook::objects::{self, Deed, Expression, Generated, quoted};
use std::collections::HashMap;

pub(super) fn added(
    column: &objects::DeclaredColumn,
    there: &FoundTable<'_>,
    differences: &mut Differences,
) -> NameExpectedActual {
    let own = there.column(&column.name);
    if let Some(own) = own {
        kind(&column.kind, own, there, differences);
        nullable(column.not_null, own, differences);
        generated(column.generated, own, differences);
        if matches!(column.generated, Generated::No) && own.generated.is_empty() {
            let actual = default(own, there);
            differences.expression("default", column.default.as_ref(), actual.as_ref());
        }
    }
    (
        quoted(&column.name),
        declared(column, there.spelt),
        own.map(shown),
    )
}

/// One that was there before, of which the script changes type, default or NOT NULL.
pub(super) fn changed(
    change: &ChangedColumn,
    there: &FoundTable<'_>,
    differences: &mut Differences,
) -> NameExpectedActual {
    let own = there.column(&change.name);
    if let Some(own) = own {
        if let Some(to) = &change.kind {
            kind(to, own, there, differences);
        }
        if let Some(not_null) = change.not_null {
            nullable(not_null, own, differences);
        }
        if let Some(given) = &change.default {
            let actual = default(own, there);
            differences.expression("default", given.as_ref(), actual.as_ref());
        }
    }
    let to = change.kind.iter();
    let mut parts: Vec<String> = to.map(|to| spelling(to, there.spelt)).collect();
    parts.extend(change.not_null.map(|yes| null_word(yes).to_owned()));
    parts.extend(change.default.as_ref().map(|given| match given {
        Some(given) => format!("DEFAULT {}", given.text),
        None => "no default".to_owned(),
    }));
    if parts.is_empty() {
        parts.push("there".into());
    }
    (quoted(&change.name), parts.join(" "), own.map(shown))
}

/// A column of the catalog: its name, and it as it would be declared.
pub(super) fn shown(column: &CatalogColumn) -> (String, String) {
    let text = format!("{} {}", column.kind, column.rest);
    (column.name.clone(), text.trim().to_owned())
}

fn spelling(kind: &str, spelt: &HashMap<String, String>) -> String {
    match spelt.get(kind) {
        Some(spelt) => kinds::whole(kind, spelt),
        None => kind.to_owned(),
    }
}

fn declared(column: &objects::DeclaredColumn, spelt: &HashMap<String, String>) -> String {
    let mut text = spelling(&column.kind, spelt);
    if column.not_null {
        text.push_str(" NOT NULL");
    }
    match (column.generated, &column.default) {
        (Generated::Identity, _) => text.push_str(" GENERATED AS IDENTITY"),
        (Generated::Stored | Generated::Virtual, Some(value)) => {
            text.push_str(&format!(" GENERATED AS ({})", value.text));
        }
        (Generated::Serial, _) => text.push_str(" DEFAULT nextval(its own sequence)"),
        (_, Some(default)) => text.push_str(&format!(" DEFAULT {}", default.text)),
        (_, None) => {}
    }
    text
}

fn kind(wanted: &str, own: &CatalogColumn, there: &FoundTable<'_>, differences: &mut Differences) {
    match there.spelt.get(wanted) {
        Some(spelt) => differences.value("type", &kinds::whole(wanted, spelt), &own.kind),
        // The server did not say how it spells the type, so another text may be the same type.
        None if !wanted.eq_ignore_ascii_case(&own.kind) => differences.text.push(format!(
            "type differs in text: expected {wanted}, actual {}",
            own.kind
        )),
        None => {}
    }
}

fn nullable(not_null: bool, own: &CatalogColumn, differences: &mut Differences) {
    differences.value("it", null_word(not_null), null_word(own.not_null));
}

fn null_word(not_null: bool) -> &'static str {
    match not_null {
        true => "NOT NULL",
        false => "nullable",
    }
}

fn generated(wanted: Generated, own: &CatalogColumn, differences: &mut Differences) {
    let word = match wanted {
        Generated::Identity => "identity",
        Generated::Stored => "stored",
        Generated::Virtual => "virtual",
        Generated::No | Generated::Serial => "given by the writer",
    };
    let actual = match own.generated.as_str() {
        "a" | "d" => "identity",
        "s" => "stored",
        "v" => "virtual",
        _ => "given by the writer",
    };
    differences.value("its value", word, actual);
    let numbered = own
        .default
        .as_ref()
        .is_some_and(|default| default.starts_with("nextval("));
    if wanted == Generated::Serial && !numbered {
        differences
            .sure
            .push("no number of a sequence as its default".into());
    }
}

fn default(own: &CatalogColumn, there: &FoundTable<'_>) -> Option<Expression> {
    let text = own.default.clone()?;
    match there.definition('d', &own.name) {
        Some(Deed::AddColumn(column)) => column
            .default
            .clone()
            .map(|read| Expression { text, ..read }),
        _ => Some(Expression {
            form: text.clone(),
            text,
            volatile: true,
        }),
    }
}
