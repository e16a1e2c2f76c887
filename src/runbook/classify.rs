//! What a statement is: its kind in the words of PostgreSQL's command tags, and its relation.
//!
//! The kind comes from the leading words, as the command tag itself does, so it needs no parser
//! and cannot be lost with one. The relation comes from squawk's syntax tree of that one
//! statement, with the words as fall-back. Nothing here decides where a statement ends or
//! whether it may run.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::parsed::ParsedStatement;
use squawk_syntax::{SyntaxKind, SyntaxNode};

use super::lexer::Lexeme;
use super::scanner::StatementWord;

/// The words of one statement, for looking at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words<'a> {
    bytes: &'a [u8],
    tokens: &'a [StatementWord],
}

/// Objects whose name in CREATE, ALTER and DROP has more than one word.
const LONG_OBJECTS: &[&[&str]] = &[
    &["ACCESS", "METHOD"],
    &["DEFAULT", "PRIVILEGES"],
    &["EVENT", "TRIGGER"],
    &["FOREIGN", "DATA", "WRAPPER"],
    &["FOREIGN", "TABLE"],
    &["LARGE", "OBJECT"],
    &["MATERIALIZED", "VIEW"],
    &["OPERATOR", "CLASS"],
    &["OPERATOR", "FAMILY"],
    &["TEXT", "SEARCH", "CONFIGURATION"],
    &["TEXT", "SEARCH", "DICTIONARY"],
    &["TEXT", "SEARCH", "PARSER"],
    &["TEXT", "SEARCH", "TEMPLATE"],
    &["USER", "MAPPING"],
];

/// Words between CREATE and the object that are no part of the kind.
const CREATE_MODIFIERS: &[&str] = &[
    "OR",
    "REPLACE",
    "TEMP",
    "TEMPORARY",
    "LOCAL",
    "GLOBAL",
    "UNLOGGED",
    "UNIQUE",
    "RECURSIVE",
    "TRUSTED",
    "PROCEDURAL",
    "CONSTRAINT",
];

impl<'a> Words<'a> {
    pub(super) fn new(bytes: &'a [u8], tokens: &'a [StatementWord]) -> Words<'a> {
        Words { bytes, tokens }
    }

    /// The statements that `\;` joins into this query string.
    pub(super) fn statements(self) -> impl Iterator<Item = Words<'a>> {
        self.tokens
            .split(|token| {
                token.kind == Lexeme::JoiningSemicolon
                    || (token.kind == Lexeme::Semicolon && token.depth == 0)
            })
            .filter(|tokens| !tokens.is_empty())
            .map(move |tokens| Words {
                bytes: self.bytes,
                tokens,
            })
    }

    /// Some of these words alone.
    pub(super) fn part(self, tokens: &'a [StatementWord]) -> Words<'a> {
        Words { tokens, ..self }
    }

    pub(super) fn len(self) -> usize {
        self.tokens.len()
    }

    pub(super) fn tokens(self) -> &'a [StatementWord] {
        self.tokens
    }

    /// What stands in the file there.
    pub(super) fn bytes(self, range: std::ops::Range<usize>) -> &'a [u8] {
        self.bytes.get(range).unwrap_or_default()
    }

    /// Behind the semicolon of a statement whose last word ends there; `None` where no semicolon follows.
    pub(super) fn end_of_statement(self, last: usize) -> Option<usize> {
        let rest = self.bytes.get(last..)?;
        let at = rest.iter().position(|byte| !byte.is_ascii_whitespace())?;
        (rest.get(at) == Some(&b';')).then_some(last + at + 1)
    }

    pub(super) fn text(self, token: &StatementWord) -> &'a str {
        let bytes = self.bytes.get(token.range()).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    pub(super) fn is(self, index: usize, name: &str) -> bool {
        self.tokens
            .get(index)
            .is_some_and(|token| self.token_is(token, name))
    }

    pub(super) fn token_is(self, token: &StatementWord, name: &str) -> bool {
        token.kind == Lexeme::Word
            && self
                .bytes(token.range())
                .eq_ignore_ascii_case(name.as_bytes())
    }

    /// Whether the words from `index` on are `names`.
    pub(super) fn are(self, index: usize, names: &[&str]) -> bool {
        names
            .iter()
            .enumerate()
            .all(|(offset, name)| self.is(index + offset, name))
    }

    /// The word at `index` in upper case; empty for anything but a word.
    pub(super) fn upper(self, index: usize) -> Cow<'a, str> {
        let word = self.tokens.get(index);
        let word = word.filter(|token| token.kind == Lexeme::Word);
        let text = word.map_or("", |token| self.text(token));
        match text.bytes().any(|byte| byte.is_ascii_lowercase()) {
            true => text.to_ascii_uppercase().into(),
            false => text.into(),
        }
    }

    /// Where the keyword `name` stands outside of parentheses.
    pub(super) fn find(self, name: &str) -> Option<usize> {
        self.tokens
            .iter()
            .position(|token| token.depth == 0 && self.token_is(token, name))
    }

    /// Behind the modifiers of CREATE: where its object stands.
    pub(super) fn object(self) -> usize {
        let mut index = 1;
        if self.is(0, "CREATE") {
            while CREATE_MODIFIERS.iter().any(|word| self.is(index, word)) {
                index += 1;
            }
            if self.are(index, &["DEFAULT", "CONVERSION"]) {
                index += 1;
            }
        }
        index
    }

    fn object_words(self, index: usize) -> usize {
        LONG_OBJECTS
            .iter()
            .find(|words| self.are(index, words))
            .map_or(1, |words| words.len())
    }
}

