//! Expected beside actual: each object that the script leaves on a table, held against the catalog.
//!
//! The server's definitions are read by the same reading as the script's. Where two expressions
//! differ only in their text, that is what is said, and as a warning: the server rewrites
//! expressions, so a difference of the text need be none of the meaning.

use super::expected::{Expectation, Wanted};
use super::{Column, Found, Part, Table, kinds};
use crate::runbook::objects::{
    self, Constraint, ConstraintKind, Deed, Expression, Generated, Index, Name, Sort, quoted,
};
use std::collections::{BTreeSet, HashMap};

/// How an object stands to what the script makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mark {
    /// As the script leaves it.
    Same,
    /// It is there, and not as the script leaves it.
    Differs,
    /// An expression of it has another text, which need not be another meaning.
    Text,
    /// It is not there.
    Missing,
    /// The script gives it no name, and what is there has another text: it may be it.
    Unsure,
    /// The script drops it, and it is there.
    StillThere,
}

/// An object, expected beside actual.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// The table as the catalog or the script names it; empty where it is not known.
    pub table: String,
    /// The section of the script that leaves it so, as an index.
    pub section: Option<usize>,
    /// What kind of object.
    pub sort: Sort,
    /// The script adds it; otherwise it was there before, and is changed or dropped.
    pub added: bool,
    /// Its name, or words for one that has none.
    pub name: String,
    /// What the script leaves.
    pub expected: String,
    /// What is there.
    pub actual: Option<String>,
    /// How the two stand to one another.
    pub mark: Mark,
    /// What differs, in words.
    pub why: Vec<String>,
}

/// Everything that was held against one another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// Each object of the script.
    pub rows: Vec<Compared>,
    /// Which of what is there a row tells of: the table, and kind and name.
    pub told: BTreeSet<(String, String)>,
}

/// The definitions of the server, read.
type Read = HashMap<(String, String), Deed>;

/// Holds every expectation against the tables; `spelt` is the server's spelling of each type.
pub(super) fn compare(
    expectations: &[Expectation],
    tables: &[Table],
    spelt: &HashMap<String, String>,
) -> Comparison {
    let read = definitions(tables);
    let mut comparison = Comparison::default();
    for expectation in expectations {
        let of_table = |table: &&Table| {
            let own = Name::parse(&table.name);
            match (&expectation.table, &table.found) {
                (Some(name), _) => own.is_some_and(|own| own.fits(name)),
                // An index that is dropped by its name alone: where it is.
                (None, Some(found)) => found
                    .indexes
                    .iter()
                    .any(|index| Some(index.name.as_str()) == expectation.wanted.name()),
                (None, None) => false,
            }
        };
        let table = tables.iter().find(of_table);
        let place = match (table, &expectation.table) {
            (Some(table), _) => table.name.clone(),
            (None, Some(name)) => name.to_string(),
            (None, None) => String::new(),
        };
        let found = table.and_then(|table| table.found.as_ref());
        let held = hold(&expectation.wanted, &place, found, &read, spelt);
        if let Some(name) = held.actual_name {
            let sort = expectation.wanted.sort();
            comparison
                .told
                .insert((place.clone(), format!("{} {name}", sort.word())));
        }
        comparison.rows.push(Compared {
            table: place,
            section: expectation.section,
            sort: expectation.wanted.sort(),
            added: !matches!(
                expectation.wanted,
                Wanted::Changed { .. } | Wanted::Gone(..)
            ),
            name: held.name,
            expected: held.expected,
            actual: held.actual,
            mark: held.mark,
            why: held.why,
        });
    }
    comparison
}

