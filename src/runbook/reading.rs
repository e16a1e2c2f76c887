//! From bytes to a [`Script`]: statements, sections, fates, and what stands against running it.
//!
//! Total: whatever is wrong with a file becomes a refusal with its place, and every statement is
//! listed all the same, so that a person sees what was refused. Only files are read here; a
//! refused script must never look like one that can run.

mod halves;
mod meta_commands;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::admission::{self, Admission};
use super::classify::{self, Words};
use super::lasting::{self, Made};
use super::lexer::Lexeme;
use super::lint;
use super::meta;
use super::places::Places;
use super::printable::printable;
use super::scanner::{Item, Open, Piece, Scanner};
use super::script::{Fate, Finding, NOTHING_TO_RUN, Refusal, Script, Section, Source, Statement};
use super::sections;
use super::setting;
use halves::Half;

/// How deep files may include one another.
const INCLUDE_DEPTH: usize = 16;

/// How many bytes a script may have with all that it includes, in bytes. A larger one is data,
/// not something that a person reviews.
const SCRIPT_LIMIT: usize = 64 << 20;

impl Script {
    /// Reads a script. Never fails: what is wrong with it is in [`Script::refusals`].
    ///
    /// `path` is where it lies, for `\ir` and for messages; `None` for a built-in file, which
    /// can include nothing.
    pub fn read(name: &str, path: Option<&Path>, bytes: &[u8]) -> Script {
        let mut reading = Reading {
            script: Script {
                name: name.to_owned(),
                sources: Vec::new(),
                sections: Vec::new(),
                statements: Vec::new(),
                echoes: Vec::new(),
                refusals: Vec::new(),
                findings: Vec::new(),
            },
            open_files: Vec::new(),
            bytes: 0,
            variables: BTreeMap::new(),
            admissions: Vec::new(),
            blanks: Vec::new(),
            own_findings: Vec::new(),
            restricted: None,
            made: Made::default(),
            halves: Vec::new(),
        };
        reading.file(name.to_owned(), path, bytes);
        reading.settle_fates();
        reading.refuse_nothing();
        reading.tell_halves();
        let blanks = std::mem::take(&mut reading.blanks);
        let own_findings = std::mem::take(&mut reading.own_findings);
        let mut script = reading.script;
        script
            .refusals
            .sort_by_key(|refusal| (refusal.source, refusal.line, refusal.column));
        lint::parse(&mut script, &blanks);
        script.findings.extend(own_findings);
        script
            .findings
            .sort_by_key(|finding| (finding.source, finding.line));
        script
    }

    /// Line and column, from 1, of the character `position` (from 1, as PostgreSQL counts in its
    /// errors) of a statement's text.
    pub fn place(&self, statement: &Statement, position: usize) -> Option<(usize, usize)> {
        let ahead: String = statement
            .text
            .chars()
            .take(position.saturating_sub(1))
            .collect();
        Some(match ahead.rsplit_once('\n') {
            None => (statement.line, statement.column + ahead.chars().count()),
            Some((lines, last)) => (
                statement.line + 1 + lines.matches('\n').count(),
                last.chars().count() + 1,
            ),
        })
    }
}

/// What a person has to know of a statement whose rows are no checks.
const DATA: &str = "The comment above it says that its rows are data: nothing in them counts as a \
                    check, neither PASS nor FAIL.";

/// A script that is being read.
struct Reading {
    script: Script,
    /// The files that are being read, outermost first, to find cycles.
    open_files: Vec<PathBuf>,
    bytes: usize,
    /// What `\set` has set.
    variables: BTreeMap<String, String>,
    /// How each statement stands to the transaction.
    admissions: Vec<Admission>,
    /// What the linter must not see: source and bytes.
    blanks: Vec<(usize, Range<usize>)>,
    /// What is to be said of the script besides what the linter says.
    own_findings: Vec<Finding>,
    /// The key of `\restrict`: until it is given back, psql takes no other meta-command.
    restricted: Option<String>,
    /// The functions and sequences that the statements so far make.
    made: Made,
    /// Where comments say that a half of a migration begins.
    halves: Vec<Half>,
}

/// The file at hand.
struct File<'a> {
    source: usize,
    bytes: &'a [u8],
    places: Places,
    path: Option<&'a Path>,
    /// The line on which the last statement ended.
    last_line: Option<usize>,
}

/// As text of the same length, so that places in it are places in the file.
fn text_of(bytes: &[u8]) -> (String, Option<usize>) {
    let mut text = String::with_capacity(bytes.len());
    let mut first_bad = None;
    let mut at = 0;
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        at += chunk.valid().len();
        if !chunk.invalid().is_empty() {
            first_bad.get_or_insert(at);
            text.extend(chunk.invalid().iter().map(|_| '?'));
            at += chunk.invalid().len();
        }
    }
    (text, first_bad)
}

