//! From settings to a link: hosts in their order, one attempt bounded in time, errors in words.
//!
//! As libpq does it, a server that answers with an error ends the list, except "starting up"
//! (57P03): a wrong password must not be tried on the next host too.

use std::sync::PoisonError;

use tokio_postgres::config::{ChannelBinding, SslNegotiation};
use tokio_postgres::{Config, NoTls};

use super::doorkeeper::{Doorkeeper, Seen};
use super::link::Link;
use super::message;
use super::session::read_only::STARTUP as READ_ONLY;
use super::settings::{Host, Place, SessionAttributes, Settings, SslMode, Use, Way};
use super::stream::{Endpoint, Route, numeric};
use super::tap::Tap;
use super::tls::{self, NoTlsWhy, Shown};
use crate::gate::event::ServerMessage;

/// Why a link was not opened, and whether another address may do.
enum Setback {
    /// Nobody is there, or not the one that was wanted: on to the next address.
    Elsewhere(ServerMessage),
    /// The server, or what was asked for, says no; as in libpq no other host is tried.
    Final(ServerMessage),
}

impl Setback {
    fn within(self, place: &str) -> Setback {
        let within = |error: ServerMessage| ServerMessage {
            context: error.context.or_else(|| Some(place.to_owned())),
            ..error
        };
        match self {
            Setback::Elsewhere(error) => Setback::Elsewhere(within(error)),
            Setback::Final(error) => Setback::Final(within(error)),
        }
    }
}

/// Opens a link to the first host that will do.
///
/// # Errors
/// What stood in the way, host by host.
pub async fn connect(settings: &Settings) -> Result<Link, ServerMessage> {
    use SessionAttributes::{Any, PreferStandby, Standby};
    match settings.session_attributes {
        PreferStandby => match first(settings, Standby).await {
            Ok(link) => Ok(link),
            Err(Setback::Final(error)) => Err(error),
            Err(Setback::Elsewhere(_)) => first(settings, Any).await.map_err(said),
        },
        wanted => first(settings, wanted).await.map_err(said),
    }
}

/// Opens a link to that address and no other, of whatever kind the server there is.
///
/// # Errors
/// What stood in the way.
pub(super) async fn connect_at(
    settings: &Settings,
    host: &Host,
    endpoint: &Endpoint,
) -> Result<Link, ServerMessage> {
    let limit = settings.connect_timeout;
    let attempt = attempt(settings, host, endpoint.clone(), SessionAttributes::Any);
    let setback = match tokio::time::timeout(limit, attempt).await {
        Ok(Ok(link)) => return Ok(link),
        Ok(Err(setback)) => setback,
        Err(_) => silent(limit),
    };
    Err(said(setback.within(&format!("while connecting to {host}"))))
}

/// Every address that `settings` lead to, each as settings of its own, for who looks for one server
/// among them instead of any that will do. A name that cannot be looked up stays one.
pub async fn each_address(settings: &Settings) -> Vec<Settings> {
    let mut each = Vec::new();
    for host in &settings.hosts {
        let looked_up = tokio::time::timeout(settings.connect_timeout, Endpoint::of(host)).await;
        let endpoints = looked_up.ok().and_then(Result::ok).unwrap_or_default();
        let addresses: Vec<Host> = endpoints
            .iter()
            .filter_map(|endpoint| match (endpoint, &host.place) {
                (Endpoint::Tcp(address), Place::Tcp { host: name, .. }) => Some(Host {
                    place: Place::Tcp {
                        host: name.clone(),
                        address: Some(numeric(*address)),
                    },
                    ..host.clone()
                }),
                _ => None,
            })
            .collect();
        let hosts = match addresses.is_empty() {
            true => vec![host.clone()],
            false => addresses,
        };
        each.extend(hosts.into_iter().map(|host| Settings {
            hosts: vec![host],
            shuffled: false,
            session_attributes: SessionAttributes::Any,
            ..settings.clone()
        }));
    }
    each
}

fn silent(limit: std::time::Duration) -> Setback {
    let limit = limit.as_secs_f32();
    Setback::Elsewhere(message::own_with_hint(
        format!("no answer within {limit} s"),
        "a firewall or a wrong address swallows what is sent there, or the server hangs: is the host \
         (-h) right? connect_timeout waits for longer",
    ))
}

