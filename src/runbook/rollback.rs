//! The way back as a runbook of its own: the rollback scripts as one script, for one held
//! transaction.
//!
//! What would be lost is read twice: on the checklist, read-only, before anything is applied, and
//! in the transaction before its first lock. What a person leaves out is never left out silently:
//! it stays in the script as left out, and a WARN among the checks says so wherever checks are shown.
//!
//! A rollback script tells its parts apart by the titles of its sections: `What would be lost …`
//! holds the counts, `What is left …` the checks of the end, and a title that ends with
//! `(if needed)` what a key on the checklist, or `--without-restore`, leaves out.

use super::error::RunbookError;
use super::join::Joined;
use super::script::{Fate, Script, Statement};
use super::variables::quote_literal;
use super::{ChecklistItem, ItemKind, Runbook};

/// How the titles of sections with counts of what would be lost begin, in lower case.
const LOST: &str = "what would be lost";
/// How the titles of sections with checks of the end begin, in lower case.
const LEFT: &str = "what is left";
/// How the titles of sections end that can be left out, in lower case.
const IF_NEEDED: &str = "(if needed)";

/// The item that says what is left out.
const LEFT_OUT: &str = "left-out";

/// Whether a statement is a setting, which what follows may rest on.
fn sets(statement: &Statement) -> bool {
    matches!(statement.kind.as_str(), "SET" | "RESET")
}

fn title(script: &Script, statement: &Statement) -> String {
    let title = script.section_title(statement).unwrap_or_default();
    title.trim().to_lowercase()
}

fn counts_loss(script: &Script, statement: &Statement) -> bool {
    title(script, statement).starts_with(LOST)
}

fn checks_end(script: &Script, statement: &Statement) -> bool {
    title(script, statement).starts_with(LEFT)
}

/// Whether a statement stands in a section that says `(if needed)`.
fn if_needed(script: &Script, statement: &Statement) -> bool {
    title(script, statement).ends_with(IF_NEEDED)
}

/// The number that a script's file name begins with, such as 11 of `rollback/011_inbox.sql`.
fn leading_number(script: &Script) -> Option<(&str, u64)> {
    number_of(&script.name)
}

/// The number that a file name begins with, as it is written there and as a number.
pub fn number_of(name: &str) -> Option<(&str, u64)> {
    let name = name.rsplit(['/', '\\']).next()?;
    let digits = name
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(name.len());
    let digits = name.get(..digits)?;
    Some((digits, digits.parse().ok()?))
}

/// What a script is called in a sentence: its number, or its name where it has none.
fn short(script: &Script) -> &str {
    leading_number(script).map_or(&script.name, |(digits, _)| digits)
}

impl Runbook {
    /// The documented rollback as a runbook: the rollback scripts in their order, up to and
    /// including the one whose file name begins with the number `to`. With `without_restore` the
    /// sections that say `(if needed)` are left out.
    ///
    /// What is wrong with a script is no error here: it is in the script's refusals.
    ///
    /// # Errors
    /// If there is no rollback script, none of that number, or nothing that could be left out.
    pub fn rollback(
        &self,
        to: Option<&str>,
        without_restore: bool,
    ) -> Result<Runbook, RunbookError> {
        let scripts = self.rollbacks_to(to)?;
        let names: Vec<&str> = scripts.iter().map(|script| short(script)).collect();
        let left_out = |script: &Script, statement: &Statement| {
            without_restore && statement.fate == Fate::Sent && if_needed(script, statement)
        };
        let omitted = omissions(&scripts, left_out);
        if without_restore && omitted.is_empty() {
            return Err(RunbookError::NothingToLeaveOut {
                scripts: names.join(", "),
            });
        }
        let mut joined = Joined::new(format!("rollback {}", names.join(", ")));
        let parts: Vec<_> = scripts.iter().map(|script| joined.part(script)).collect();
        let fate = |script: &Script, statement: &Statement| match statement.fate {
            Fate::Sent if left_out(script, statement) => Fate::LeftOut,
            fate => fate,
        };
        // All the counting first, so that nobody waits for it. Not where a setting of one script
        // would then reach into another.
        let movable = !scripts.iter().any(|script| script.sent().any(sets));
        for (part, script) in parts.iter().zip(&scripts).filter(|_| movable) {
            joined.take(*part, |statement| {
                let opens = statement.fate == Fate::TakenOver;
                (opens || counts_loss(script, statement)).then(|| fate(script, statement))
            });
        }
        for (part, script) in parts.iter().zip(&scripts) {
            joined.take(*part, |statement| Some(fate(script, statement)));
            joined.weigh(*part);
        }
        if let Some(sql) = &omitted.sql {
            joined.add("what is left out", sql);
        }
        let preview = checks(
            "what would be lost",
            &scripts,
            &omitted,
            |script, statement| counts_loss(script, statement) && !left_out(script, statement),
        );
        let after = checks("what is left", &scripts, &omitted, |script, statement| {
            checks_end(script, statement) && !left_out(script, statement)
        });
        let whole = scripts.len() == self.rollbacks.len();
        let title = match (whole, without_restore) {
            (true, false) => format!("Rollback of {}", self.title),
            (true, true) => format!("Rollback, restore left out, of {}", self.title),
            (false, false) => format!("Rollback {} of {}", names.join(", "), self.title),
            (false, true) => {
                let names = names.join(", ");
                format!("Rollback {names}, restore left out, of {}", self.title)
            }
        };
        Ok(Runbook {
            items: items(scripts.len(), preview.is_some(), &omitted),
            expected_state: preview,
            post_verification: after,
            ..self.derive(title, joined.script())
        })
    }

