//! From bytes to a [`Script`]: statements, sections, fates, and what stands against running it.
//!
//! Total: whatever is wrong with a file becomes a refusal with its place, and every statement is
//! listed all the same, so that a person sees what was refused. Only files are read here; a
//! refused script must never look like one that can run.

mod charsets;
mod copying;
mod fates;
mod halves;
mod meta_commands;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::admission::{self, Admission};
use super::classify::{self, Words};
use super::encoding::{Charset, Charsets, Switch};
use super::lasting::{self, Made};
use super::lexer::{Lexeme, Lexer, find_one_of};
use super::lint::{self, Linted, Unlinted};
use super::linting::Linting;
use super::places::Places;
use super::printable::{hexadecimal, printable};
use super::scanner::{self, Open, Piece, ScannedItem, Scanner};
use super::script::{
    Becomes, Fate, Finding, LateFindings, LineRemark, NOTHING_TO_RUN, Script, ScriptRefusal,
    Section, SeldomParts, Source, Statement,
};
use super::sections;
use super::setting;
use super::substitution::Laid;
use super::text::{CommonText, CommonTexts, Passage};
use super::variables::Variables;
use charsets::not_in;
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
        Script::read_with(name, path, bytes, &Variables::default())
    }

    /// The same, with psql's variables of the command line.
    pub fn read_with(
        name: &str,
        path: Option<&Path>,
        bytes: &[u8],
        variables: &Variables,
    ) -> Script {
        let mut switches = Vec::new();
        loop {
            let mut reading = ScriptReading::new(name, variables, &switches);
            reading.file(name.to_owned(), path, bytes);
            match reading.unknown_switch.take() {
                // Read anew, in the light of what it says of itself.
                Some(switch) => switches.push(switch),
                None => return reading.finish(),
            }
        }
    }

    /// Line and column, from 1, of the character `position` (from 1, as PostgreSQL counts in its
    /// errors) of a statement's text.
    pub fn place(&self, statement: &Statement, position: usize) -> Option<(usize, usize)> {
        if !statement.edits().is_empty() {
            return self.place_among_edits(statement, position);
        }
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

impl Script {
    fn place_among_edits(&self, statement: &Statement, position: usize) -> Option<(usize, usize)> {
        let mut characters = statement.text.char_indices();
        let at = characters
            .nth(position.saturating_sub(1))
            .map_or(statement.text.len(), |(at, _)| at);
        let before = statement
            .edits()
            .iter()
            .rev()
            .find(|edit| edit.sent.start <= at);
        let in_file = match before {
            None => statement.span.start + at,
            Some(edit) if at < edit.sent.end => edit.written.start,
            Some(edit) => edit.written.end + (at - edit.sent.end),
        };
        let text = &self.sources.get(statement.source)?.text;
        Some(Places::new(text).place(text, in_file))
    }
}

/// What a person has to know of a statement whose rows are no checks.
const DATA: &str = "The comment above it says that its rows are data: nothing in them counts as a \
                    check, neither PASS nor FAIL.";

/// The rule under which that is told.
pub(super) const DATA_RULE: &str = "result-is-data";

struct ScriptReading {
    script: Script,
    /// The files that are being read, outermost first, to find cycles.
    open_files: Vec<PathBuf>,
    bytes: usize,
    /// What the command line and `\set` have set.
    variables: Variables,
    /// How statements stand to the transaction that are not simply inside of it, by their index.
    admissions: Vec<(usize, Admission)>,
    /// What the linter sees of each source.
    laid: Vec<Linted>,
    /// What the parser and the linter need to see of the statements.
    linting: Linting,
    /// What is to be said of the script besides what the linter says.
    own_findings: Vec<Finding>,
    /// The key of `\restrict`: until it is given back, psql takes no other meta-command.
    restricted: Option<String>,
    /// The functions and sequences that the statements so far make.
    made: Made,
    /// Where comments say that a half of a migration begins.
    halves: Vec<Half>,
    /// The kinds and the relations of the statements.
    common: CommonTexts,
    /// What the next file is written in.
    charset: Charset,
    /// Where files go over to another encoding, as far as that was found out.
    switches: Vec<Switch>,
    /// One more of them: all has to be read anew.
    unknown_switch: Option<Switch>,
}

struct ScriptFile<'a> {
    source: usize,
    bytes: &'a [u8],
    raw: &'a [u8],
    charsets: Charsets,
    places: Places,
    path: Option<&'a Path>,
    last_line: Option<usize>,
}