fn said(setback: Setback) -> ServerMessage {
    match setback {
        Setback::Elsewhere(error) | Setback::Final(error) => error,
    }
}

async fn first(settings: &Settings, wanted: SessionAttributes) -> Result<Link, Setback> {
    let mut hosts: Vec<&Host> = settings.hosts.iter().collect();
    if settings.shuffled {
        shuffle(&mut hosts);
    }
    let mut errors: Vec<ServerMessage> = Vec::new();
    for host in hosts {
        let place = format!("while connecting to {host}");
        match one(settings, host, wanted).await {
            Ok(link) => return Ok(link),
            Err(setback) => match setback.within(&place) {
                Setback::Elsewhere(error) => errors.push(error),
                Setback::Final(error) => return Err(Setback::Final(after(error, &errors))),
            },
        }
    }
    let last = errors.pop().unwrap_or_default();
    Err(Setback::Elsewhere(after(last, &errors)))
}

/// An error with those that came before it.
fn after(last: ServerMessage, before: &[ServerMessage]) -> ServerMessage {
    if before.is_empty() {
        return last;
    }
    let before: Vec<String> = before
        .iter()
        .map(|e| {
            let place = e.context.as_deref().unwrap_or_default();
            format!("{} ({place})", e.message)
        })
        .collect();
    let before = format!("before that: {}", before.join("; "));
    ServerMessage {
        detail: Some(match last.detail {
            Some(detail) => format!("{detail}; {before}"),
            None => before,
        }),
        ..last
    }
}

/// An order of chance; the hasher's keys are as good a source as this needs.
fn shuffle<T>(list: &mut [T]) {
    use std::hash::{BuildHasher, RandomState};
    for i in (1..list.len()).rev() {
        let chance = RandomState::new().hash_one(i);
        let bound = u64::try_from(i + 1).unwrap_or(u64::MAX);
        let j = usize::try_from(chance % bound).unwrap_or(0);
        list.swap(i, j);
    }
}

/// One host: its addresses in turn, each within the limit, as libpq counts it.
async fn one(settings: &Settings, host: &Host, wanted: SessionAttributes) -> Result<Link, Setback> {
    let limit = settings.connect_timeout;
    let looked_up = tokio::time::timeout(limit, Endpoint::of(host)).await;
    let mut endpoints = match looked_up {
        Err(_) => return Err(silent(limit)),
        Ok(Ok(endpoints)) if !endpoints.is_empty() => endpoints,
        Ok(Ok(_)) => {
            return Err(Setback::Elsewhere(message::own(
                "the host name has no address",
            )));
        }
        Ok(Err(error)) => {
            let why = message::from_io(&error);
            return Err(Setback::Elsewhere(message::own_with_hint(
                format!("cannot look the host name up: {why}"),
                "is the name right (-h), and does this machine's name service know it?",
            )));
        }
    };
    if settings.shuffled {
        shuffle(&mut endpoints);
    }
    let mut last = Setback::Elsewhere(ServerMessage::default());
    for endpoint in endpoints {
        let attempt = attempt(settings, host, endpoint, wanted);
        match tokio::time::timeout(limit, attempt).await {
            Ok(Ok(link)) => return Ok(link),
            Ok(Err(Setback::Final(error))) => return Err(Setback::Final(error)),
            Ok(Err(elsewhere)) => last = elsewhere,
            Err(_) => last = silent(limit),
        }
    }
    Err(last)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    Plain,
    Tls,
}

