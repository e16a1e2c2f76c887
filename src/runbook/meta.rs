//! psql's meta-commands: how a line with a backslash is read, and which ones a script may have.
//!
//! A few are understood; each of the others is refused with its reason, because leaving it out
//! silently would make the script mean something else than it does under psql.

use std::ops::Range;

use super::lexer::{is_space, is_variable_part};
use super::variables::{self, KnownVariable, Variables};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Argument {
    pub text: String,
    /// Whether it holds a shell command in back-quotes.
    pub runs_shell: bool,
    /// A variable in it whose value psql alone knows.
    pub unknown: Option<String>,
    /// How many characters at its end are neither quoted nor substituted.
    pub bare: usize,
}

impl Argument {
    /// Its text as the name of a file: psql takes semicolons at its end away.
    pub(super) fn file_name(&self) -> &str {
        let mut text = self.text.as_str();
        for _ in 0..self.bare {
            match text.strip_suffix(|c: char| c == ';' || c.is_ascii_whitespace()) {
                Some(rest) => text = rest,
                None => break,
            }
        }
        text
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ParsedMeta {
    pub name: String,
    pub arguments: Vec<Argument>,
    pub open_quote: bool,
}

/// What a meta-command does to the statement that is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MetaEffect {
    /// Sends it, as a semicolon would.
    Send,
    Reset,
    /// Nothing: it goes on behind the meta-command.
    None,
}

/// What `name` does to the statement that is being read.
pub(super) fn effect(name: &str) -> MetaEffect {
    match name {
        "g" | "gx" | "gset" | "gexec" | "gdesc" | "crosstabview" | "watch" => MetaEffect::Send,
        "r" | "reset" => MetaEffect::Reset,
        _ => MetaEffect::None,
    }
}

/// These take the rest of the line as it is, backslashes included.
fn takes_whole_line(name: &str) -> bool {
    is_copy(name)
        || matches!(
            name,
            "!" | "h" | "help" | "ef" | "ev" | "sf" | "sv" | "sf+" | "sv+"
        )
}

/// psql takes this one in any case.
pub(super) fn is_copy(name: &str) -> bool {
    name.eq_ignore_ascii_case("copy")
}

/// Whether it is `\copy … from stdin`, which reads the lines behind it.
pub(super) fn takes_data(parsed: &ParsedMeta) -> bool {
    let words = |argument: &Argument| {
        let text = argument.text.to_ascii_lowercase();
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        words
            .windows(2)
            .any(|pair| matches!(pair, ["from", source] if source.trim_end_matches(';') == "stdin"))
    };
    is_copy(&parsed.name) && parsed.arguments.iter().any(words)
}

/// Reads the meta-command whose backslash is at `start`; also says where it ends. Without
/// `variables` none is substituted.
pub(super) fn parse_meta(
    bytes: &[u8],
    start: usize,
    variables: Option<&Variables>,
) -> (ParsedMeta, usize) {
    let at = |pos: usize| bytes.get(pos).copied().filter(|&b| b != b'\n');
    let mut pos = start + 1;
    while at(pos).is_some_and(|b| !is_space(b) && b != b'\\') {
        pos += 1;
    }
    let text = |range: Range<usize>| {
        String::from_utf8_lossy(bytes.get(range).unwrap_or_default()).into_owned()
    };
    let name = text(start + 1..pos);
    let mut arguments = Vec::new();
    let mut open_quote = false;
    if takes_whole_line(&name) {
        let from = pos;
        while at(pos).is_some() {
            pos += 1;
        }
        let rest = text(from..pos);
        arguments.push(Argument {
            text: rest.trim().to_owned(),
            runs_shell: false,
            unknown: None,
            bare: 0,
        });
    } else {
        loop {
            while at(pos).is_some_and(is_space) {
                pos += 1;
            }
            match at(pos) {
                None | Some(b'\\') => break,
                Some(_) => {
                    let (argument, end, closed) = argument(bytes, pos, variables);
                    pos = end;
                    open_quote |= !closed;
                    arguments.push(argument);
                }
            }
        }
        // A double backslash ends the meta-command; SQL goes on behind it.
        if at(pos) == Some(b'\\') && at(pos + 1) == Some(b'\\') {
            pos += 2;
        }
    }
    let parsed = ParsedMeta {
        name,
        arguments,
        open_quote,
    };
    (parsed, pos)
}

/// One argument from `start` on; where it ends; whether its quotes are closed.
fn argument(bytes: &[u8], start: usize, variables: Option<&Variables>) -> (Argument, usize, bool) {
    let at = |pos: usize| bytes.get(pos).copied().filter(|&b| b != b'\n');
    let mut text = Vec::new();
    let mut quote = None;
    let mut runs_shell = false;
    let mut unknown = None;
    let mut bare = 0;
    let mut pos = start;
    while let Some(byte) = at(pos) {
        pos += 1;
        match (quote, byte) {
            (None, b'\\') => {
                pos -= 1;
                break;
            }
            (None, b) if is_space(b) => {
                pos -= 1;
                break;
            }
            (None, b'\'' | b'"' | b'`') => {
                quote = Some(byte);
                bare = 0;
                runs_shell |= byte == b'`';
                if byte != b'\'' {
                    text.push(byte);
                }
            }
            (None, b':') => match variable(bytes, pos - 1) {
                Some(end) => {
                    let written = bytes.get(pos - 1..end).unwrap_or_default();
                    let written = String::from_utf8_lossy(written);
                    let (form, name) = variables::written(&written);
                    let known = variables.map(|own| own.look_up(name));
                    match known.and_then(|known| form.of(known)) {
                        Some(value) => text.extend(value.bytes()),
                        None => text.extend(written.bytes()),
                    }
                    if known == Some(KnownVariable::ByPsql) {
                        unknown.get_or_insert_with(|| written.clone().into_owned());
                    }
                    bare = 0;
                    pos = end;
                }
                None => {
                    bare += 1;
                    text.push(byte);
                }
            },
            (Some(b'\''), b'\'') if at(pos) == Some(b'\'') => {
                text.push(b'\'');
                pos += 1;
            }
            (Some(open), b) if b == open => {
                quote = None;
                if b != b'\'' {
                    text.push(b);
                }
            }
            (Some(b'\''), b'\\') => {
                if let Some((escaped, behind)) = escape(bytes, pos) {
                    text.push(escaped);
                    pos = behind;
                }
            }
            (open, b) => {
                bare += usize::from(open.is_none());
                text.push(b);
            }
        }
    }
    let argument = Argument {
        text: String::from_utf8_lossy(&text).into_owned(),
        runs_shell,
        unknown,
        bare,
    };
    (argument, pos, quote.is_none())
}

/// What stands behind a backslash in quotes, and where it ends.
fn escape(bytes: &[u8], pos: usize) -> Option<(u8, usize)> {
    let at = |pos: usize| bytes.get(pos).copied().filter(|&b| b != b'\n');
    let digits = |from: usize, most: usize, base: u32| -> Option<(u8, usize)> {
        let digit = |pos: usize| char::from(at(pos)?).to_digit(base);
        let mut value = digit(from)?;
        let mut end = from + 1;
        while end < from + most
            && let Some(next) = digit(end)
        {
            value = value * base + next;
            end += 1;
        }
        Some((u8::try_from(value & 0xff).unwrap_or_default(), end))
    };
    let escaped = at(pos)?;
    let plain = match escaped {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'b' => 0x08,
        b'f' => 0x0c,
        b'0'..=b'7' => return digits(pos, 3, 8),
        b'x' | b'X' => return digits(pos + 1, 2, 16).or(Some((escaped, pos + 1))),
        other => other,
    };
    Some((plain, pos + 1))
}

/// Where the variable ends whose colon is at `start`; `None` where there is none.
fn variable(bytes: &[u8], start: usize) -> Option<usize> {
    let at = |pos: usize| bytes.get(pos).copied();
    let (from, close) = match (at(start + 1)?, at(start + 2)) {
        (quote @ (b'\'' | b'"'), _) => (start + 2, Some(quote)),
        (b'{', Some(b'?')) => (start + 3, Some(b'}')),
        _ => (start + 1, None),
    };
    let mut end = from;
    while at(end).is_some_and(is_variable_part) {
        end += 1;
    }
    match close {
        _ if end == from => None,
        None => Some(end),
        Some(close) if at(end) == Some(close) => Some(end + 1),
        Some(_) => None,
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum MetaMeaning {
    /// It only concerns psql's display.
    Nothing,
    /// `\echo`, `\qecho`.
    Echo(String),
    /// `\set NAME VALUE`.
    Set(String, String),
    /// `\unset NAME`.
    Unset(String),
    /// `\restrict KEY`: no other meta-command until its key is given back.
    Restrict(String),
    /// `\unrestrict KEY`.
    Unrestrict(String),
    /// `\encoding NAME`: what follows is in it.
    Encoding(String),
    /// `\i FILE`: relative to the working directory.
    Include(String),
    /// `\ir FILE`: relative to the file it stands in.
    IncludeRelative(String),
    /// Not understood, or not to be allowed: why, and what to do.
    Refused(String),
}

/// Why the value of a variable is not known.
pub(super) const BY_PSQL: &str = "psql sets that variable itself, from the server's answers or from \
                                  what it is, so its value is not known before anything runs; write \
                                  the value";

pub(super) fn meaning(name: &str, arguments: &[Argument], open_quote: bool) -> MetaMeaning {
    if open_quote {
        return MetaMeaning::Refused(format!(
            "a quote in \\{name} never ends; close it on its line"
        ));
    }
    if arguments.iter().any(|argument| argument.runs_shell) {
        return MetaMeaning::Refused(format!(
            "\\{name} would run a shell command in back-quotes; write its result instead"
        ));
    }
    if let Some(variable) = arguments.iter().find_map(|one| one.unknown.as_deref()) {
        return MetaMeaning::Refused(format!("\\{name} has {variable}: {}", BY_PSQL));
    }
    let texts: Vec<&str> = arguments
        .iter()
        .map(|argument| argument.text.as_str())
        .collect();
    match (name, texts.as_slice()) {
        ("timing" | "pset" | "x" | "t" | "a" | "H" | "html" | "f" | "C" | "T", _) => {
            MetaMeaning::Nothing
        }
        ("p" | "print" | "errverbose", _) => MetaMeaning::Nothing,
        ("encoding", []) => MetaMeaning::Nothing,
        ("encoding", [name, ..]) => MetaMeaning::Encoding((*name).to_owned()),
        ("echo" | "qecho" | "warn", ["-n", rest @ ..] | rest) => MetaMeaning::Echo(rest.join(" ")),
        ("unset", [variable, ..]) => unset(variable),
        ("restrict", [key, ..]) if !key.is_empty() => MetaMeaning::Restrict((*key).to_owned()),
        ("unrestrict", [key, ..]) if !key.is_empty() => MetaMeaning::Unrestrict((*key).to_owned()),
        ("unset" | "restrict" | "unrestrict", _) => {
            MetaMeaning::Refused(format!("\\{name} needs a name behind it"))
        }
        ("set", []) => {
            MetaMeaning::Refused("\\set without a name prints psql's variables; remove it".into())
        }
        ("set", [variable, value @ ..]) => set(variable, &value.concat()),
        ("i" | "include", [file, ..]) if *file != "-" => MetaMeaning::Include(file_name(arguments)),
        ("ir" | "include_relative", [file, ..]) if *file != "-" => {
            MetaMeaning::IncludeRelative(file_name(arguments))
        }
        ("i" | "include" | "ir" | "include_relative", _) => {
            MetaMeaning::Refused(format!("\\{name} needs the name of a file"))
        }
        _ => MetaMeaning::Refused(refused(name)),
    }
}

fn file_name(arguments: &[Argument]) -> String {
    let first = arguments.first();
    first.map_or_else(String::new, |argument| argument.file_name().to_owned())
}

/// Words that psql takes for on and off; `None` for any other, and for none.
pub(super) fn switch(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "on" | "true" | "tru" | "tr" | "t" | "yes" | "ye" | "y" | "1" => Some(true),
        "off" | "of" | "false" | "fals" | "fal" | "fa" | "f" | "no" | "n" | "0" => Some(false),
        _ => None,
    }
}

/// The switches that psql itself looks at, and the words that they take besides what a switch takes.
/// One that is unset is off.
const SWITCHES: &[(&str, &[&str])] = &[
    ("AUTOCOMMIT", &[]),
    ("ECHO_HIDDEN", &["noexec"]),
    ("HIDE_TABLEAM", &[]),
    ("HIDE_TOAST_COMPRESSION", &[]),
    ("ON_ERROR_ROLLBACK", &["interactive"]),
    ("ON_ERROR_STOP", &[]),
    ("QUIET", &[]),
    ("SHOW_ALL_RESULTS", &[]),
    ("SINGLELINE", &[]),
    ("SINGLESTEP", &[]),
];

/// What else psql looks at: what it is where it is unset, and the words that it takes.
const CHOICES: &[(&str, &str, &[&str])] = &[
    (
        "COMP_KEYWORD_CASE",
        "preserve-upper",
        &["lower", "upper", "preserve-lower", "preserve-upper"],
    ),
    ("ECHO", "none", &["none", "errors", "queries", "all"]),
    (
        "HISTCONTROL",
        "none",
        &["none", "ignorespace", "ignoredups", "ignoreboth"],
    ),
    ("SHOW_CONTEXT", "errors", &["never", "errors", "always"]),
    (
        "VERBOSITY",
        "default",
        &["default", "verbose", "terse", "sqlstate"],
    ),
];

/// What a variable of psql's own is again when it is unset.
pub(super) fn first_value(name: &str) -> Option<&'static str> {
    let numbers = [
        ("FETCH_COUNT", "0"),
        ("HISTSIZE", "500"),
        ("IGNOREEOF", "0"),
    ];
    let switches = SWITCHES.iter().map(|(known, _)| (*known, "off"));
    let choices = CHOICES.iter().map(|(known, first, _)| (*known, *first));
    switches
        .chain(choices)
        .chain(numbers)
        .find_map(|(known, first)| (known == name).then_some(first))
}

/// Most of psql's own variables concern its display alone; these change what a script does.
pub(super) fn set(variable: &str, value: &str) -> MetaMeaning {
    let refuse = |reason: &str| MetaMeaning::Refused(format!("\\set {variable}: {reason}"));
    if !variables::is_name(variable) {
        return refuse("psql takes letters, digits and underscores in a variable's name");
    }
    if Variables::is_too_long(value) {
        return refuse("the value is longer than 1 MiB");
    }
    if value.contains(char::REPLACEMENT_CHARACTER) || value.contains('\0') {
        return refuse("the value is no text in UTF-8");
    }
    let mut value = value;
    let is_one = |words: &[&str]| words.iter().any(|word| value.eq_ignore_ascii_case(word));
    if let Some((_, words)) = SWITCHES.iter().find(|(name, _)| *name == variable) {
        if value.is_empty() {
            value = "on";
        } else if switch(value).is_none() && !is_one(words) {
            return refuse("psql takes on or off");
        }
    } else if let Some((_, _, words)) = CHOICES.iter().find(|(name, ..)| *name == variable)
        && !is_one(words)
    {
        return refuse(&format!("psql takes one of {}", words.join(", ")));
    }
    let refused = match (variable, switch(value)) {
        ("ON_ERROR_STOP", Some(true)) => None,
        ("ON_ERROR_STOP", _) => Some(
            "the first error always ends the apply here; remove the line or set ON_ERROR_STOP on",
        ),
        ("AUTOCOMMIT", Some(true)) => None,
        ("AUTOCOMMIT", _) => {
            Some("the transaction is opened and ended here, not by AUTOCOMMIT; remove the line")
        }
        ("ON_ERROR_ROLLBACK", Some(false)) => None,
        ("ON_ERROR_ROLLBACK", _) => Some(
            "an error is never rolled back to a savepoint here, it ends the apply; remove the line",
        ),
        ("SINGLELINE" | "SINGLESTEP", Some(false)) => None,
        ("SINGLELINE" | "SINGLESTEP", _) => {
            Some("it changes where psql ends a statement; remove the line")
        }
        _ => None,
    };
    match refused {
        Some(reason) => refuse(reason),
        None => MetaMeaning::Set(variable.to_owned(), value.to_owned()),
    }
}

/// ON_ERROR_STOP may be unset: what it asks for happens here in any case, and scripts take it back
/// at their end.
pub(super) fn unset(variable: &str) -> MetaMeaning {
    if !variables::is_name(variable) {
        return MetaMeaning::Refused(format!(
            "\\unset {variable}: psql takes letters, digits and underscores in a variable's name"
        ));
    }
    match (variable, first_value(variable)) {
        ("ON_ERROR_STOP", _) | (_, None) => MetaMeaning::Unset(variable.to_owned()),
        (_, Some(first)) => match set(variable, first) {
            MetaMeaning::Refused(reason) => {
                MetaMeaning::Refused(reason.replacen("\\set", "\\unset", 1))
            }
            _ => MetaMeaning::Unset(variable.to_owned()),
        },
    }
}

fn refused(name: &str) -> String {
    let why = match name {
        "" => return "a backslash outside of quotes starts a psql meta-command; remove it".into(),
        "gset" | "gexec" => {
            "what runs after it depends on the server's answers, which nobody has read before \
             anything runs; write the values"
        }
        "g" | "gx" | "gdesc" | "crosstabview" | "watch" | "bind" => {
            "what it does with a result cannot be held to the text of the script; \
             end the statement with a semicolon"
        }
        "c" | "connect" => "the script runs in one session, on the target that was signed for",
        "getenv" => "the environment is not what was reviewed; give the value with -v",
        "!" | "setenv" => "it reaches outside of the database",
        "q" | "quit" => {
            "psql would leave out what follows; remove it, and what follows if it is not wanted"
        }
        "r" | "reset" => "psql would throw away the text before it; remove both",
        "o" | "out" | "w" | "write" | "s" => "it writes a file",
        "prompt" => "nobody is there to answer psql; give the value with -v",
        _ => "psql alone knows it; remove the line",
    };
    format!("\\{name} is refused: {why}")
}

/// What psql sets from the server's answers, or from what it is and where it runs.
const ANSWERS: &str = "DBNAME ENCODING ERROR HOST LASTOID LAST_ERROR_MESSAGE LAST_ERROR_SQLSTATE PORT PROMPT1 \
    PROMPT2 PROMPT3 ROW_COUNT SERVER_VERSION_NAME SERVER_VERSION_NUM SERVICE SHELL_ERROR SHELL_EXIT_CODE \
    SQLSTATE USER VERSION VERSION_NAME VERSION_NUM WATCH_INTERVAL";

/// Whether psql itself sets a variable of this name, so that it would substitute it.
pub(super) fn set_by_psql(name: &str) -> bool {
    first_value(name).is_some() || ANSWERS.split(' ').any(|answer| answer == name)
}
