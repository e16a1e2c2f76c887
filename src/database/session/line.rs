//! What works from outside the task: the cancel request, the end of the link, and the lease.
//!
//! Nothing that is under way in the task can stand in its way.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio_postgres::{CancelToken, NoTls};

use super::Order;
use super::lease::Lease;
use crate::database::message;
use crate::database::stream::Route;
use crate::gate::event::Seq;

/// How long the cancel request may take that goes before the end of a link.
const LAST_CANCEL: Duration = Duration::from_secs(1);

/// What works from outside the task.
#[derive(Debug)]
pub(super) struct OutsideHandle {
    pub(super) there: Mutex<(Seq, Option<PresentConnection>)>,
    pub(super) severed: watch::Sender<u64>,
    pub(super) cancels: watch::Sender<Cancels>,
    pub(super) lease: Lease,
}

/// How many cancel requests are on their way at once. Each is a connection, and a key that is held down
/// asks thirty times a second: more of them would fill the server's queue of new connections, for others
/// too. More than one, since the first may hang.
const CANCELS_AT_ONCE: usize = 4;

/// Cancel requests that are on their way.
#[derive(Debug, Default)]
pub(super) struct Cancels {
    under_way: usize,
    /// Asked for while as many were on their way as may be: one more goes behind them.
    again: bool,
    /// None is sent now: it would hit what must not fail.
    closed: bool,
    /// Somebody wants what is being done to stop.
    asked: bool,
}

/// A cancel request on its way, for as long as this lives.
pub(super) struct CancelUnderWay {
    pub(super) cancels: watch::Sender<Cancels>,
    ended: bool,
}

impl CancelUnderWay {
    /// Whether one more is to be sent behind this one; if not, this is on its way no longer.
    pub(super) fn goes_again(&mut self) -> bool {
        let mut again = false;
        self.cancels.send_modify(|cancels| {
            again = std::mem::take(&mut cancels.again) && !cancels.closed;
            cancels.under_way -= usize::from(!again);
        });
        self.ended = !again;
        again
    }
}

impl Drop for CancelUnderWay {
    fn drop(&mut self) {
        if !self.ended {
            self.cancels.send_modify(|cancels| cancels.under_way -= 1);
        }
    }
}

impl Default for OutsideHandle {
    fn default() -> OutsideHandle {
        OutsideHandle {
            there: Mutex::default(),
            severed: watch::channel(0).0,
            cancels: watch::Sender::default(),
            lease: Lease::default(),
        }
    }
}

impl OutsideHandle {
    pub(super) fn lock(&self) -> MutexGuard<'_, (Seq, Option<PresentConnection>)> {
        // A panic elsewhere must not take the cancel key away.
        self.there.lock().unwrap_or_else(|e| e.into_inner())
    }

    pub(super) fn there(&self) -> Option<PresentConnection> {
        self.lock().1.clone()
    }

    pub(super) fn latest(&self) -> Seq {
        self.lock().0
    }

    pub(super) fn set(&self, there: Option<PresentConnection>) {
        self.lock().1 = there;
    }

    /// Notes what is being done. What must not be hit at its beginning opens itself to cancel
    /// requests later.
    pub(super) fn note(&self, seq: Seq, order: &Order) {
        self.lock().0 = seq;
        self.cancels.send_modify(|cancels| {
            cancels.asked = false;
            cancels.again = false;
        });
        if !matches!(order, Order::Query(..)) {
            self.open_to_cancels();
        }
    }

    pub(super) fn sever(&self) {
        self.severed.send_modify(|n| *n = n.wrapping_add(1));
        if let Some(there) = self.there() {
            there.abort.abort();
        }
    }

    /// Closes the link, in a task of its own. What runs is cancelled before, as far as that can be:
    /// a server that does not look for its client would go on with it.
    pub(super) fn let_go(&self) {
        let Some(there) = self.there() else {
            return;
        };
        tokio::spawn(async move {
            let _ = tokio::time::timeout(LAST_CANCEL, there.deliver_cancel()).await;
            there.abort.abort();
        });
    }

    pub(super) fn open_to_cancels(&self) {
        self.cancels.send_modify(|cancels| cancels.closed = false);
    }

    /// The connection on which something is to be cancelled, if that may still be and not as many
    /// requests are on their way already as may be; the last of these is then followed by one more.
    pub(super) fn to_be_cancelled(&self) -> Option<(PresentConnection, CancelUnderWay)> {
        let there = self.there()?;
        let mut sent = false;
        self.cancels.send_modify(|cancels| {
            let open = !cancels.closed;
            sent = open && cancels.under_way < CANCELS_AT_ONCE;
            cancels.under_way += usize::from(sent);
            cancels.asked |= open;
            cancels.again |= open && !sent;
        });
        sent.then(|| {
            let cancels = self.cancels.clone();
            let ended = false;
            (there, CancelUnderWay { cancels, ended })
        })
    }

    /// Cancels what is under way, if that may be, in a task of its own, and says nothing of it.
    pub(super) fn cancel_under_way(&self, limit: Duration) {
        if let Some((there, under_way)) = self.to_be_cancelled() {
            tokio::spawn(async move {
                let _ = there.keep_cancelling(under_way, limit).await;
            });
        }
    }

    /// Whether what is being done was to be cancelled.
    pub(super) fn cancel_asked(&self) -> bool {
        self.cancels.borrow().asked
    }

    /// Waits until every cancel request has reached the server or was given up; none is sent from
    /// here on until this is opened again.
    pub(super) async fn close_to_cancels(&self) {
        self.cancels.send_modify(|cancels| cancels.closed = true);
        let mut cancels = self.cancels.subscribe();
        // The sender lives as long as this does.
        let _ = cancels.wait_for(|cancels| cancels.under_way == 0).await;
    }
}

/// The connection that is there, as far as others may touch it.
#[derive(Clone)]
pub(super) struct PresentConnection {
    pub(super) token: CancelToken,
    pub(super) route: Route,
    pub(super) abort: AbortHandle,
}

impl std::fmt::Debug for PresentConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The token is a key to the session.
        f.debug_struct("There")
            .field("endpoint", &self.route.endpoint)
            .finish_non_exhaustive()
    }
}

impl PresentConnection {
    /// Delivers a cancel request, and one more behind it as long as one was asked for meanwhile; each may
    /// take `limit`.
    ///
    /// # Errors
    /// Why the last could not be delivered.
    pub(super) async fn keep_cancelling(
        &self,
        mut under_way: CancelUnderWay,
        limit: Duration,
    ) -> Result<(), String> {
        loop {
            let delivered = match tokio::time::timeout(limit, self.deliver_cancel()).await {
                Ok(delivered) => delivered,
                Err(_) => Err("no answer in time".into()),
            };
            if !under_way.goes_again() {
                return delivered;
            }
        }
    }

    /// Sends the cancel request and waits until the server has closed, that is, has acted on it.
    pub(super) async fn deliver_cancel(&self) -> Result<(), String> {
        let (mut wire, seal) = self
            .route
            .open_another()
            .await
            .map_err(|why| message::line(&why))?;
        match seal {
            Some(seal) => self.token.cancel_query_raw(&mut wire, seal).await,
            None => self.token.cancel_query_raw(&mut wire, NoTls).await,
        }
        .map_err(|e| message::line(&message::from_error(&e)))?;
        // A reset instead of an end is as good.
        let _ = wire.read(&mut [0; 1]).await;
        Ok(())
    }
}