    /// What this form of a rollback leaves out, in words.
    pub fn left_out(&self) -> Option<&str> {
        let item = self.items.iter().find(|item| item.id == LEFT_OUT)?;
        Some(&item.title)
    }

    fn rollbacks_to(&self, to: Option<&str>) -> Result<Vec<&Script>, RunbookError> {
        if self.rollbacks.is_empty() {
            return Err(RunbookError::NoRollback);
        }
        let Some(to) = to else {
            return Ok(self.rollbacks.iter().collect());
        };
        let wanted: Option<u64> = to.trim().parse().ok();
        let last = self.rollbacks.iter().position(|script| {
            leading_number(script).is_some_and(|(_, number)| Some(number) == wanted)
        });
        match last {
            Some(last) => Ok(self.rollbacks.iter().take(last + 1).collect()),
            None => Err(RunbookError::NoSuchRollback {
                to: super::printable::printable(to).into_owned(),
                known: self
                    .rollbacks
                    .iter()
                    .map(short)
                    .collect::<Vec<_>>()
                    .join(", "),
            }),
        }
    }
}

/// What a person left out.
struct Omissions {
    sections: Vec<String>,
    sql: Option<String>,
}

impl Omissions {
    fn is_empty(&self) -> bool {
        self.sections.is_empty()
    }
}

fn omissions(scripts: &[&Script], left_out: impl Fn(&Script, &Statement) -> bool) -> Omissions {
    let mut left: Vec<(&Script, &Statement)> = Vec::new();
    for script in scripts {
        let statements = script.statements.iter();
        for statement in statements.filter(|statement| left_out(script, statement)) {
            let known = left
                .iter()
                .any(|(of, s)| of.name == script.name && s.section == statement.section);
            if !known {
                left.push((script, statement));
            }
        }
    }
    // Checks that go with what is left out need no words of their own.
    let acts = |(script, statement): &(&Script, &Statement)| {
        !counts_loss(script, statement) && !checks_end(script, statement)
    };
    if left.iter().any(acts) {
        left.retain(acts);
    }
    let mut sections = Vec::new();
    let mut rows = Vec::new();
    for (script, statement) in left {
        let title = script.section_title(statement).unwrap_or_default();
        let place = format!("{}, line {}", script.name, statement.line);
        rows.push(format!(
            "    ({}, {})",
            quote_literal(&format!("left out: {title}")),
            quote_literal(&format!(
                "by your choice: {place}, and the checks of it; the structure \
                 will not be all of the one before"
            ))
        ));
        sections.push(title.to_owned());
    }
    let sql = (!rows.is_empty()).then(|| {
        format!(
            "SELECT name AS \"check\", 'WARN' AS status, detail\nFROM (VALUES\n{}\n) AS left_out \
             (name, detail);\n",
            rows.join(",\n")
        )
    });
    Omissions { sections, sql }
}

/// A script of checks out of the rollback scripts, with what is left out said; `None` if there is
/// no check.
fn checks(
    name: &str,
    scripts: &[&Script],
    omitted: &Omissions,
    keep: impl Fn(&Script, &Statement) -> bool,
) -> Option<Script> {
    let mut joined = Joined::new(name.to_owned());
    let mut any = false;
    for script in scripts {
        let part = joined.part(script);
        joined.take(part, |statement| {
            let wanted = keep(script, statement);
            any |= wanted;
            (statement.fate == Fate::Sent && (wanted || sets(statement))).then_some(Fate::Sent)
        });
    }
    if !any && omitted.is_empty() {
        return None;
    }
    if let Some(sql) = &omitted.sql {
        joined.add("what is left out", sql);
    }
    Some(joined.script())
}

fn items(scripts: usize, has_preview: bool, omitted: &Omissions) -> Vec<ChecklistItem> {
    let review = match scripts {
        1 => "The rollback script was read to its end".to_owned(),
        2 => "Both rollback scripts were read to their end".to_owned(),
        3 => "All three rollback scripts were read to their end".to_owned(),
        many => format!("All {many} rollback scripts were read to their end"),
    };
    let mut items = vec![
        ChecklistItem::new(
            "backup",
            "A backup that holds what will be dropped exists",
            ItemKind::Backup,
        ),
        ChecklistItem::new("review", &review, ItemKind::Review),
        ChecklistItem::new(
            "connection",
            "This is the right server, database and role",
            ItemKind::Connection,
        ),
    ];
    if has_preview {
        let title = "What would be lost was read";
        items.push(ChecklistItem::new("structure", title, ItemKind::Structure));
    } else {
        let title = "What would be lost is known; the scripts do not count it";
        items.push(ChecklistItem::new("loss", title, ItemKind::Attest));
    }
    if !omitted.is_empty() {
        let title = format!("Left out on purpose: {}", omitted.sections.join("; "));
        items.push(ChecklistItem::new(LEFT_OUT, &title, ItemKind::Attest));
    }
    items
}

#[cfg(test)]
mod tests;
