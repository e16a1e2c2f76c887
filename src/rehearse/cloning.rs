//! A clone of the target's schema on a throw-away server, for `stagegate rehearse --clone`.
//!
//! The source is only read: catalogs in sessions that the server keeps read-only, and the schema by
//! `pg_dump --schema-only`, whose strongest lock is ACCESS SHARE. The clone has the source's roles
//! (without passwords), owners and privileges, and no rows. It is then compared with the source
//! object by object, and what differs is said: a rehearsal is only worth what its stage is.

mod dump;
mod source;

use crate::database::admission::Typed;
use crate::database::link::Link;
use crate::database::pinned::Aim;
use crate::database::session::read_only;
use crate::database::settings::{Host, ServerAddress, Settings};
use crate::facts::{Millis, ServerMessage, Target};
use crate::inspect::looking;
use crate::runbook::Runbook;
use crate::runbook::impact::grouped;
use crate::runbook::printable::{counted, printable};
use crate::sandbox::programs::{Programs, Search};
use crate::sandbox::{self, Sandbox};
use color_eyre::eyre::{Report, WrapErr, eyre};
use source::{SourceDatabase, StructureDigests};
use std::collections::BTreeSet;
use tokio::runtime::Runtime;
use tokio_postgres::NoTls;

const NAMED: usize = 8;

/// A server with the source's schema. Dropping it ends the server and removes its files; when this
/// process is killed, the sandbox's reaper does.
pub(crate) struct Clone {
    /// How to connect to it: as the same role, to a database of the same name.
    pub(crate) settings: Settings,
    pub(crate) source: Target,
    /// What the rehearsal on it cannot tell, a line each.
    pub(crate) notes: Vec<String>,
    _sandbox: Sandbox,
}

impl Clone {
    /// What belongs below the result of a rehearsal on it.
    pub(crate) fn closing(&self) -> Vec<String> {
        let source = &self.source;
        let on = format!(
            "On a clone of the schema of {} on {}:{}, PostgreSQL {}; the throw-away server goes now.",
            source.database, source.host, source.port, source.server_version
        );
        std::iter::once(on)
            .chain(self.notes.iter().map(|note| format!("  {note}.")))
            .map(|line| printable(&line).into_owned())
            .collect()
    }
}

/// Makes a clone of the source, which `settings` lead to. Progress goes to standard error.
///
/// # Errors
/// When the source cannot be read, or the clone cannot be made: which, and what to do. The source is
/// unchanged in any case.
pub(crate) fn clone(
    runtime: &Runtime,
    source: ReachedSource,
    runbook: &Runbook,
    settings: &Settings,
    lock_timeout: Millis,
) -> Result<Clone, Report> {
    let ReachedSource { aim, link, target } = source;
    let told = runtime
        .block_on(source::read_source(link, target, runbook, lock_timeout))
        .map_err(|why| unread("the source", &why))?;
    let place = format!(
        "{} on {}:{}",
        told.target.database, told.target.host, told.target.port
    );
    let (programs, mut notes) = programs(&told.target)?;
    let client = dump::find_clients(&programs, told.target.server_version_num / 10_000)?;
    eprintln!(
        "Cloning the schema of {}: pg_dump {} takes ACCESS SHARE on its tables and nothing stronger; \
         nothing is written there.",
        printable(&place),
        client.version
    );
    let sandbox = Sandbox::start(sandbox::SandboxOptions {
        programs: Some(programs),
        place: sandbox::ClusterPlace::Memory,
        ..sandbox::SandboxOptions::default()
    })?;
    let maintenance = match told.target.database.as_str() {
        "postgres" => "template1",
        _ => "postgres",
    };
    notes.extend(runtime.block_on(prepare(&sandbox, maintenance, &told))?);
    let pinned = aim.pinned().ok_or_else(|| eyre!("no server was reached"))?;
    let place = printable(&place);
    let archive = dump::dump_schema(&client, pinned, sandbox.folder(), lock_timeout)
        .wrap_err_with(|| format!("{place} was not cloned, and nothing changed there"))?;
    dump::restore_schema(&client, &archive, &sandbox, maintenance)
        .wrap_err_with(|| format!("the clone of {place} could not be made"))?;
    let on_the_clone = lead_to(&sandbox, settings);
    let cloned = runtime
        .block_on(async {
            let (mut link, _) = read_only::open(&on_the_clone).await?;
            source::structure(&mut link, lock_timeout).await
        })
        .map_err(|why| unread("the clone", &why))?;
    notes.extend(differences(&told.structure, &cloned));
    notes.extend(rows(&told));
    eprintln!(
        "The clone is ready: PostgreSQL {}, {}.",
        sandbox.version(),
        counted(
            cloned.len(),
            "object and property",
            "objects and properties"
        )
    );
    Ok(Clone {
        settings: on_the_clone,
        source: told.target,
        notes,
        _sandbox: sandbox,
    })
}