/// One address, in the manners that sslmode has for it. On a unix socket it has but one.
async fn attempt(
    settings: &Settings,
    host: &Host,
    endpoint: Endpoint,
    wanted: SessionAttributes,
) -> Result<Link, Setback> {
    use Manner::{Plain, Tls};
    let (manner, other) = match (&endpoint, settings.protection.mode) {
        (Endpoint::Unix(_), _) | (_, SslMode::Disable) => (Plain, None),
        (_, SslMode::Allow) => (Plain, Some(Tls)),
        (_, SslMode::Prefer) => (Tls, Some(Plain)),
        (_, SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull) => (Tls, None),
    };
    let mut link = match enter(settings, host, &endpoint, manner).await {
        Ok(link) => link,
        Err(refusal) => match (refusal, other) {
            (
                Refusal {
                    setback: Setback::Final(error),
                    otherwise: true,
                },
                Some(other),
            ) => enter(settings, host, &endpoint, other)
                .await
                .map_err(|again| again.setback.not_before(&error))?,
            (refusal, _) => return Err(refusal.setback),
        },
    };
    suits(&mut link, settings, wanted).await?;
    Ok(link)
}

impl Setback {
    /// What the other manner came to is told too, where it says something else.
    fn not_before(self, first: &ServerMessage) -> Setback {
        match self {
            Setback::Final(error) if error.message != first.message => {
                Setback::Final(after(error, std::slice::from_ref(first)))
            }
            other => other,
        }
    }
}

/// A refusal, and whether it may be otherwise in the other manner.
struct Refusal {
    setback: Setback,
    otherwise: bool,
}

impl From<Setback> for Refusal {
    fn from(setback: Setback) -> Refusal {
        Refusal {
            setback,
            otherwise: false,
        }
    }
}

async fn enter(
    settings: &Settings,
    host: &Host,
    endpoint: &Endpoint,
    manner: Manner,
) -> Result<Link, Refusal> {
    let mut route = Route {
        endpoint: endpoint.clone(),
        name: match &host.place {
            Place::Tcp { host: name, .. } if !host.nameless => name.clone(),
            Place::Tcp { .. } | Place::Socket(_) => String::new(),
        },
        protection: settings.protection.clone(),
        keepalive: settings.keepalive,
        peer: settings.peer.clone(),
        seal: None,
    };
    let opened = endpoint.open(settings.keepalive, settings.peer.as_deref());
    let mut wire = opened.await.map_err(|error| {
        let said = ServerMessage {
            hint: unreached(error.kind()).map(str::to_owned),
            ..message::own(message::from_io(&error))
        };
        Refusal::from(match error.kind() {
            // Somebody else than the one who was to be there.
            std::io::ErrorKind::Other => Setback::Final(said),
            _ => Setback::Elsewhere(said),
        })
    })?;
    if manner == Manner::Tls {
        let negotiated = tls::negotiate(wire, &route.name, &settings.protection).await;
        (wire, route.seal) = negotiated.map_err(|why| Refusal {
            otherwise: matches!(why, NoTlsWhy::Failed(_) | NoTlsWhy::Unusable(_)),
            setback: Setback::Final(why.said()),
        })?;
    }
    let protected = route.seal.is_some();
    if settings.protection.channel_binding == Use::Required && !protected {
        return Err(Setback::Final(message::own(
            "channel binding required, but there is no TLS (channel_binding)",
        ))
        .into());
    }
    let (door, seen) = Doorkeeper::new(wire, settings.ways.clone());
    let (tap, frames, side_door) = Tap::new(door, settings.charset);
    let config = config(settings, host, protected);
    let entered = match route.seal.clone() {
        Some(seal) => config
            .connect_raw(tap, seal)
            .await
            .map(|(client, connection)| {
                let driver = tokio::spawn(connection);
                (client, driver)
            }),
        None => config
            .connect_raw(tap, NoTls)
            .await
            .map(|(client, connection)| {
                let driver = tokio::spawn(connection);
                (client, driver)
            }),
    };
    match entered {
        Ok((client, driver)) => match objection_to_showing(settings, &route) {
            Some(why) => {
                driver.abort();
                Err(Setback::Final(why).into())
            }
            None => Ok(Link::new(
                client,
                frames,
                side_door,
                driver,
                host.clone(),
                route,
                settings.charset,
            )),
        },
        Err(error) => {
            let seen = *seen.lock().unwrap_or_else(PoisonError::into_inner);
            let said = refused(settings, host, seen, &error);
            let answered = said.sqlstate.is_some() && !said.is_not_ready();
            Err(Refusal {
                // Before it lets us in, the server may have another rule for the other manner.
                otherwise: answered && !seen.admitted,
                setback: match said.is_not_ready() {
                    true => Setback::Elsewhere(said),
                    false => Setback::Final(said),
                },
            })
        }
    }
}

