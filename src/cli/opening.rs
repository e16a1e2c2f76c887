//! What a journal opens with: the program, the runbook with each file's hash, who runs it and how.
//!
//! All of it is known before anything is connected to, and none of it is a secret.

use super::arguments::Holding;
use super::finding::env;
use crate::facts::Target;
use crate::gate::Mode;
use crate::journal::entry::{self, Opened};
use crate::runbook::script::Script;
use crate::runbook::{Runbook, RunbookOrigin};
use jiff::tz::TimeZone;
use std::path::{Path, PathBuf};

/// The first entry of a walk of that runbook.
pub(super) fn opened(runbook: &Runbook, mode: Mode, holding: &Holding) -> Opened {
    Opened {
        version: env!("CARGO_PKG_VERSION").into(),
        mode: match mode {
            Mode::Run => "run",
            Mode::Rehearse => "rehearse",
            Mode::Inspect => "inspect",
        }
        .into(),
        runbook: runbook.title.clone(),
        script: runbook.script.name.clone(),
        script_sha256: runbook.script.sha256(),
        os_user: crate::database::settings::os_user(),
        sudo_user: env("SUDO_USER"),
        login_uid: login_uid(),
        ssh_connection: env("SSH_CONNECTION"),
        machine: machine(),
        local_time: Some(local_time()),
        ticket: holding.limits.ticket.clone(),
        window: holding.limits.window.clone(),
        hold_limit: holding.limits.hold_limit,
        checklist: runbook
            .items
            .iter()
            .map(|item| entry::Item {
                id: item.id.clone(),
                title: item.title.clone(),
            })
            .collect(),
        rollbacks: runbook.rollbacks.iter().map(file).collect(),
        checks: runbook.check_files().map(file).collect(),
        files: files(runbook),
        folder: match &runbook.origin {
            RunbookOrigin::BuiltIn => None,
            RunbookOrigin::Folder(path) | RunbookOrigin::BareScript(path) => {
                let whole = std::fs::canonicalize(path).unwrap_or_else(|_| path.clone());
                Some(whole.display().to_string())
            }
        },
        rehearses: None,
        variables: runbook.script.variables.clone(),
    }
}

/// Who logged in, as the kernel keeps it for its audit (proc(5)): `u32::MAX` where nobody did.
fn login_uid() -> Option<u32> {
    let kept = std::fs::read_to_string("/proc/self/loginuid").ok()?;
    kept.trim().parse().ok().filter(|uid| *uid != u32::MAX)
}

fn machine() -> Option<String> {
    let known = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let known = known.or_else(|| env("HOSTNAME"));
    known
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
}

/// What the clock on the wall says here.
fn local_time() -> String {
    jiff::Timestamp::now()
        .to_zoned(find_time_zone())
        .strftime("%Y-%m-%d %H:%M:%S %:z (%Q)")
        .to_string()
}

/// The zone of the clock on the wall. Where a link names it, it is read from there: whoever asks for it by
/// its name looks through every zone that the machine knows, which takes longer than all else on the way
/// to the first frame.
fn find_time_zone() -> TimeZone {
    let linked = || {
        let target = std::fs::read_link(LOCAL_TIME).ok()?;
        let (_, name) = target.to_str()?.rsplit_once("zoneinfo/")?;
        TimeZone::tzif(name, &std::fs::read(LOCAL_TIME).ok()?).ok()
    };
    let found = match std::env::var_os("TZ") {
        None => linked(),
        Some(_) => None,
    };
    found.unwrap_or_else(TimeZone::system)
}

/// Where a machine keeps the zone of its clock.
const LOCAL_TIME: &str = "/etc/localtime";

/// Every file of a runbook, those that a script brings in too.
fn files(runbook: &Runbook) -> Vec<entry::File> {
    let scripts = std::iter::once(&runbook.script).chain(runbook.check_files());
    let scripts = scripts.chain(&runbook.rollbacks);
    let sources = scripts.flat_map(|script| &script.sources);
    let mut files: Vec<entry::File> = Vec::new();
    for source in runbook.manifest.iter().chain(sources) {
        let file = entry::File {
            name: source.name.clone(),
            sha256: source.sha256.clone(),
        };
        if !files.contains(&file) {
            files.push(file);
        }
    }
    files
}

fn file(script: &Script) -> entry::File {
    entry::File {
        name: script.name.clone(),
        sha256: script.sha256(),
    }
}

/// What the rehearsal of that runbook rehearses, and what the server that it is on is a clone of.
pub(super) fn rehearses(of: &Runbook, clone_of: Option<Target>) -> entry::Rehearses {
    entry::Rehearses {
        script: file(&of.script),
        rollbacks: of.rollbacks.iter().map(file).collect(),
        clone_of,
    }
}

/// Where journals lie, and where this one does.
pub(super) fn journals(own: &Path) -> Vec<PathBuf> {
    let usual = crate::journal::folder(env);
    let beside = own
        .parent()
        .map(|folder| match folder.as_os_str().is_empty() {
            true => PathBuf::from("."),
            false => folder.to_owned(),
        });
    let canonical = |folder: PathBuf| std::fs::canonicalize(&folder).unwrap_or(folder);
    let mut folders: Vec<PathBuf> = usual.into_iter().chain(beside).map(canonical).collect();
    folders.dedup();
    folders
}

#[cfg(test)]
mod tests {
    use super::find_time_zone;
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    #[test]
    fn the_zone_of_the_clock_is_the_systems_with_its_name() {
        let (found, system) = (find_time_zone(), TimeZone::system());
        assert_eq!(found.iana_name(), system.iana_name());
        for seconds in [0, 1_750_000_000, 1_765_000_000] {
            let at = Timestamp::from_second(seconds).unwrap();
            assert_eq!(found.to_offset(at), system.to_offset(at));
        }
    }
}
