//! What the server reports of its settings by itself (ParameterStatus), as far as it decides where
//! a statement ends or what can be asked.
//!
//! Scripts are split here with `standard_conforming_strings = on` and in an encoding where no byte
//! of a longer character looks like one of ASCII. A session where that is otherwise would end a
//! statement elsewhere. One command a request bounds the harm; this is how it is told in words.

use crate::database::message;
use crate::gate::event::ServerMessage;

/// The settings that reading depends on.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    strings: Option<String>,
    encoding: Option<String>,
    /// The encoding of the database.
    server: Option<String>,
    /// `is_superuser`, as it is from the start.
    superuser: bool,
    /// `server_version`.
    version: Option<String>,
}

/// Encodings, as the server names them, in whose longer characters no byte is an ASCII character.
/// In others (SJIS, BIG5, GBK, UHC, GB18030, JOHAB) the second byte may be a backslash.
const PLAIN: [&str; 9] = [
    "UTF8",
    "UNICODE",
    "SQL_ASCII",
    "EUC_",
    "LATIN",
    "ISO_8859_",
    "WIN",
    "KOI8",
    "MULE_INTERNAL",
];

impl Parameters {
    pub(super) fn set(&mut self, name: String, value: String) {
        match name.as_str() {
            "standard_conforming_strings" => self.strings = Some(value),
            "client_encoding" => self.encoding = Some(value),
            "server_encoding" => self.server = Some(value),
            "is_superuser" => self.superuser = value == "on",
            "server_version" => self.version = Some(value),
            _ => {}
        }
    }

    /// Whether the database keeps bytes of any encoding, and converts none.
    pub(super) fn keeps_any_bytes(&self) -> bool {
        self.server.as_deref() == Some("SQL_ASCII")
    }

    pub(super) fn superuser(&self) -> bool {
        self.superuser
    }

    /// The first number of the server's version; 0 where it says none.
    pub(super) fn major(&self) -> u32 {
        let version = self.version.as_deref().unwrap_or_default();
        let digits = version.split(|c: char| !c.is_ascii_digit()).next();
        digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
    }

    /// Why statements end elsewhere for this session than here.
    pub(super) fn read_otherwise(&self) -> Option<ServerMessage> {
        if self.strings.as_deref() == Some("off") {
            return Some(message::own_with_hint(
                "standard_conforming_strings is off here: the server ends a string, and so a \
                 statement, elsewhere than this program does",
                "set it on for this session (PGOPTIONS='-c standard_conforming_strings=on'), or \
                 for the role or the database, and see that the script means the same with it",
            ));
        }
        let encoding = self.encoding.as_deref().unwrap_or("UTF8");
        if !PLAIN.iter().any(|plain| encoding.starts_with(plain)) {
            return Some(message::own_with_hint(
                format!(
                    "client_encoding is {encoding} here: the server ends a string, and so a \
                     statement, elsewhere than this program does"
                ),
                "turn the script into UTF-8 and leave client_encoding as it is",
            ));
        }
        None
    }
}