/// What stands against a link on which our certificate was to be shown (sslcertmode=require). As in
/// libpq it counts once the server lets us in: what it says before goes first.
fn objection_to_showing(settings: &Settings, route: &Route) -> Option<ServerMessage> {
    if settings.protection.show_certificate != Use::Required {
        return None;
    }
    match route.seal.as_ref().map(|seal| seal.shown) {
        Some(Shown::Yes) => None,
        Some(Shown::Nothing) => Some(message::own_with_hint(
            "the server let us in without a certificate of ours (sslcertmode=require)",
            "sslcert and sslkey name it, or ~/.postgresql/postgresql.crt and .key hold it",
        )),
        Some(Shown::NotAsked) | None => Some(message::own_with_hint(
            "the server did not ask for our certificate (sslcertmode=require)",
            "it asks over TLS (sslmode=require), and where its ssl_ca_file is set; sslcertmode=allow \
             does without it",
        )),
    }
}

/// The next step where nobody was met.
fn unreached(kind: std::io::ErrorKind) -> Option<&'static str> {
    use std::io::ErrorKind::{
        ConnectionRefused, HostUnreachable, NetworkUnreachable, NotFound, PermissionDenied,
        TimedOut,
    };
    Some(match kind {
        ConnectionRefused => {
            "is the server running, does it listen on this address (listen_addresses), and is the \
             port (-p) the right one?"
        }
        NotFound => {
            "is the server running, and are folder (-h) and port (-p) the right ones? Over the \
             network it is -h and the host's name"
        }
        PermissionDenied => {
            "this OS user may not open that socket: another one may, or -h and the host's name go \
             over the network"
        }
        TimedOut | HostUnreachable | NetworkUnreachable => {
            "is the host (-h) right, and does a VPN, a route or a firewall stand in between?"
        }
        _ => return None,
    })
}

fn config(settings: &Settings, host: &Host, protected: bool) -> Config {
    let mut config = Config::new();
    config
        .user(&settings.user)
        .dbname(&settings.database)
        .application_name(&settings.application_name)
        .channel_binding(match settings.protection.channel_binding {
            Use::Never => ChannelBinding::Disable,
            Use::Possible => ChannelBinding::Prefer,
            Use::Required => ChannelBinding::Require,
        });
    if protected {
        // It is there already: nothing is asked for, the seal is taken as it is.
        config
            .ssl_mode(tokio_postgres::config::SslMode::Require)
            .ssl_negotiation(SslNegotiation::Direct);
    } else {
        config.ssl_mode(tokio_postgres::config::SslMode::Disable);
    }
    if let Some(password) = settings.password_for(host) {
        config.password(password.reveal());
    }
    if let Some(options) = &settings.options {
        config.options(options);
    }
    config
}

/// What is told when the server wants a password and there is none.
pub const PASSWORD_WANTED: &str = "the server asks for a password, and none was given";

fn refused(
    settings: &Settings,
    host: &Host,
    seen: Seen,
    error: &tokio_postgres::Error,
) -> ServerMessage {
    let said = message::from_error(error);
    let given = settings.password_for(host);
    let asks = matches!(
        seen.asked,
        Some(Way::Password | Way::Md5 | Way::ScramSha256)
    );
    if said.sqlstate.is_none() && given.is_none() && asks && said.message.contains("password") {
        settings.typed_password.miss(settings.place_at(host));
        return message::own_with_hint(
            PASSWORD_WANTED,
            match settings.never_ask_password {
                true => "-w forbids to ask for it: put it into ~/.pgpass or PGPASSWORD",
                false => {
                    "it is asked for where standard input is a terminal; else put it into ~/.pgpass \
                     or PGPASSWORD"
                }
            },
        );
    }
    if said.sqlstate.as_deref() == Some("28P01") && settings.typed_password.secret().is_some() {
        settings.typed_password.miss(settings.place_at(host));
        return advise(said);
    }
    // As libpq says it, because the file may hold an old one.
    if said.sqlstate.as_deref() == Some("28P01")
        && settings.password.is_none()
        && let (Some(_), Some(file)) = (given, &settings.passfile)
    {
        return ServerMessage {
            hint: Some(format!(
                "the password was retrieved from file \"{}\"",
                file.display()
            )),
            ..said
        };
    }
    advise(said)
}