/// The text that is read, and how it was made of the file.
#[derive(Clone, Copy)]
struct At<'s> {
    text: &'s [u8],
    laid: &'s Laid,
}

/// As text of the same length, so that places in it are places in the file.
fn text_of(bytes: &[u8]) -> Arc<str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => Charset::Utf8.decode(bytes).0.into(),
    }
}

/// From how many bytes on a file is hashed on a thread of its own, while it is read.
const HASHED_BESIDE: usize = 1 << 20;

/// Does `work`, and gives the SHA-256 of `bytes` in lower-case hexadecimal.
fn hash_beside(bytes: &[u8], work: impl FnOnce()) -> String {
    let hash = || hexadecimal(Sha256::digest(bytes));
    std::thread::scope(|scope| {
        let thread = (bytes.len() >= HASHED_BESIDE).then(|| {
            let thread = std::thread::Builder::new().name("sha256".to_owned());
            thread.spawn_scoped(scope, hash)
        });
        work();
        // Where there is no thread to be had it is done here.
        let hashed = thread.and_then(Result::ok).map(|thread| thread.join());
        hashed.and_then(Result::ok).unwrap_or_else(hash)
    })
}

impl ScriptReading {
    fn new(name: &str, variables: &Variables, switches: &[Switch]) -> ScriptReading {
        ScriptReading {
            script: Script::of(name.to_owned(), variables.of_command_line().to_vec()),
            open_files: Vec::new(),
            bytes: 0,
            variables: variables.clone(),
            admissions: Vec::new(),
            laid: Vec::new(),
            linting: Linting::default(),
            own_findings: Vec::new(),
            restricted: None,
            made: Made::default(),
            halves: Vec::new(),
            common: CommonTexts::default(),
            charset: variables.charset(),
            switches: switches.to_vec(),
            unknown_switch: None,
        }
    }

    /// What was read, once every file was.
    fn finish(mut self) -> Script {
        self.settle_fates();
        self.refuse_nothing();
        self.tell_halves();
        let mut script = self.script;
        script
            .refusals
            .sort_by_key(|refusal| (refusal.source, refusal.line, refusal.column));
        let unlinted = Unlinted {
            linted: self.laid,
            linting: self.linting,
        };
        let lint = move |script: &Script| lint::parse_and_lint(script, &unlinted);
        script.findings = LateFindings::to_be_found(lint, self.own_findings);
        script
    }

    fn file(&mut self, name: String, path: Option<&Path>, bytes: &[u8]) {
        let source = self.script.sources.len();
        let charsets = self.charsets(path.is_none());
        let (text, first_bad) = charsets.decode(bytes);
        let text: Arc<str> = text.into();
        let encodings = charsets.used(bytes);
        self.bytes += bytes.len();
        // In UTF-8 what is sent is the bytes themselves.
        let sent = match encodings.is_empty() {
            true => bytes,
            false => text.as_bytes(),
        };
        let file = ScriptFile {
            source,
            bytes: sent,
            raw: bytes,
            charsets,
            places: Places::new(&text),
            path,
            last_line: None,
        };
        self.laid.push(Linted::default());
        self.script.sources.push(Source {
            name,
            remarks: Vec::new(),
            path: path.map(Path::to_path_buf),
            ordinary: path.is_some_and(Path::is_file),
            text: Arc::clone(&text),
            sha256: String::new(),
            encodings,
        });
        let sha256 = hash_beside(bytes, || self.items_unless_refused(file, first_bad));
        if let Some(read) = self.script.sources.get_mut(source) {
            read.sha256 = sha256;
        }
    }

