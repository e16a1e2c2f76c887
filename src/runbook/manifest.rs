//! `runbook.toml`: what a runbook's folder holds and what a person signs.
//!
//! Its errors name file, line and key; an unknown key is an error, because a misspelt one would
//! otherwise leave a check out silently. A file name in it never leads out of the folder.

mod items;
mod page;
mod promises;
mod results;
mod targets;

use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use super::built_in;
use super::error::RunbookError;
use super::lint;
use super::ordinary::read_ordinary_file;
use super::script::Script;
use super::variables::Variables;
use super::{Decide, ItemKind, MANIFEST, Runbook, RunbookOrigin, SearchPath};
use page::{Files, FilesRoot, Page};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    title: Spanned<String>,
    database: Option<Spanned<String>>,
    script: Spanned<String>,
    expected_state: Option<Spanned<String>>,
    post_verification: Option<Spanned<String>>,
    search_path: Option<Spanned<String>>,
    script_search_path: Option<Spanned<String>>,
    #[serde(default)]
    decide: Decide,
    #[serde(default)]
    rollback: Vec<Spanned<String>>,
    #[serde(default)]
    data_results: Vec<Spanned<String>>,
    #[serde(default)]
    checklist: Vec<ManifestItem>,
    #[serde(default)]
    promise: Vec<ManifestPromise>,
    #[serde(default)]
    target: Vec<ManifestTarget>,
}

/// A server that the runbook knows by name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestTarget {
    name: Spanned<String>,
    host: Option<Spanned<String>>,
    port: Option<u16>,
    database: Option<Spanned<String>>,
    system_identifier: Option<Spanned<String>>,
    colour: Option<super::targets::Colour>,
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
    text: Option<Spanned<String>>,
    file: Option<Spanned<String>>,
}

/// What was made of the files that a manifest names, each for itself.
struct FilesRead {
    script: Result<Script, RunbookError>,
    expected_state: Result<Option<Script>, RunbookError>,
    post_verification: Result<Option<Script>, RunbookError>,
    rollbacks: Result<Vec<Script>, RunbookError>,
}

/// Reads them at the same time: nothing in one depends on another, and parsing is what a start takes
/// longest for.
fn read_files(page: &Page<'_>, manifest: &Manifest) -> FilesRead {
    let checks = |key, name: &Option<Spanned<String>>| {
        name.as_ref().map(|name| page.checks(key, name)).transpose()
    };
    let rollback = |name| {
        let mut script = page.script("rollback", name)?;
        lint::as_rollback(&mut script);
        Ok(script)
    };
    std::thread::scope(|scope| {
        let before = scope.spawn(|| checks("expected_state", &manifest.expected_state));
        let after = scope.spawn(|| checks("post_verification", &manifest.post_verification));
        let back = scope.spawn(|| manifest.rollback.iter().map(rollback).collect());
        FilesRead {
            script: page.script("script", &manifest.script),
            expected_state: join_reader(before),
            post_verification: join_reader(after),
            rollbacks: join_reader(back),
        }
    })
}

/// What a thread has done; where it panicked, so does this.
fn join_reader<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    match thread.join() {
        Ok(done) => done,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn read_manifest(text: &str, files: Files<'_>) -> Result<Runbook, RunbookError> {
    let origin = match files.place {
        FilesRoot::Folder(folder) => RunbookOrigin::Folder(folder.to_path_buf()),
        FilesRoot::BuiltIn => RunbookOrigin::BuiltIn,
    };
    let page = Page::new(text, files);
    let manifest: Manifest = toml::from_str(text).map_err(|error| page.of_toml(&error))?;
    let files = read_files(&page, &manifest);
    let mut script = files.script?;
    results::mark_data(&page, &manifest, &mut script)?;
    let (expected_state, post_verification) = (files.expected_state?, files.post_verification?);
    let rollbacks = files.rollbacks?;
    let database = manifest
        .database
        .as_ref()
        .map(|name| page.not_empty("database", name))
        .transpose()?;
    let path = |key, path: &Option<Spanned<String>>| {
        path.as_ref()
            .map(|path| page.not_empty(key, path))
            .transpose()
    };
    let search_path = SearchPath {
        checks: path("search_path", &manifest.search_path)?,
        script: path("script_search_path", &manifest.script_search_path)?,
    };
    let promises = promises::read_promises(&page, &manifest, &script)?;
    let mut items = items::read_items(&page, &manifest)?;
    if items.is_empty() {
        items = items::where_none(expected_state.as_ref(), &rollbacks);
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
        search_path,
        targets: targets::read_targets(&page, &manifest)?,
        manifest: Some(page.source()),
        decide: manifest.decide,
        weighed: Default::default(),
    })
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
        Runbook::load_with(path, &Variables::default())
    }

    /// The same, with psql's variables of the command line: each of its files of SQL has them.
    ///
    /// # Errors
    /// As [`Runbook::load`].
    pub fn load_with(path: Option<&Path>, variables: &Variables) -> Result<Runbook, RunbookError> {
        let Some(path) = path else {
            let place = FilesRoot::BuiltIn;
            return read_manifest(built_in::MANIFEST_TEXT, Files { place, variables });
        };
        if path.is_dir() {
            return Runbook::load_folder(path, variables);
        }
        if path.file_name().is_some_and(|name| name == MANIFEST) {
            let folder = path
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty());
            return Runbook::load_folder(folder.unwrap_or(Path::new(".")), variables);
        }
        let bytes = std::fs::read(path).map_err(|error| {
            // psql takes the database's name there.
            let bare = path.components().count() == 1 && path.extension().is_none();
            let words = path.to_string_lossy();
            let uri = ["postgres://", "postgresql://"];
            let leads_there = uri.iter().any(|scheme| words.starts_with(scheme))
                || words.contains("host=")
                || words.contains("dbname=");
            match error.kind() {
                std::io::ErrorKind::NotFound if leads_there => RunbookError::NoConnection,
                std::io::ErrorKind::NotFound if bare => RunbookError::NoSuchRunbook {
                    path: path.to_path_buf(),
                },
                _ => unreadable(path, &error),
            }
        })?;
        let name = path
            .file_name()
            .unwrap_or(path.as_os_str())
            .to_string_lossy();
        let origin = RunbookOrigin::BareScript(path.to_path_buf());
        let script = Script::read_with(&name, Some(path), &bytes, variables);
        Ok(Runbook {
            items: items::where_none::<(), ()>(None, &[]),
            ..Runbook::bare(name.clone(), origin, script)
        })
    }

    fn load_folder(folder: &Path, variables: &Variables) -> Result<Runbook, RunbookError> {
        let path = folder.join(MANIFEST);
        let bytes = read_ordinary_file(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => RunbookError::NoManifest {
                path: folder.to_path_buf(),
            },
            _ => unreadable(&path, &error),
        })?;
        let place = FilesRoot::Folder(folder);
        read_manifest(
            page::decode_manifest(&path, &bytes)?,
            Files { place, variables },
        )
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> RunbookError {
    RunbookError::Unreadable {
        path: path.to_path_buf(),
        why: page::why(error),
    }
}
