//! One `initdb` for many servers: the files of a fresh cluster are kept and copied.
//!
//! A template is complete or not there: it is built under another name, by one process at a time,
//! and renamed. What a copy yields is counted against what was put in, so that a template cut
//! short by a power failure is made anew and never started from.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::account::{SystemAccount, run_as};
use super::copy::copy;
use super::error::tail;
use super::programs::Programs;
use super::{SandboxError, reaper};

/// What `initdb` is told, apart from where. Part of the template's name: another recipe, another
/// template.
const RECIPE: &[&str] = &[
    "--username=postgres",
    "--auth=trust",
    "--encoding=UTF8",
    "--locale=C",
    "--no-sync",
    "--no-instructions",
    "--wal-segsize=1",
];

/// How the name of every template begins.
const PREFIX: &str = "postgresql-";

/// How long a template is kept: 30 days. Making it anew costs a second.
const KEPT_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How long one waits for another to fill a template before filling a cluster of one's own.
const FILLING_LIMIT: Duration = Duration::from_secs(60);

/// Whose programs, for whom, and where.
pub(super) struct TemplateOrigin<'a> {
    pub(super) programs: &'a Programs,
    pub(super) account: Option<&'a SystemAccount>,
    pub(super) cache: Option<&'a Path>,
    /// The server's folder, which the reaper watches and the data folder is in.
    pub(super) folder: &'a Path,
}

/// What a data folder holds now.
pub(super) enum Provided {
    /// A cluster with the content that was asked for.
    Filled,
    /// A fresh one; and where there is a slot, it may be kept there once it is filled.
    Fresh(Option<TemplateSlot>),
}

/// A template that only we may make, for as long as this lives.
#[derive(Debug)]
pub(super) struct TemplateSlot {
    cache: PathBuf,
    name: String,
    _lock: File,
}

impl TemplateSlot {
    /// Keeps a copy of the (stopped) cluster as the template. Whether that works is nobody's worry.
    pub(super) fn fill(self, data: &Path) {
        let _ = keep(&self.cache, &self.name, data);
    }
}

/// Makes a cluster at `data`: a copy of one with that content, else a fresh one.
pub(super) fn provide(
    origin: &TemplateOrigin<'_>,
    content: Option<&str>,
    data: &Path,
) -> Result<Provided, SandboxError> {
    let (Some(content), Some(cache)) = (content, origin.cache) else {
        fresh(origin, data)?;
        return Ok(Provided::Fresh(None));
    };
    let name = template_name(origin, content)?;
    let template = cache.join(&name);
    let filled = || instantiate(&template, data, origin.account);
    if filled() {
        return Ok(Provided::Filled);
    }
    let slot = match File::create(cache.join(format!("{name}.lock"))) {
        Ok(lock) if locked(&lock) => Some(TemplateSlot {
            cache: cache.to_owned(),
            name,
            _lock: lock,
        }),
        _ => None,
    };
    if filled() {
        return Ok(Provided::Filled);
    }
    fresh(origin, data)?;
    Ok(Provided::Fresh(slot))
}

/// Waits for the lock, but not for ever: its holder may be our own thread.
fn locked(lock: &File) -> bool {
    let give_up = Instant::now() + FILLING_LIMIT;
    while lock.try_lock().is_err() {
        if Instant::now() > give_up {
            return false;
        }
        sleep(Duration::from_millis(10));
    }
    true
}

/// Makes a fresh cluster at `data`, from the template where possible.
fn fresh(origin: &TemplateOrigin<'_>, data: &Path) -> Result<(), SandboxError> {
    let TemplateOrigin {
        programs,
        account,
        folder,
        ..
    } = *origin;
    let Some(cache) = origin.cache else {
        return initdb(programs, account, folder, data);
    };
    let name = template_name(origin, "")?;
    let template = cache.join(&name);
    if instantiate(&template, data, account) {
        return Ok(());
    }
    // Released by the kernel when its holder dies, so nobody waits for a ghost. Some network file
    // systems know no locks: then there is no template.
    let lock = File::create(cache.join(format!("{name}.lock")));
    let Ok(_lock) = lock.and_then(|lock| lock.lock().map(|()| lock)) else {
        return initdb(programs, account, folder, data);
    };
    if instantiate(&template, data, account) {
        return Ok(());
    }
    initdb(programs, account, folder, data)?;
    // The cluster is good whether or not it can be kept for next time.
    let _ = keep(cache, &name, data);
    Ok(())
}

