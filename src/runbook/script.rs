//! One SQL file, psql-compatible, as statements.
//!
//! What reaches the server is the text of the file, byte for byte; nothing here rewrites SQL.

mod late;

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use super::lasting::{self, Lasting};
use super::objects::{self, Change, Objects};
use super::printable::hexadecimal;
use super::text::{CommonText, Passage};
pub use late::{LateFindings, NamedRelation};

/// A script that was read: every statement, and what stands against running it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The file's name as the runbook gives it.
    pub name: String,
    /// The files it was read from: the script itself first, then what `\i` and `\ir` brought in.
    pub sources: Vec<Source>,
    pub sections: Vec<Section>,
    pub statements: Vec<Statement>,
    /// Text of `\echo` and `\qecho`, shown before the statement it precedes.
    pub echoes: Vec<Echo>,
    /// Why `run` would refuse it. Empty for a script that can run.
    pub refusals: Vec<ScriptRefusal>,
    /// [`Script::findings`] has them.
    pub findings: LateFindings,
    /// psql's variables as they were given on the command line, in the order of their names.
    pub variables: Vec<(String, String)>,
    /// The files of data that `\copy` loads.
    pub data: Vec<DataFile>,
    /// What its statements do to the structure, once that was read.
    pub objects: OnceLock<Objects>,
}

/// A file of data, as it was when the script was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFile {
    pub name: String,
    pub text: String,
    /// SHA-256 of its bytes, in lower-case hexadecimal.
    pub sha256: String,
    /// The encoding other than UTF-8 that letters of it are in.
    pub encodings: Vec<&'static str>,
}

/// One file that a script was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub name: String,
    /// Where it lies; `None` for a built-in file.
    pub path: Option<PathBuf>,
    /// It was an ordinary file when it was read: what came through a pipe cannot be read once more.
    pub ordinary: bool,
    /// Its text (invalid UTF-8 replaced; such a file is refused).
    pub text: Arc<str>,
    /// SHA-256 of its bytes, in lower-case hexadecimal.
    pub sha256: String,
    /// The encodings other than UTF-8 that letters of it are in; `text` has them in UTF-8.
    pub encodings: Vec<&'static str>,
    /// What psql's own substitution makes of it.
    pub remarks: Vec<LineRemark>,
}

/// What a line of a file becomes where it is not sent as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineRemark {
    /// Line, from 1.
    pub line: usize,
    pub becomes: Becomes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Becomes {
    /// It is sent as this, with the values of its variables.
    Text(String),
    /// The branch of `\if` behind it is taken.
    Taken,
    /// The branch of `\if` behind it is left out.
    LeftOut,
}

impl LineRemark {
    pub fn words(&self) -> String {
        match &self.becomes {
            Becomes::Text(text) => format!("sent as: {}", text.trim_start()),
            Becomes::Taken => "true: what follows is sent".to_owned(),
            Becomes::LeftOut => "false: what follows is left out".to_owned(),
        }
    }
}

/// A named run of statements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Its title, such as `Migration 011: integration_inbox`.
    pub title: String,
}

/// One statement as psql would send it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its number in the script, from 1. What the gate sends or holds itself has none of its own, but the
    /// number of the one before it, which is 0 at the beginning.
    pub number: usize,
    /// Its section, as an index into [`Script::sections`].
    pub section: Option<usize>,
    /// The file it stands in, as an index into [`Script::sources`].
    pub source: usize,
    /// Line of its first character, from 1.
    pub line: usize,
    /// Column of its first character, in characters from 1.
    pub column: usize,
    /// Where it stands in its file, in bytes; the closing semicolon is left out.
    pub span: Range<usize>,
    /// Its kind in PostgreSQL's words, such as `CREATE INDEX`.
    pub kind: CommonText,
    /// The relation it is about, as the script names it.
    pub relation: NamedRelation,
    /// The text that is sent: the bytes at `span`, but for [`Statement::edits`].
    pub text: Passage,
    /// It goes back to a savepoint, which lets a failed transaction live on: it is sent only when
    /// everything before it is known to have succeeded.
    pub goes_back: bool,
    /// The runbook says that its rows are data.
    pub is_data: bool,
    pub fate: Fate,
    /// `None` where it has nothing of that.
    pub seldom: Option<Box<SeldomParts>>,
}

// A script may have a million of them.
const _: () = assert!(size_of::<Statement>() <= 136);

