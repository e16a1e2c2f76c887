//! Which functions a statement calls, and what else it does that stays: found among its words.
//!
//! By words and not by a parse: nothing is lost where a parser gives up, and the body of a DO or of a
//! function is read in the same way. A name before a parenthesis is a call where an expression may
//! begin; the lists of columns and the types that look alike stand elsewhere.

use std::collections::BTreeSet;

use super::functions::{KnownFunction, known};
use super::{Beyond, Lasting};
use crate::runbook::classify::Words;
use crate::runbook::lexer::{Lexeme, Lexer};
use crate::runbook::scanner::StatementWord;

/// What the words of a statement or of a body do and call.
#[derive(Debug, Clone, Default)]
pub(super) struct SideEffects {
    /// What stays, and of which sequence, where it is named.
    pub(super) lasting: BTreeSet<(Lasting, Option<String>)>,
    /// Functions of which nothing is known.
    pub(super) calls: BTreeSet<String>,
}

impl SideEffects {
    pub(super) fn add(&mut self, other: SideEffects) {
        self.lasting.extend(other.lasting);
        self.calls.extend(other.calls);
    }

    fn lasts(&mut self, beyond: Beyond, by: impl Into<String>) {
        self.lasting.insert((Lasting::new(beyond, by), None));
    }
}

/// How deep texts that are run stand in texts that are run.
const DEPTH: usize = 4;

/// What a statement does when it is run.
pub(super) fn read_side_effects(words: Words<'_>, kind: &str) -> SideEffects {
    let mut seen = SideEffects::default();
    match kind {
        "CHECKPOINT" => seen.lasts(Beyond::Server, "CHECKPOINT"),
        "LOAD" => seen.lasts(Beyond::Session, "LOAD"),
        "PREPARE" => seen.lasts(Beyond::Session, "PREPARE"),
        "DEALLOCATE" => seen.lasts(Beyond::Session, "DEALLOCATE"),
        "DO" => {
            body(words, 0, &mut seen);
            return seen;
        }
        "CREATE FOREIGN TABLE" | "ALTER FOREIGN TABLE" => {
            let at = |name: &str| {
                words
                    .tokens()
                    .iter()
                    .any(|token| words.token_is(token, name))
            };
            if at("OPTIONS") && at("program") {
                seen.lasts(Beyond::Program, "a foreign table with the option program");
            }
        }
        _ if kind.starts_with("DISCARD") => seen.lasts(Beyond::Session, kind),
        _ => {}
    }
    if evaluates(kind) {
        expressions(words, kind, 0, &mut seen);
    }
    seen
}

/// Whether a statement of this kind calls the functions that it names. What only stores them, or
/// names them, does not.
fn evaluates(kind: &str) -> bool {
    let (verb, object) = kind.split_once(' ').unwrap_or((kind, ""));
    match verb {
        "COMMENT" | "GRANT" | "REVOKE" | "DROP" | "SECURITY" | "SET" | "RESET" | "SHOW" => false,
        "CREATE" => matches!(object, "TABLE AS" | "MATERIALIZED VIEW" | "TRIGGER"),
        "ALTER" => matches!(object, "TABLE" | "DOMAIN"),
        _ => true,
    }
}

/// The name of the function or procedure that a statement makes, and what its body does.
pub(super) fn routine(words: Words<'_>, kind: &str) -> Option<(String, SideEffects)> {
    if !matches!(kind, "CREATE FUNCTION" | "CREATE PROCEDURE") {
        return None;
    }
    let mut name = None;
    for (token, next) in words.tokens().iter().zip(words.tokens().iter().skip(1)) {
        if next.kind == Lexeme::Open && is_name(token) {
            name = Some(folded(words, token));
            break;
        }
    }
    let mut seen = SideEffects::default();
    body(words, 0, &mut seen);
    Some((name?, seen))
}