/// The kind of a query string; of the first statement where `\;` joins several.
pub(super) fn kind(words: Words<'_>) -> String {
    let words = words.statements().next().unwrap_or(words);
    let first = words.upper(0);
    let second = words.upper(1);
    let kind = match (&*first, &*second) {
        ("SELECT", _) if words.find("INTO").is_some() => "SELECT INTO",
        ("SELECT" | "VALUES" | "TABLE", _) => "SELECT",
        ("WITH", _) => return with(words),
        ("CREATE" | "ALTER" | "DROP", _) => return definition(words, &first),
        ("TRUNCATE", _) => "TRUNCATE TABLE",
        ("LOCK", _) => "LOCK TABLE",
        ("REFRESH", _) => "REFRESH MATERIALIZED VIEW",
        ("IMPORT", _) => "IMPORT FOREIGN SCHEMA",
        ("SECURITY", "LABEL") => "SECURITY LABEL",
        ("REASSIGN", _) => "REASSIGN OWNED",
        ("START", _) => "START TRANSACTION",
        ("COMMIT", "PREPARED") => "COMMIT PREPARED",
        ("ROLLBACK", "PREPARED") => "ROLLBACK PREPARED",
        ("COMMIT" | "END", _) => "COMMIT",
        ("ROLLBACK", _) if words.find("TO").is_some() => "ROLLBACK TO SAVEPOINT",
        ("ROLLBACK" | "ABORT", _) => "ROLLBACK",
        ("PREPARE", "TRANSACTION") => "PREPARE TRANSACTION",
        ("SET", "CONSTRAINTS") => "SET CONSTRAINTS",
        ("ANALYZE" | "ANALYSE", _) => "ANALYZE",
        ("DECLARE", _) => "DECLARE CURSOR",
        ("CLOSE", _) => "CLOSE CURSOR",
        ("DISCARD", what @ ("ALL" | "PLANS" | "SEQUENCES" | "TEMP")) => {
            return format!("DISCARD {what}");
        }
        ("", _) => {
            let opening = words.tokens.iter().find(|token| token.kind != Lexeme::Open);
            return match opening {
                Some(token) if token.kind == Lexeme::Word && token.depth > 0 => "SELECT".into(),
                _ => "UNKNOWN".into(),
            };
        }
        _ => return first.chars().take(24).collect(),
    };
    kind.to_owned()
}

/// The expressions of WITH stand in parentheses; what comes outside of them is the statement.
fn with(words: Words<'_>) -> String {
    words
        .tokens
        .iter()
        .skip(1)
        .filter(|token| token.depth == 0)
        .find_map(
            |token| match words.text(token).to_ascii_uppercase().as_str() {
                "VALUES" | "TABLE" => Some("SELECT".to_owned()),
                word @ ("SELECT" | "INSERT" | "UPDATE" | "DELETE" | "MERGE") => {
                    Some(word.to_owned())
                }
                _ => None,
            },
        )
        .unwrap_or_else(|| "SELECT".to_owned())
}

fn definition(words: Words<'_>, verb: &str) -> String {
    let at = words.object();
    let object: Vec<_> = (at..at + words.object_words(at))
        .map(|index| words.upper(index))
        .collect();
    let object = match object.join(" ").as_str() {
        "USER" | "GROUP" => "ROLE".to_owned(),
        "TABLE" if verb == "CREATE" && makes_table_from_query(words) => "TABLE AS".to_owned(),
        other => other.chars().take(32).collect(),
    };
    format!("{verb} {object}").trim_end().to_owned()
}

fn makes_table_from_query(words: Words<'_>) -> bool {
    words.find("AS").is_some_and(|at| {
        ["SELECT", "WITH", "VALUES", "TABLE", "EXECUTE"]
            .iter()
            .any(|word| words.is(at + 1, word))
            || words
                .tokens
                .get(at + 1)
                .is_some_and(|token| token.kind == Lexeme::Open)
    })
}