/// What few of the statements of a long script have, so that the others take no memory for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeldomParts {
    /// The comment that leads it, without comment marks.
    pub comment: Option<Box<str>>,
    /// What it does by a name of its own: the index that it makes, the check that it is.
    pub subject: Option<Box<str>>,
    /// Where psql's own substitution makes the text another than what is written.
    pub edits: Box<[SentEdit]>,
    /// The inline data of COPY … FROM STDIN, in bytes of its file, up to but without `\.`.
    pub copy_data: Option<Range<usize>>,
    /// The file that its data come from, as an index into [`Script::data`].
    pub data_file: Option<usize>,
    /// What of it outlives ROLLBACK, each once.
    pub lasting: Box<[Lasting]>,
}

impl SeldomParts {
    /// For [`Statement::seldom`].
    pub fn if_any(self) -> Option<Box<SeldomParts>> {
        (self != SeldomParts::default()).then(|| Box::new(self))
    }
}

/// A part of a statement that is sent otherwise than it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentEdit {
    /// What is sent, in bytes of the statement's text.
    pub sent: Range<usize>,
    /// In the place of what, in bytes of its file.
    pub written: Range<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fate {
    Sent,
    /// The leading BEGIN: the gate sends its own.
    TakenOver,
    /// The closing COMMIT: held back for the key.
    Held,
    /// The closing ROLLBACK: the run is a rehearsal, and the gate rolls back in any case.
    Ends,
    /// Not sent: a person left it out by an explicit choice.
    LeftOut,
}

impl Fate {
    /// Whether the gate sends or holds it itself, so that it is not numbered.
    pub fn is_the_gates(self) -> bool {
        match self {
            Fate::TakenOver | Fate::Held | Fate::Ends => true,
            Fate::Sent | Fate::LeftOut => false,
        }
    }
}

/// Text that psql would print between statements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Echo {
    /// How many statements stand before it, numbered or not.
    pub behind: usize,
    pub text: String,
}

/// Why a script cannot be run, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptRefusal {
    /// The file, as an index into [`Script::sources`].
    pub source: usize,
    /// Line, from 1.
    pub line: usize,
    /// Column, in characters from 1.
    pub column: usize,
    /// The statement it is about, if it is about one.
    pub statement: Option<usize>,
    /// What is wrong and what to do about it.
    pub reason: String,
}

/// How many lines or statements are named one by one.
const MOST_NAMED: usize = 12;

/// Leaves the first names, and how many more there are.
fn cut(names: &mut Vec<String>) {
    if names.len() > MOST_NAMED {
        let more = names.split_off(MOST_NAMED).len();
        names.push(format!("and {more} more"));
    }
}

/// The reason of the refusal of a file without a statement.
pub(super) const NOTHING_TO_RUN: &str = "there is nothing to run in it; name another file";

/// What the linter says about a place in the script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file, as an index into [`Script::sources`].
    pub source: usize,
    /// Line, from 1.
    pub line: usize,
    /// The statement it stands in, if it does.
    pub statement: Option<usize>,
    /// The rule's name, such as `adding-required-field`.
    pub rule: String,
    pub message: String,
    /// What to do about it, if the linter knows.
    pub help: Option<String>,
}

/// How much of the comment above a block of code names it, in characters.
const DO_WORDS: usize = 70;

impl Statement {
    /// Whether it is of a kind that looks or sets and leaves nothing behind by itself.
    pub fn only_looks(&self) -> bool {
        matches!(self.kind.as_str(), "SELECT" | "SHOW" | "SET" | "VALUES")
    }

    /// What tells it from others of its kind, in a line: its own name, else its relation.
    pub fn about(&self) -> Option<String> {
        match (self.subject(), self.relation()) {
            (Some(name), _) if self.kind == "SELECT" => Some(name.to_string()),
            (Some(name), Some(table)) if *name != **table => Some(format!("{name} on {table}")),
            (Some(name), _) => Some(name.to_string()),
            (None, Some(name)) => Some(name.to_string()),
            // A block of code has no name; what it is for stands above it.
            (None, None) if self.kind == "DO" => {
                let said = self.comment()?.lines().next()?;
                let first = said.split(['.', ';']).next().unwrap_or(said);
                let mut short = String::new();
                for word in first.split_whitespace() {
                    if short.chars().count() + word.chars().count() >= DO_WORDS {
                        break;
                    }
                    let gap = if short.is_empty() { "" } else { " " };
                    short.extend([gap, word]);
                }
                (!short.is_empty()).then_some(short)
            }
            (None, None) => None,
        }
    }

    /// [`SeldomParts::comment`].
    pub fn comment(&self) -> Option<&str> {
        self.seldom.as_ref()?.comment.as_deref()
    }

    /// [`SeldomParts::subject`].
    pub fn subject(&self) -> Option<&str> {
        self.seldom.as_ref()?.subject.as_deref()
    }