/// A source that was reached: how, and read-only.
pub(crate) struct ReachedSource {
    aim: Aim,
    link: Link,
    target: Target,
}

/// Reaches what `settings` lead to.
///
/// # Errors
/// What stood in the way, for a person: nothing was cloned and nothing changed.
pub(crate) async fn reach_source(settings: Settings) -> Result<ReachedSource, Report> {
    let aim = Aim::from(settings);
    match read_only::open_where(&aim).await {
        Ok((link, target)) => Ok(ReachedSource { aim, link, target }),
        Err(why) => Err(eyre!(
            "NOT CONNECTED, so nothing was cloned and nothing changed: {}",
            printable(&looking::words(&why))
        )),
    }
}

/// The same role and database, on the clone's server.
fn lead_to(sandbox: &Sandbox, settings: &Settings) -> Settings {
    Settings {
        hosts: vec![Host {
            place: ServerAddress::Socket(sandbox.socket_dir().to_owned()),
            port: sandbox.port(),
            password: None,
            nameless: false,
        }],
        password: None,
        typed_password: Typed::default(),
        ask_password: false,
        ways: None,
        peer: None,
        ..settings.clone()
    }
}

fn unread(what: &str, why: &ServerMessage) -> Report {
    let why = looking::words(why);
    eyre!(
        "{what} cannot be looked at, so nothing was rehearsed and nothing changed: {}",
        printable(&why)
    )
}

/// The server programs of the source's major version, else the ones that come next to it.
fn programs(target: &Target) -> Result<(Programs, Vec<String>), Report> {
    let major = target.server_version_num / 10_000;
    let all = Search::here().all();
    let newer = all.iter().filter(|programs| programs.major >= major);
    if let Some(found) = newer.min_by_key(|programs| programs.major) {
        let mut notes = Vec::new();
        if found.major != major {
            notes.push(format!(
                "the server is PostgreSQL {}, the clone {}: {major} is not installed here, so what \
                 differs between the two is not rehearsed",
                target.server_version, found.version
            ));
        }
        return Ok((found.clone(), notes));
    }
    // Says where it looked and how to install them, where there are none at all.
    let newest = Search::here().newest()?;
    Err(eyre!(
        "the server is PostgreSQL {}, and the newest programs on this machine are {}: pg_dump cannot \
         read a newer server. Install PostgreSQL {major} here, or set {} to the folder of its \
         programs. Nothing was sent beyond the look at its catalogs",
        printable(&target.server_version),
        newest.version,
        sandbox::programs::OVERRIDE_VARIABLE
    ))
}