/// The sequences that a statement makes, by their own names.
pub(super) fn sequences(words: Words<'_>, kind: &str) -> Vec<String> {
    let at = |name: &str, second: Option<&str>| {
        (0..words.len()).find(|index| {
            words.is(*index, name) && second.is_none_or(|second| words.is(index + 1, second))
        })
    };
    let behind = match kind {
        // With IF NOT EXISTS it may be one that was there before.
        "CREATE SEQUENCE" if !words.is(words.object() + 1, "IF") => words.object() + 1,
        "ALTER TABLE" | "CREATE TABLE" => match at("SEQUENCE", Some("NAME")) {
            Some(at) => at + 2,
            None => return Vec::new(),
        },
        _ => return Vec::new(),
    };
    let rest = words.tokens().get(behind..).unwrap_or_default();
    let mut last = None;
    for token in rest {
        match token.kind {
            Lexeme::Word | Lexeme::QuotedName => last = Some(folded(words, token)),
            Lexeme::Symbol if words.text(token) == "." => continue,
            _ => break,
        }
        let next = rest
            .iter()
            .find(|next| next.range().start >= token.range().end);
        if next.is_none_or(|next| words.text(next) != ".") {
            break;
        }
    }
    last.into_iter().collect()
}

/// What DO or the definition of a routine would do: its body is a string, or stands there as it is.
fn body(words: Words<'_>, depth: usize, seen: &mut SideEffects) {
    let tokens = words.tokens();
    let language = tokens
        .iter()
        .zip(tokens.iter().skip(1))
        .find_map(|(token, next)| {
            (token.depth == 0 && words.token_is(token, "LANGUAGE")).then(|| match next.kind {
                Lexeme::String => unquoted(words.text(next)).to_ascii_lowercase(),
                _ => folded(words, next),
            })
        });
    if let Some(language) = language
        && !matches!(language.as_str(), "sql" | "plpgsql")
    {
        seen.lasts(Beyond::Unknown, format!("code in the language {language}"));
        return;
    }
    if let Some(atomic) = (0..words.len()).find(|at| words.are(*at, &["BEGIN", "ATOMIC"])) {
        let rest = tokens.get(atomic + 2..).unwrap_or_default();
        pieces(words.part(rest), depth, seen);
    }
    let strings = tokens.iter().enumerate().filter(|(at, token)| {
        let before = at.checked_sub(1);
        token.depth == 0
            && token.kind == Lexeme::String
            && !before.is_some_and(|before| words.is(before, "LANGUAGE"))
    });
    for (_, token) in strings {
        read_run_text(&unquoted(words.text(token)), depth + 1, seen);
    }
}

/// A text that is run: the body of a routine, or what EXECUTE is given.
fn read_run_text(text: &str, depth: usize, seen: &mut SideEffects) {
    if depth > DEPTH {
        seen.lasts(Beyond::Unknown, "a text in a text in a text that is run");
        return;
    }
    let tokens = tokens(text);
    pieces(Words::new(text.as_bytes(), &tokens), depth, seen);
}

/// The statements of a body, one after the other.
fn pieces(words: Words<'_>, depth: usize, seen: &mut SideEffects) {
    for piece in words
        .tokens()
        .split(|token| token.kind == Lexeme::Semicolon)
    {
        expressions(words.part(piece), "", depth, seen);
    }
}

