//! A port on 127.0.0.1 for a server that is stopped and started again on it.

use super::error::SandboxError;
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

/// The first port that is taken: the ones below are those of well-known services.
const LOWEST: u16 = 10_000;
/// How many ports are tried before any port will do.
const TRIES: u64 = 100;

/// A port that is free, and is given to nobody else while its server is down: whoever asks the system for
/// any port, or connects somewhere, gets one of the ephemeral range, so this one is below where there is
/// room.
///
/// # Errors
/// When no port can be had at all.
pub(super) fn find_port() -> Result<u16, SandboxError> {
    let told = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    let below = below_ephemeral(told.as_deref().unwrap_or_default());
    let room = u64::from(below.end.saturating_sub(below.start));
    let any = RandomState::new();
    let mut tried = (0..TRIES).filter_map(|turn| {
        let step = u16::try_from(any.hash_one(turn).checked_rem(room)?).ok()?;
        bound_to(below.start + step).ok()
    });
    match tried.next() {
        Some(port) => Ok(port),
        None => bound_to(0).map_err(SandboxError::io("find a free port on 127.0.0.1")),
    }
}

fn bound_to(port: u16) -> std::io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    Ok(listener.local_addr()?.port())
}

/// The ports below the ephemeral range, from what the system says of it; none where it does not say.
fn below_ephemeral(told: &str) -> Range<u16> {
    let first = told.split_whitespace().next();
    let first = first.and_then(|first| first.parse().ok());
    LOWEST..first.unwrap_or(LOWEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_not_one_that_the_system_gives_to_others() {
        assert_eq!(below_ephemeral("32768\t60999\n"), 10_000..32_768);
        for none in ["1024\t65535\n", "", "nonsense"] {
            assert!(below_ephemeral(none).is_empty(), "{none}");
        }
        let told = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
        let below = below_ephemeral(&told);
        let found: Vec<u16> = (0..20).map(|_| find_port().unwrap()).collect();
        let fits = found
            .iter()
            .all(|port| below.is_empty() || below.contains(port));
        assert!(fits, "{found:?} beside {told}");
    }
}