fn initdb(
    programs: &Programs,
    account: Option<&SystemAccount>,
    folder: &Path,
    data: &Path,
) -> Result<(), SandboxError> {
    let output_path = folder.join("initdb.log");
    let output = File::create(&output_path)
        .map_err(SandboxError::io(format!("write {}", output_path.display())))?;
    let errors = output
        .try_clone()
        .map_err(SandboxError::io("share initdb's output"))?;
    let mut command = reaper::launch(folder, &programs.initdb);
    command.args(RECIPE).arg("-D").arg(data);
    command.stdout(output).stderr(errors);
    super::environment::clean_environment(&mut command);
    run_as(&mut command, account);
    let status = command.status().map_err(SandboxError::io(format!(
        "run {}",
        programs.initdb.display()
    )))?;
    reaper::forget(folder);
    if status.success() {
        return Ok(());
    }
    Err(SandboxError::Initdb {
        status: status.to_string(),
        output: tail(&fs::read(&output_path).unwrap_or_default(), 20),
    })
}

/// A name that differs whenever the files would: other programs, another user, another recipe,
/// another content.
fn template_name(origin: &TemplateOrigin<'_>, content: &str) -> Result<String, SandboxError> {
    let TemplateOrigin {
        programs, account, ..
    } = *origin;
    let binary = fs::metadata(&programs.postgres).map_err(SandboxError::io(format!(
        "read {}",
        programs.postgres.display()
    )))?;
    let uid = account.map_or_else(|| rustix::process::geteuid().as_raw(), |a| a.uid);
    let mut hash = Sha256::new();
    hash.update(programs.postgres.as_os_str().as_encoded_bytes());
    hash.update(format!(
        "\n{} {}.{} {}\n{uid}\n{}\n{content}",
        binary.len(),
        binary.mtime(),
        binary.mtime_nsec(),
        programs.version,
        RECIPE.join(" "),
    ));
    let mut name = format!("{PREFIX}{}-", programs.version.replace('/', "_"));
    for byte in hash.finalize().iter().take(6) {
        let _ = write!(name, "{byte:02x}");
    }
    Ok(name)
}

/// Puts a copy of the cluster into the cache under its name. We hold the lock of that name.
fn keep(cache: &Path, name: &str, data: &Path) -> io::Result<()> {
    let building = cache.join(format!("{name}.building"));
    let template = cache.join(name);
    // What is there was left by a process that was killed, or did not pass its count.
    for old in [&building, &template] {
        if old.exists() {
            fs::remove_dir_all(old)?;
        }
    }
    DirBuilder::new().mode(0o700).create(&building)?;
    let size = copy(data, &building.join("data"), None)?;
    fs::write(building.join("size"), size.to_line())?;
    fs::rename(building, template)?;
    remove_stale(cache)
}

/// Removes templates made long ago: of programs since upgraded, of content since changed. Whoever
/// is copying one at this moment finds it short and makes it anew.
fn remove_stale(cache: &Path) -> io::Result<()> {
    for entry in fs::read_dir(cache)? {
        let entry = entry?;
        let made = entry.metadata()?.modified()?;
        let stale = made.elapsed().is_ok_and(|age| age > KEPT_FOR);
        if stale && entry.file_name().to_string_lossy().starts_with(PREFIX) && entry.path().is_dir()
        {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Copies the template to `data`; false, with nothing left at `data`, where there is no whole one.
fn instantiate(template: &Path, data: &Path, account: Option<&SystemAccount>) -> bool {
    let Ok(expected) = fs::read_to_string(template.join("size")) else {
        return false;
    };
    let copied = copy(&template.join("data"), data, account);
    if copied.is_ok_and(|size| size.to_line() == expected) {
        return true;
    }
    let _ = fs::remove_dir_all(data);
    false
}
