//! `runbook.toml`: what a runbook's folder holds and what a person signs.
//!
//! Its errors name file, line and key; an unknown key is an error, because a misspelt one would
//! otherwise leave a check out silently. A file name in it never leads out of the folder.

use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::built_in;
use super::impact::Promise;
use super::objects::Sort;
use super::script::Script;
use super::{Item, ItemKind, Origin, Runbook};

/// The manifest's name in a runbook's folder.
pub const MANIFEST: &str = "runbook.toml";

/// Why a runbook cannot be loaded or written. No database was reached.
#[derive(Debug, thiserror::Error)]
pub enum RunbookError {
    /// A file cannot be read.
    #[error("{path} cannot be read: {error}. Nothing was sent to a database.", path = .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A folder without a manifest.
    #[error(
        "{path} has no runbook.toml. Name a folder that has one, or a .sql file; \
         `stagegate export DIR` writes an example.",
        path = .path.display()
    )]
    NoManifest {
        /// The folder.
        path: PathBuf,
    },
    /// The manifest is not what it should be.
    #[error("{path}:{line}: {key}{message}", path = .path.display(), key = shown_key(.key))]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// The key, where one is to blame.
        key: Option<String>,
        /// What is wrong and what to do.
        message: String,
    },
    /// A runbook without a way back.
    #[error(
        "the runbook names no rollback script, so there is none to walk. Name them in its \
         runbook.toml: rollback = [\"rollback/….sql\"]. Nothing was sent to a database."
    )]
    NoRollback,
    /// There is no rollback script of that number.
    #[error(
        "there is no rollback script whose name begins with {to}; there are {known}, in this \
         order. Nothing was sent to a database."
    )]
    NoSuchRollback {
        /// What was asked for.
        to: String,
        /// What there is.
        known: String,
    },
    /// Nothing in the rollback scripts says `(if needed)`.
    #[error(
        "--without-restore leaves out sections whose title ends with (if needed), and there is \
         none in {scripts}. Leave the flag away. Nothing was sent to a database."
    )]
    NothingToLeaveOut {
        /// The scripts that would be walked.
        scripts: String,
    },
    /// A file that would be written is there already.
    #[error("{path} exists already and is not overwritten; name another folder.", path = .path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A file or folder cannot be written.
    #[error("{path} cannot be written: {error}.", path = .path.display())]
    Unwritable {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
}

fn shown_key(key: &Option<String>) -> String {
    key.as_ref()
        .map_or_else(String::new, |key| format!("key `{key}`: "))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    title: Spanned<String>,
    database: Option<Spanned<String>>,
    script: Spanned<String>,
    expected_state: Option<Spanned<String>>,
    post_verification: Option<Spanned<String>>,
    #[serde(default)]
    rollback: Vec<Spanned<String>>,
    #[serde(default)]
    checklist: Vec<ManifestItem>,
    #[serde(default)]
    promise: Vec<ManifestPromise>,
}

/// What the instructions promise of a section. Each count may be left away.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestPromise {
    section: Spanned<String>,
    tables: Option<usize>,
    columns: Option<usize>,
    indexes: Option<usize>,
    constraints: Option<usize>,
    sequences: Option<usize>,
    comments: Option<usize>,
    drops: Option<usize>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestItem {
    id: Spanned<String>,
    title: Spanned<String>,
    kind: ItemKind,
}

/// Where the files of a runbook come from.
pub(super) enum Files<'a> {
    Folder(&'a Path),
    BuiltIn,
}

impl Files<'_> {
    fn manifest_path(&self) -> PathBuf {
        match self {
            Files::Folder(folder) => folder.join(MANIFEST),
            Files::BuiltIn => PathBuf::from(MANIFEST),
        }
    }

    fn script(&self, name: &str) -> Result<Script, std::io::Error> {
        match self {
            Files::Folder(folder) => {
                let path = folder.join(name);
                let bytes = std::fs::read(&path)?;
                Ok(Script::read(name, Some(&path), &bytes))
            }
            Files::BuiltIn => match built_in::file(name) {
                Some(text) => Ok(Script::read(name, None, text.as_bytes())),
                None => Err(std::io::ErrorKind::NotFound.into()),
            },
        }
    }
}

