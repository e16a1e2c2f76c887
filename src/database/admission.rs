//! A connection for which a person is asked what the server, or a key, wants to know.
//!
//! As in psql, nobody is asked for a password before a server wants one, unless `-W` says so, and no
//! question is put where a password is known: a wrong one in a file or a variable is told and ends the
//! attempt. What was typed is shared by every copy of the settings, so that the monitor, the cancel
//! requests and the children have it too, and nobody is asked twice.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::connect::connect;
use super::link::Link;
use super::message;
use super::secret::Secret;
use super::settings::{Host, Settings};
use crate::asking::{Desk, SecretKind};
use crate::facts::ServerMessage;

/// How often a wrong answer is followed by another question.
const ONCE_MORE: usize = 2;

/// A secret that is typed while it is needed, shared by every copy.
#[derive(Clone, Default)]
pub struct Typed(Arc<Mutex<SecretSlot>>);

#[derive(Default)]
struct SecretSlot {
    secret: Option<Secret>,
    missed: Option<Miss>,
}

/// Why an attempt failed that another answer may help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Miss {
    Absent(String),
    /// What was typed is not the one.
    Wrong(String),
}

impl std::fmt::Debug for Typed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Typed")
    }
}

impl Typed {
    fn slot(&self) -> MutexGuard<'_, SecretSlot> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn secret(&self) -> Option<Secret> {
        self.slot().secret.clone()
    }

    fn set(&self, secret: Option<Secret>) {
        self.slot().secret = secret;
    }

    /// Notes that an attempt failed at this secret; the place is for the person.
    pub(super) fn miss(&self, place: String) {
        let mut slot = self.slot();
        slot.missed = Some(match slot.secret {
            None => Miss::Absent(place),
            Some(_) => Miss::Wrong(place),
        });
    }

    fn take_miss(&self) -> Option<Miss> {
        self.slot().missed.take()
    }
}

impl Settings {
    /// `role@host:port/database`, as it is told everywhere.
    pub fn place_at(&self, host: &Host) -> String {
        let Settings { user, database, .. } = self;
        format!("{user}@{}:{}/{database}", host.place.name(), host.port)
    }

    /// The same of every host that may be meant.
    fn place(&self) -> String {
        let hosts: Vec<String> = self
            .hosts
            .iter()
            .map(|host| format!("{}:{}", host.place.name(), host.port))
            .collect();
        format!("{}@{}/{}", self.user, hosts.join(","), self.database)
    }
}

/// Opens a link as [`connect`] does; a person is asked for what is missing, where there is one.
///
/// # Errors
/// What stood in the way, also where the person gave no answer or the wrong one too often.
pub async fn connect_asking(settings: &Settings) -> Result<Link, ServerMessage> {
    let Some(desk) = &settings.desk else {
        return connect(settings).await;
    };
    let password = (SecretKind::Password, &settings.typed_password);
    let passphrase = (
        SecretKind::Passphrase,
        &settings.protection.typed_passphrase,
    );
    if settings.ask_password
        && settings.typed_password.secret().is_none()
        && !ask(desk, password, settings.place(), None).await
    {
        return Err(message::own("no password was typed (-W)"));
    }
    let mut wrong = 0;
    loop {
        for (_, typed) in [passphrase, password] {
            typed.take_miss();
        }
        let reached = connect(settings).await;
        let missed = [passphrase, password]
            .into_iter()
            .find_map(|asked| Some((asked, asked.1.take_miss()?)));
        // What let us in without the key, because TLS is only preferred, is not what was asked for.
        let ((wanted, typed), miss) = match (&reached, missed) {
            (Ok(link), _) if link.route().seal.is_some() => return reached,
            (_, Some((asked @ (SecretKind::Passphrase, _), miss))) => (asked, miss),
            (Err(_), Some(missed)) => missed,
            (_, None) | (Ok(_), _) => return reached,
        };
        let why = reached.as_ref().err().map(message::line);
        let (place, before) = match miss {
            Miss::Absent(place) => (place, None),
            Miss::Wrong(place) => (
                place,
                Some(why.unwrap_or_else(|| "it is not the one".into())),
            ),
        };
        if before.is_some() {
            typed.set(None);
            wrong += 1;
        }
        if wrong > ONCE_MORE || !ask(desk, (wanted, typed), place, before).await {
            return reached;
        }
    }
}

/// Asks, and keeps the answer; whether there was one.
async fn ask(
    desk: &Desk,
    (wanted, typed): (SecretKind, &Typed),
    place: String,
    wrong: Option<String>,
) -> bool {
    let answer = desk.ask(wanted, place, wrong).await;
    let secret = answer.filter(|answer| !answer.is_empty());
    let there = secret.is_some();
    typed.set(secret.map(Secret::from));
    there
}

/// Has a person asked for what the server wants, before somebody connects who cannot wait for them.
pub async fn admit(settings: &Settings) -> Result<(), ServerMessage> {
    match settings.desk {
        Some(_) => connect_asking(settings).await.map(drop),
        None => Ok(()),
    }
}
