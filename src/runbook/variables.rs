//! psql's variables, as far as they are known before anything runs: those of the command line and
//! those that the script sets itself.

use std::collections::BTreeMap;

use super::encoding::Charset;
use super::meta::{self, MetaMeaning};

/// A longer value is no value of a variable, in bytes.
const LONGEST: usize = 1 << 20;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variables {
    given: Vec<(String, String)>,
    values: BTreeMap<String, String>,
    charset: Charset,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KnownVariable<'a> {
    Value(&'a str),
    Unset,
    /// psql sets it itself, from the server's answers or its own version.
    ByPsql,
}

/// How the value of a variable is to be put in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ValueForm {
    /// `:name`
    Plain,
    /// `:'name'`
    Literal,
    /// `:"name"`
    Identifier,
    /// `:{?name}`
    Test,
}

/// Which variable is written there, and how it is asked for.
pub(super) fn written(text: &str) -> (ValueForm, &str) {
    let inner = |from: usize| text.get(from..text.len() - 1).unwrap_or_default();
    match text.as_bytes().get(1) {
        Some(b'\'') => (ValueForm::Literal, inner(2)),
        Some(b'"') => (ValueForm::Identifier, inner(2)),
        Some(b'{') => (ValueForm::Test, inner(3)),
        _ => (ValueForm::Plain, text.get(1..).unwrap_or_default()),
    }
}

impl ValueForm {
    /// The text that psql puts there; `None` where it leaves what is written.
    pub(super) fn of(self, known: KnownVariable<'_>) -> Option<String> {
        match (self, known) {
            (ValueForm::Test, KnownVariable::Value(_)) => Some("TRUE".to_owned()),
            (ValueForm::Test, KnownVariable::Unset) => Some("FALSE".to_owned()),
            (ValueForm::Plain, KnownVariable::Value(value)) => Some(value.to_owned()),
            (ValueForm::Literal, KnownVariable::Value(value)) => Some(quote_literal(value)),
            (ValueForm::Identifier, KnownVariable::Value(value)) => {
                Some(format!("\"{}\"", value.replace('"', "\"\"")))
            }
            (_, KnownVariable::Unset | KnownVariable::ByPsql) => None,
        }
    }
}

/// As `PQescapeLiteral` does.
pub(super) fn quote_literal(value: &str) -> String {
    let doubled = value.replace('\'', "''");
    match value.contains('\\') {
        true => format!(" E'{}'", doubled.replace('\\', "\\\\")),
        false => format!("'{doubled}'"),
    }
}

/// Whether psql takes that for the name of a variable.
pub(super) fn is_name(name: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii();
    !name.is_empty() && name.chars().all(part)
}

impl Variables {
    /// The variables of the command line, each as `NAME=VALUE`; a name alone takes one back, as in
    /// psql.
    ///
    /// # Errors
    /// In words, where psql would not take one, or where it would change what a script means here.
    pub fn given(words: &[String]) -> Result<Variables, String> {
        let mut variables = Variables::default();
        for word in words {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (word.as_str(), None),
            };
            let meaning = match value {
                Some(value) => meta::set(name, value),
                None => meta::unset(name),
            };
            match meaning {
                MetaMeaning::Set(name, value) => variables.set(name, value),
                MetaMeaning::Unset(name) => variables.unset(&name),
                MetaMeaning::Refused(why) => return Err(why.replacen("\\set", "-v", 1)),
                _ => {}
            }
        }
        variables.given = variables.values.clone().into_iter().collect();
        Ok(variables)
    }

    /// The same for scripts that are in another encoding than UTF-8, as psql's variable ENCODING has it.
    #[must_use]
    pub fn in_encoding(mut self, charset: Charset) -> Variables {
        self.charset = charset;
        if charset != Charset::Utf8 {
            let named = ("ENCODING".to_owned(), charset.name().to_owned());
            self.given.push(named);
        }
        self
    }

    /// What files are written in that say nothing of it.
    pub(super) fn charset(&self) -> Charset {
        self.charset
    }

    pub fn of_command_line(&self) -> &[(String, String)] {
        &self.given
    }

    pub(super) fn set(&mut self, name: String, value: String) {
        self.values.insert(name, value);
    }

    /// To psql one of its own is never gone: it has its first value again.
    pub(super) fn unset(&mut self, name: &str) {
        match meta::first_value(name) {
            Some(first) => self.set(name.to_owned(), first.to_owned()),
            None => {
                self.values.remove(name);
            }
        }
    }

    pub(super) fn look_up(&self, name: &str) -> KnownVariable<'_> {
        match self.values.get(name) {
            Some(value) => KnownVariable::Value(value),
            None if meta::set_by_psql(name) => KnownVariable::ByPsql,
            None => KnownVariable::Unset,
        }
    }

    pub(super) fn is_too_long(value: &str) -> bool {
        value.len() > LONGEST
    }
}