/// The manifest at hand, for messages.
struct Page<'a> {
    path: PathBuf,
    text: &'a str,
    files: Files<'a>,
}

impl Page<'_> {
    fn error(&self, at: usize, key: Option<&str>, message: String) -> RunbookError {
        let before = self.text.get(..at).unwrap_or(self.text);
        RunbookError::Manifest {
            path: self.path.clone(),
            line: before.matches('\n').count() + 1,
            key: key.map(str::to_owned),
            message,
        }
    }

    /// The key on the line of byte `at`: what stands left of the equals sign.
    fn key_at(&self, at: usize) -> Option<&str> {
        let start = self
            .text
            .get(..at)?
            .rfind('\n')
            .map_or(0, |newline| newline + 1);
        let line = self.text.get(start..)?.lines().next()?;
        let (key, _) = line.split_once('=')?;
        let key = key.trim();
        (!key.is_empty() && !key.starts_with(['#', '['])).then_some(key)
    }

    fn not_empty(&self, key: &str, value: &Spanned<String>) -> Result<String, RunbookError> {
        if value.get_ref().trim().is_empty() {
            let message = "it is empty; give it a value".to_owned();
            return Err(self.error(value.span().start, Some(key), message));
        }
        Ok(value.get_ref().clone())
    }

    fn script(&self, key: &str, name: &Spanned<String>) -> Result<Script, RunbookError> {
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
            .map_err(|error| self.error(at, Some(key), format!("{name} cannot be read: {error}")))
    }
}

/// Reads a manifest and the files it names.
pub(super) fn read(text: &str, files: Files<'_>) -> Result<Runbook, RunbookError> {
    let origin = match files {
        Files::Folder(folder) => Origin::Folder(folder.to_path_buf()),
        Files::BuiltIn => Origin::BuiltIn,
    };
    let page = Page {
        path: files.manifest_path(),
        text,
        files,
    };
    let manifest: Manifest = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let key = page
            .key_at(at)
            .filter(|key| !error.message().contains(*key));
        page.error(at, key, error.message().to_owned())
    })?;
    let one = |key, name: &Option<Spanned<String>>| {
        name.as_ref().map(|name| page.script(key, name)).transpose()
    };
    let script = page.script("script", &manifest.script)?;
    let expected_state = one("expected_state", &manifest.expected_state)?;
    let post_verification = one("post_verification", &manifest.post_verification)?;
    let rollbacks = manifest
        .rollback
        .iter()
        .map(|name| page.script("rollback", name))
        .collect::<Result<Vec<Script>, RunbookError>>()?;
    let database = manifest
        .database
        .as_ref()
        .map(|name| page.not_empty("database", name))
        .transpose()?;
    let promises = promises(&page, &manifest, &script)?;
    let mut items = items(&page, &manifest)?;
    if items.is_empty() {
        items = default_items(expected_state.is_some(), !rollbacks.is_empty());
    }
    Ok(Runbook {
        title: page.not_empty("title", &manifest.title)?,
        origin,
        expected_database: database,
        script,
        items,
        expected_state,
        post_verification,
        rollbacks,
        promises,
    })
}

fn promises(
    page: &Page<'_>,
    manifest: &Manifest,
    script: &Script,
) -> Result<Vec<Promise>, RunbookError> {
    let mut promises: Vec<Promise> = Vec::new();
    for one in &manifest.promise {
        let at = one.section.span().start;
        let section = page.not_empty("section", &one.section)?;
        let adds = [
            (Sort::Table, one.tables),
            (Sort::Column, one.columns),
            (Sort::Index, one.indexes),
            (Sort::Constraint, one.constraints),
            (Sort::Sequence, one.sequences),
            (Sort::Comment, one.comments),
        ];
        let promise = Promise {
            section,
            adds: adds
                .into_iter()
                .filter_map(|(sort, count)| Some((sort, count?)))
                .collect(),
            drops: one.drops,
        };
        let known = promises
            .iter()
            .any(|known| known.section == promise.section);
        let mut titles = script.sections.iter().map(|section| &section.title);
        let message = if known {
            format!("section `{}` has a promise already", promise.section)
        } else if !titles.any(|title| promise.is_of(title)) {
            format!(
                "no section of the script has `{}` in its title",
                promise.section
            )
        } else {
            promises.push(promise);
            continue;
        };
        return Err(page.error(at, Some("section"), message));
    }
    Ok(promises)
}

