//! What the session really reached: server, database, role, and whether anything stands between.

use super::link::{Answer, BrokenLink, Gathered, Link, Sent, Unsent};
use super::message;
use super::session::Identity;
use super::stream::Endpoint;
use crate::facts::{Reach, ServerMessage, Target};

/// Oldest server that has `pg_current_xact_id()`.
pub const OLDEST_SERVER: u32 = 130_000;

/// The standbys are counted where `pg_stat_replication` takes them from: the view takes the server longer to plan
/// than all the rest of this takes.
const WHO: &str = "SELECT pg_catalog.current_database(), \
    current_user, \
    session_user, \
    pg_catalog.current_setting('server_version'), \
    pg_catalog.current_setting('server_version_num'), \
    pg_catalog.pg_is_in_recovery(), \
    pg_catalog.current_setting('transaction_read_only'), \
    pg_catalog.pg_backend_pid(), \
    pg_catalog.host(pg_catalog.inet_server_addr()), \
    (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_get_wal_senders()), \
    pg_catalog.date_part('epoch', pg_catalog.pg_postmaster_start_time()), \
    pg_catalog.date_part('epoch', pg_catalog.clock_timestamp())";

/// [`Target::files_since`], for a role that may ask it, of a file that is written once, when the cluster is
/// made. What is behind the question whether it may is a text that is run only then: a function in the
/// question itself would be refused before that is known, and the server's log would tell of it.
const FILES: &str = "SELECT CASE WHEN pg_catalog.has_function_privilege('pg_catalog.pg_stat_file(pg_catalog.text)', 'EXECUTE') \
    THEN (SELECT word FROM pg_catalog.ts_stat('SELECT pg_catalog.array_to_tsvector(ARRAY[ \
    pg_catalog.date_part(''epoch'', change)::pg_catalog.text]) \
    FROM pg_catalog.pg_stat_file(''PG_VERSION'')')) END";

const STARTED: &str = "SELECT pg_catalog.date_part('epoch', pg_catalog.pg_postmaster_start_time())";

/// Whose data it is, for a role that may read the control file.
const SYSTEM: &str = "SELECT (SELECT system_identifier FROM pg_catalog.pg_control_system()), \
    (SELECT timeline_id FROM pg_catalog.pg_control_checkpoint())";

/// A promoted server knows its new timeline at once by the name of the WAL file it writes; its
/// control file learns of it only at the next checkpoint.
const TIMELINE: &str = "SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN NULL \
    ELSE pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 1, 8) END";

/// Asks the server what was reached.
pub async fn read_target(link: &mut Link) -> Result<Target, ServerMessage> {
    Questions::send(link, None).await?.answer(link).await
}

/// How far it is, by the address alone.
fn reach(link: &Link) -> Reach {
    match link.endpoint() {
        Endpoint::Unix(_) => Reach::Socket,
        Endpoint::Tcp(address) if address.ip().to_canonical().is_loopback() => Reach::ThisMachine,
        Endpoint::Tcp(_) => Reach::Network,
    }
}

/// The sign of a crash recovery, as in [`Target::recovered`].
const RECOVERED: &str =
    "SELECT pg_catalog.date_part('epoch', stats_reset) FROM pg_catalog.pg_stat_bgwriter";

/// Reads [`Target::recovered`]; `None` where the server does not say.
pub async fn recovered(link: &mut Link) -> Result<Option<String>, BrokenLink> {
    Ok(only_cell(link.ask(RECOVERED).await?))
}

/// The one cell of an answer; `None` where the server does not say.
fn only_cell(answer: Answer) -> Option<String> {
    let cell = answer.results.first().and_then(Gathered::first_cell);
    cell.map(str::to_owned)
}

/// The first row of an answer without an error.
fn first_row(answer: Answer) -> Option<Vec<Option<String>>> {
    let fails = answer.error.is_some();
    let mut results = answer.results.into_iter();
    results
        .find_map(|r| r.set.rows.into_iter().next())
        .filter(|_| !fails)
}

/// The questions for what was reached, on their way together. Nothing more is asked when they are answered,
/// so that others may be under way behind them.
pub struct Questions {
    who: Sent,
    timeline: Sent,
    recovered: Sent,
    files: Sent,
    system: Option<Sent>,
}

