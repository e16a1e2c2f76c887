//! From settings to a link: hosts in their order, one attempt bounded in time, errors in words.
//!
//! As libpq does it, a server that answers with an error ends the list, except "starting up"
//! (57P03): a wrong password must not be tried on the next host too.

use std::time::Duration;

use tokio_postgres::{Config, NoTls};

use super::link::Link;
use super::message;
use super::settings::{Host, Place, SessionAttributes, Settings, SslMode, Use};
use super::stream::Endpoint;
use super::tap::Tap;
use crate::gate::event::ServerMessage;

/// Opens a link to the first host that will do.
///
/// # Errors
/// What stood in the way, host by host.
pub async fn connect(settings: &Settings) -> Result<Link, ServerMessage> {
    use SessionAttributes::{Any, PreferStandby, Standby};
    match settings.session_attributes {
        PreferStandby => match first(settings, Standby).await {
            Ok(link) => Ok(link),
            Err(_) => first(settings, Any).await,
        },
        wanted => first(settings, wanted).await,
    }
}

async fn first(settings: &Settings, wanted: SessionAttributes) -> Result<Link, ServerMessage> {
    let mut errors: Vec<ServerMessage> = Vec::new();
    for host in &settings.hosts {
        match one(settings, host, wanted).await {
            Ok(link) => return Ok(link),
            Err(error) => {
                let answered = error.sqlstate.as_deref().is_some_and(|s| s != "57P03");
                errors.push(error);
                if answered {
                    break;
                }
            }
        }
    }
    let last = errors.pop().unwrap_or_default();
    let before: Vec<String> = errors
        .iter()
        .map(|e| {
            format!(
                "{} ({})",
                e.message,
                e.context.as_deref().unwrap_or_default()
            )
        })
        .collect();
    Err(ServerMessage {
        detail: match (last.detail.clone(), before.is_empty()) {
            (detail, true) => detail,
            (_, false) => Some(format!("before that: {}", before.join("; "))),
        },
        ..last
    })
}

async fn one(
    settings: &Settings,
    host: &Host,
    wanted: SessionAttributes,
) -> Result<Link, ServerMessage> {
    let place = format!("while connecting to {host}");
    let within = |error: ServerMessage| ServerMessage {
        context: Some(place.clone()),
        ..error
    };
    if let Some(refusal) = refuse_tls(settings.protection.mode, host) {
        return Err(within(refusal));
    }
    if let Some(keyword) = demanded(settings) {
        return Err(within(message::own(format!(
            "connection option \"{keyword}\" is not supported yet"
        ))));
    }
    let limit = settings.connect_timeout;
    match tokio::time::timeout(limit, attempt(settings, host, wanted)).await {
        Ok(result) => result.map_err(within),
        Err(_) => Err(within(message::own(format!(
            "no answer within {}",
            seconds(limit)
        )))),
    }
}

fn seconds(limit: Duration) -> String {
    format!("{} s", limit.as_secs_f32())
}

/// What was asked for as a protection and cannot be held here.
fn demanded(settings: &Settings) -> Option<&'static str> {
    [
        ("require_auth", settings.ways.is_some()),
        ("requirepeer", settings.peer.is_some()),
        (
            "channel_binding",
            settings.protection.channel_binding == Use::Required,
        ),
    ]
    .into_iter()
    .find_map(|(keyword, demanded)| demanded.then_some(keyword))
}

/// What sslmode asks for and this build cannot give. psql ignores sslmode on a unix socket.
fn refuse_tls(mode: SslMode, host: &Host) -> Option<ServerMessage> {
    match (mode, &host.place) {
        (SslMode::Disable | SslMode::Allow | SslMode::Prefer, _) | (_, Place::Socket(_)) => {
            return None;
        }
        (SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull, Place::Tcp { .. }) => {}
    }
    let word = mode.word();
    Some(message::own_with_hint(
        format!("sslmode={word} asks for TLS, and this build speaks no TLS yet"),
        "use a unix socket on the database host, or an encrypted tunnel with sslmode=disable",
    ))
}

async fn attempt(
    settings: &Settings,
    host: &Host,
    wanted: SessionAttributes,
) -> Result<Link, ServerMessage> {
    let endpoints = match Endpoint::of(host).await {
        Ok(endpoints) if !endpoints.is_empty() => endpoints,
        Ok(_) => return Err(message::own("the host name has no address")),
        Err(error) => {
            let why = message::from_io(&error);
            return Err(message::own(format!("cannot look the host name up: {why}")));
        }
    };
    let mut last = ServerMessage::default();
    for endpoint in endpoints {
        let wire = match endpoint.open().await {
            Ok(wire) => wire,
            Err(error) => {
                last = message::own(message::from_io(&error));
                continue;
            }
        };
        let (tap, frames, side_door) = Tap::new(wire);
        // A server that answers with an error is heard once, not once an address.
        let (client, connection) = config(settings, host)
            .connect_raw(tap, NoTls)
            .await
            .map_err(|error| refused(settings, host, &error))?;
        let driver = tokio::spawn(connection);
        let mut link = Link::new(client, frames, side_door, driver, host.clone(), endpoint);
        suits(&mut link, wanted).await?;
        return Ok(link);
    }
    Err(last)
}

fn config(settings: &Settings, host: &Host) -> Config {
    let mut config = Config::new();
    config
        .user(&settings.user)
        .dbname(&settings.database)
        .application_name(&settings.application_name)
        // TLS, where there is any, was done before tokio-postgres sees the wire.
        .ssl_mode(tokio_postgres::config::SslMode::Disable);
    if let Some(password) = settings.password_for(host) {
        config.password(password.reveal());
    }
    if let Some(options) = &settings.options {
        config.options(options);
    }
    config
}

fn refused(settings: &Settings, host: &Host, error: &tokio_postgres::Error) -> ServerMessage {
    let said = message::from_error(error);
    let given = settings.password_for(host);
    if said.sqlstate.is_none() && given.is_none() && said.message.contains("password") {
        return message::own_with_hint(
            "the server asks for a password, and none was given",
            "run with -W to be asked for it, or put it into ~/.pgpass or PGPASSWORD",
        );
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
    said
}

/// Whether the server is of the kind that `target_session_attrs` asks for.
async fn suits(link: &mut Link, wanted: SessionAttributes) -> Result<(), ServerMessage> {
    use SessionAttributes::{Any, PreferStandby, Primary, ReadOnly, ReadWrite, Standby};
    if matches!(wanted, Any | PreferStandby) {
        return Ok(());
    }
    let row = link
        .row(
            "SELECT pg_catalog.pg_is_in_recovery(), \
             pg_catalog.current_setting('transaction_read_only')",
        )
        .await?;
    let is =
        |column: usize, value: &str| row.get(column).is_some_and(|v| v.as_deref() == Some(value));
    let (standby, read_only) = (is(0, "t"), is(1, "on"));
    let unsuitable = match wanted {
        Any | PreferStandby => None,
        ReadWrite => read_only.then_some("the session is read-only"),
        ReadOnly => (!read_only).then_some("the session is not read-only"),
        Primary => standby.then_some("the server is a standby"),
        Standby => (!standby).then_some("the server is not a standby"),
    };
    match unsuitable {
        Some(reason) => Err(message::own(format!("{reason} (target_session_attrs)"))),
        None => Ok(()),
    }
}