/// Text of more nesting, or of longer chains of operators, is not given to the parser: it
/// recurses, and the tree of `1 + 1 + …` is as deep as it is long.
const PARSER_LIMITS: (usize, usize, usize) = (500, 3_000, 4 << 20);

/// Whether squawk can parse `text` in the stack that it is given ([`PARSER_STACK`]). Counted on
/// the words as squawk's own lexer sees them: what is a string to psql may be parentheses to it.
pub(super) fn is_parsable(text: &str) -> bool {
    let (nesting, links, bytes) = PARSER_LIMITS;
    if text.len() > bytes {
        return false;
    }
    // For each open bracket, how many words since it or since the last comma in it: what stands
    // on the two sides of a comma is not nested in one another.
    let mut chains = vec![0_usize];
    let mut total = 0;
    for token in squawk_lexer::tokenize(text) {
        use squawk_lexer::TokenKind as Kind;
        match token.kind {
            Kind::Whitespace
            | Kind::LineComment
            | Kind::BlockComment { .. }
            | Kind::Literal { .. }
            | Kind::PositionalParam { .. } => {}
            Kind::OpenParen | Kind::OpenBracket | Kind::OpenCurly => chains.push(0),
            Kind::CloseParen | Kind::CloseBracket | Kind::CloseCurly => {
                if chains.len() > 1 {
                    total -= chains.pop().unwrap_or_default();
                }
            }
            Kind::Comma | Kind::Semi => {
                if let Some(chain) = chains.last_mut() {
                    total -= std::mem::take(chain);
                }
            }
            _ => {
                total += 1;
                if let Some(chain) = chains.last_mut() {
                    *chain += 1;
                }
            }
        }
        if chains.len() > nesting || total > links {
            return false;
        }
    }
    true
}

/// The stack of the thread in which squawk runs, in bytes: room for [`PARSER_LIMITS`], in a
/// build without optimisation too.
pub(super) const PARSER_STACK: usize = 64 << 20;

/// The first words of statements that are about no relation.
const ABOUT_NONE: &str = "BEGIN START COMMIT ROLLBACK SAVEPOINT RELEASE SET RESET SHOW DO LISTEN UNLISTEN \
    NOTIFY DISCARD CHECKPOINT UNKNOWN";

fn has_relation(kind: &str) -> bool {
    let first = kind.split(' ').next();
    !ABOUT_NONE.split(' ').any(|word| Some(word) == first)
}

/// Whether only a parse tells the relation that a statement is about. Where rows are put into, changed
/// in or taken from a table, its name stands behind the first words: `by_words` is what
/// [`relation_in_words`] has found.
pub(super) fn relation_needs_parse(words: Words<'_>, kind: &str, by_words: Option<&str>) -> bool {
    if !has_relation(kind) {
        return false;
    }
    match &*words.upper(0) {
        "INSERT" | "UPDATE" | "DELETE" | "COPY" | "TRUNCATE" => by_words.is_none(),
        // Without FROM, and TABLE as its short form, it reads nothing.
        "SELECT" | "VALUES" => words
            .tokens()
            .iter()
            .any(|token| words.token_is(token, "FROM") || words.token_is(token, "TABLE")),
        _ => true,
    }
}

pub(super) fn relation(parsed: &ParsedStatement, kind: &str) -> Option<String> {
    if !has_relation(kind) {
        return None;
    }
    relation_in_tree(&parsed.root, kind)
}

fn relation_in_tree(root: &SyntaxNode, kind: &str) -> Option<String> {
    use SyntaxKind::{
        FROM_CLAUSE, QUALIFIED_COLUMN_NAME_REF, RELATION_NAME_REF, TABLE_NAME, TABLE_NAME_REF,
        WITH_CLAUSE,
    };
    let is_relation =
        |node: &SyntaxNode| matches!(node.kind(), TABLE_NAME | TABLE_NAME_REF | RELATION_NAME_REF);
    if kind == "COMMENT" {
        let column = root
            .descendants()
            .find(|node| node.kind() == QUALIFIED_COLUMN_NAME_REF);
        if let Some(column) = column {
            let path = column.first_child()?;
            return path.first_child().map(|table| flat(&table));
        }
    }
    let in_with = |node: &SyntaxNode| node.ancestors().any(|above| above.kind() == WITH_CLAUSE);
    let scope = if kind == "SELECT" {
        // The outermost one: not that of a subquery in the list of columns.
        root.descendants()
            .filter(|node| node.kind() == FROM_CLAUSE && !in_with(node))
            .min_by_key(|node| node.ancestors().count())
    } else if matches!(
        kind,
        "CREATE FUNCTION" | "CREATE PROCEDURE" | "CREATE VIEW" | "CREATE MATERIALIZED VIEW"
    ) {
        // The relations of its body are not what it is about.
        None
    } else {
        Some(root.clone())
    };
    let scope = scope?;
    // What WITH names is no relation; what it reads from is, where nothing else is left.
    let named: BTreeSet<String> = root
        .descendants()
        .filter(|node| node.kind() == SyntaxKind::CTE_NAME)
        .map(|node| flat(&node))
        .collect();
    let real = |node: &SyntaxNode| is_relation(node) && !named.contains(&flat(node));
    scope
        .descendants()
        .find(|node| real(node) && !in_with(node))
        .or_else(|| scope.descendants().find(real))
        .or_else(|| root.descendants().find(real))
        .map(|node| flat(&node))
}