impl Questions {
    /// Sends them. What this session was refused before, it does not ask again.
    pub async fn send(link: &mut Link, known: Option<&Target>) -> Result<Questions, ServerMessage> {
        let gone = |why: Unsent| BrokenLink::from(why).why();
        let refused = known.is_some_and(|known| known.system_identifier.is_none());
        Ok(Questions {
            who: link.send_ours(WHO).await.map_err(gone)?,
            timeline: link.send_ours(TIMELINE).await.map_err(gone)?,
            recovered: link.send_ours(RECOVERED).await.map_err(gone)?,
            files: link.send_ours(FILES).await.map_err(gone)?,
            system: match refused {
                false => Some(link.send_ours(SYSTEM).await.map_err(gone)?),
                true => None,
            },
        })
    }

    /// Reads the answers.
    pub async fn answer(self, link: &mut Link) -> Result<Target, ServerMessage> {
        let who = heard(link, self.who).await?;
        let timeline = only_cell(heard(link, self.timeline).await?);
        let recovered = only_cell(heard(link, self.recovered).await?);
        let files_since = only_cell(heard(link, self.files).await?);
        let system = match self.system {
            Some(system) => first_row(heard(link, system).await?),
            None => None,
        };
        if let Some(error) = who.error {
            return Err(error);
        }
        let who =
            first_row(who).ok_or_else(|| message::own("the server answered without a row"))?;
        let mut cells = who.into_iter();
        let mut cell = || cells.next().flatten().unwrap_or_default();
        let mut target = Target {
            host: link.host().place.name(),
            port: link.host().port,
            database: cell(),
            role: cell(),
            session_role: Some(cell()),
            server_version: cell(),
            server_version_num: cell().parse().unwrap_or(0),
            in_recovery: cell() == "t",
            read_only: cell() == "on",
            backend_pid: cell().parse().unwrap_or(0),
            address: Some(cell()).filter(|a| !a.is_empty()),
            standbys: cell().parse().unwrap_or(0),
            started: Some(cell()).filter(|at| !at.is_empty()),
            asked_at: Some(cell()).filter(|at| !at.is_empty()),
            files_since,
            recovered,
            protocol_pid: link.protocol_pid(),
            tls: link.tls().map(str::to_owned),
            reach: reach(link),
            ..Target::default()
        };
        target.session_role = target.session_role.filter(|role| *role != target.role);
        let mut system = system.unwrap_or_default().into_iter();
        target.system_identifier = system.next().flatten();
        let replayed = system.next().flatten();
        target.timeline = timeline
            .and_then(|hex| u32::from_str_radix(&hex, 16).ok())
            .or_else(|| replayed.and_then(|timeline| timeline.parse().ok()));
        Ok(target)
    }
}

async fn heard(link: &mut Link, sent: Sent) -> Result<Answer, ServerMessage> {
    link.answer(sent, &mut |_| {})
        .await
        .map_err(BrokenLink::why)
}

/// That a pooler stands in between, where one does. What is set there outside a transaction stays on
/// the server's session, and the next client of the pooler has it.
pub fn pooler(protocol_pid: i32, backend_pid: i32) -> Option<String> {
    (protocol_pid != backend_pid).then(|| {
        format!(
            "a pooler stands in between (the protocol says process {protocol_pid}, the server \
             {backend_pid}): it may hand the session to another backend; connect to the server \
             directly, with its own host and port (-h, -p)"
        )
    })
}

/// Proves that the session is the server's own and no pooler's, by a question that sets nothing.
///
/// # Errors
/// When a pooler stands in between, or nothing answers.
pub async fn prove_direct(link: &mut Link) -> Result<(), ServerMessage> {
    let row = link.row("SELECT pg_catalog.pg_backend_pid()").await?;
    let pid = row.first().cloned().flatten();
    let pid = pid.and_then(|pid| pid.parse().ok()).unwrap_or(0);
    match pooler(link.protocol_pid(), pid) {
        None => Ok(()),
        Some(why) => Err(message::own(why)),
    }
}

/// Lets the session take the bytes of a SQL_ASCII database as they are, where psql shows them too: in
/// UTF-8 the server would answer one that is no text with an error. It is for a session that is proven
/// to be no pooler's.
///
/// # Errors
/// The server's error, or what broke the link.
pub async fn take_any_bytes(link: &mut Link) -> Result<(), ServerMessage> {
    let Some(encoding) = link.takes_bytes_in() else {
        return Ok(());
    };
    let set = link
        .ask(&format!("SET client_encoding = '{encoding}'"))
        .await;
    let answer = set.map_err(BrokenLink::why)?;
    answer.error.map_or(Ok(()), Err)
}

