//! After the run: which way its last transaction went, by its journal and by the server.

use super::aftermath::read_journal_text;
use super::arguments::Connection;
use super::failure::Failure;
use super::finding;
use super::printing::print;
use super::questions::attended;
use super::runtime::start_runtime;
use crate::database::admission::admit;
use crate::database::session::{Identity, of_earlier_run};
use crate::database::settings::Settings;
use crate::facts::{ExitCode, Inquiry, Target};
use crate::journal;
use crate::journal::outcome::{WhoKnows, keep_answer};
use crate::journal::shelf::follow_journal;
use crate::runbook::printable::printable;
use color_eyre::eyre::eyre;
use std::path::Path;

/// Asks the server that the settings lead to which way the transaction `xid` went.
fn ask_the_server(
    settings: &Settings,
    identity: &Identity,
    xid: &str,
    end_backend: bool,
) -> Result<Inquiry, Failure> {
    let runtime = start_runtime()?;
    let inquiry = runtime.block_on(attended(settings, async |settings| {
        // What stands in the way stands there for the question too, and is told of it.
        let _ = admit(&settings).await;
        of_earlier_run(&settings, identity, xid, end_backend).await
    }))?;
    Ok(inquiry)
}

/// `stagegate outcome`: which way the last transaction of a run went.
pub(super) fn ask_outcome(
    path: &Path,
    connection: &Connection,
    end_backend: bool,
) -> Result<ExitCode, Failure> {
    // Asked before the lines are read: what is read after it is the whole of what was written.
    let writing = journal::is_being_written(path);
    let read = follow_journal(&read_journal_text(path)?, writing).map_err(|why| {
        let shown = printable(&path.display().to_string()).into_owned();
        Failure::usage(eyre!("{shown} is no journal: {why}"))
    })?;
    let mut answer = match read.who_knows() {
        WhoKnows::Journal(answer) => answer,
        WhoKnows::Server {
            target,
            xid,
            durable,
        } => {
            let identity = Identity::of_journal(target, durable);
            let settings = settings(connection, target)?;
            let inquiry = ask_the_server(&settings, &identity, xid, end_backend)?;
            read.answered(inquiry, xid)
        }
        WhoKnows::Nobody => {
            return Err(Failure::usage(eyre!(
                "the journal does not say which server the transaction was on"
            )));
        }
    };
    keep_answer(&mut answer, path);
    print(&format!("{}\n", printable(&answer.text)))?;
    Ok(answer.code)
}

/// The server of the journal, unless the command line names another way to it.
fn settings(connection: &Connection, target: &Target) -> Result<Settings, Failure> {
    let named = connection.dbname.is_some() || connection.host.is_some();
    let mut connection = connection.clone();
    if !named {
        connection.host = Some(target.host.clone());
        connection.port.get_or_insert(target.port.to_string());
    }
    if connection.dbname.is_none() {
        let database = target.database.replace('\\', "\\\\").replace('\'', "\\'");
        // Addresses in the environment are of other names.
        let addresses = match (named, &target.hostaddr) {
            (true, _) => String::new(),
            (false, address) => format!(" hostaddr='{}'", address.as_deref().unwrap_or_default()),
        };
        connection.dbname = Some(format!("dbname='{database}'{addresses}"));
    }
    let role = target.session_role.as_ref().unwrap_or(&target.role);
    connection.username.get_or_insert(role.clone());
    finding::settings(&connection)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::settings::ServerAddress;

    #[test]
    fn an_address_that_was_asked_for_is_asked_again() {
        let target = Target {
            host: "db.example.invalid".into(),
            hostaddr: Some("192.0.2.1".into()),
            port: 5433,
            database: "it's".into(),
            role: "dba".into(),
            ..Target::default()
        };
        let found = settings(&Connection::default(), &target).ok().unwrap();
        assert_eq!((found.database.as_str(), found.hosts.len()), ("it's", 1));
        let place = ServerAddress::Tcp {
            host: target.host.clone(),
            address: target.hostaddr.clone(),
        };
        assert_eq!(found.hosts[0].place, place);
    }
}
