//! psql's `\copy … FROM`: a COPY whose data the client reads, from a file or from the lines behind it.
//!
//! The file is read with the script, once: what is sent is what was hashed and shown, whatever becomes
//! of the file meanwhile.

use std::ops::Range;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::super::classify::{self, Words};
use super::super::encoding::Charset;
use super::super::lexer::{Lexed, Lexeme, Lexer};
use super::super::meta;
use super::super::ordinary::{NOT_ORDINARY, read_ordinary_file};
use super::super::printable::{hexadecimal, printable};
use super::super::scanner::{MetaCommand, ScannedItem, Scanner};
use super::super::script::{DataFile, Fate, SeldomParts, SentEdit, Statement};
use super::super::variables::Variables;
use super::charsets::{DATA_ENCODING, not_in, says_encoding};
use super::{At, SCRIPT_LIMIT, ScriptFile, ScriptReading};

struct Copy<'a> {
    /// The table and its columns, as they are written.
    table: &'a str,
    /// The file; `None` for the lines behind.
    file: Option<String>,
    options: &'a str,
}

/// Reads the rest of the line behind `\copy`.
fn read_copy(line: &str) -> Result<Copy<'_>, String> {
    let mut lexer = Lexer::new(line.as_bytes());
    let mut depth = 0_usize;
    let mut behind: Option<(usize, usize)> = None;
    while let Some(Lexed { kind, range, .. }) = lexer.next() {
        let word = line.get(range.clone()).unwrap_or_default();
        match kind {
            Lexeme::Open => depth += 1,
            Lexeme::Close => depth = depth.saturating_sub(1),
            Lexeme::Word if depth == 0 && range.start > 0 => {
                if word.eq_ignore_ascii_case("to") {
                    return Err("it writes a file of the client; leave it out of the script".into());
                }
                if word.eq_ignore_ascii_case("from") {
                    behind = Some((range.start, range.end));
                    break;
                }
            }
            _ => {}
        }
    }
    let Some((from, end)) = behind else {
        return Err("there is no FROM in it; write \\copy TABLE FROM 'FILE'".into());
    };
    let table = line.get(..from).unwrap_or_default().trim();
    let rest = line.get(end..).unwrap_or_default().trim_start();
    let (source, options, quoted) = source(rest)?;
    let is = |name: &str| !quoted && source.eq_ignore_ascii_case(name);
    if is("program") {
        return Err("it runs a program of the client; write its result into a file".into());
    }
    if is("pstdin") || is("pstdout") || is("stdout") {
        return Err("nobody has reviewed what psql's own input holds; name a file".into());
    }
    if source.is_empty() {
        return Err("there is no file in it; write \\copy TABLE FROM 'FILE'".into());
    }
    let file = (!is("stdin")).then_some(source);
    Ok(Copy {
        table,
        file,
        options,
    })
}

/// The first word, in quotes or not; what comes behind it; whether it is quoted.
fn source(rest: &str) -> Result<(String, &str, bool), String> {
    let Some(quoted) = rest.strip_prefix('\'') else {
        let end = rest.find(|c: char| c.is_ascii_whitespace() || c == ';');
        let (word, behind) = rest.split_at(end.unwrap_or(rest.len()));
        return Ok((word.to_owned(), behind, false));
    };
    let mut name = String::new();
    let mut characters = quoted.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        if character != '\'' {
            name.push(character);
        } else if characters.next_if(|(_, next)| *next == '\'').is_some() {
            name.push('\'');
        } else {
            return Ok((name, quoted.get(at + 1..).unwrap_or_default(), true));
        }
    }
    Err("a quote in it never ends; close it on its line".into())
}

