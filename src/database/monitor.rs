//! The second connection: looks, once a second, at what our session does and who waits for whom.
//!
//! It is read-only by the server, takes no lock beyond a moment's reading of catalogs, and bounds
//! every look. It never touches the held session: when it cannot look it says so, and nothing else
//! happens (I12).

mod server_log;
mod sight;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::link::{BrokenLink, Link};
use super::pinned::Pinned;
use super::session::Identity;
use super::{message, target};
use crate::facts::{Observation, ServerMessage, Sight};

pub const INTERVAL: Duration = Duration::from_secs(1);

/// What makes its session one that only looks; the server ends a look after two seconds.
const STARTUP: &str = "-c default_transaction_read_only=on -c statement_timeout=2s \
    -c lock_timeout=100ms -c search_path=pg_catalog,pg_temp";

/// And this is when no answer at all is believed to come any more.
const SILENCE: Duration = Duration::from_secs(5);

/// The longest pause after failures.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The name under which it shows in `pg_stat_activity`.
pub const APPLICATION: &str = "stagegate monitor";

/// Whether somebody looks at the server's log now; it is read only then.
#[derive(Debug, Clone, Default)]
pub struct LogWanted(Arc<AtomicBool>);

impl LogWanted {
    /// Somebody looks, or does not any more.
    pub fn set(&self, wanted: bool) {
        self.0.store(wanted, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
pub struct Monitor;

impl Monitor {
    /// Watches the session that `identity` is of, where `pinned` leads, from when `begins` ends on, and
    /// after one interval in any case. The task ends when nobody listens any more; aborting it closes its
    /// connection.
    pub fn spawn(
        pinned: &Pinned,
        identity: Identity,
        observations: UnboundedSender<Observation>,
        log: LogWanted,
        begins: impl Future<Output = ()> + Send + 'static,
    ) -> JoinHandle<()> {
        let pinned = with_startup(pinned);
        tokio::spawn(async move {
            // Which of the two it was makes no difference.
            let _ = timeout(INTERVAL, begins).await;
            watch(pinned, identity, observations, log, INTERVAL).await;
        })
    }

    /// The same at once, with another interval.
    pub fn spawn_every(
        pinned: &Pinned,
        identity: Identity,
        observations: UnboundedSender<Observation>,
        log: LogWanted,
        interval: Duration,
    ) -> JoinHandle<()> {
        let pinned = with_startup(pinned);
        tokio::spawn(watch(pinned, identity, observations, log, interval))
    }
}

fn with_startup(pinned: &Pinned) -> Pinned {
    pinned.with(|settings| {
        settings.application_name = APPLICATION.into();
        settings.add_options(STARTUP);
    })
}

async fn watch(
    pinned: Pinned,
    identity: Identity,
    observations: UnboundedSender<Observation>,
    log: LogWanted,
    interval: Duration,
) {
    let mut failures = 0u32;
    loop {
        let ended = async {
            let (mut link, version) = open(&pinned, &identity).await?;
            let mut seen = FirstWaits::default();
            let mut known = server_log::ReadLogFile::default();
            loop {
                let sight = look(&mut link, identity.backend_pid, version, &mut seen).await?;
                failures = 0;
                let sent = observations.send(Observation::Seen(Box::new(sight)));
                if sent.is_err() {
                    return Ok(());
                }
                if log.is_set()
                    && let Some(tail) = server_log::look(&mut link, &mut known).await?
                {
                    // Whether anybody listens is seen at the next look.
                    let _ = observations.send(Observation::Logged(tail));
                }
                tokio::time::sleep(interval).await;
            }
        };
        let why: ServerMessage = match ended.await {
            Ok(()) => return,
            Err(why) => why,
        };
        let blind = Observation::Blind(message::line(&why));
        if observations.send(blind).is_err() {
            return;
        }
        let pause = interval.saturating_mul(1 << failures.min(10));
        tokio::time::sleep(pause.min(LONGEST_PAUSE)).await;
        failures = failures.saturating_add(1);
    }
}

/// What it sets, it sets with the first packet, or once no pooler is in between: what is set later stays
/// there for whoever has the server's session next.
async fn open(pinned: &Pinned, identity: &Identity) -> Result<(Link, u32), ServerMessage> {
    let mut link = pinned.open().await?;
    bounded(target::prove_direct(&mut link)).await?;
    bounded(target::take_any_bytes(&mut link)).await?;
    bounded(target::prove_same(&mut link, identity)).await?;
    let row = bounded(link.row(
        "SELECT pg_catalog.current_setting('default_transaction_read_only'), \
         pg_catalog.current_setting('server_version_num')",
    ))
    .await?;
    let cell = |column: usize| row.get(column).and_then(Option::as_deref);
    if cell(0) != Some("on") {
        return Err(message::own(
            "the server did not make the monitor's session read-only, so it does not look",
        ));
    }
    let version = cell(1).and_then(|version| version.parse().ok());
    Ok((link, version.unwrap_or(0)))
}

async fn bounded<T>(
    work: impl Future<Output = Result<T, ServerMessage>>,
) -> Result<T, ServerMessage> {
    match timeout(SILENCE, work).await {
        Ok(result) => result,
        Err(_) => Err(message::own("the server does not answer the monitor")),
    }
}

/// When the monitor itself saw a session wait first, for servers that do not say since when.
#[derive(Debug, Default)]
pub(super) struct FirstWaits {
    since: HashMap<i32, Instant>,
}

async fn look(
    link: &mut Link,
    pid: i32,
    version: u32,
    seen: &mut FirstWaits,
) -> Result<Sight, ServerMessage> {
    let mut rows = Vec::new();
    for sql in sight::queries(pid, version) {
        let answer = bounded(async { link.ask(&sql).await.map_err(BrokenLink::why) }).await?;
        if let Some(error) = answer.error {
            return Err(error);
        }
        rows.push(answer.results.into_iter().next().unwrap_or_default());
    }
    let mut rows = rows.into_iter().map(|r| r.set.rows);
    let progress = rows.next().unwrap_or_default();
    let sessions = rows.next().unwrap_or_default();
    Ok(sight::read_sight(pid, &progress, &sessions, seen))
}
