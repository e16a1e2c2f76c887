//! Signals as alarms.

use super::watchdog::Watchdog;
use crate::facts::Alarm;
use crate::tui::terminal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::UnboundedSender;

/// Turns SIGHUP, SIGINT, SIGQUIT and SIGTERM into alarms from now on, and keeps SIGTSTP from
/// stopping a program that holds locks. The watchdog hears of each of them as well: whom they are
/// for may be stuck.
///
/// # Errors
/// When the system does not let us listen.
pub fn listen(alarms: &UnboundedSender<Alarm>, watchdog: &Watchdog) -> std::io::Result<()> {
    let kinds = [
        (SignalKind::hangup(), Alarm::HungUp),
        (SignalKind::interrupt(), Alarm::Interrupted),
        (SignalKind::quit(), Alarm::Interrupted),
        (SignalKind::terminate(), Alarm::Terminated),
    ];
    for (kind, alarm) in kinds {
        let mut stream = signal(kind)?;
        let (alarms, watchdog) = (alarms.clone(), watchdog.clone());
        tokio::spawn(async move {
            while stream.recv().await.is_some() {
                // What Ctrl-C in an editor sends to the program behind it as well.
                if alarm == Alarm::Interrupted && terminal::is_lent() {
                    continue;
                }
                watchdog.tell_to_leave(alarm.exit_code());
                // Where nobody listens any more, the run is over and only its end still to be told.
                let _ = alarms.send(alarm.clone());
            }
        });
    }
    // SIGTSTP from outside (`kill -TSTP`): taken and dropped.
    let mut stop = signal(SignalKind::from_raw(TSTP))?;
    tokio::spawn(async move { while stop.recv().await.is_some() {} });
    Ok(())
}

/// SIGTSTP on Linux and the BSDs, macOS included.
const TSTP: i32 = rustix::process::Signal::TSTP.as_raw();
