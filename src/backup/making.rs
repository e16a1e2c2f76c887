//! One dump from the typed folder to the file under its own name.
//!
//! It goes to the very address that answers now, and only if that is the server that the held
//! session reached: with several hosts, or a name with several addresses, `pg_dump` might otherwise
//! save another one.

use super::folder::{self, Reserved};
use super::guard::Guard;
use super::{contents, contents::Contents};
use crate::database::pinned::Pinned;
use crate::database::{client, message, passfile, target};
use crate::facts::{Dump, Dumping, Millis, Target};
use crate::gate::event::Body;
use crate::runbook::printable::{hexadecimal, printable};
use crate::sandbox::programs::{Clients, Search};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior, interval};

const PROGRESS: Duration = Duration::from_millis(250);
/// How many of the last lines of `pg_dump` are told when it fails.
const LAST_WORDS: usize = 12;

/// The name under which a backup shows in `pg_stat_activity`.
const APPLICATION: &str = "stagegate backup";

const DATABASE_SIZE: &str = "SELECT pg_catalog.pg_database_size(pg_catalog.current_database())";

/// Makes a dump, or says why there is none. When `stop` is sent or dropped it is given up; whatever
/// comes of it, nothing half is left.
pub(super) async fn make(
    pinned: &Pinned,
    reached: &Target,
    typed: &str,
    stop: oneshot::Receiver<()>,
    tell: &impl Fn(Body),
) -> Result<Dump, String> {
    let mut guard = None;
    let made = tokio::select! {
        biased;
        _ = stop => Err("it was cancelled".to_owned()),
        made = steps(pinned, reached, typed, &mut guard, tell) => made,
    };
    if let Some(guard) = guard {
        // It waits for pg_dump to be gone.
        let _ = tokio::task::spawn_blocking(move || drop::<Guard>(guard)).await;
    }
    made
}

async fn steps(
    pinned: &Pinned,
    reached: &Target,
    typed: &str,
    slot: &mut Option<Guard>,
    tell: &impl Fn(Body),
) -> Result<Dump, String> {
    let folder = folder::resolve_folder(typed, std::env::var_os("HOME").map(PathBuf::from))?;
    let major = reached.server_version_num / 10_000;
    let clients = tokio::task::spawn_blocking(move || Search::here().clients(major))
        .await
        .map_err(|_| "pg_dump could not be looked for".to_owned())??;
    let database_bytes = meet(pinned, reached).await?;
    let free_bytes = folder::free(&folder)?;
    folder::check_room(&folder, free_bytes, database_bytes)?;

    let when = jiff::Timestamp::now();
    let reserved = folder::reserve(
        &folder,
        &reached.database,
        &when.strftime("%Y%m%dT%H%M%SZ").to_string(),
    )?;
    let guard = match Guard::start(&reserved.partial) {
        Ok(guard) => slot.insert(guard),
        Err(why) => {
            let _ = std::fs::remove_file(&reserved.partial);
            return Err(why);
        }
    };
    let begun = Instant::now();
    let mut progress = DumpProgress {
        partial: &reserved.partial,
        begun,
        dumping: Dumping {
            path: reserved.path.clone(),
            doing: format!("pg_dump {} is starting", clients.version),
            database_bytes,
            free_bytes,
            ..Dumping::default()
        },
    };
    tell(Body::BackupStarted(Box::new(progress.now())));

    let command = order_dump(guard, &clients.pg_dump, pinned, reached, &reserved.partial)?;
    dump(command, guard, &mut progress, tell).await?;

    progress.tell("pg_restore reads the table of contents", tell);
    sync(&reserved.partial).await?;
    let contents = read_back(&clients, &reserved.partial).await?;
    if contents.database != reached.database {
        return Err(format!(
            "the file is of database {}, not of {}",
            printable(&contents.database),
            printable(&reached.database)
        ));
    }
    let (bytes, sha256) = hash(&reserved, &mut progress, tell).await?;
    reserved.publish()?;
    let whole = jiff::Timestamp::now();
    Ok(Dump {
        path: reserved.path.clone(),
        bytes,
        took: millis(begun.elapsed()),
        made_at: whole.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        sha256,
        entries: contents.entries,
        tables: contents.tables,
        program: clients.version,
        server: contents.server,
        database: contents.database,
        system_identifier: reached.system_identifier.clone(),
    })
}

