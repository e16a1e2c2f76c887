//! The manifest at hand: where an error stands in it, in which words it is told, and the files that
//! it names.
//!
//! A file is read only where it is an ordinary one inside of the runbook's folder, whatever links
//! are on the way. What is written in the manifest reaches a message printable (I8).

use std::path::{Component, Path, PathBuf};

use toml::Spanned;

use crate::runbook::MANIFEST;
use crate::runbook::error::RunbookError;
use crate::runbook::ordinary::read_ordinary_file;
use crate::runbook::printable::{hexadecimal, printable};
use crate::runbook::script::{Script, Source};
use crate::runbook::variables::Variables;
use crate::runbook::{built_in, lint};

#[derive(Clone, Copy)]
pub(super) enum FilesRoot<'a> {
    Folder(&'a Path),
    BuiltIn,
}

/// The files of a runbook, and psql's variables for those that are SQL.
#[derive(Clone, Copy)]
pub(super) struct Files<'a> {
    pub place: FilesRoot<'a>,
    pub variables: &'a Variables,
}

impl Files<'_> {
    fn script(&self, name: &str) -> Result<Script, String> {
        let variables = self.variables;
        match self.place {
            FilesRoot::Folder(folder) => {
                let bytes = inside(folder, name)?;
                let path = folder.join(name);
                Ok(Script::read_with(name, Some(&path), &bytes, variables))
            }
            FilesRoot::BuiltIn => match built_in::file(name) {
                Some(text) => Ok(Script::read_with(name, None, text.as_bytes(), variables)),
                None => Err(format!("{name} is not built in")),
            },
        }
    }
}

/// The bytes of an ordinary file inside of `folder`; a pipe or a device would never end.
fn inside(folder: &Path, name: &str) -> Result<Vec<u8>, String> {
    let unreadable = |error: std::io::Error| format!("{name} cannot be read: {}", why(&error));
    let home = folder.canonicalize().map_err(unreadable)?;
    let path = folder.join(name).canonicalize().map_err(unreadable)?;
    if !path.starts_with(home) {
        return Err(format!(
            "{name} is a link that leads out of the runbook's folder; put the file itself there"
        ));
    }
    let kind = path.metadata().map_err(unreadable)?;
    if kind.is_dir() {
        return Err(format!("{name} is a folder; name a file"));
    }
    read_ordinary_file(&path).map_err(unreadable)
}

/// Why a file cannot be read, in the operating system's words without its number.
pub(super) fn why(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}

/// The manifest's bytes as text.
///
/// # Errors
/// If it is not UTF-8: the line.
pub(super) fn decode_manifest<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str, RunbookError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        RunbookError::Manifest {
            path: path.to_path_buf(),
            line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
            key: None,
            message: "this is not UTF-8; convert the file to UTF-8".to_owned(),
        }
    })
}

/// The manifest at hand, for messages.
pub(super) struct Page<'a> {
    path: PathBuf,
    text: &'a str,
    files: Files<'a>,
}