/// The server's definitions of all indexes and constraints, by table and name.
fn definitions(tables: &[Table]) -> Read {
    let mut names = Vec::new();
    let mut texts = Vec::new();
    for table in tables {
        let Some(found) = &table.found else { continue };
        for index in &found.indexes {
            names.push((table.name.clone(), format!("i {}", index.name)));
            texts.push(index.definition.clone());
        }
        for constraint in &found.constraints {
            names.push((table.name.clone(), format!("c {}", constraint.name)));
            texts.push(format!(
                "ALTER TABLE {} ADD CONSTRAINT {} {}",
                table.name,
                quoted(&constraint.name),
                constraint.definition
            ));
        }
        for column in &found.columns {
            if let Some(default) = &column.default {
                names.push((table.name.clone(), format!("d {}", column.name)));
                texts.push(format!(
                    "ALTER TABLE t ADD COLUMN c text DEFAULT ({default})"
                ));
            }
        }
    }
    let read = objects::definitions(&texts);
    let read = names.into_iter().zip(read);
    read.filter_map(|(name, deed)| Some((name, deed?)))
        .collect()
}

/// An expectation, held against what is there.
struct Held {
    name: String,
    expected: String,
    actual: Option<String>,
    actual_name: Option<String>,
    mark: Mark,
    why: Vec<String>,
}

/// What differs: surely, or only in its text.
#[derive(Default)]
struct Differences {
    sure: Vec<String>,
    text: Vec<String>,
}

impl Differences {
    fn value(&mut self, what: &str, expected: &str, actual: &str) {
        if expected != actual {
            let words = format!("{what} is {actual}, expected {expected}");
            self.sure.push(words);
        }
    }

    fn expression(
        &mut self,
        what: &str,
        expected: Option<&Expression>,
        actual: Option<&Expression>,
    ) {
        match (expected, actual) {
            (None, None) => {}
            (Some(expected), None) => self
                .sure
                .push(format!("no {what}, expected {}", expected.text)),
            (None, Some(actual)) => self
                .sure
                .push(format!("{what} {}, expected none", actual.text)),
            (Some(expected), Some(actual)) => {
                let bare = |one: &Expression| one.form.trim_matches('\'').to_owned();
                if expected.form == actual.form
                    || (is_constant(expected)
                        && is_constant(actual)
                        && bare(expected) == bare(actual))
                {
                    return;
                }
                let (was, is) = (&expected.text, &actual.text);
                if is_plain(expected) && is_plain(actual) {
                    self.sure.push(format!("{what} is {is}, expected {was}"));
                } else {
                    self.text.push(format!(
                        "{what} differs in text: expected {was}, actual {is}"
                    ));
                }
            }
        }
    }
}

fn is_constant(expression: &Expression) -> bool {
    expression.form.starts_with('\'') || is_plain(expression)
}

/// A number or a truth value: two of another text are two.
fn is_plain(expression: &Expression) -> bool {
    matches!(expression.form.as_str(), "true" | "false") || expression.form.parse::<f64>().is_ok()
}