    fn items_unless_refused(&mut self, file: ScriptFile<'_>, first_bad: Option<(usize, Charset)>) {
        let (bytes, sent) = (file.raw, file.bytes);
        if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
            let reason = "this is UTF-16; convert the file to UTF-8";
            self.refuse_in_file(&file, 0, None, reason.to_owned());
            return;
        }
        if sent.len() > scanner::MOST_BYTES {
            let most = scanner::MOST_BYTES >> 20;
            let reason = format!("a script of more than {most} MB is not read; divide it");
            self.refuse_in_file(&file, 0, None, reason);
            return;
        }
        if let Some((at, charset)) = first_bad {
            self.refuse_in_file(&file, at, None, not_in(charset));
        }
        if let Some(at) = find_one_of(sent, [0]) {
            let reason = "a NUL byte cannot be sent to PostgreSQL; remove it";
            self.refuse_in_file(&file, at, None, reason.to_owned());
        }
        if bytes.starts_with(b"PGDMP") {
            let reason = "this is a custom-format dump, not SQL; pg_restore turns it into SQL";
            self.refuse_in_file(&file, 0, None, reason.to_owned());
        }
        self.items(file);
    }

    fn items(&mut self, mut file: ScriptFile<'_>) {
        let mut scanner = Scanner::new(file.bytes);
        while let Some(item) = scanner.next(&self.variables) {
            let at = At {
                text: scanner.text(),
                laid: scanner.laid(),
            };
            match item {
                ScannedItem::Statement(piece) => {
                    let words = Words::new(at.text, &piece.tokens);
                    let on = admission::sets_standard_strings(words);
                    self.statement(&mut file, at, &piece);
                    if let Some(on) = on {
                        scanner.set_standard_strings(on);
                    }
                }
                ScannedItem::Meta(command) => self.meta_command(&mut file, at, &command),
                ScannedItem::Branch {
                    at: place,
                    taken,
                    comments,
                } => {
                    self.comments(&mut file, at, &comments, None);
                    if self.restricted.is_some() {
                        let why =
                            "it stands behind \\restrict, so psql would not take it; remove it";
                        self.refuse(&file, at, place, None, why.to_owned());
                    }
                    let becomes = match taken {
                        true => Becomes::Taken,
                        false => Becomes::LeftOut,
                    };
                    self.remark(&file, at.laid.in_file(place), becomes);
                }
                ScannedItem::Trouble(place, why) => self.refuse(&file, at, place, None, why),
                ScannedItem::End { comments, open } => {
                    self.comments(&mut file, at, &comments, None);
                    if let Some((what, place)) = open {
                        self.refuse(&file, at, place, None, never_ends(what));
                    }
                }
            }
        }
        let laid = scanner.laid();
        for (place, text) in laid.lines() {
            self.remark(&file, *place, Becomes::Text(text.clone()));
        }
        if let Some(source) = self.script.sources.get_mut(file.source) {
            source.remarks.sort_by_key(|remark| remark.line);
        }
        if laid.is_altered()
            && let Some(linted) = self.laid.get_mut(file.source)
        {
            linted.text = Some(text_of(scanner.text()));
            linted.laid = laid.clone();
        }
    }

    fn remark(&mut self, file: &ScriptFile<'_>, in_file: usize, becomes: Becomes) {
        let line = file.places.line(in_file);
        if let Some(source) = self.script.sources.get_mut(file.source) {
            source.remarks.push(LineRemark { line, becomes });
        }
    }

    /// A file with nothing to send: who named it meant another one.
    fn refuse_nothing(&mut self) {
        let script = &mut self.script;
        if script.refusals.is_empty() && script.sent().next().is_none() {
            script.refusals.push(ScriptRefusal {
                source: 0,
                line: 1,
                column: 1,
                statement: None,
                reason: NOTHING_TO_RUN.to_owned(),
            });
        }
    }

    fn refuse(
        &mut self,
        file: &ScriptFile<'_>,
        at: At<'_>,
        place: usize,
        statement: Option<usize>,
        reason: String,
    ) {
        self.refuse_in_file(file, at.laid.in_file(place), statement, reason);
    }

    fn refuse_in_file(
        &mut self,
        file: &ScriptFile<'_>,
        at: usize,
        statement: Option<usize>,
        reason: String,
    ) {
        let (line, column) = self.place(file, at);
        self.script.refusals.push(ScriptRefusal {
            source: file.source,
            line,
            column,
            statement,
            reason,
        });
    }

    fn place(&self, file: &ScriptFile<'_>, in_file: usize) -> (usize, usize) {
        let text = self.script.sources.get(file.source).map(|s| &*s.text);
        file.places.place(text.unwrap_or_default(), in_file)
    }

    /// Sections start in comments; what is left may lead a statement on line `before`.
    fn comments(
        &mut self,
        file: &mut ScriptFile<'_>,
        at: At<'_>,
        comments: &[Range<usize>],
        before: Option<usize>,
    ) -> Option<String> {
        let source = self.script.sources.get(file.source)?;
        // A comment in the value of a variable is nobody's heading.
        let comments: Vec<Range<usize>> = comments
            .iter()
            .map(|range| at.laid.range_in_file(range))
            .filter(|range| {
                let text = source.text.get(range.clone()).unwrap_or_default();
                text.starts_with("--") || text.starts_with("/*")
            })
            .collect();
        for range in &comments {
            let text = source.text.get(range.clone()).unwrap_or_default();
            let first = file.places.line(range.start);
            self.halves
                .extend(halves::find_half_marks(text, file.source, first));
        }
        let line_of = |at| file.places.line(at);
        let said =
            sections::read_comments(&source.text, &comments, line_of, file.last_line, before);
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

    /// The text that psql would send: the file's own where it is sent as it is written.
    fn sent_text(&self, source: usize, at: At<'_>, piece: &Piece) -> Passage {
        match self.script.sources.get(source) {
            Some(file) if piece.cuts.is_empty() && !at.laid.is_altered() => {
                Passage::of(&file.text, piece.span.clone())
            }
            Some(_) | None => Passage::from(sent_text(at.text, piece)),
        }
    }

    fn share(&mut self, text: Option<String>) -> Option<CommonText> {
        text.map(|text| self.common.share(&text))
    }

    fn blank(&mut self, source: usize, at: At<'_>, range: Range<usize>) {
        if let Some(linted) = self.laid.get_mut(source) {
            linted.leave_out(at.text, range);
        }
    }

    fn statement(&mut self, file: &mut ScriptFile<'_>, at: At<'_>, piece: &Piece) {
        let number = self.script.statements.len() + 1;
        let span = at.laid.range_in_file(&piece.span);
        let (line, column) = self.place(file, span.start);
        let comment = self.comments(file, at, &piece.comments, Some(line));
        let words = Words::new(at.text, &piece.tokens);
        let text = self.sent_text(file.source, at, piece);
        self.refuse_what_cannot_be_sent(file, at, piece, number, &text);
        let admission = admission::judge_admission(words);
        if admission != Admission::Inside {
            self.admissions.push((number - 1, admission));
        }
        if let Some(data) = &piece.copy_data {
            self.blank(file.source, at, data.clone());
        }
        if piece.is_altered {
            for cut in &piece.cuts {
                self.blank(file.source, at, cut.clone());
            }
        }
        let kind = classify::kind(words);
        if kind == "COPY"
            && let Some(why) =
                self.objection_to_copy(file, at, words, piece.copy_data.as_ref(), line)
        {
            self.refuse(file, at, piece.span.start, Some(number), why.to_owned());
        }
        let relation = classify::relation_in_words(words);
        let by_words = relation.as_deref();
        let unseen = self.linting.note(words, &kind, by_words, piece, &text);
        if let Some(linted) = self.laid.get_mut(file.source) {
            linted.note(number, piece);
        }
        if let Some(unseen) = unseen {
            self.blank(file.source, at, unseen);
        }
        file.last_line = Some(file.places.line(span.end));
        let changed = setting::limits_changed(words, &text);
        let (lasting, edits) = match piece.is_altered || !piece.cuts.is_empty() {
            true => (
                self.made.read_sent(&text, &kind),
                at.laid.edits(&piece.span, &piece.cuts),
            ),
            false => (self.made.read(words, &kind), Vec::new()),
        };
        let statement = Statement {
            number,
            section: self.script.sections.len().checked_sub(1),
            source: file.source,
            line,
            column,
            span,
            relation: self.share(relation).into(),
            kind: self.common.share(&kind),
            text,
            fate: Fate::Sent,
            is_data: false,
            goes_back: false,
            seldom: SeldomParts {
                comment: comment.map(String::into_boxed_str),
                subject: classify::subject_in_words(words).map(String::into_boxed_str),
                edits: edits.into(),
                copy_data: (piece.copy_data.as_ref()).map(|data| at.laid.range_in_file(data)),
                data_file: None,
                lasting: lasting.into(),
            }
            .if_any(),
        };
        let data = statement.returns_data().then(|| DATA.to_owned());
        let rules = [
            ("changes-a-limit", changed),
            (DATA_RULE, data),
            ("variable-not-set", not_set(at.text, piece)),
            ("data-to-the-end", unended(piece)),
        ];
        self.tell_findings(&statement, rules);
        self.script.statements.push(statement);
    }

    /// Takes down what is to be said of a statement besides what the linter says: by `rules`, and what
    /// outlives ROLLBACK.
    fn tell_findings(&mut self, statement: &Statement, rules: [(&str, Option<String>); 4]) {
        let stays = statement.lasting().iter();
        let rules = (rules.into_iter())
            .filter_map(|(rule, message)| Some((rule, message?)))
            .chain(stays.map(|lasts| (lasting::RULE, lasts.message())));
        self.own_findings
            .extend(rules.map(|(rule, message)| Finding {
                source: statement.source,
                line: statement.line,
                statement: Some(statement.number),
                rule: rule.to_owned(),
                message,
                help: None,
            }));
    }

    fn refuse_what_cannot_be_sent(
        &mut self,
        file: &ScriptFile<'_>,
        at: At<'_>,
        piece: &Piece,
        number: usize,
        sent: &str,
    ) {
        match piece.open {
            // psql takes the end of the file for the end of the data.
            Some((Open::CopyData, _)) | None => {}
            Some((what, place)) => self.refuse(file, at, place, Some(number), never_ends(what)),
        }
        if piece.spans_data {
            let reason = "the statement starts on the line of a COPY and goes on behind its data; \
                          start it on a line of its own";
            self.refuse(file, at, piece.span.start, Some(number), reason.to_owned());
        }
        if let Some(place) = admission::end_inside(Words::new(at.text, &piece.tokens)) {
            let reason = several_commands(at.text.get(place));
            self.refuse(file, at, place, Some(number), reason);
        }
        if piece.is_altered && !reads_the_same(at.text, piece, sent) {
            let reason = "with the values of its variables the server would read this statement \
                          otherwise than psql does: a string, a name or a comment begins in one \
                          value and ends in another; write it into the script";
            self.refuse(file, at, piece.span.start, Some(number), reason.to_owned());
        }
        for token in &piece.tokens {
            let control = at.text.get(token.range().start).copied();
            if let Some(control) = control.filter(|byte| byte.is_ascii_control()) {
                self.refuse(
                    file,
                    at,
                    token.range().start,
                    Some(number),
                    no_space(control),
                );
            }
        }
    }
}

