//! `require_auth`: in which ways the server may have us prove who we are.

use super::SettingsError;

/// A way that the wire protocol knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    Password,
    Md5,
    Gss,
    Sspi,
    ScramSha256,
    /// The server asks for nothing: `trust`, `peer`, a certificate.
    None,
}

impl Way {
    /// libpq's words, in its order.
    pub const ALL: [(&'static str, Way); 6] = [
        ("password", Way::Password),
        ("md5", Way::Md5),
        ("gss", Way::Gss),
        ("sspi", Way::Sspi),
        ("scram-sha-256", Way::ScramSha256),
        ("none", Way::None),
    ];
}

/// The ways that will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ways {
    allowed: Vec<Way>,
    pub written: String,
}

impl Ways {
    /// Reads a list: names, or names with `!` that may not be.
    ///
    /// # Errors
    /// A name that nobody knows, one given twice, and a mixture of both kinds.
    pub fn read(written: &str) -> Result<Ways, SettingsError> {
        let wrong = |text: String| Err(SettingsError::Lists(text));
        let negated = written.starts_with('!');
        let mut named = Vec::new();
        for part in written.split(',') {
            let name = match (negated, part.strip_prefix('!')) {
                (true, Some(name)) => name,
                (false, None) => part,
                (true, None) => {
                    return wrong(format!(
                        "require_auth method \"{part}\" cannot be mixed with negative methods"
                    ));
                }
                (false, Some(_)) => {
                    return wrong(format!(
                        "negative require_auth method \"{part}\" cannot be mixed with non-negative \
                         methods"
                    ));
                }
            };
            let Some((_, way)) = Way::ALL.into_iter().find(|(word, _)| *word == name) else {
                return wrong(format!("invalid require_auth value: \"{name}\""));
            };
            if named.contains(&way) {
                return wrong(format!(
                    "require_auth method \"{part}\" is specified more than once"
                ));
            }
            named.push(way);
        }
        let allowed = match negated {
            true => Way::ALL
                .into_iter()
                .map(|(_, way)| way)
                .filter(|way| !named.contains(way))
                .collect(),
            false => named,
        };
        Ok(Ways {
            allowed,
            written: written.to_owned(),
        })
    }

    pub fn allow(&self, way: Way) -> bool {
        self.allowed.contains(&way)
    }
}