impl Reading {
    fn file(&mut self, name: String, path: Option<&Path>, bytes: &[u8]) {
        let source = self.script.sources.len();
        let (text, first_bad) = text_of(bytes);
        self.bytes += bytes.len();
        let file = File {
            source,
            bytes,
            places: Places::new(&text),
            path,
            last_line: None,
        };
        self.script.sources.push(Source {
            name,
            path: path.map(Path::to_path_buf),
            text,
            sha256: Sha256::digest(bytes)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        });
        if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
            let reason = "this is UTF-16; convert the file to UTF-8";
            self.refuse(&file, 0, None, reason.to_owned());
            return;
        }
        if let Some(at) = first_bad {
            let reason = "this is not UTF-8; convert the file to UTF-8";
            self.refuse(&file, at, None, reason.to_owned());
        }
        if let Some(at) = bytes.iter().position(|&byte| byte == 0) {
            let reason = "a NUL byte cannot be sent to PostgreSQL; remove it";
            self.refuse(&file, at, None, reason.to_owned());
        }
        if bytes.starts_with(b"PGDMP") {
            let reason = "this is a custom-format dump, not SQL; pg_restore turns it into SQL";
            self.refuse(&file, 0, None, reason.to_owned());
        }
        self.items(file);
    }

    fn items(&mut self, mut file: File<'_>) {
        let mut scanner = Scanner::new(file.bytes);
        while let Some(item) = scanner.next() {
            match item {
                Item::Statement(piece) => {
                    let words = Words::new(file.bytes, &piece.tokens);
                    if let Some(on) = admission::sets_standard_strings(words) {
                        scanner.set_standard_strings(on);
                    }
                    self.statement(&mut file, &piece);
                }
                Item::Meta(command) => self.meta_command(&mut file, &command),
                Item::End { comments, open } => {
                    self.comments(&mut file, &comments, None);
                    if let Some((what, at)) = open {
                        self.refuse(&file, at, None, never_ends(what));
                    }
                }
            }
        }
    }

    /// A file with nothing to send: who named it meant another one.
    fn refuse_nothing(&mut self) {
        let script = &mut self.script;
        if script.refusals.is_empty() && script.sent().next().is_none() {
            script.refusals.push(Refusal {
                source: 0,
                line: 1,
                column: 1,
                statement: None,
                reason: NOTHING_TO_RUN.to_owned(),
            });
        }
    }

    fn refuse(&mut self, file: &File<'_>, at: usize, statement: Option<usize>, reason: String) {
        let (line, column) = self.place(file, at);
        self.script.refusals.push(Refusal {
            source: file.source,
            line,
            column,
            statement,
            reason,
        });
    }

    fn place(&self, file: &File<'_>, at: usize) -> (usize, usize) {
        let text = self
            .script
            .sources
            .get(file.source)
            .map(|s| s.text.as_str());
        file.places.place(text.unwrap_or_default(), at)
    }

    /// Sections start in comments; what is left may lead a statement on line `before`.
    fn comments(
        &mut self,
        file: &mut File<'_>,
        comments: &[Range<usize>],
        before: Option<usize>,
    ) -> Option<String> {
        let source = self.script.sources.get(file.source)?;
        for range in comments {
            let text = source.text.get(range.clone()).unwrap_or_default();
            let first = file.places.line(range.start);
            self.halves.extend(halves::find(text, file.source, first));
        }
        let line_of = |at| file.places.line(at);
        let said = sections::read(&source.text, comments, line_of, file.last_line, before);
        for title in said.titles {
            // A section without statements is a heading that another one follows.
            let used = self.script.statements.last().and_then(|s| s.section);
            if self.script.sections.len() > used.map_or(0, |section| section + 1) {
                self.script.sections.pop();
            }
            self.script.sections.push(Section { title });
        }
        said.comment
    }

    fn statement(&mut self, file: &mut File<'_>, piece: &Piece) {
        let number = self.script.statements.len() + 1;
        let (line, column) = self.place(file, piece.span.start);
        let comment = self.comments(file, &piece.comments, Some(line));
        let words = Words::new(file.bytes, &piece.tokens);
        let text = self.sent_text(file.source, piece);
        self.refuse_what_cannot_be_sent(file, piece, number);
        self.admissions.push(admission::of(words));
        if let Some(data) = &piece.copy_data {
            self.blanks.push((file.source, data.clone()));
        }
        file.last_line = Some(file.places.line(piece.span.end));
        let changed = setting::limits_changed(words, &text);
        let kind = classify::kind(words);
        let lasting = self.made.read(&text, &kind);
        let statement = Statement {
            number,
            section: self.script.sections.len().checked_sub(1),
            source: file.source,
            line,
            column,
            span: piece.span.clone(),
            comment,
            kind,
            relation: classify::relation_in_words(words),
            text,
            copy_data: piece.copy_data.clone(),
            fate: Fate::Sent,
            lasting,
        };
        let data = statement.returns_data().then(|| DATA.to_owned());
        let stays = statement.lasting.iter();
        let rules = [("changes-a-limit", changed), ("result-is-data", data)].into_iter();
        let rules = rules
            .filter_map(|(rule, message)| Some((rule, message?)))
            .chain(stays.map(|lasts| (lasting::RULE, lasts.message())));
        self.own_findings
            .extend(rules.map(|(rule, message)| Finding {
                source: file.source,
                line,
                statement: Some(number),
                rule: rule.to_owned(),
                message,
                help: None,
            }));
        self.script.statements.push(statement);
    }

    /// The text that psql would send: the bytes at the span, without what psql takes out.
    fn sent_text(&self, source: usize, piece: &Piece) -> String {
        let text = self
            .script
            .sources
            .get(source)
            .map_or("", |source| source.text.as_str());
        let mut sent = String::with_capacity(piece.span.len());
        let mut from = piece.span.start;
        for cut in &piece.cuts {
            sent.push_str(text.get(from..cut.start).unwrap_or_default());
            from = cut.end.max(from);
        }
        sent.push_str(text.get(from..piece.span.end).unwrap_or_default());
        sent
    }

    fn refuse_what_cannot_be_sent(&mut self, file: &File<'_>, piece: &Piece, number: usize) {
        if let Some((what, at)) = piece.open {
            self.refuse(file, at, Some(number), never_ends(what));
        }
        if piece.spans_data {
            let reason = "the statement starts on the line of a COPY and goes on behind its data; \
                          start it on a line of its own";
            self.refuse(file, piece.span.start, Some(number), reason.to_owned());
        }
        if let Some(at) = admission::end_inside(Words::new(file.bytes, &piece.tokens)) {
            self.refuse(file, at, Some(number), several_commands(file.bytes.get(at)));
        }
        for token in &piece.tokens {
            let control = file.bytes.get(token.range.start).copied();
            if let Some(control) = control.filter(|byte| byte.is_ascii_control()) {
                self.refuse(file, token.range.start, Some(number), no_space(control));
            }
            if token.kind != Lexeme::Variable {
                continue;
            }
            let bytes = file.bytes.get(token.range.clone()).unwrap_or_default();
            let written = String::from_utf8_lossy(bytes);
            let name = written.trim_matches(|c| ":'\"{?}".contains(c));
            let substituted = self.variables.contains_key(name) || meta::set_by_psql(name);
            if substituted || written.starts_with(":{?") {
                let reason = format!(
                    "psql would put the value of a variable in the place of {}; statements are \
                     sent as they are written here: write the value",
                    printable(&written)
                );
                self.refuse(file, token.range.start, Some(number), reason);
            }
        }
    }

    /// What becomes of BEGIN and COMMIT depends on where they stand.
    fn settle_fates(&mut self) {
        let admissions = std::mem::take(&mut self.admissions);
        let last = admissions.len().saturating_sub(1);
        let mut only_settings = true;
        for (index, admission) in admissions.into_iter().enumerate() {
            let Some(statement) = self.script.statements.get_mut(index) else {
                continue;
            };
            let reason = match admission {
                Admission::Inside => {
                    only_settings &= statement.kind == "SET";
                    continue;
                }
                Admission::Begin if only_settings => {
                    statement.fate = Fate::TakenOver;
                    only_settings = false;
                    continue;
                }
                Admission::Commit if index == last => {
                    statement.fate = Fate::Held;
                    continue;
                }
                Admission::Begin => {
                    "the whole script is one transaction, which the gate opens; only a BEGIN \
                     before all other statements is taken over: remove this one"
                        .to_owned()
                }
                Admission::Commit => {
                    "a COMMIT before the end would take the decision away; remove it, or make \
                     several scripts. Only one that is the last statement is held for the gate"
                        .to_owned()
                }
                Admission::Refused(reason) => reason,
            };
            let refusal = Refusal {
                source: statement.source,
                line: statement.line,
                column: statement.column,
                statement: Some(statement.number),
                reason,
            };
            self.script.refusals.push(refusal);
        }
    }
}