/// The text that psql would send: the bytes at the span, without what psql takes out.
fn sent_text(text: &[u8], piece: &Piece) -> String {
    let mut sent = Vec::with_capacity(piece.span.len());
    let mut from = piece.span.start;
    for cut in &piece.cuts {
        sent.extend_from_slice(text.get(from..cut.start).unwrap_or_default());
        from = cut.end.max(from);
    }
    sent.extend_from_slice(text.get(from..piece.span.end).unwrap_or_default());
    String::from_utf8(sent).unwrap_or_else(|bad| text_of(bad.as_bytes()).to_string())
}

/// Whether the text that is sent has the words that psql saw. psql reads a value by itself, the server
/// reads it together with what stands around it.
fn reads_the_same(text: &[u8], piece: &Piece, sent: &str) -> bool {
    let mut words = piece.tokens.iter().map(|token| {
        let word = text.get(token.range()).unwrap_or_default();
        match (token.kind, word) {
            // What is cut out of it is its backslash.
            (Lexeme::EscapedColon | Lexeme::JoiningSemicolon, [_, sign @ ..]) => sign,
            (_, word) => word,
        }
    });
    let mut lexer = Lexer::new(sent.as_bytes());
    while let Some(lexed) = lexer.next() {
        match lexed.kind {
            Lexeme::Space | Lexeme::Newline | Lexeme::LineComment | Lexeme::BlockComment => {}
            _ if words.next() == sent.as_bytes().get(lexed.range.clone()) && lexed.closed => {}
            _ => return false,
        }
    }
    words.next().is_none()
}