    /// [`SeldomParts::edits`].
    pub fn edits(&self) -> &[SentEdit] {
        self.seldom.as_ref().map_or(&[], |seldom| &seldom.edits)
    }

    /// [`SeldomParts::copy_data`].
    pub fn copy_data(&self) -> Option<Range<usize>> {
        self.seldom.as_ref()?.copy_data.clone()
    }

    /// [`SeldomParts::data_file`].
    pub fn data_file(&self) -> Option<usize> {
        self.seldom.as_ref()?.data_file
    }

    /// [`SeldomParts::lasting`].
    pub fn lasting(&self) -> &[Lasting] {
        self.seldom.as_ref().map_or(&[], |seldom| &seldom.lasting)
    }

    /// The relation it is about, as the script names it.
    pub fn relation(&self) -> Option<&CommonText> {
        self.relation.get()
    }

    pub fn own_number(&self) -> Option<usize> {
        (!self.fate.is_the_gates()).then_some(self.number)
    }

    /// Whether the runbook or the comment above it says that its rows are data, whatever they look like.
    pub fn returns_data(&self) -> bool {
        if self.is_data {
            return true;
        }
        let comment = self.comment().unwrap_or_default();
        comment.lines().any(|line| {
            let (who, what) = line.split_once(':').unwrap_or_default();
            who.trim().eq_ignore_ascii_case("stagegate") && what.trim().eq_ignore_ascii_case("data")
        })
    }
}

impl Source {
    /// That it is not sent byte for byte, where it is in another encoding than UTF-8.
    pub fn encoding_in_words(&self) -> Option<String> {
        let named = self.encodings.join(" and ");
        (!named.is_empty())
            .then(|| format!("read as {named}, sent as UTF-8 (to a SQL_ASCII database as it is)"))
    }
}

impl Script {
    /// A script of which nothing was read yet.
    pub(super) fn of(name: String, variables: Vec<(String, String)>) -> Script {
        Script {
            name,
            sources: Vec::new(),
            sections: Vec::new(),
            statements: Vec::new(),
            echoes: Vec::new(),
            refusals: Vec::new(),
            findings: LateFindings::default(),
            variables,
            data: Vec::new(),
            objects: OnceLock::new(),
        }
    }

    /// Where the statement with this number stands in [`Script::statements`].
    pub fn index_of(&self, number: usize) -> Option<usize> {
        let at = (self.statements).partition_point(|statement| statement.number < number);
        let there = self.statements.get(at)?;
        (there.number == number && number > 0).then_some(at)
    }

    pub fn statement(&self, number: usize) -> Option<&Statement> {
        self.statements.get(self.index_of(number)?)
    }

    pub fn last_number(&self) -> usize {
        self.statements.last().map_or(0, |last| last.number)
    }

    /// The encodings other than UTF-8 that letters of its files are in.
    pub fn encodings(&self) -> Vec<&'static str> {
        let all = self.sources.iter().flat_map(|source| &source.encodings);
        let all = all.chain(self.data.iter().flat_map(|file| &file.encodings));
        let mut names: Vec<&'static str> = all.copied().collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The statements that are sent in the held transaction, in order.
    pub fn sent(&self) -> impl Iterator<Item = &Statement> {
        self.statements.iter().filter(|s| s.fate == Fate::Sent)
    }

    /// What a statement does to the structure, where that was read already.
    pub fn changes_of(&self, statement: &Statement) -> &[Change] {
        let read = self.objects.get().map(|objects| objects.changes.as_slice());
        objects::changes_of(read.unwrap_or_default(), statement.number)
    }

    /// What of it outlives ROLLBACK, each kind once, with the lines of the statements.
    pub fn lasting(&self) -> Vec<(&Lasting, Vec<usize>)> {
        let mut found: BTreeMap<&Lasting, Vec<usize>> = BTreeMap::new();
        for statement in self.sent() {
            for lasts in statement.lasting() {
                found.entry(lasts).or_default().push(statement.line);
            }
        }
        found.into_iter().collect()
    }

    /// The closing ROLLBACK, where its author wants a rehearsal.
    pub fn closing_rollback(&self) -> Option<&Statement> {
        self.statements
            .last()
            .filter(|last| last.fate == Fate::Ends)
    }

    /// Why it cannot be run a second time after a ROLLBACK, in words; `None` where it can: what
    /// outlives ROLLBACK would happen twice.
    pub fn runs_once(&self) -> Option<String> {
        let lasting = self.lasting();
        let (first, lines) = lasting.first()?;
        let at = lines.first().copied().unwrap_or_default();
        let mut text = format!("line {at}, {}: {}", first.by, first.beyond.words());
        if lasting.len() > 1 {
            text.push_str(&format!("; and {} more", lasting.len() - 1));
        }
        Some(text)
    }