fn hold(
    wanted: &Wanted,
    table: &str,
    found: Option<&Found>,
    read: &Read,
    spelt: &HashMap<String, String>,
) -> Held {
    let mut differences = Differences::default();
    let (name, expected, there) = match wanted {
        Wanted::Column(column) => {
            let there =
                found.and_then(|found| found.columns.iter().find(|one| one.name == column.name));
            if let Some(there) = there {
                kind(&column.kind, there, spelt, &mut differences);
                nullable(column.not_null, there, &mut differences);
                generated(column.generated, there, &mut differences);
                if matches!(column.generated, Generated::No) && there.generated.is_empty() {
                    let actual = default(table, there, read);
                    differences.expression("default", column.default.as_ref(), actual.as_ref());
                }
            }
            (
                quoted(&column.name),
                declared(column, spelt),
                there.map(shown),
            )
        }
        Wanted::Changed {
            name,
            kind: to,
            default: given,
            not_null,
        } => {
            let there = found.and_then(|found| found.columns.iter().find(|one| one.name == *name));
            if let Some(there) = there {
                if let Some(to) = to {
                    kind(to, there, spelt, &mut differences);
                }
                if let Some(not_null) = not_null {
                    nullable(*not_null, there, &mut differences);
                }
                if let Some(given) = given {
                    let actual = default(table, there, read);
                    differences.expression("default", given.as_ref(), actual.as_ref());
                }
            }
            let mut parts: Vec<String> = to.iter().map(|to| spelling(to, spelt)).collect();
            parts.extend(not_null.map(|yes| {
                if yes {
                    "NOT NULL".into()
                } else {
                    "nullable".into()
                }
            }));
            parts.extend(given.as_ref().map(|given| match given {
                Some(given) => format!("DEFAULT {}", given.text),
                None => "no default".to_owned(),
            }));
            if parts.is_empty() {
                parts.push("there".into());
            }
            (quoted(name), parts.join(" "), there.map(shown))
        }
        Wanted::Index(index) => {
            let there = found.and_then(|found| same_index(index, table, found, read));
            if let Some(there) = there {
                troubled(there, &mut differences);
                match read.get(&(table.to_owned(), format!("i {}", there.name))) {
                    Some(Deed::AddIndex(actual)) => compare_index(index, actual, &mut differences),
                    _ => differences
                        .text
                        .push("its definition could not be read".into()),
                }
            }
            let unique = if index.unique { "UNIQUE " } else { "" };
            let name = index.name.as_deref().map_or("an index".to_owned(), quoted);
            let definition = format!("{unique}{}", index.definition);
            (
                name,
                definition,
                there.map(|part| (part.name.clone(), behind_table(&part.definition))),
            )
        }
        Wanted::Constraint(constraint) => {
            let there = found.and_then(|found| same_constraint(constraint, table, found, read));
            if let Some(there) = there {
                if !constraint.not_valid {
                    troubled(there, &mut differences);
                }
                match read.get(&(table.to_owned(), format!("c {}", there.name))) {
                    Some(Deed::AddConstraint(actual)) => {
                        compare_constraint(constraint, actual, &mut differences);
                    }
                    _ => differences
                        .text
                        .push("its definition could not be read".into()),
                }
            }
            let name = constraint.name.as_deref();
            let name = name.map_or_else(|| format!("a {}", constraint.kind.word()), quoted);
            (
                name,
                constraint.definition.clone(),
                there.map(|part| (part.name.clone(), part.definition.clone())),
            )
        }
        Wanted::Gone(sort, name) => return gone(sort, name, found),
    };
    let (actual_name, actual) = there.unzip();
    let candidates = match (&actual, wanted.name(), found) {
        (None, None, Some(found)) => candidates(wanted, table, found),
        _ => Vec::new(),
    };
    if !candidates.is_empty() {
        let candidates = candidates.join(", ");
        return Held {
            name,
            expected,
            actual: None,
            actual_name: None,
            mark: Mark::Unsure,
            why: vec![format!(
                "the script gives it no name; {candidates} may be it, and has another text"
            )],
        };
    }
    let mark = match (
        &actual,
        differences.sure.is_empty(),
        differences.text.is_empty(),
    ) {
        (None, _, _) => Mark::Missing,
        (Some(_), false, _) => Mark::Differs,
        (Some(_), true, false) => Mark::Text,
        (Some(_), true, true) => Mark::Same,
    };
    let mut why = differences.sure;
    why.extend(differences.text);
    Held {
        name,
        expected,
        actual,
        actual_name,
        mark,
        why,
    }
}

fn gone(sort: &Sort, name: &str, found: Option<&Found>) -> Held {
    let part = |parts: &[Part]| {
        let found = parts.iter().find(|part| part.name == name);
        found.map(|part| part.definition.clone())
    };
    let there = found.and_then(|found| match sort {
        Sort::Column => found
            .columns
            .iter()
            .find(|one| one.name == name)
            .map(|one| shown(one).1),
        Sort::Constraint => part(&found.constraints),
        _ => part(&found.indexes),
    });
    Held {
        name: quoted(name),
        expected: "dropped".into(),
        actual_name: there.as_ref().map(|_| name.to_owned()),
        mark: if there.is_some() {
            Mark::StillThere
        } else {
            Mark::Same
        },
        actual: there,
        why: Vec::new(),
    }
}