/// pg_dump, led to the server that was reached; what is secret goes by files that go with the guard.
fn order_dump(
    guard: &Guard,
    pg_dump: &Path,
    pinned: &Pinned,
    reached: &Target,
    partial: &Path,
) -> Result<std::process::Command, String> {
    let mut command = guard.launch(pg_dump);
    if let Some(password) = pinned.password() {
        let path = guard.passfile();
        passfile::write_passfile(&path, &password)
            .map_err(|error| format!("the password file cannot be written: {error}"))?;
        command.env("PGPASSFILE", path);
    }
    let service = guard.passfile().with_file_name("service");
    let handed = client::write_service(&service, pinned.settings())
        .map_err(|error| format!("the service file cannot be written: {error}"))?;
    if handed {
        command.env("PGSERVICEFILE", service);
    }
    let there = pinned.with(|settings| {
        settings.database = reached.database.clone();
        settings.application_name = APPLICATION.into();
    });
    command
        .args(["--format=custom", "--no-password", "--verbose"])
        .arg(option("--file=", partial))
        .arg(format!(
            "--dbname={}{}",
            client::conninfo(&there, None),
            if handed { client::BY_SERVICE } else { "" }
        ));
    Ok(command)
}

fn millis(time: Duration) -> Millis {
    Millis::try_from(time.as_millis()).unwrap_or(Millis::MAX)
}

fn option(name: &str, path: &Path) -> std::ffi::OsString {
    let mut option = std::ffi::OsString::from(name);
    option.push(path);
    option
}

/// Meets the server once more, on a connection of its own: whether it is the one that the held
/// session reached, and how large its database is.
async fn meet(pinned: &Pinned, reached: &Target) -> Result<u64, String> {
    let mut link = pinned
        .with(|settings| settings.application_name = APPLICATION.into())
        .open()
        .await
        .map_err(|why| message::line(&why))?;
    // pg_dump sets what it likes on its session.
    target::prove_direct(&mut link)
        .await
        .map_err(|why| message::line(&why))?;
    let met = target::read_target(&mut link)
        .await
        .map_err(|why| message::line(&why))?;
    let same = met.started == reached.started
        && met.system_identifier == reached.system_identifier
        && met.database == reached.database
        && met.in_recovery == reached.in_recovery
        && met.recovered == reached.recovered
        && met.server_version_num == reached.server_version_num;
    if !same {
        return Err(format!(
            "another server answers at {} than the one that the session reached, or it was started \
             anew: probe again",
            pinned.host()
        ));
    }
    let row = link
        .row(DATABASE_SIZE)
        .await
        .map_err(|why| message::line(&why))?;
    let bytes = row
        .into_iter()
        .next()
        .flatten()
        .and_then(|cell| cell.parse().ok())
        .ok_or("the server does not tell the size of the database")?;
    Ok(bytes)
}

/// How far it is, as the file's size tells.
struct DumpProgress<'a> {
    partial: &'a Path,
    begun: Instant,
    dumping: Dumping,
}

impl DumpProgress<'_> {
    fn now(&mut self) -> Dumping {
        self.dumping.elapsed = millis(self.begun.elapsed());
        if let Ok(found) = std::fs::metadata(self.partial) {
            self.dumping.bytes = found.len();
        }
        self.dumping.clone()
    }

    fn tell(&mut self, doing: &str, tell: &impl Fn(Body)) {
        self.dumping.doing = doing.to_owned();
        tell(Body::BackupProgressed(Box::new(self.now())));
    }
}

