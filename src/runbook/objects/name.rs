//! Names as the server understands them: folded, unquoted, cut where the server cuts them.
//!
//! A script and the catalog write the same name in different ways, so two names are compared only
//! in this form, never as text.

use std::fmt;

/// How long a name may be, in bytes; the server cuts what is longer.
const LONGEST: usize = 63;

/// The name of a relation or of another object in a schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    pub schema: Option<String>,
    pub name: String,
}

impl Name {
    /// Of a name as it is written in SQL, such as `service_ops."Inbox"`.
    pub fn parse(text: &str) -> Option<Name> {
        let mut parts = Vec::new();
        let mut part = String::new();
        let mut quoted = false;
        for c in text.trim().chars() {
            match c {
                '"' => {
                    quoted = !quoted;
                    part.push(c);
                }
                '.' if !quoted => parts.push(std::mem::take(&mut part)),
                c => part.push(c),
            }
        }
        parts.push(part);
        let parts: Vec<String> = parts.iter().map(|part| identifier(part.trim())).collect();
        Name::of(parts)
    }

    /// Of its parts, the outermost first; a database in front of the schema is left away.
    pub(super) fn of(mut parts: Vec<String>) -> Option<Name> {
        let name = parts.pop().filter(|name| !name.is_empty())?;
        Some(Name {
            schema: parts.pop(),
            name,
        })
    }

    /// Whether both can be the same object: a schema that one of them leaves away is whatever the
    /// search path finds.
    pub fn fits(&self, other: &Name) -> bool {
        let schemas = self.schema.as_ref().zip(other.schema.as_ref());
        self.name == other.name && schemas.is_none_or(|(a, b)| a == b)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{}.", quoted(schema))?;
        }
        f.write_str(&quoted(&self.name))
    }
}

/// A name, in quotes where it would not be itself without them. (Keywords stay bare: this is for
/// reading, not for sending.)
pub fn quoted(name: &str) -> String {
    let plain = name.bytes().enumerate().all(|(at, b)| match b {
        b'a'..=b'z' | b'_' => true,
        b'0'..=b'9' | b'$' => at > 0,
        _ => !b.is_ascii(),
    });
    if plain && !name.is_empty() {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// The name that a word of SQL means.
pub(super) fn identifier(word: &str) -> String {
    let inside = |word: &str| {
        let word = word.strip_prefix('"').unwrap_or(word);
        word.strip_suffix('"').unwrap_or(word).replace("\"\"", "\"")
    };
    let name = if word.starts_with('"') {
        inside(word)
    } else if let Some(rest) = word.strip_prefix("U&").or_else(|| word.strip_prefix("u&")) {
        unescaped(&inside(rest))
    } else {
        // The server folds what it knows to be one byte, as every encoding but UTF-8 would differ.
        word.to_ascii_lowercase()
    };
    let mut end = name.len().min(LONGEST);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.get(..end).unwrap_or_default().to_owned()
}

/// `\0061` and `\+000061` as characters; another escape character is not looked for.
fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let (digits, skip) = match after.strip_prefix('+') {
            Some(long) => (long.get(..6), 7),
            None => (after.get(..4), 4),
        };
        let decoded = digits
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .and_then(char::from_u32);
        match decoded {
            Some(c) => {
                out.push(c);
                rest = after.get(skip..).unwrap_or_default();
            }
            None => {
                out.push('\\');
                rest = after.strip_prefix('\\').unwrap_or(after);
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_the_server_makes_of_it() {
        let shown = |text: &str| Name::parse(text).unwrap().to_string();
        assert_eq!(shown("Service_Ops.INBOX"), "service_ops.inbox");
        assert_eq!(shown("\"S x\".\"a\"\"b\""), "\"S x\".\"a\"\"b\"");
        assert_eq!(shown("db.s.t"), "s.t");
        assert_eq!(shown("\"a.b\""), "\"a.b\"");
        assert_eq!(shown("U&\"d\\0061t\\+000061\""), "data");
        assert_eq!(Name::parse(&"x".repeat(70)).unwrap().name.len(), 63);
        assert_eq!(Name::parse(&"é".repeat(40)).unwrap().name.len(), 62);
        assert_eq!(Name::parse(""), None);
    }

    #[test]
    fn a_schema_left_away_fits_any() {
        let name = |text| Name::parse(text).unwrap();
        assert!(name("t").fits(&name("s.t")));
        assert!(name("S.T").fits(&name("s.t")));
        assert!(!name("r.t").fits(&name("s.t")));
        assert!(!name("\"T\"").fits(&name("t")));
    }
}