/// A column of the catalog: its name, and it as it would be declared.
fn shown(column: &Column) -> (String, String) {
    let text = format!("{} {}", column.kind, column.rest);
    (column.name.clone(), text.trim().to_owned())
}

fn spelling(kind: &str, spelt: &HashMap<String, String>) -> String {
    match spelt.get(kind) {
        Some(spelt) => kinds::whole(kind, spelt),
        None => kind.to_owned(),
    }
}

fn declared(column: &objects::Column, spelt: &HashMap<String, String>) -> String {
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

fn kind(
    wanted: &str,
    there: &Column,
    spelt: &HashMap<String, String>,
    differences: &mut Differences,
) {
    match spelt.get(wanted) {
        Some(spelt) => differences.value("type", &kinds::whole(wanted, spelt), &there.kind),
        // The server did not say how it spells the type, so another text may be the same type.
        None if !wanted.eq_ignore_ascii_case(&there.kind) => differences.text.push(format!(
            "type differs in text: expected {wanted}, actual {}",
            there.kind
        )),
        None => {}
    }
}

fn nullable(not_null: bool, there: &Column, differences: &mut Differences) {
    let word = |not_null| if not_null { "NOT NULL" } else { "nullable" };
    differences.value("it", word(not_null), word(there.not_null));
}

fn generated(wanted: Generated, there: &Column, differences: &mut Differences) {
    let word = match wanted {
        Generated::Identity => "identity",
        Generated::Stored => "stored",
        Generated::Virtual => "virtual",
        Generated::No | Generated::Serial => "given by the writer",
    };
    let actual = match there.generated.as_str() {
        "a" | "d" => "identity",
        "s" => "stored",
        "v" => "virtual",
        _ => "given by the writer",
    };
    differences.value("its value", word, actual);
    let numbered = there
        .default
        .as_ref()
        .is_some_and(|default| default.starts_with("nextval("));
    if wanted == Generated::Serial && !numbered {
        differences
            .sure
            .push("no number of a sequence as its default".into());
    }
}

fn default(table: &str, there: &Column, read: &Read) -> Option<Expression> {
    let text = there.default.clone()?;
    match read.get(&(table.to_owned(), format!("d {}", there.name))) {
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

fn troubled(part: &Part, differences: &mut Differences) {
    let trouble = part.trouble.iter();
    differences
        .sure
        .extend(trouble.map(|trouble| format!("it is {trouble}")));
}

/// What stands behind the table's name in the server's definition of an index.
fn behind_table(definition: &str) -> String {
    let unique = if definition.starts_with("CREATE UNIQUE") {
        "UNIQUE "
    } else {
        ""
    };
    match definition.find(" USING ") {
        Some(at) => format!("{unique}{}", definition.get(at + 1..).unwrap_or_default()),
        None => definition.to_owned(),
    }
}

fn same_index<'a>(wanted: &Index, table: &str, found: &'a Found, read: &Read) -> Option<&'a Part> {
    let mut parts = found.indexes.iter();
    match &wanted.name {
        Some(name) => parts.find(|part| part.name == *name),
        // One that the server named itself is known by what it is on.
        None => {
            parts.find(
                |part| match read.get(&(table.to_owned(), format!("i {}", part.name))) {
                    Some(Deed::AddIndex(index)) => {
                        index.keys == wanted.keys && index.unique == wanted.unique
                    }
                    _ => false,
                },
            )
        }
    }
}

/// What the server may have made of an object without a name: named as it names them.
fn candidates(wanted: &Wanted, table: &str, found: &Found) -> Vec<String> {
    let table = Name::parse(table).map_or_else(String::new, |table| table.name);
    let (parts, ending) = match wanted {
        Wanted::Index(_) => (&found.indexes, "_idx"),
        Wanted::Constraint(constraint) => match constraint.kind {
            ConstraintKind::Check => (&found.constraints, "_check"),
            ConstraintKind::Exclude => (&found.constraints, "_excl"),
            // These are known by their columns, whatever their text.
            ConstraintKind::Primary | ConstraintKind::Unique | ConstraintKind::Foreign => {
                return Vec::new();
            }
        },
        Wanted::Column(_) | Wanted::Changed { .. } | Wanted::Gone(..) => return Vec::new(),
    };
    let named = parts.iter().filter(|part| {
        let name = part.name.trim_end_matches(|c: char| c.is_ascii_digit());
        part.name.starts_with(&table) && name.ends_with(ending)
    });
    named.map(|part| quoted(&part.name)).collect()
}

fn compare_index(wanted: &Index, actual: &Index, differences: &mut Differences) {
    let unique = |yes| if yes { "unique" } else { "not unique" };
    differences.value("it", unique(wanted.unique), unique(actual.unique));
    differences.value("its method", &wanted.method, &actual.method);
    let list = |keys: &[String]| format!("({})", keys.join(", "));
    let (keys, own) = (list(&wanted.keys), list(&actual.keys));
    if keys.matches('(').count() > 1 && keys != own {
        differences.text.push(format!(
            "what it is on differs in text: expected {keys}, actual {own}"
        ));
    } else {
        differences.value("it is on: it", &keys, &own);
    }
    differences.value(
        "what it carries",
        &list(&wanted.include),
        &list(&actual.include),
    );
    differences.value("it says: it", &wanted.rest, &actual.rest);
    differences.expression(
        "WHERE",
        wanted.predicate.as_ref(),
        actual.predicate.as_ref(),
    );
}

fn same_constraint<'a>(
    wanted: &Constraint,
    table: &str,
    found: &'a Found,
    read: &Read,
) -> Option<&'a Part> {
    let mut parts = found.constraints.iter();
    match &wanted.name {
        Some(name) => parts.find(|part| part.name == *name),
        None => {
            parts.find(
                |part| match read.get(&(table.to_owned(), format!("c {}", part.name))) {
                    Some(Deed::AddConstraint(actual)) if actual.kind == wanted.kind => match wanted
                        .kind
                    {
                        ConstraintKind::Check | ConstraintKind::Exclude => {
                            let form =
                                |one: &Constraint| one.expression.as_ref().map(|e| e.form.clone());
                            form(actual) == form(wanted)
                        }
                        _ => actual.columns == wanted.columns,
                    },
                    _ => false,
                },
            )
        }
    }
}

fn compare_constraint(wanted: &Constraint, actual: &Constraint, differences: &mut Differences) {
    differences.value("it", wanted.kind.word(), actual.kind.word());
    if wanted.kind != actual.kind {
        return;
    }
    let list = |names: &[String]| {
        let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
        format!("({})", names.join(", "))
    };
    if wanted.kind != ConstraintKind::Check {
        differences.value(
            "it is on: it",
            &list(&wanted.columns),
            &list(&actual.columns),
        );
    }
    if let (Some((to, columns)), Some((other, own))) = (&wanted.references, &actual.references) {
        if !to.fits(other) {
            differences.value("its target", &to.to_string(), &other.to_string());
        }
        // Without columns it leads to the primary key, which the server writes out.
        if !columns.is_empty() {
            differences.value("its target", &list(columns), &list(own));
        }
    }
    let rest = |one: &Constraint| match one.rest.as_str() {
        "" => "nothing more".to_owned(),
        rest => rest.to_owned(),
    };
    differences.value("what it says beside", &rest(wanted), &rest(actual));
    differences.expression(
        "what it holds to",
        wanted.expression.as_ref(),
        actual.expression.as_ref(),
    );
}