/// What the expressions of one statement call; `kind` is empty for one in a body.
fn expressions(words: Words<'_>, kind: &str, depth: usize, seen: &mut SideEffects) {
    let tokens = words.tokens();
    let in_body = kind.is_empty();
    let mut runs_text = false;
    let mut joins = false;
    let mut copies = false;
    for (at, token) in tokens.iter().enumerate() {
        if token.kind == Lexeme::Word {
            joins |= words.is(at, "JOIN");
            copies |= words.is(at, "COPY") && (at == 0 || in_body);
            if copies && (words.is(at, "TO") || words.is(at, "FROM")) {
                copy(words, at, seen);
            }
            if in_body && words.is(at, "EXECUTE") {
                executed(words, at, depth, seen);
            }
        }
        if token.kind != Lexeme::Open || at == 0 {
            continue;
        }
        let Some(called) = called(words, at, kind, joins) else {
            continue;
        };
        match known(&called.name, called.built_in) {
            KnownFunction::Harmless => {}
            KnownFunction::RunsText => runs_text = true,
            KnownFunction::Lasts(beyond) => {
                let argument = tokens.get(at + 1);
                let sequence = argument
                    .filter(|token| token.kind == Lexeme::String && beyond == Beyond::Numbers)
                    .and_then(|token| own_name(&unquoted(words.text(token))));
                seen.lasting
                    .insert((Lasting::new(beyond, called.name), sequence));
            }
            KnownFunction::No => {
                seen.calls.insert(called.name);
            }
        }
    }
    if runs_text {
        strings(words, depth, seen);
    }
}

/// What COPY writes to, or reads from: `at` is its TO or FROM.
fn copy(words: Words<'_>, at: usize, seen: &mut SideEffects) {
    let direction = words.upper(at);
    let string = |at: usize| {
        let token = words.tokens().get(at);
        token.is_some_and(|token| token.kind == Lexeme::String)
    };
    if words.is(at + 1, "PROGRAM") && string(at + 2) {
        seen.lasts(Beyond::Program, format!("COPY … {direction} PROGRAM"));
    } else if direction == "TO" && string(at + 1) {
        seen.lasts(Beyond::File, "COPY … TO a file");
    }
}

/// What EXECUTE in a body is given: its texts are read, and what is put together is not known.
fn executed(words: Words<'_>, at: usize, depth: usize, seen: &mut SideEffects) {
    let tokens = words.tokens().get(at + 1..).unwrap_or_default();
    // EXECUTE FUNCTION of a trigger.
    if words.is(at + 1, "FUNCTION") || words.is(at + 1, "PROCEDURE") {
        return;
    }
    let rest = words.part(tokens);
    strings(rest, depth, seen);
    if !tokens.iter().any(|token| token.kind == Lexeme::String) {
        seen.lasts(
            Beyond::Unknown,
            "EXECUTE of a text that is not in the script",
        );
    }
}

fn strings(words: Words<'_>, depth: usize, seen: &mut SideEffects) {
    let strings = words.tokens().iter();
    for token in strings.filter(|token| token.kind == Lexeme::String) {
        read_run_text(&unquoted(words.text(token)), depth + 1, seen);
    }
}

struct Called {
    name: String,
    /// It is named with a schema of the server's own.
    built_in: bool,
}

/// What is called with the parenthesis at `open`, if anything is.
fn called(words: Words<'_>, open: usize, kind: &str, joins: bool) -> Option<Called> {
    let tokens = words.tokens();
    let name = tokens.get(open - 1).filter(|token| is_name(token))?;
    if kind == "COPY" && (words.is(open - 1, "STDIN") || words.is(open - 1, "STDOUT")) {
        // The options of COPY stand behind it.
        return None;
    }
    let mut first = open - 1;
    let dot = |at: usize| tokens.get(at).is_some_and(|token| words.text(token) == ".");
    while first >= 2 && dot(first - 1) && tokens.get(first - 2).is_some_and(is_name) {
        first -= 2;
    }
    let schema = (first < open - 1).then(|| tokens.get(open - 3)).flatten();
    let schema = schema.map(|token| folded(words, token));
    let before = first.checked_sub(1).and_then(|at| tokens.get(at));
    let begins = match before {
        None => false,
        Some(token) => match token.kind {
            Lexeme::Open => true,
            Lexeme::Symbol if words.text(token) == "," => !is_common_table(words, open),
            Lexeme::Symbol => !matches!(words.text(token), "::" | "."),
            Lexeme::Word => {
                expression_after(&words.upper(first - 1), words, first - 1, kind, joins)
            }
            _ => false,
        },
    };
    begins.then(|| Called {
        name: folded(words, name),
        built_in: matches!(schema.as_deref(), Some("pg_catalog" | "information_schema")),
    })
}