/// Proves that it is the very server process that `identity` was read from: what stands there is about
/// its backends, and a process number means somebody else anywhere else.
///
/// # Errors
/// When it is another one, or nobody can say.
pub async fn prove_same(link: &mut Link, identity: &Identity) -> Result<(), ServerMessage> {
    let gone = |why: Unsent| BrokenLink::from(why).why();
    let started = link.send_ours(STARTED).await.map_err(gone)?;
    let asked = link.send_ours(SYSTEM).await.map_err(gone)?;
    let started = only_cell(heard(link, started).await?);
    // Without a right to it the start alone has to do.
    let system = only_cell(heard(link, asked).await?);
    let differs = |then: &Option<String>, now: &Option<String>| {
        then.is_some() && now.is_some() && then != now
    };
    let why = match (&identity.started, &started) {
        (Some(_), Some(_)) if differs(&identity.started, &started) => {
            "another server answers there than the one that was reached first, or it was started anew"
        }
        _ if differs(&identity.system_identifier, &system) => {
            "another server answers there than the one that was reached first"
        }
        (Some(_), Some(_)) => return Ok(()),
        _ => "the server does not say when it was started, so nobody knows whether it is the same",
    };
    Err(message::own(why))
}

/// Why no transaction can be held here; empty when one can.
pub fn objections(target: &Target, expected_database: Option<&str>) -> Vec<String> {
    let mut reasons = Vec::new();
    if let Some(expected) = expected_database
        && expected != target.database
    {
        reasons.push(format!(
            "this is database {}, and the runbook is for {expected}",
            target.database
        ));
    }
    if target.in_recovery {
        reasons.push("the server is a standby: it is in recovery and cannot write; connect to its primary, or \
             name every host with target_session_attrs=read-write"
                .into());
    }
    if target.read_only && !target.in_recovery {
        reasons.push("the session is read-only: new transactions cannot write".into());
    }
    reasons.extend(pooler(target.protocol_pid, target.backend_pid));
    if target.server_version_num < OLDEST_SERVER {
        reasons.push(format!(
            "PostgreSQL {} cannot prove an outcome; 13 or later is needed",
            target.server_version
        ));
    }
    reasons
}

/// What is told of a link that anybody on the way can read.
const EXPOSED: &str = "PLAINTEXT over the network: whoever is on the way can read and change what is \
                       sent; sslmode=require asks for TLS";

/// The target in lines for a person.
pub fn describe_target(target: &Target) -> Vec<String> {
    let at = match &target.address {
        Some(address) => format!("{} ({address}) port {}", target.host, target.port),
        None => format!("{} port {}", target.host, target.port),
    };
    let role = match &target.session_role {
        Some(session) => format!("{} (logged in as {session})", target.role),
        None => target.role.clone(),
    };
    let unseen = "not visible to this role";
    vec![
        format!("server     {at}"),
        format!("database   {}", target.database),
        format!("role       {role}"),
        format!("version    PostgreSQL {}", target.server_version),
        format!(
            "identity   system {}, timeline {}",
            target.system_identifier.as_deref().unwrap_or(unseen),
            target.timeline.map_or(unseen.into(), |t| t.to_string()),
        ),
        format!(
            "link       {}",
            match (&target.tls, target.protection()) {
                (Some(tls), _) => tls,
                (None, "socket") => "unix socket of this machine, no TLS",
                (None, _) if target.is_exposed() => EXPOSED,
                (None, _) => "plaintext on this machine, no TLS",
            }
        ),
        format!("backend    process {}", target.backend_pid),
        match target.standbys {
            0 => "standbys   none visible".into(),
            1 => "standbys   1; its sessions wait for our locks too".into(),
            n => format!("standbys   {n}; their sessions wait for our locks too"),
        },
    ]
}

pub fn over_network(link: &Link) -> bool {
    matches!(link.endpoint(), Endpoint::Tcp(_))
}

/// The server in words, for a proof.
pub fn identity_words(target: &Target) -> String {
    match (&target.system_identifier, target.timeline) {
        (Some(system), Some(timeline)) => format!("system {system}, timeline {timeline}"),
        (Some(system), None) => format!("system {system}, timeline not visible"),
        (None, Some(timeline)) => format!("system not visible, timeline {timeline}"),
        (None, None) => "system and timeline not visible".into(),
    }
}

/// An error of the link as one for the person, when a target could not be read.
pub fn unread(why: &ServerMessage) -> ServerMessage {
    ServerMessage {
        context: Some("after connecting, while asking what was reached".into()),
        ..if why.message.is_empty() {
            message::own("the server gave no answer")
        } else {
            why.clone()
        }
    }
}
