//! The way in at one address: the wire, TLS, and what the server asks for before it lets us in.

use std::sync::PoisonError;

use tokio::task::JoinHandle;
use tokio_postgres::config::{ChannelBinding, SslNegotiation};
use tokio_postgres::{Client, Config, Connection, NoTls};

use super::Setback;
use crate::database::doorkeeper::{AuthenticationSeen, Doorkeeper};
use crate::database::link::Link;
use crate::database::message;
use crate::database::settings::{Host, ServerAddress, Settings, Use, Way};
use crate::database::stream::{Endpoint, Route};
use crate::database::tap::Tap;
use crate::database::tls::{self, CertificateShown, NoTlsWhy};
use crate::facts::ServerMessage;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    Plain,
    Tls,
}

/// A refusal, and whether it may be otherwise in the other manner.
pub(super) struct ConnectRefusal {
    pub(super) setback: Setback,
    pub(super) otherwise: bool,
}

impl From<Setback> for ConnectRefusal {
    fn from(setback: Setback) -> ConnectRefusal {
        ConnectRefusal {
            setback,
            otherwise: false,
        }
    }
}

/// Enters at one address in one manner, up to the first request.
pub(super) async fn enter(
    settings: &Settings,
    host: &Host,
    endpoint: &Endpoint,
    manner: Manner,
) -> Result<Link, ConnectRefusal> {
    let mut route = Route {
        endpoint: endpoint.clone(),
        name: match &host.place {
            ServerAddress::Tcp { host: name, .. } if !host.nameless => name.clone(),
            ServerAddress::Tcp { .. } | ServerAddress::Socket(_) => String::new(),
        },
        protection: settings.protection.clone(),
        keepalive: settings.keepalive,
        peer: settings.peer.clone(),
        seal: None,
    };
    let opened = endpoint.open(settings.keepalive, settings.peer.as_deref());
    let mut wire = opened.await.map_err(|error| not_met(&error))?;
    if manner == Manner::Tls {
        let negotiated = tls::negotiate(wire, &route.name, &settings.protection).await;
        (wire, route.seal) = negotiated.map_err(|why| ConnectRefusal {
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
    let (tap, outlet) = Tap::new(door, settings.charset);
    let config = config(settings, host, protected);
    let entered = match route.seal.clone() {
        Some(seal) => drive(config.connect_raw(tap, seal).await),
        None => drive(config.connect_raw(tap, NoTls).await),
    };
    match entered {
        Ok((client, driver)) => match objection_to_showing(settings, &route) {
            Some(why) => {
                driver.abort();
                Err(Setback::Final(why).into())
            }
            None => Ok(Link::new(
                client,
                outlet,
                driver,
                host.clone(),
                route,
                settings.charset,
            )),
        },
        Err(error) => {
            let seen = *seen.lock().unwrap_or_else(PoisonError::into_inner);
            Err(not_let_in(refused(settings, host, seen, &error), seen))
        }
    }
}

/// Starts what moves the bytes.
fn drive<S, T>(
    entered: Result<(Client, Connection<S, T>), tokio_postgres::Error>,
) -> Result<(Client, JoinHandle<Result<(), tokio_postgres::Error>>), tokio_postgres::Error>
where
    Connection<S, T>: Future<Output = Result<(), tokio_postgres::Error>> + Send + 'static,
{
    entered.map(|(client, connection)| (client, tokio::spawn(connection)))
}

fn not_met(error: &std::io::Error) -> ConnectRefusal {
    let said = ServerMessage {
        hint: unreached(error.kind()).map(str::to_owned),
        ..message::own(message::from_io(error))
    };
    ConnectRefusal::from(match error.kind() {
        // Somebody else than the one who was to be there.
        std::io::ErrorKind::Other => Setback::Final(said),
        _ => Setback::Elsewhere(said),
    })
}

fn not_let_in(said: ServerMessage, seen: AuthenticationSeen) -> ConnectRefusal {
    let answered = said.sqlstate.is_some() && !said.is_not_ready();
    ConnectRefusal {
        // Before it lets us in, the server may have another rule for the other manner.
        otherwise: answered && !seen.admitted,
        setback: match said.is_not_ready() {
            true => Setback::Elsewhere(said),
            false => Setback::Final(said),
        },
    }
}

/// What stands against a link on which our certificate was to be shown (sslcertmode=require). As in
/// libpq it counts once the server lets us in: what it says before goes first.
fn objection_to_showing(settings: &Settings, route: &Route) -> Option<ServerMessage> {
    if settings.protection.show_certificate != Use::Required {
        return None;
    }
    match route.seal.as_ref().map(|seal| seal.shown) {
        Some(CertificateShown::Yes) => None,
        Some(CertificateShown::Nothing) => Some(message::own_with_hint(
            "the server let us in without a certificate of ours (sslcertmode=require)",
            "sslcert and sslkey name it, or ~/.postgresql/postgresql.crt and .key hold it",
        )),
        Some(CertificateShown::NotAsked) | None => Some(message::own_with_hint(
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
    seen: AuthenticationSeen,
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
