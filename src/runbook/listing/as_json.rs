//! The listing as JSON, written a statement at a time.
//!
//! What comes from a file is shown printable here too (I8).

use std::borrow::Cow;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::runbook::Runbook;
use crate::runbook::lasting::Lasting;
use crate::runbook::printable::{printable, printable_lines};
use crate::runbook::script::Script;

/// The runbook as JSON: the script's parts at the top, the other scripts below.
pub fn json(runbook: &Runbook) -> Value {
    serde_json::to_value(Listed::of(runbook)).unwrap_or_default()
}

/// Writes the same, a statement at a time: a long script takes no memory for it.
pub fn write_json(runbook: &Runbook, out: impl std::io::Write) -> std::io::Result<()> {
    serde_json::to_writer_pretty(out, &Listed::of(runbook)).map_err(std::io::Error::from)
}

/// Serializes what an iterator gives, without gathering it.
struct Each<F>(F);

impl<F, I> Serialize for Each<F>
where
    F: Fn() -> I,
    I: Iterator,
    I::Item: Serialize,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}

/// A runbook as it is listed; each field stands where the alphabet puts it.
struct Listed<'r> {
    runbook: &'r Runbook,
    impact: Value,
}

impl<'r> Listed<'r> {
    fn of(runbook: &'r Runbook) -> Listed<'r> {
        Listed {
            runbook,
            impact: runbook.impact().json(),
        }
    }
}

impl Serialize for Listed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Listed { runbook, impact } = self;
        let main = ListedScript(&runbook.script);
        let mut map = serializer.serialize_map(None)?;
        let checklist = Each(|| {
            runbook.items.iter().map(|item| {
                json!({
                    "id": printable(&item.id),
                    "title": printable(&item.title),
                    "kind": item.kind,
                    "text": item.text.as_deref().map(printable_lines),
                    "checks": item.checks.as_ref().map(|script| {
                        serde_json::to_value(ListedScript(script)).unwrap_or_default()
                    }),
                })
            })
        });
        map.serialize_entry("checklist", &checklist)?;
        let database = runbook.expected_database.as_deref().map(printable);
        map.serialize_entry("data", &Each(|| main.data()))?;
        map.serialize_entry("database", &database)?;
        let expected = runbook.expected_state.as_ref().map(ListedScript);
        map.serialize_entry("expected_state", &expected)?;
        map.serialize_entry("findings", &Each(|| main.findings()))?;
        map.serialize_entry("impact", impact)?;
        let after = runbook.post_verification.as_ref().map(ListedScript);
        map.serialize_entry("post_verification", &after)?;
        map.serialize_entry("refusals", &Each(|| main.refusals()))?;
        let rollback = Each(|| runbook.rollbacks.iter().map(ListedScript));
        map.serialize_entry("rollback", &rollback)?;
        map.serialize_entry("script", &printable(&main.0.name))?;
        map.serialize_entry("sha256", &main.0.sha256())?;
        map.serialize_entry("statements", &Each(|| main.statements()))?;
        map.serialize_entry("substituted", &Each(|| main.substituted()))?;
        map.serialize_entry("title", &printable(&runbook.title))?;
        map.serialize_entry("variables", &main.variables())?;
        map.end()
    }
}

/// One statement as it is listed; each field stands where the alphabet puts it.
#[derive(Serialize)]
struct ListedStatement<'s> {
    column: usize,
    end: usize,
    fate: &'static str,
    file: Option<Cow<'s, str>>,
    kind: Cow<'s, str>,
    line: usize,
    number: Option<usize>,
    outlives_rollback: Vec<Value>,
    relation: Option<Cow<'s, str>>,
    section: Option<Cow<'s, str>>,
    start: usize,
    subject: Option<Cow<'s, str>>,
}

struct ListedScript<'s>(&'s Script);

impl<'s> ListedScript<'s> {
    fn file(&self, source: usize) -> Option<Cow<'s, str>> {
        self.0.sources.get(source).map(|file| printable(&file.name))
    }

    fn statements(&self) -> impl Iterator<Item = ListedStatement<'s>> {
        let script = self.0;
        let lasts =
            |lasts: &Lasting| json!({ "by": printable(&lasts.by), "what": lasts.beyond.words() });
        script
            .statements
            .iter()
            .map(move |statement| ListedStatement {
                column: statement.column,
                end: statement.span.end,
                fate: statement.fate.word(),
                file: self.file(statement.source),
                kind: printable(&statement.kind),
                line: statement.line,
                number: statement.own_number(),
                outlives_rollback: statement.lasting().iter().map(lasts).collect(),
                relation: statement.relation().map(|name| printable(name)),
                section: script.section_title(statement).map(printable),
                start: statement.span.start,
                subject: statement.subject().map(printable),
            })
    }

    fn data(&self) -> impl Iterator<Item = Value> {
        self.0.data.iter().map(|file| {
            json!({
                "file": printable(&file.name),
                "sha256": file.sha256,
            })
        })
    }

    /// What psql's own substitution makes of lines.
    fn substituted(&self) -> impl Iterator<Item = Value> {
        self.0.sources.iter().flat_map(|source| {
            source.remarks.iter().map(|remark| {
                json!({
                    "file": printable(&source.name),
                    "line": remark.line,
                    "becomes": printable_lines(&remark.words()),
                })
            })
        })
    }

    fn variables(&self) -> serde_json::Map<String, Value> {
        let variables = self.0.variables.iter();
        variables
            .map(|(name, value)| (printable(name).into_owned(), json!(printable_lines(value))))
            .collect()
    }

    fn refusals(&self) -> impl Iterator<Item = Value> {
        self.0.refusals.iter().map(|refusal| {
            json!({
                "statement": refusal.statement,
                "file": self.file(refusal.source),
                "line": refusal.line,
                "column": refusal.column,
                "reason": printable(&refusal.reason),
            })
        })
    }

    fn findings(&self) -> impl Iterator<Item = Value> {
        self.0.findings().iter().map(|finding| {
            json!({
                "statement": finding.statement,
                "file": self.file(finding.source),
                "line": finding.line,
                "rule": finding.rule,
                "message": printable(&finding.message),
                "help": finding.help.as_deref().map(printable),
            })
        })
    }
}

impl Serialize for ListedScript<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("data", &Each(|| self.data()))?;
        map.serialize_entry("findings", &Each(|| self.findings()))?;
        map.serialize_entry("refusals", &Each(|| self.refusals()))?;
        map.serialize_entry("script", &printable(&self.0.name))?;
        map.serialize_entry("sha256", &self.0.sha256())?;
        map.serialize_entry("statements", &Each(|| self.statements()))?;
        map.serialize_entry("substituted", &Each(|| self.substituted()))?;
        map.serialize_entry("variables", &self.variables())?;
        map.end()
    }
}