async fn dump(
    mut command: std::process::Command,
    guard: &Guard,
    progress: &mut DumpProgress<'_>,
    tell: &impl Fn(Body),
) -> Result<(), String> {
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = Command::from(command)
        .spawn()
        .map_err(|error| format!("pg_dump cannot be started: {error}"))?;
    let mut said = BufReader::new(child.stderr.take().ok_or("pg_dump has no voice")?);
    let mut clock = interval(PROGRESS);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last: VecDeque<String> = VecDeque::new();
    let mut line = Vec::new();
    loop {
        tokio::select! {
            read = said.read_until(b'\n', &mut line) => {
                match read {
                    Ok(0) | Err(_) => break,
                    Ok(_) => {}
                }
                let text = String::from_utf8_lossy(&line);
                let text = text.trim_end();
                let text = text.strip_prefix("pg_dump: ").unwrap_or(text);
                progress.dumping.doing = text.to_owned();
                last.push_back(text.to_owned());
                if last.len() > LAST_WORDS {
                    last.pop_front();
                }
                line.clear();
            }
            _ = clock.tick() => tell(Body::BackupProgressed(Box::new(progress.now()))),
        }
    }
    let status = child
        .wait()
        .await
        .map_err(|error| format!("pg_dump cannot be waited for: {error}"))?;
    guard.forget();
    if status.success() {
        return Ok(());
    }
    // What it was doing is told up to its first error, and from there on everything.
    let last: Vec<String> = last.into();
    let first = last.iter().position(|line| line.starts_with("error:"));
    let told = last.get(first.unwrap_or(0)..).unwrap_or_default();
    let told = told.join("\n");
    Err(match first {
        Some(_) => format!("pg_dump: {told}"),
        None => format!("pg_dump {}\n{told}", ended(status)),
    })
}

fn ended(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".into(),
    }
}

async fn sync(partial: &Path) -> Result<(), String> {
    let partial = partial.to_owned();
    tokio::task::spawn_blocking(move || File::open(partial)?.sync_all())
        .await
        .map_err(std::io::Error::from)
        .and_then(|synced| synced)
        .map_err(|error| format!("the file is not safe on disk: {error}"))
}

async fn read_back(clients: &Clients, partial: &Path) -> Result<Contents, String> {
    let mut command = Command::from(client::clean(&clients.pg_restore));
    let output = command
        .arg("--list")
        .arg(partial)
        .current_dir("/")
        .process_group(0)
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| format!("pg_restore cannot be started: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!(
            "pg_restore cannot read the file back; it {}\n{}",
            ended(output.status),
            said.trim_end()
        ));
    }
    contents::read_dump_list(&String::from_utf8_lossy(&output.stdout))
        .ok_or_else(|| "pg_restore lists no table of contents".to_owned())
}

/// Tells the thread that reads to stop, when nobody waits for it any more.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Size and SHA-256 of the file, read once more from its beginning to its end.
async fn hash(
    reserved: &Reserved,
    progress: &mut DumpProgress<'_>,
    tell: &impl Fn(Body),
) -> Result<(u64, String), String> {
    let (stopped, done) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let _stop = StopOnDrop(Arc::clone(&stopped));
    let (partial, counted) = (reserved.partial.clone(), Arc::clone(&done));
    let mut task = tokio::task::spawn_blocking(move || -> std::io::Result<(u64, String)> {
        let mut file = File::open(partial)?;
        let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
        let mut bytes = 0;
        while !stopped.load(Ordering::Relaxed) {
            let read = file.read(&mut buffer)?;
            let Some(part) = buffer.get(..read).filter(|part| !part.is_empty()) else {
                break;
            };
            hasher.update(part);
            bytes += read as u64;
            counted.store(bytes, Ordering::Relaxed);
        }
        let digest = hasher.finalize();
        Ok((bytes, hexadecimal(digest)))
    });
    let mut clock = interval(PROGRESS);
    loop {
        tokio::select! {
            hashed = &mut task => {
                return hashed
                    .map_err(std::io::Error::from)
                    .and_then(|hashed| hashed)
                    .map_err(|error| format!("the file cannot be read back: {error}"));
            }
            _ = clock.tick() => {
                let done = crate::facts::size_in_words(done.load(Ordering::Relaxed));
                progress.tell(&format!("SHA-256: {done} read back"), tell);
            }
        }
    }
}