impl Page<'_> {
    pub(super) fn new<'a>(text: &'a str, files: Files<'a>) -> Page<'a> {
        let path = match files.place {
            FilesRoot::Folder(folder) => folder.join(MANIFEST),
            FilesRoot::BuiltIn => PathBuf::from(MANIFEST),
        };
        Page { path, text, files }
    }

    pub(super) fn error(&self, at: usize, key: Option<&str>, message: String) -> RunbookError {
        let before = self.text.get(..at).unwrap_or(self.text);
        RunbookError::Manifest {
            path: self.path.clone(),
            line: before.matches('\n').count() + 1,
            key: key.map(|key| printable(key).into_owned()),
            message: printable(&message).into_owned(),
        }
    }

    /// What the reader of TOML has to say.
    pub(super) fn of_toml(&self, error: &toml::de::Error) -> RunbookError {
        let at = error.span().map_or(0, |span| span.start);
        let (named, message) = in_words(error.message());
        let key = named.or_else(|| self.key_at(at));
        let hint = match key {
            Some("checklist") if message.contains("a list is expected") => {
                ": write [[checklist]] above each item"
            }
            _ => "",
        };
        self.error(at, key, format!("{message}{hint}"))
    }

    /// The key that the line of byte `at` belongs to: what stands left of the last equals sign that
    /// follows a key, or the name of the table that begins there.
    fn key_at(&self, at: usize) -> Option<&str> {
        let end = self
            .text
            .get(at..)?
            .find('\n')
            .map_or(self.text.len(), |end| at + end);
        let lines = self.text.get(..end)?.lines().rev().map(str::trim);
        lines
            .filter(|line| !line.starts_with('#'))
            .find_map(|line| match line.strip_prefix('[') {
                Some(table) => {
                    let name = table.trim_matches(['[', ']', ' ']);
                    is_key(name).then_some(name)
                }
                None => {
                    let key = line.split_once('=')?.0.trim();
                    is_key(key).then_some(key)
                }
            })
    }

    pub(super) fn not_empty(
        &self,
        key: &str,
        value: &Spanned<String>,
    ) -> Result<String, RunbookError> {
        if value.get_ref().trim().is_empty() {
            let message = "it is empty; give it a value".to_owned();
            return Err(self.error(value.span().start, Some(key), message));
        }
        Ok(value.get_ref().clone())
    }

    pub(super) fn checks(&self, key: &str, name: &Spanned<String>) -> Result<Script, RunbookError> {
        let mut script = self.script(key, name)?;
        lint::as_checks(&mut script);
        Ok(script)
    }

    /// The manifest itself, as a file of the runbook.
    pub(super) fn source(&self) -> Source {
        use sha2::{Digest, Sha256};
        let hash = Sha256::digest(self.text.as_bytes());
        let path = match self.files.place {
            FilesRoot::Folder(_) => Some(self.path.clone()),
            FilesRoot::BuiltIn => None,
        };
        Source {
            name: MANIFEST.to_owned(),
            ordinary: path.as_deref().is_some_and(Path::is_file),
            path,
            text: self.text.into(),
            sha256: hexadecimal(hash),
            encodings: Vec::new(),
            remarks: Vec::new(),
        }
    }

    pub(super) fn script(&self, key: &str, name: &Spanned<String>) -> Result<Script, RunbookError> {
        let at = name.span().start;
        let name = self.not_empty(key, name)?;
        let stays = Path::new(&name)
            .components()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !stays {
            let message = format!(
                "{name} leads out of the runbook's folder; name a file inside of it, without `..`"
            );
            return Err(self.error(at, Some(key), message));
        }
        self.files
            .script(&name)
            .map_err(|message| self.error(at, Some(key), message))
    }
}

/// Whether this can be a key: one bare word, or several with dots.
fn is_key(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    !text.is_empty() && text.chars().all(fits)
}

/// The reader's message in words for whoever wrote the manifest, and the key where it names one.
/// What it says of TOML itself is left as it is.
fn in_words(message: &str) -> (Option<&str>, String) {
    if let Some(key) = message.strip_prefix("missing field `") {
        return (Some(key.trim_end_matches('`')), "it is missing".to_owned());
    }
    if let Some(rest) = message.strip_prefix("unknown field `")
        && let Some((key, known)) = rest.rsplit_once("`, expected ")
    {
        return (
            Some(key),
            format!("there is no such key; there {}", are(known)),
        );
    }
    if let Some(rest) = message.strip_prefix("unknown variant `")
        && let Some((found, known)) = rest.rsplit_once("`, expected ")
    {
        return (None, format!("there is no `{found}`; there {}", are(known)));
    }
    if let Some(rest) = message.strip_prefix("invalid type: ")
        && let Some((found, wanted)) = rest.rsplit_once(", expected ")
    {
        let found = match found {
            "map" => "a table".to_owned(),
            "sequence" => "a list".to_owned(),
            found => format!("the {found}"),
        };
        let wanted = match wanted {
            "a string" => "a text in quotes",
            "a sequence" => "a list",
            wanted => wanted,
        };
        return (None, format!("this is {found}, and {wanted} is expected"));
    }
    (None, message.to_owned())
}

fn are(known: &str) -> String {
    let known = known.strip_prefix("one of ").unwrap_or(known);
    format!("are {}", known.replace(" or ", ", "))
}