/// The next step, where the server gives none and there is one.
fn advise(said: ServerMessage) -> ServerMessage {
    if said.hint.is_some() {
        return said;
    }
    let hint = match said.sqlstate.as_deref() {
        Some("28000") if said.message.contains("no encryption") => {
            "its pg_hba.conf has no line for this link without TLS: sslmode=require asks for one with \
             it, if there is one for this host, database and role at all"
        }
        Some("28000") if said.message.contains("SSL encryption") => {
            "its administrator adds a line to pg_hba.conf for this host, database and role; it may \
             have one for a link without TLS (sslmode=disable)"
        }
        Some("28000") if said.message.contains("pg_hba.conf") => {
            "its administrator adds a line to pg_hba.conf for this host, database and role"
        }
        Some("28000") if said.message.contains("certificate") => {
            "it wants a certificate of ours for this role: sslcert and sslkey"
        }
        Some("28000") if said.message.contains("does not exist") => {
            "-U names the role; without it PGUSER does, else the name of the OS user"
        }
        Some("28000") if said.message.contains("not permitted to log in") => {
            "-U names a role that may: this one is for a group, or was closed (ALTER ROLE … LOGIN)"
        }
        Some("28000") if said.message.starts_with("Peer") || said.message.starts_with("Ident") => {
            "pg_hba.conf lets in only the OS user that belongs to this role: become that one, name \
             its role with -U, or go over the network with -h"
        }
        // In whatever language the server says it.
        Some("28000") => {
            "the server does not let this role in from here: what its pg_hba.conf and the role itself \
             allow decides, and its log says why"
        }
        Some("42501") => {
            "the role has no right to connect to this database: GRANT CONNECT ON DATABASE … TO … \
             gives it, or -U names another one"
        }
        Some("55000") => {
            "this database takes no sessions (ALLOW_CONNECTIONS); -d names another one"
        }
        Some("28P01") => "the password is another one, or the role has none, or it has expired",
        Some("3D000") => "psql -l lists the databases there are; -d names one",
        Some("53300") => "every connection slot is taken: wait, or ask who holds them",
        Some("57P03") => {
            "the server is starting up, shutting down or recovering: wait and try again"
        }
        _ => return said,
    };
    ServerMessage {
        hint: Some(hint.to_owned()),
        ..said
    }
}

/// Whether the server is of the kind that `target_session_attrs` asks for.
async fn suits(
    link: &mut Link,
    settings: &Settings,
    wanted: SessionAttributes,
) -> Result<(), Setback> {
    use SessionAttributes::{Any, PreferStandby, Primary, ReadOnly, ReadWrite, Standby};
    if matches!(wanted, Any | PreferStandby) {
        return Ok(());
    }
    let row = link
        .row(
            "SELECT pg_catalog.pg_is_in_recovery(), \
             pg_catalog.current_setting('default_transaction_read_only')",
        )
        .await
        .map_err(Setback::Final)?;
    // A default that we made ourselves, to look only, says nothing of the server.
    let ours = settings
        .options
        .as_deref()
        .is_some_and(|options| options.ends_with(READ_ONLY));
    let is =
        |column: usize, value: &str| row.get(column).is_some_and(|v| v.as_deref() == Some(value));
    let standby = is(0, "t");
    let read_only = standby || is(1, "on") && !ours;
    let unsuitable = match wanted {
        Any | PreferStandby => None,
        ReadWrite => read_only.then_some("the session is read-only"),
        ReadOnly => (!read_only).then_some("the session is not read-only"),
        Primary => standby.then_some("the server is a standby"),
        Standby => (!standby).then_some("the server is not a standby"),
    };
    match unsuitable {
        Some(reason) => Err(Setback::Elsewhere(message::own_with_hint(
            format!("{reason} (target_session_attrs)"),
            "no host that was named is of the kind that target_session_attrs asks for: name more of \
             them with -h, or another kind",
        ))),
        None => Ok(()),
    }
}