    /// Which of its results are called data, in words; `None` where none is.
    pub fn data_in_words(&self) -> Option<String> {
        let data = self.sent().filter(|statement| statement.returns_data());
        let mut numbers: Vec<String> = data.map(|one| one.number.to_string()).collect();
        let noun = match numbers.len() {
            0 => return None,
            1 => "statement",
            _ => "statements",
        };
        cut(&mut numbers);
        Some(format!(
            "the rows of {noun} {} are called data and count as no check",
            numbers.join(", ")
        ))
    }

    /// Whether it was read whole, and there is no statement in it to be sent.
    pub fn does_nothing(&self) -> bool {
        let refused_for_that = |refusal: &ScriptRefusal| refusal.reason == NOTHING_TO_RUN;
        self.sent().next().is_none() && self.refusals.iter().all(refused_for_that)
    }

    pub fn copy_data(&self, statement: &Statement) -> Option<&str> {
        if let Some(file) = statement.data_file() {
            return Some(self.data.get(file)?.text.as_str());
        }
        let range = statement.copy_data()?;
        self.sources.get(statement.source)?.text.get(range)
    }

    pub fn section_title(&self, statement: &Statement) -> Option<&str> {
        Some(self.sections.get(statement.section?)?.title.as_str())
    }

    /// The findings as a person weighs them: what one rule says of one statement is one, however
    /// many places it names; so is what outlives ROLLBACK in the same way in many statements.
    pub fn findings_by_statement(&self) -> Vec<Vec<&Finding>> {
        let mut groups: Vec<Vec<&Finding>> = Vec::new();
        let mut known: HashMap<(&str, &str, usize, usize), usize> = HashMap::new();
        for finding in self.findings() {
            let Some(statement) = finding.statement else {
                groups.push(vec![finding]);
                continue;
            };
            let (rule, message) = (finding.rule.as_str(), finding.message.as_str());
            let statement = match rule == lasting::RULE {
                true => 0,
                false => statement,
            };
            let at = *known
                .entry((rule, message, finding.source, statement))
                .or_insert(groups.len());
            match groups.get_mut(at) {
                Some(group) => group.push(finding),
                None => groups.push(vec![finding]),
            }
        }
        groups
    }

    fn in_words(&self, group: &[&Finding]) -> Option<String> {
        let first = group.first()?;
        let mut lines: Vec<String> = group.iter().map(|f| f.line.to_string()).collect();
        lines.dedup();
        let file = match (first.source, self.sources.get(first.source)) {
            (0, _) | (_, None) => String::new(),
            (_, Some(source)) => format!("{}, ", source.name),
        };
        let noun = if lines.len() == 1 { "line" } else { "lines" };
        cut(&mut lines);
        let help = first
            .help
            .as_ref()
            .map_or_else(String::new, |help| format!(" {help}"));
        Some(format!(
            "{file}{noun} {}: {}{help} ({})",
            lines.join(", "),
            first.message,
            first.rule
        ))
    }

    /// SHA-256 over the hashes of all its files, of data too, and the variables of the command line, or of the one
    /// file where there is nothing else.
    pub fn sha256(&self) -> String {
        use sha2::{Digest, Sha256};
        let (data, variables) = (self.data.as_slice(), self.variables.as_slice());
        match (self.sources.as_slice(), data, variables) {
            ([only], [], []) => only.sha256.clone(),
            (many, data, variables) => {
                let mut hash = Sha256::new();
                for source in many {
                    hash.update(source.sha256.as_bytes());
                }
                for file in data {
                    hash.update(format!("\\copy {}", file.sha256));
                }
                for (name, value) in variables {
                    hash.update(format!(
                        "-v {}:{name}={}:{value}\n",
                        name.len(),
                        value.len()
                    ));
                }
                hexadecimal(hash.finalize())
            }
        }
    }

    /// SHA-256 of what a person reads of it: [`Script::sha256`], with which of its statements are left out
    /// by choice where some are.
    pub fn sha256_as_read(&self) -> String {
        use sha2::{Digest, Sha256};
        let left_out = |statement: &&Statement| statement.fate == Fate::LeftOut;
        let mut left_out = self.statements.iter().filter(left_out).peekable();
        if left_out.peek().is_none() {
            return self.sha256();
        }
        let mut hash = Sha256::new();
        hash.update(self.sha256());
        for statement in left_out {
            hash.update(format!(" without {}", statement.number));
        }
        hexadecimal(hash.finalize())
    }
}

#[cfg(test)]
mod tests;