/// What a person has to know of data that nothing ends.
fn unended(piece: &Piece) -> Option<String> {
    let open = matches!(piece.open, Some((Open::CopyData, _)));
    open.then(|| {
        "No line \\. ends the data of this COPY: as psql does, everything to the end of the file is \
         taken for data."
            .to_owned()
    })
}

/// What a person has to know of a statement in which psql leaves a variable as it is written.
fn not_set(text: &[u8], piece: &Piece) -> Option<String> {
    let in_brackets = |at: usize| {
        let before = piece
            .tokens
            .iter()
            .rev()
            .filter(|token| token.range().end <= at);
        let mut signs = before.filter_map(|token| match text.get(token.range()) {
            Some(sign @ (b"[" | b"]")) => Some(sign),
            _ => None,
        });
        signs.next() == Some(b"[")
    };
    let mut unset = piece.unset.iter().filter_map(|range| {
        let written = String::from_utf8_lossy(text.get(range.clone())?);
        // The bounds of a slice of an array look like one.
        let is_slice = written
            .as_bytes()
            .get(1)
            .is_some_and(|&byte| byte != b'\'' && byte != b'"')
            && in_brackets(range.start);
        (!is_slice).then(|| printable(&written).into_owned())
    });
    let first = unset.next()?;
    Some(format!(
        "{first} is no variable that is set, so psql sends it as it is written. -v NAME=VALUE gives it \
         a value."
    ))
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
