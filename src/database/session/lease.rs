//! Until when the transaction may be held: given at BEGIN, renewed by the machine alone.
//!
//! The session's own task holds it. Until it runs out the task beats, whatever the screen does; when
//! it has run out the task lets go, whatever the screen does (I7). So nothing that draws, parses or
//! writes can end a transaction, nor hold one longer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::facts::Millis;

/// How long after the hold's end the machine still has to roll back in its own way, which tells more
/// than a link that is closed.
pub const GRACE: Duration = Duration::from_secs(2);

/// The lease on the transaction that is open; none, while none is.
#[derive(Debug)]
pub(super) struct Lease {
    until: watch::Sender<Option<Instant>>,
    ran_out: AtomicBool,
}

impl Default for Lease {
    fn default() -> Lease {
        Lease {
            until: watch::channel(None).0,
            ran_out: AtomicBool::new(false),
        }
    }
}

impl Lease {
    /// A transaction is being opened, to be held so long.
    pub(super) fn begin(&self, hold: Millis) {
        self.ran_out.store(false, Ordering::SeqCst);
        self.until.send_replace(Some(end_of(hold)));
    }

    /// So much is left from now on. What is no longer held stays so.
    pub(super) fn renew(&self, left: Millis) {
        self.until.send_if_modified(|until| {
            let held = until.is_some();
            if held {
                *until = Some(end_of(left));
            }
            held
        });
    }

    /// The transaction has ended, or its end is under way and not to be disturbed.
    pub(super) fn end(&self) {
        self.until.send_replace(None);
    }

    /// There is another session: what the one before ended by is forgotten.
    pub(super) fn forget(&self) {
        self.end();
        self.ran_out.store(false, Ordering::SeqCst);
    }

    /// Whether a transaction is held.
    pub(super) fn is_held(&self) -> bool {
        self.until.borrow().is_some()
    }

    /// Whether the hold is over and was not ended; a moment later than [`Lease::run_out`] says so.
    pub(super) fn is_overdue(&self) -> bool {
        let until = *self.until.borrow();
        self.ran_out() || until.is_some_and(|until| Instant::now() > until + GRACE)
    }

    /// Whether the last one ended because it ran out.
    pub(super) fn ran_out(&self) -> bool {
        self.ran_out.load(Ordering::SeqCst)
    }

    /// Waits until the hold is over and nobody has ended it; then it is held no longer.
    pub(super) async fn run_out(&self) {
        let mut changes = self.until.subscribe();
        loop {
            let until = *changes.borrow_and_update();
            let over = async {
                match until {
                    Some(until) => tokio::time::sleep_until(until + GRACE).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // The sender lives as long as this does.
                _ = changes.changed() => {}
                () = over => break,
            }
        }
        self.ran_out.store(true, Ordering::SeqCst);
        self.end();
    }
}

fn end_of(hold: Millis) -> Instant {
    Instant::now() + Duration::from_millis(hold)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn is_over(lease: &Lease) -> bool {
        tokio::time::timeout(Duration::ZERO, lease.run_out())
            .await
            .is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn it_runs_out_after_the_hold_and_its_grace_and_not_before() {
        let lease = Lease::default();
        lease.begin(60_000);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(!is_over(&lease).await && lease.is_held());
        tokio::time::advance(GRACE).await;
        assert!(is_over(&lease).await && !lease.is_held() && lease.ran_out());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_renewed_is_held_longer_and_what_has_ended_is_not() {
        let lease = Lease::default();
        lease.begin(60_000);
        tokio::time::advance(Duration::from_secs(59)).await;
        lease.renew(61_000);
        tokio::time::advance(Duration::from_secs(61)).await;
        assert!(!is_over(&lease).await && lease.is_held());
        lease.end();
        lease.renew(60_000);
        assert!(!lease.is_held(), "nothing is held that could be renewed");
        tokio::time::advance(Duration::from_secs(600)).await;
        assert!(!is_over(&lease).await && !lease.ran_out());
    }
}
