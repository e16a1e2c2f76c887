//! From bytes to a [`Script`]: statements, sections, fates, and what stands against running it.
//!
//! Total: whatever is wrong with a file becomes a refusal with its place, and every statement is
//! listed all the same, so that a person sees what was refused. Only files are read here; a
//! refused script must never look like one that can run.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::admission::{self, Admission};
use super::classify::{self, Words};
use super::lexer::Lexeme;
use super::lint;
use super::meta::{self, Meaning};
use super::places::Places;
use super::printable::printable;
use super::scanner::{Item, MetaCommand, Open, Piece, Scanner};
use super::script::{Echo, Fate, Finding, Refusal, Script, Section, Source, Statement};
use super::sections;
use super::setting;

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
        };
        reading.file(name.to_owned(), path, bytes);
        reading.settle_fates();
        reading.refuse_nothing();
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
                reason: "there is nothing to run in it; name another file".to_owned(),
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
        let statement = Statement {
            number,
            section: self.script.sections.len().checked_sub(1),
            source: file.source,
            line,
            column,
            span: piece.span.clone(),
            comment,
            kind: classify::kind(words),
            relation: classify::relation_in_words(words),
            text,
            copy_data: piece.copy_data.clone(),
            fate: Fate::Sent,
        };
        let data = statement.returns_data().then(|| DATA.to_owned());
        let rules = [("changes-a-limit", changed), ("result-is-data", data)];
        for (rule, message) in rules {
            self.own_findings.extend(message.map(|message| Finding {
                source: file.source,
                line,
                statement: Some(number),
                rule: rule.to_owned(),
                message,
                help: None,
            }));
        }
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

    fn meta_command(&mut self, file: &mut File<'_>, command: &MetaCommand) {
        let (line, _) = self.place(file, command.span.start);
        self.comments(file, &command.comments, Some(line));
        self.blanks.push((file.source, command.span.clone()));
        let shown = printable(&command.name).into_owned();
        let inside = command
            .inside_statement
            .then(|| self.script.statements.len() + 1);
        let refuse = |reading: &mut Reading, reason: String| {
            // `\g` and its like have ended the statement that they belong to.
            let statement = match meta::effect(&command.name) {
                meta::Effect::Send => inside.map(|next| next - 1),
                _ => inside,
            };
            reading.refuse(file, command.span.start, statement, reason);
        };
        match meta::meaning(&command.name, &command.arguments, command.open_quote) {
            Meaning::Refused(reason) => refuse(self, printable(&reason).into_owned()),
            _ if command.inside_statement => refuse(
                self,
                format!(
                    "\\{shown} stands inside a statement; end the statement with a semicolon first"
                ),
            ),
            Meaning::Nothing => {}
            Meaning::Echo(text) => self.script.echoes.push(Echo {
                before: self.script.statements.len() + 1,
                text,
            }),
            Meaning::Set(variable, value) => {
                self.variables.insert(variable, value);
            }
            Meaning::Include(name) => {
                if let Err(reason) = self.include(file, &name, None) {
                    refuse(self, reason);
                }
            }
            Meaning::IncludeRelative(name) => {
                let folder = file.path.and_then(Path::parent);
                if let Err(reason) = self.include(file, &name, folder) {
                    refuse(self, reason);
                }
            }
        }
    }

    fn include(
        &mut self,
        from: &File<'_>,
        name: &str,
        folder: Option<&Path>,
    ) -> Result<(), String> {
        let shown = printable(name).into_owned();
        let Some(own) = from.path else {
            return Err(format!(
                "{shown} is not included: a built-in script stands alone"
            ));
        };
        let path = match folder {
            Some(folder) => folder.join(name),
            None => PathBuf::from(name),
        };
        let known = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let target = known(&path);
        self.open_files.push(known(own));
        let result = if self.open_files.contains(&target) {
            Err(format!(
                "{shown} includes itself, directly or through another file"
            ))
        } else if self.open_files.len() >= INCLUDE_DEPTH {
            Err(format!(
                "files are included more than {INCLUDE_DEPTH} deep; put them into one script"
            ))
        } else {
            match std::fs::read(&path) {
                Err(error) => Err(format!("{shown} cannot be read: {error}")),
                Ok(bytes) if self.bytes + bytes.len() > SCRIPT_LIMIT => Err(format!(
                    "with {shown} the script has more than {} MiB; that is no script to review",
                    SCRIPT_LIMIT >> 20
                )),
                Ok(bytes) => {
                    self.file(name.to_owned(), Some(&path), &bytes);
                    Ok(())
                }
            }
        };
        self.open_files.pop();
        result
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