fn items(page: &Page<'_>, manifest: &Manifest) -> Result<Vec<Item>, RunbookError> {
    let mut items: Vec<Item> = Vec::new();
    for item in &manifest.checklist {
        let id = page.not_empty("id", &item.id)?;
        let at = item.id.span().start;
        if items.iter().any(|known| known.id == id) {
            let message = format!("a checklist item `{id}` is there already; ids are unique");
            return Err(page.error(at, Some("id"), message));
        }
        let needs = match item.kind {
            ItemKind::Structure if manifest.expected_state.is_none() => Some("expected_state"),
            ItemKind::Rollback if manifest.rollback.is_empty() => Some("rollback"),
            _ => None,
        };
        if let Some(needs) = needs {
            let message = format!("an item of this kind needs the key `{needs}`");
            return Err(page.error(at, Some("checklist"), message));
        }
        items.push(Item {
            id,
            title: page.not_empty("title", &item.title)?,
            kind: item.kind,
        });
    }
    Ok(items)
}

/// The checklist of a runbook that brings none of its own.
fn default_items(has_expected_state: bool, has_rollbacks: bool) -> Vec<Item> {
    let item = |id: &str, title: &str, kind| Item {
        id: id.to_owned(),
        title: title.to_owned(),
        kind,
    };
    let mut items = vec![
        item("review", "The script was read to its end", ItemKind::Review),
        item(
            "connection",
            "This is the right server, database and role",
            ItemKind::Connection,
        ),
        item(
            "backup",
            "A backup of the database exists",
            ItemKind::Backup,
        ),
    ];
    if has_expected_state {
        let title = "The structure is as the script expects it";
        items.push(item("structure", title, ItemKind::Structure));
    }
    if has_rollbacks {
        let title = "The way back is planned: the rollback scripts were read";
        items.push(item("rollback", title, ItemKind::Rollback));
    } else {
        let title = "The way back is planned: how to undo this is known";
        items.push(item("rollback-plan", title, ItemKind::Attest));
    }
    items
}

impl Runbook {
    /// Loads a runbook: without a path the built-in one; a folder by its `runbook.toml`; any
    /// other file as a bare script.
    ///
    /// What is wrong with a script is no error here: it is in the script's refusals.
    ///
    /// # Errors
    /// If a file cannot be read or the manifest is not what it should be.
    pub fn load(path: Option<&Path>) -> Result<Runbook, RunbookError> {
        let Some(path) = path else {
            return read(built_in::MANIFEST_TEXT, Files::BuiltIn);
        };
        if path.is_dir() {
            return Runbook::load_folder(path);
        }
        if path.file_name().is_some_and(|name| name == MANIFEST) {
            let folder = path
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty());
            return Runbook::load_folder(folder.unwrap_or(Path::new(".")));
        }
        let bytes = std::fs::read(path).map_err(|error| RunbookError::Unreadable {
            path: path.to_path_buf(),
            error,
        })?;
        let name = path
            .file_name()
            .unwrap_or(path.as_os_str())
            .to_string_lossy();
        Ok(Runbook {
            title: name.clone().into_owned(),
            origin: Origin::BareScript(path.to_path_buf()),
            expected_database: None,
            script: Script::read(&name, Some(path), &bytes),
            items: default_items(false, false),
            expected_state: None,
            post_verification: None,
            rollbacks: Vec::new(),
            promises: Vec::new(),
        })
    }

    fn load_folder(folder: &Path) -> Result<Runbook, RunbookError> {
        let path = folder.join(MANIFEST);
        let text = std::fs::read_to_string(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => RunbookError::NoManifest {
                path: folder.to_path_buf(),
            },
            _ => RunbookError::Unreadable { path, error },
        })?;
        read(&text, Files::Folder(folder))
    }
}
