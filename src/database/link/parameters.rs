//! What the server reports of its settings by itself (ParameterStatus), as far as it decides where
//! a statement ends or what can be asked.
//!
//! Scripts are split here with `standard_conforming_strings = on` and sent in UTF-8. A session where
//! that is otherwise would end a statement elsewhere, or keep other letters than those of the script.
//! One command a request bounds the first harm; this is how both are told in words.

use crate::database::message;
use crate::facts::ServerMessage;
use crate::runbook::encoding::Charset;

#[derive(Debug, Default)]
pub(super) struct Parameters {
    strings: Option<String>,
    encoding: Option<String>,
    /// The encoding of the database.
    server: Option<String>,
    /// `is_superuser`, as it is from the start.
    superuser: bool,
    version: Option<String>,
    /// What the bytes of a database are in that converts none.
    bytes_in: Charset,
}

impl Parameters {
    pub(super) fn new(bytes_in: Charset) -> Parameters {
        Parameters {
            bytes_in,
            ..Parameters::default()
        }
    }

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

    /// What letters are sent and read in.
    pub(super) fn charset(&self) -> Charset {
        match self.keeps_any_bytes() {
            true => self.bytes_in,
            false => Charset::Utf8,
        }
    }

    /// The client_encoding in which a database that converts none takes and gives them so: as under
    /// psql the named one, else the one in which any byte is taken.
    pub(super) fn takes(&self) -> Option<&'static str> {
        self.keeps_any_bytes().then(|| match self.bytes_in {
            Charset::Utf8 => "SQL_ASCII",
            named @ Charset::Single(_) => named.name(),
        })
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
        let as_it_is = self.takes() == Some(encoding);
        if !(as_it_is || ["UTF8", "UNICODE"].contains(&encoding)) {
            return Some(message::own_with_hint(
                format!(
                    "client_encoding is {encoding} here: the server would take the script, which is \
                     sent in UTF-8, for other letters, and may end a statement elsewhere"
                ),
                "leave client_encoding as it is",
            ));
        }
        None
    }
}