impl ScriptReading {
    /// Takes a `\copy` as the COPY that psql makes of it.
    ///
    /// # Errors
    /// In words, where it is refused.
    pub(super) fn copy_command(
        &mut self,
        file: &mut ScriptFile<'_>,
        at: At<'_>,
        command: &MetaCommand,
        comment: Option<String>,
    ) -> Result<(), String> {
        let line = command
            .arguments
            .first()
            .map_or("", |argument| argument.text.as_str());
        let copy = read_copy(line)?;
        let options = copy.options.trim().trim_end_matches(';').trim_end();
        let text = format!("COPY {} FROM STDIN {options}", copy.table);
        let text = text.trim_end().to_owned();
        let mut scanner = Scanner::new(text.as_bytes());
        let Some(ScannedItem::Statement(piece)) = scanner.next(&Variables::default()) else {
            return Err("it is no COPY of a table; write \\copy TABLE FROM 'FILE'".into());
        };
        if piece.span != (0..text.len()) || piece.tokens.is_empty() {
            return Err("there is more than one command in it; write one on each line".into());
        }
        let data_file = match &copy.file {
            Some(name) => {
                let data_file = self.data_file(file, name)?;
                let own = says_encoding(Words::new(text.as_bytes(), &piece.tokens));
                let read = self.script.data.last();
                if own && read.is_some_and(|file| !file.encodings.is_empty()) {
                    return Err(DATA_ENCODING.into());
                }
                Some(data_file)
            }
            None => None,
        };
        let number = self.script.statements.len() + 1;
        let span = at.laid.range_in_file(&command.span);
        let (line, column) = self.place(file, span.start);
        let words = Words::new(text.as_bytes(), &piece.tokens);
        let kind = classify::kind(words);
        let lasting = self.made.read(words, &kind);
        let relation = self.share(classify::relation_in_words(words));
        self.linting.pass();
        if let Some(linted) = self.laid.get_mut(file.source) {
            linted.ends.push((command.span.end, number));
        }
        if let Some(data) = &command.copy_data {
            self.blank(file.source, at, data.clone());
        }
        file.last_line = Some(file.places.line(span.end));
        let in_file = |range: &Range<usize>| at.laid.range_in_file(range);
        self.script.statements.push(Statement {
            number,
            section: self.script.sections.len().checked_sub(1),
            source: file.source,
            line,
            column,
            kind: self.common.share(&kind),
            relation: relation.into(),
            seldom: SeldomParts {
                comment: comment.map(String::into_boxed_str),
                subject: None,
                edits: Box::new([SentEdit {
                    sent: 0..text.len(),
                    written: span.clone(),
                }]),
                copy_data: command.copy_data.as_ref().map(in_file),
                data_file,
                lasting: lasting.into(),
            }
            .if_any(),
            span,
            text: text.into(),
            fate: Fate::Sent,
            is_data: false,
            goes_back: false,
        });
        Ok(())
    }

    /// Reads a file of data, as psql does relative to the working directory.
    fn data_file(&mut self, from: &ScriptFile<'_>, name: &str) -> Result<usize, String> {
        let shown = printable(name).into_owned();
        if from.path.is_none() {
            return Err(format!(
                "{shown} is not read: a built-in script stands alone"
            ));
        }
        if name.starts_with('~') {
            return Err(format!("{shown}: write the folder out instead of ~"));
        }
        let path = PathBuf::from(name);
        let unreadable = |error: std::io::Error| format!("{shown} cannot be read: {error}");
        let about = std::fs::metadata(&path).map_err(unreadable)?;
        if !about.is_file() {
            return Err(format!("{shown} cannot be read: {NOT_ORDINARY}"));
        }
        let bytes = match usize::try_from(about.len()) {
            Ok(length) if self.bytes + length <= SCRIPT_LIMIT => {
                read_ordinary_file(&path).map_err(unreadable)?
            }
            _ => Vec::new(),
        };
        if bytes.len() as u64 != about.len() {
            return Err(format!(
                "with {shown} the script has more than {} MiB, or the file is being written; load \
                 it by itself",
                SCRIPT_LIMIT >> 20
            ));
        }
        self.bytes += bytes.len();
        let sha256 = hexadecimal(Sha256::digest(&bytes));
        let (text, bad) = self.charset.decode(&bytes);
        if bad.is_some() {
            return Err(format!("{shown}: {}", not_in(self.charset)));
        }
        let named = self.charset != Charset::Utf8 && !bytes.is_ascii();
        self.script.data.push(DataFile {
            name: name.to_owned(),
            text,
            sha256,
            encodings: named.then(|| self.charset.name()).into_iter().collect(),
        });
        Ok(self.script.data.len() - 1)
    }
}

/// The reason of a `\copy` that is refused.
pub(super) fn refused(name: &str, why: &str) -> String {
    format!("\\{name} is refused: {why}")
}

/// Whether psql takes the name for `\copy`.
pub(super) fn is_one(name: &str) -> bool {
    meta::is_copy(name)
}
