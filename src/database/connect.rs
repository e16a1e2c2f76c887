//! From settings to a link: hosts in their order, one attempt bounded in time, errors in words.
//!
//! As libpq does it, a server that answers with an error ends the list, except "starting up"
//! (57P03): a wrong password must not be tried on the next host too.

mod entering;

use super::link::Link;
use super::message;
use super::session::read_only::STARTUP as READ_ONLY;
use super::settings::{Host, ServerAddress, SessionAttributes, Settings, SslMode};
use super::stream::{Endpoint, numeric};
use crate::facts::ServerMessage;
use entering::{ConnectRefusal, Manner, enter};

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
                (Endpoint::Tcp(address), ServerAddress::Tcp { host: name, .. }) => Some(Host {
                    place: ServerAddress::Tcp {
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
                ConnectRefusal {
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