fn expression_after(keyword: &str, words: Words<'_>, at: usize, kind: &str, joins: bool) -> bool {
    let before = |name: &str| at > 0 && words.is(at - 1, name);
    match keyword {
        "SELECT" | "PERFORM" | "CALL" | "FROM" | "JOIN" | "WHERE" | "AND" | "OR" | "NOT" | "IN"
        | "LIKE" | "ILIKE" | "BETWEEN" | "WHEN" | "THEN" | "ELSE" | "CASE" | "RETURN"
        | "RETURNING" | "BY" | "HAVING" | "DISTINCT" | "ALL" | "ANY" | "LATERAL" | "LIMIT"
        | "OFFSET" | "USING" | "IF" | "ELSIF" | "ELSEIF" | "WHILE" | "IS" | "EXPLAIN" => true,
        // The name of a prepared statement, in a script.
        "EXECUTE" => kind != "EXECUTE",
        // Kept with the column, and called by what comes later.
        "DEFAULT" => kind == "ALTER TABLE" && !before("SET"),
        "FUNCTION" | "PROCEDURE" => before("EXECUTE"),
        "ON" => joins,
        _ => false,
    }
}

/// Whether what looks like a call is a name in WITH: its parenthesis is followed by AS (…).
fn is_common_table(words: Words<'_>, open: usize) -> bool {
    let tokens = words.tokens();
    let Some(inside) = tokens.get(open).map(|token| token.depth) else {
        return false;
    };
    let close = tokens
        .iter()
        .enumerate()
        .skip(open + 1)
        .find(|(_, token)| token.kind == Lexeme::Close && token.depth == inside);
    close.is_some_and(|(at, _)| {
        let next = tokens.get(at + 2).map(|token| token.kind);
        words.is(at + 1, "AS")
            && (next == Some(Lexeme::Open)
                || words.is(at + 2, "MATERIALIZED")
                || words.is(at + 2, "NOT"))
    })
}

fn is_name(token: &StatementWord) -> bool {
    matches!(token.kind, Lexeme::Word | Lexeme::QuotedName)
}

/// A name as the server looks it up.
fn folded(words: Words<'_>, token: &StatementWord) -> String {
    let text = words.text(token);
    match token.kind {
        Lexeme::QuotedName => text
            .trim_start_matches(['u', 'U', '&'])
            .trim_matches('"')
            .replace("\"\"", "\""),
        _ => text.to_lowercase(),
    }
}

/// The own name in the text of a name, such as `public.t_id_seq`.
fn own_name(text: &str) -> Option<String> {
    let name = crate::runbook::objects::Name::parse(text)?;
    Some(name.name)
}

fn unquoted(text: &str) -> String {
    if let Some(rest) = text.strip_prefix('$') {
        let Some((tag, _)) = rest.split_once('$') else {
            return String::new();
        };
        let mark = tag.len() + 2;
        let inner = text.get(mark..text.len().saturating_sub(mark));
        return inner.unwrap_or_default().to_owned();
    }
    let from = text.find('\'').map_or(0, |at| at + 1);
    let inner = text.get(from..).unwrap_or_default();
    let inner = inner.strip_suffix('\'').unwrap_or(inner);
    inner.replace("''", "'")
}

/// The words of a text, without space and comments.
pub(super) fn tokens(text: &str) -> Vec<StatementWord> {
    let mut lexer = Lexer::new(text.as_bytes());
    let mut depth: usize = 0;
    let mut tokens = Vec::new();
    while let Some(lexed) = lexer.next() {
        match lexed.kind {
            Lexeme::Space | Lexeme::Newline | Lexeme::LineComment | Lexeme::BlockComment => {
                continue;
            }
            Lexeme::Close => depth = depth.saturating_sub(1),
            _ => {}
        }
        tokens.push(StatementWord::new(lexed.kind, &lexed.range, depth));
        if lexed.kind == Lexeme::Open {
            depth += 1;
        }
    }
    tokens
}