/// Why what stands at a semicolon's place is no single command.
fn several_commands(at: Option<&u8>) -> String {
    match at {
        Some(b'\\') => {
            "statements that are joined by \\; reach the server as one string; here each of them \
             goes by itself: end each with a semicolon"
        }
        _ => {
            "a command ends here for the server, but not for psql, which takes a word before it \
             for the BEGIN of a body and would send what follows with it; quote the name \
             \"begin\", or write BEGIN ATOMIC"
        }
    }
    .to_owned()
}

/// Why a control character cannot stand outside of quotes.
fn no_space(control: u8) -> String {
    match control {
        0x0b => {
            "a vertical tab is white space to PostgreSQL 16 and later, and to no server before; \
                 write a space"
                .to_owned()
        }
        other => format!("the control character U+{other:04X} is no part of SQL; remove it"),
    }
}

fn never_ends(what: Open) -> String {
    match what {
        Open::String => "the string that starts here never ends; close its quote",
        Open::QuotedName => "the quoted name that starts here never ends; close its quote",
        Open::Comment => "the comment that starts here never ends; close it with */",
        Open::Parenthesis => {
            "the parenthesis that opens here never closes, so the statement runs to the end of \
             the file; close it"
        }
        Open::RoutineBody => {
            "the BEGIN of the body that starts here has no END, so the statement runs to the end \
             of the file; end it"
        }
        Open::CopyData => "the data of COPY that starts here never ends; end it with a line \\.",
    }
    .to_owned()
}