/// A node's text without the comments and line breaks in it.
fn flat(node: &SyntaxNode) -> String {
    node.descendants_with_tokens()
        .filter_map(|element| element.into_token())
        .filter(|token| !matches!(token.kind(), SyntaxKind::WHITESPACE | SyntaxKind::COMMENT))
        .map(|token| token.text().to_owned())
        .collect()
}

/// What on a relation is made or taken away and has a name of its own.
const NAMED_ON_A_TABLE: [&str; 4] = ["INDEX", "TRIGGER", "POLICY", "RULE"];

/// What a statement does, by a name of its own: that of an index, a trigger, a policy or a rule, and of a
/// query the text that is its first column, which names a check.
pub(super) fn subject_in_words(words: Words<'_>) -> Option<String> {
    let words = words.statements().next().unwrap_or(words);
    match &*words.upper(0) {
        "CREATE" | "ALTER" | "DROP" => {
            let object = words.object();
            let named = NAMED_ON_A_TABLE.iter().any(|word| words.is(object, word));
            let name = named.then(|| name_at(words, object + 1)).flatten()?;
            (!name.eq_ignore_ascii_case("ON")).then_some(name)
        }
        "SELECT" => {
            let first = words.tokens.get(1)?;
            let text = words.text(first);
            let inside = text.strip_prefix('\'')?.strip_suffix('\'')?;
            let named = words.tokens.get(2).is_some_and(|next| {
                next.kind == Lexeme::Word
                    || next.kind == Lexeme::QuotedName
                    || words.text(next) == ","
            });
            (first.kind == Lexeme::String && named && !inside.is_empty())
                .then(|| inside.replace("''", "'"))
        }
        _ => None,
    }
}

/// The name that the leading words point at: what is left when there is no parse.
pub(super) fn relation_in_words(words: Words<'_>) -> Option<String> {
    let words = words.statements().next().unwrap_or(words);
    let after = |name: &str| words.find(name).map(|at| at + 1);
    let at = match &*words.upper(0) {
        "INSERT" | "MERGE" => after("INTO")?,
        "DELETE" | "SELECT" | "TABLE" => after("FROM")?,
        "WITH" => after("INTO")
            .or_else(|| after("UPDATE"))
            .or_else(|| after("FROM"))?,
        "UPDATE" | "COPY" => 1,
        "TRUNCATE" | "LOCK" => 1 + usize::from(words.is(1, "TABLE")),
        "ANALYZE" | "ANALYSE" | "VACUUM" | "CLUSTER" => 1 + usize::from(words.is(1, "VERBOSE")),
        "REFRESH" => 3,
        "CREATE" | "ALTER" | "DROP" => {
            let object = words.object();
            let nameless = words.are(object, &["DEFAULT", "PRIVILEGES"])
                || words.is(object, "OWNED")
                || words.is(object, "SYSTEM");
            if nameless {
                return None;
            }
            let owned = NAMED_ON_A_TABLE.iter().any(|word| words.is(object, word));
            match after("ON") {
                Some(on) if owned => on,
                _ => object + words.object_words(object),
            }
        }
        _ => return None,
    };
    name_at(words, at)
}

/// The name, qualified or not, that stands at `at` or behind the words that may go before one.
fn name_at(words: Words<'_>, at: usize) -> Option<String> {
    let mut at = at;
    for word in ["CONCURRENTLY", "IF", "NOT", "EXISTS", "ONLY"] {
        at += usize::from(words.is(at, word));
    }
    let mut name = String::new();
    loop {
        let token = words.tokens.get(at)?;
        if !matches!(token.kind, Lexeme::Word | Lexeme::QuotedName) {
            return (!name.is_empty()).then_some(name);
        }
        name.push_str(words.text(token));
        let dot = words.tokens.get(at + 1);
        if !dot.is_some_and(|dot| dot.kind == Lexeme::Symbol && words.text(dot) == ".") {
            return Some(name);
        }
        name.push('.');
        at += 2;
    }
}
