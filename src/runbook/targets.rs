//! The servers that a runbook knows by name: `[[target]]` in `runbook.toml`.

/// A server and database with a name that people use.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Named {
    /// What people call it, such as `production`.
    pub name: String,
    /// The host, as it is asked for or as the server's address.
    pub host: Option<String>,
    pub port: Option<u16>,
    pub database: Option<String>,
    /// `system_identifier`, which no other cluster has unless it is a copy.
    pub system_identifier: Option<String>,
    pub colour: Option<Colour>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Colour {
    Red,
    Yellow,
    Green,
    Blue,
    Magenta,
    Cyan,
}

/// What was reached, as far as a name can be told by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached<'a> {
    pub host: &'a str,
    pub address: Option<&'a str>,
    pub port: u16,
    pub database: &'a str,
    /// Where the role may see it.
    pub system_identifier: Option<&'a str>,
}

impl Named {
    /// Whether this is what was reached: all that is written down about it has to be so. What the
    /// role may not see does not speak against it.
    pub fn is(&self, reached: Reached<'_>) -> bool {
        let host = self.host.as_deref().is_none_or(|host| {
            host.eq_ignore_ascii_case(reached.host) || Some(host) == reached.address
        });
        let system = self.system_identifier.as_deref();
        host && self.port.is_none_or(|port| port == reached.port)
            && (self.database.as_deref()).is_none_or(|name| name == reached.database)
            && system
                .zip(reached.system_identifier)
                .is_none_or(|(known, seen)| known == seen)
    }

    /// Whether it is shown in red: it says so, or it is called production.
    pub fn shown_in(&self) -> Option<Colour> {
        let name = self.name.to_ascii_lowercase();
        let production = matches!(name.as_str(), "production" | "prod" | "live");
        self.colour.or(production.then_some(Colour::Red))
    }
}

pub fn find_target<'a>(targets: &'a [Named], reached: Reached<'_>) -> Option<&'a Named> {
    targets.iter().find(|target| target.is(reached))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Named {
        Named {
            name: name.into(),
            host: None,
            port: None,
            database: None,
            system_identifier: None,
            colour: None,
        }
    }

    #[test]
    fn a_target_is_what_was_reached_only_where_all_that_it_says_is_so() {
        let reached = Reached {
            host: "DB1",
            address: Some("10.0.0.7"),
            port: 5432,
            database: "wiser_ops",
            system_identifier: None,
        };
        let target = Named {
            host: Some("db1".into()),
            database: Some("wiser_ops".into()),
            system_identifier: Some("7".into()),
            ..named("production")
        };
        assert!(target.is(reached), "an identifier that nobody sees");
        let seen = |id| Reached {
            system_identifier: Some(id),
            ..reached
        };
        assert!(target.is(seen("7")));
        assert!(!target.is(seen("8")), "a copy on the same host");
        let other = |host: &str, port, database: &str| Named {
            host: Some(host.into()),
            port: Some(port),
            database: Some(database.into()),
            ..named("x")
        };
        assert!(other("10.0.0.7", 5432, "wiser_ops").is(reached));
        assert!(!other("db2", 5432, "wiser_ops").is(reached));
        assert!(!other("db1", 5433, "wiser_ops").is(reached));
        assert!(!other("db1", 5432, "wiser_stage").is(reached));
        let all = [other("db2", 5432, "wiser_ops"), target.clone()];
        assert_eq!(find_target(&all, reached), Some(&target));
        assert_eq!(target.shown_in(), Some(Colour::Red));
        assert_eq!(named("stage").shown_in(), None);
    }
}
