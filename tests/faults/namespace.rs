//! A network namespace with one link to the outside, on which packets can be made to vanish.
//!
//! Root only. What was made is removed when it is dropped.

use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use crate::child::Finish;

pub struct Namespace {
    pub name: String,
    /// This end of the link, in the outer network.
    outside: String,
    inside: String,
    /// Where a server listens for those inside.
    pub server: Ipv4Addr,
    client: Ipv4Addr,
}

/// Runs `ip`; what it said where it failed.
fn ip(arguments: &[&str]) -> Result<(), String> {
    let told = Command::new("ip")
        .args(arguments)
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("ip: {error}"))?
        .finish("ip");
    match told.status.success() {
        true => Ok(()),
        false => Err(format!(
            "ip {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&told.stderr).trim()
        )),
    }
}

impl Namespace {
    /// # Errors
    /// Why there can be none here.
    pub fn make() -> Result<Namespace, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("only root can make a network namespace".into());
        }
        let number = std::process::id();
        // 198.18.0.0/15 is set aside for tests of networks (RFC 2544). Each process has a part of its own:
        // the link of a run that was killed stays, and would take the packets of all who come to its part.
        let part = u32::from(Ipv4Addr::new(198, 18, 0, 0)) + number % (1 << 15) * 4;
        let namespace = Namespace {
            name: format!("stagegate{number}"),
            outside: format!("sgo{number}"),
            inside: format!("sgi{number}"),
            server: Ipv4Addr::from(part + 1),
            client: Ipv4Addr::from(part + 2),
        };
        ip(&["netns", "add", &namespace.name])?;
        // From here on its Drop clears up.
        let Namespace {
            name,
            outside,
            inside,
            server,
            client,
        } = &namespace;
        ip(&[
            "link", "add", outside, "type", "veth", "peer", "name", inside, "netns", name,
        ])?;
        ip(&["addr", "add", &format!("{server}/30"), "dev", outside])?;
        ip(&["link", "set", outside, "up"])?;
        ip(&[
            "-n",
            name,
            "addr",
            "add",
            &format!("{client}/30"),
            "dev",
            inside,
        ])?;
        ip(&["-n", name, "link", "set", inside, "up"])?;
        ip(&["-n", name, "link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    /// Whom a server has to let in.
    pub fn network(&self) -> String {
        format!("{}/32", self.client)
    }

    /// From now on every packet goes to a card that is not there, in both directions.
    pub fn drop_packets(&self) -> Result<(), String> {
        const NOBODY: &str = "02:00:00:00:00:99";
        let (client, server) = (self.client.to_string(), self.server.to_string());
        let (outside, inside) = (&self.outside, &self.inside);
        ip(&[
            "neigh",
            "replace",
            &client,
            "lladdr",
            NOBODY,
            "nud",
            "permanent",
            "dev",
            outside,
        ])?;
        ip(&[
            "-n",
            &self.name,
            "neigh",
            "replace",
            &server,
            "lladdr",
            NOBODY,
            "nud",
            "permanent",
            "dev",
            inside,
        ])
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = ip(&["link", "del", &self.outside]);
        let _ = ip(&["netns", "del", &self.name]);
    }
}
