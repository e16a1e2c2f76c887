//! What the session really reached: server, database, role, and whether anything stands between.

use super::link::{Answer, BrokenLink, Gathered, Link, Sent, Unsent};
use super::message;
use super::session::Identity;
use super::stream::Endpoint;
use crate::gate::event::{Reach, ServerMessage, Target};

/// Oldest server that has `pg_current_xact_id()`.
pub const OLDEST_SERVER: u32 = 130_000;

const WHO: &str = "SELECT pg_catalog.current_database(), \
    current_user, \
    session_user, \
    pg_catalog.current_setting('server_version'), \
    pg_catalog.current_setting('server_version_num'), \
    pg_catalog.pg_is_in_recovery(), \
    pg_catalog.current_setting('transaction_read_only'), \
    pg_catalog.pg_backend_pid(), \
    pg_catalog.host(pg_catalog.inet_server_addr()), \
    (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_replication), \
    pg_catalog.date_part('epoch', pg_catalog.pg_postmaster_start_time()), \
    pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()), \
    pg_catalog.has_function_privilege('pg_catalog.pg_stat_file(pg_catalog.text)', 'EXECUTE')";

const STARTED: &str = "SELECT pg_catalog.date_part('epoch', pg_catalog.pg_postmaster_start_time())";

/// [`Target::files_since`], for a role that may ask it: written once, when the cluster is made.
const FILES: &str = "SELECT pg_catalog.date_part('epoch', change) \
    FROM pg_catalog.pg_stat_file('PG_VERSION')";

/// A promoted server knows its new timeline at once by the name of the WAL file it writes; its
/// control file learns of it only at the next checkpoint.
const IDENTITY: &str = "SELECT (SELECT system_identifier FROM pg_catalog.pg_control_system()), \
    CASE WHEN pg_catalog.pg_is_in_recovery() THEN NULL \
    ELSE pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 1, 8) \
    END, \
    (SELECT timeline_id FROM pg_catalog.pg_control_checkpoint())";

/// The same for a role that may not read the control file.
const TIMELINE_ONLY: &str = "SELECT NULL, CASE WHEN pg_catalog.pg_is_in_recovery() THEN NULL \
    ELSE pg_catalog.substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 1, 8) \
    END, NULL";

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

pub struct Questions {
    who: Sent,
    identity: Sent,
    recovered: Sent,
    files: Option<Sent>,
    /// What this very session was told before: what it may ask, and what does not change.
    known: Option<KnownIdentity>,
}

struct KnownIdentity {
    files_since: Option<String>,
    system_identifier: Option<String>,
}

impl Questions {
    /// Sends them. With what this session was told before, nothing more is asked when they are
    /// answered, so that others may be under way behind them.
    pub async fn send(link: &mut Link, known: Option<&Target>) -> Result<Questions, ServerMessage> {
        let gone = |why: Unsent| BrokenLink::from(why).why();
        let known = known.map(|known| KnownIdentity {
            files_since: known.files_since.clone(),
            system_identifier: known.system_identifier.clone(),
        });
        let identity = match &known {
            Some(KnownIdentity {
                system_identifier: None,
                ..
            }) => TIMELINE_ONLY,
            Some(_) | None => IDENTITY,
        };
        Ok(Questions {
            who: link.send_ours(WHO).await.map_err(gone)?,
            identity: link.send_ours(identity).await.map_err(gone)?,
            recovered: link.send_ours(RECOVERED).await.map_err(gone)?,
            // Whoever else may ask it is asked first whether they may, or the server's log would
            // tell of a refusal.
            files: match known.is_none() && link.is_superuser() {
                true => Some(link.send_ours(FILES).await.map_err(gone)?),
                false => None,
            },
            known,
        })
    }

    /// Reads the answers, and asks what is then still open. Nothing may be under way behind them,
    /// unless they were sent with what this session was told before.
    pub async fn answer(self, link: &mut Link) -> Result<Target, ServerMessage> {
        self.hear(link).await?.complete(link).await
    }

    /// Reads the answers.
    pub async fn hear(self, link: &mut Link) -> Result<TargetAnswers, ServerMessage> {
        Ok(TargetAnswers {
            who: heard(link, self.who).await?,
            identity: heard(link, self.identity).await?,
            recovered: heard(link, self.recovered).await?,
            files: match self.files {
                Some(files) => Some(heard(link, files).await?),
                None => None,
            },
            known: self.known,
        })
    }
}

pub struct TargetAnswers {
    who: Answer,
    identity: Answer,
    recovered: Answer,
    files: Option<Answer>,
    known: Option<KnownIdentity>,
}

impl TargetAnswers {
    /// The target, once nothing else is under way: what was refused is asked for again in another
    /// way, unless this session was told before.
    pub async fn complete(self, link: &mut Link) -> Result<Target, ServerMessage> {
        if let Some(error) = self.who.error {
            return Err(error);
        }
        let who =
            first_row(self.who).ok_or_else(|| message::own("the server answered without a row"))?;
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
            protocol_pid: link.protocol_pid(),
            tls: link.tls().map(str::to_owned),
            reach: reach(link),
            ..Target::default()
        };
        let may_see_files = cell() == "t";
        let is_known = self.known.is_some();
        target.session_role = target.session_role.filter(|role| *role != target.role);
        target.files_since = match self.files {
            Some(answer) => only_cell(answer),
            None if is_known => self.known.and_then(|known| known.files_since),
            None if may_see_files => only_cell(link.ask(FILES).await.map_err(BrokenLink::why)?),
            None => None,
        };
        target.recovered = only_cell(self.recovered);
        let identity = match first_row(self.identity) {
            Some(row) => Some(row),
            None if is_known => None,
            // Refused to this role: ask for less.
            None => first_row(link.ask(TIMELINE_ONLY).await.map_err(BrokenLink::why)?),
        };
        (target.system_identifier, target.timeline) = identity.map_or((None, None), told);
        Ok(target)
    }
}

async fn heard(link: &mut Link, sent: Sent) -> Result<Answer, ServerMessage> {
    link.answer(sent, &mut |_| {})
        .await
        .map_err(BrokenLink::why)
}

/// System identifier and timeline, as far as the role may see them.
fn told(row: Vec<Option<String>>) -> (Option<String>, Option<u32>) {
    let mut cells = row.into_iter();
    let system_identifier = cells.next().flatten();
    let writing = cells.next().flatten();
    let replayed = cells.next().flatten();
    let timeline = writing
        .and_then(|hex| u32::from_str_radix(&hex, 16).ok())
        .or_else(|| replayed.and_then(|t| t.parse().ok()));
    (system_identifier, timeline)
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
    let asked = link.send_ours(IDENTITY).await.map_err(gone)?;
    let started = only_cell(heard(link, started).await?);
    // Without a right to it the start alone has to do.
    let system = first_row(heard(link, asked).await?).and_then(|row| told(row).0);
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