/// Extensions and roles: what has to be there before the schema.
async fn prepare(
    sandbox: &Sandbox,
    maintenance: &str,
    told: &SourceDatabase,
) -> Result<Vec<String>, Report> {
    let config = sandbox.connection(sandbox.superuser(), maintenance);
    let (client, connection) = config
        .connect(NoTls)
        .await
        .wrap_err("the throw-away server cannot be reached")?;
    let driver = tokio::spawn(connection);
    let mut missing = Vec::new();
    let mut notes = Vec::new();
    for extension in &told.extensions {
        let row = client
            .query_opt(
                "SELECT default_version FROM pg_catalog.pg_available_extensions WHERE name = $1",
                &[&extension.name],
            )
            .await
            .wrap_err("the extensions of the throw-away server cannot be read")?;
        match row.map(|row| row.get::<_, String>(0)) {
            None => missing.push(format!("{} {}", extension.name, extension.version)),
            Some(version) if version != extension.version => notes.push(format!(
                "extension {} is {} there and {version} on the clone",
                extension.name, extension.version
            )),
            Some(_) => {}
        }
    }
    if !missing.is_empty() {
        return Err(eyre!(
            "the database uses extensions that are not installed for PostgreSQL {} on this machine: \
             {}. Install their packages here, or rehearse without --clone in a quiet hour. Nothing \
             was changed anywhere",
            sandbox.version(),
            printable(&missing.join(", "))
        ));
    }
    let superuser = sandbox.superuser();
    if told.promotes(superuser) {
        notes.push(format!(
            "role {superuser} is a superuser on the clone and none there: what it may not do there, \
             it may here"
        ));
    }
    client
        .batch_execute(&told.roles_ddl(superuser))
        .await
        .wrap_err("the roles cannot be made on the throw-away server")?;
    if told.target.database == "postgres" {
        // Room for the clone of that name.
        client
            .batch_execute("DROP DATABASE postgres")
            .await
            .wrap_err("the throw-away server does not make room for the database")?;
    }
    drop(client);
    let _ = driver.await;
    Ok(notes)
}

fn differences(source: &StructureDigests, clone: &StructureDigests) -> Vec<String> {
    let differs = |name: &&String| source.get(*name) != clone.get(*name);
    let names: BTreeSet<&String> = source.keys().chain(clone.keys()).filter(differs).collect();
    if names.is_empty() {
        return vec!["the clone's structure is the source's, object by object".to_owned()];
    }
    let all = counted(names.len(), "object or property", "objects or properties");
    let named: Vec<&str> = names.iter().take(NAMED).map(|name| name.as_str()).collect();
    let more = match names.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    vec![format!(
        "the clone differs from the source in {all}: {}{more}; on the checklist this rehearsal counts \
         as one of another structure",
        named.join(", ")
    )]
}

/// What the source's tables hold, as its planner estimates it: the clone's are empty.
fn rows(told: &SourceDatabase) -> Vec<String> {
    let mut lines: Vec<String> = told
        .tables
        .iter()
        .map(|table| {
            let rows = match table.rows {
                Some(rows) => format!("about {} rows there (estimate)", grouped(rows)),
                None => "rows there not known: never analyzed".to_owned(),
            };
            format!("{}: {rows}, {}", table.name, table.size)
        })
        .collect();
    lines.push(
        "the clone has no rows: its lock window is that of empty tables (a scan, a rewrite or an index \
         takes longer where there are rows), and what fails or passes only because of rows cannot show"
            .to_owned(),
    );
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn structure(objects: &[(&str, &str)]) -> StructureDigests {
        let own = |(name, digest): &(&str, &str)| ((*name).to_owned(), (*digest).to_owned());
        objects.iter().map(own).collect()
    }

    #[test]
    fn what_differs_in_a_clone_is_named_whichever_side_lacks_it() {
        let source = structure(&[("index a", "1"), ("table t", "2"), ("type x", "3")]);
        let clone = structure(&[("table t", "2"), ("type x", "4"), ("view v", "5")]);
        let told = differences(&source, &clone);
        assert!(
            told[0].contains("in 3 objects or properties: index a, type x, view v;"),
            "{told:?}"
        );
        assert!(differences(&source, &source)[0].contains("is the source's"));
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(50_000), "50,000");
        assert_eq!(grouped(1_204_567), "1,204,567");
    }
}
