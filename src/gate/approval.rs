//! COMMIT given on what a pass showed that was rolled back (I13).
//!
//! What a pass showed is [`LetGo`] with its ROLLBACK; once nothing is left of it, it is the [`Basis`] that
//! a person reviews: what came out, where, and how long ago. An [`Approval`] is made by one edge alone, the
//! typed name of the database, and only from a basis. Each lives in the phases that have it, so that it
//! is over wherever it is not carried on. An approval ends in
//! [`super::warrant::Warrant::on_approval`], which takes it whole and gives a warrant only for a
//! pass that came out the same, on the same target, within the limit.

use super::pass::{Allowance, Compared, Pass};
use crate::facts::{Consent, Millis, Proof, Target, in_words};
use std::sync::Arc;

/// What a pass showed, on its way to being reviewed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LetGo {
    shown: Arc<Pass>,
    target: Arc<Target>,
    /// For how long.
    age: Millis,
}

/// What a pass showed that was rolled back.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Basis {
    let_go: LetGo,
    /// That nothing is left of it.
    proof: Proof,
    /// Of which statements the numbers may differ, so far.
    pub(super) allowance: Arc<Allowance>,
}

/// COMMIT, given on a basis.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Approval {
    basis: Basis,
    consent: Consent,
    digest: String,
}

impl LetGo {
    pub(super) fn new(shown: Arc<Pass>, target: Arc<Target>) -> LetGo {
        LetGo {
            shown,
            target,
            age: 0,
        }
    }

    pub(super) fn grow_older(&mut self, elapsed: Millis) {
        self.age += elapsed;
    }

    /// For the exhaustive walk: beyond the limit all ages are one.
    #[cfg(test)]
    pub(super) fn canonical(&mut self, limit: Millis) {
        self.age = self.age.min(limit);
    }

    /// For the exhaustive walk: it showed this.
    #[cfg(test)]
    pub(super) fn relabel(&mut self, shown: Pass) {
        self.shown = Arc::new(shown);
    }
}

impl Basis {
    pub(super) fn new(let_go: LetGo, proof: Proof) -> Basis {
        Basis {
            let_go,
            proof,
            allowance: Arc::default(),
        }
    }

    /// For the exhaustive walk: no decision reads the proof.
    #[cfg(test)]
    pub(super) fn forget_proof(&mut self) {
        self.proof = Proof::NeverBegun;
    }

    pub(super) fn let_go_mut(&mut self) -> &mut LetGo {
        &mut self.let_go
    }

    pub fn shown(&self) -> &Pass {
        &self.let_go.shown
    }

    /// That nothing is left of it.
    pub fn proof(&self) -> &Proof {
        &self.proof
    }

    /// How long ago it was let go.
    pub fn age(&self) -> Millis {
        self.let_go.age
    }

    /// Whether it is too old for COMMIT to be given on it, or to stand.
    pub(super) fn is_expired(&self, limit: Millis) -> bool {
        self.age() >= limit
    }

    /// Of which statements the numbers may differ in a second pass.
    pub fn allowance(&self) -> &Allowance {
        &self.allowance
    }

    /// A person lets the numbers of all statements differ, or not any more.
    pub(super) fn allow_numbers(&mut self) {
        Arc::make_mut(&mut self.allowance).turn();
    }

    /// As [`Basis::allow_numbers`], of this one.
    pub(super) fn allow_numbers_of(&mut self, number: usize) {
        let all = self.let_go.shown.numbered().map(|one| one.number);
        Arc::make_mut(&mut self.allowance).turn_one(number, all);
    }
}

impl Approval {
    /// Only the edge from the typed name calls this.
    pub(super) fn new(basis: Basis, consent: Consent) -> Approval {
        Approval {
            digest: basis.shown().digest(),
            basis,
            consent,
        }
    }

    pub fn basis(&self) -> &Basis {
        &self.basis
    }

    pub fn consent(&self) -> &Consent {
        &self.consent
    }

    /// The digest of what was shown, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    pub(super) fn let_go_mut(&mut self) -> &mut LetGo {
        self.basis.let_go_mut()
    }

    /// What people said, and the digest of what they said it to.
    pub(super) fn into_consent(self) -> (Consent, String) {
        (self.consent, self.digest)
    }

    pub(super) fn differs_in_target(&self, target: &Target) -> Compared {
        let mut found = Compared::default();
        differing_targets(&self.basis.let_go.target, target, &mut found);
        found
    }

    /// The same for a pass of which only ROLLBACK is left: its structure was not looked at, and says
    /// nothing.
    pub(super) fn differs_in_what_came_out(
        &self,
        now: Option<&Pass>,
        target: &Target,
        limit: Millis,
    ) -> Compared {
        let looked_at = now.map(|now| Pass {
            structure: self.basis.shown().structure.clone(),
            ..now.clone()
        });
        self.differs(looked_at.as_ref(), target, limit)
    }

    /// What stands against COMMIT of a pass that came out as `now`, of which the limit is `limit`.
    pub(super) fn differs(&self, now: Option<&Pass>, target: &Target, limit: Millis) -> Compared {
        let mut found = self.differs_in_target(target);
        if self.basis.is_expired(limit) {
            found.add(
                "the age of what was approved",
                format!("less than {}", in_words(limit)),
                in_words(self.basis.age()),
            );
        }
        let Some(now) = now else {
            found.add("what came out", "known", "not known");
            return found;
        };
        let compared = self.basis.shown().differs(now, &self.basis.allowance);
        for one in compared.differences {
            found.add(one.what, one.approved, one.now);
        }
        found.more += compared.more;
        found
    }
}

/// Whether it is the same server, database and role. Where the role may not see the system identifier,
/// or not whether the files are the same, only the same process of the server counts as the same.
fn differing_targets(before: &Target, now: &Target, found: &mut Compared) {
    let told = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".to_owned());
    let mut hold = |what: &str, part: &dyn Fn(&Target) -> String| {
        let (before, now) = (part(before), part(now));
        if before != now {
            found.add(what, before, now);
        }
    };
    hold("host", &|of| of.host.clone());
    hold("address", &|of| told(&of.address));
    hold("port", &|of| of.port.to_string());
    hold("database", &|of| of.database.clone());
    hold("role", &|of| of.role.clone());
    hold("session role", &|of| told(&of.session_role));
    hold("server version", &|of| of.server_version.clone());
    hold("system identifier", &|of| told(&of.system_identifier));
    hold("timeline", &|of| {
        told(&of.timeline.map(|number| number.to_string()))
    });
    // A copy has the identifier of what it is a copy of, and no other files.
    let files = before.files_since.is_some() && now.files_since.is_some();
    let identified = before.system_identifier.is_some() && now.system_identifier.is_some();
    let started = |of: &Target| told(&of.started);
    match (identified, files) {
        (_, true) => hold("age of the server's files", &|of| told(&of.files_since)),
        (true, false) => hold(
            "start of the server (this role cannot see whether its files are the same)",
            &started,
        ),
        (false, false) => {}
    }
    if !identified {
        hold(
            "start of the server (its identity is hidden from this role)",
            &started,
        );
    }
    hold("standby", &|of| of.in_recovery.to_string());
    hold("read-only by default", &|of| of.read_only.to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        Target {
            host: "db1".into(),
            database: "d".into(),
            role: "r".into(),
            system_identifier: Some("7".into()),
            timeline: Some(1),
            started: Some("100.5".into()),
            files_since: Some("50".into()),
            server_version: "15.18".into(),
            ..Target::default()
        }
    }

    fn differing(change: impl FnOnce(&mut Target)) -> Vec<String> {
        let mut now = target();
        change(&mut now);
        let mut found = Compared::default();
        differing_targets(&target(), &now, &mut found);
        found.differences.into_iter().map(|one| one.what).collect()
    }

    #[test]
    fn each_part_of_a_target_is_held_against_the_one_approved() {
        assert_eq!(differing(|_| {}), Vec::<String>::new());
        type Part = (&'static str, fn(&mut Target));
        let parts: [Part; 12] = [
            ("host", |t| t.host = "db2".into()),
            ("address", |t| t.address = Some("1.2.3.4".into())),
            ("port", |t| t.port = 1),
            ("database", |t| t.database = "e".into()),
            ("role", |t| t.role = "s".into()),
            ("session role", |t| t.session_role = Some("s".into())),
            ("server version", |t| t.server_version = "16".into()),
            ("system identifier", |t| {
                t.system_identifier = Some("8".into())
            }),
            ("timeline", |t| t.timeline = Some(2)),
            ("age of the server's files", |t| {
                t.files_since = Some("60".into())
            }),
            ("standby", |t| t.in_recovery = true),
            ("read-only by default", |t| t.read_only = true),
        ];
        for (what, change) in parts {
            assert_eq!(differing(change), [what]);
        }
    }

    #[test]
    fn a_server_that_was_started_anew_is_the_same_only_where_its_identity_is_seen() {
        let restart = |t: &mut Target| t.started = Some("200".into());
        assert_eq!(differing(restart), Vec::<String>::new());
        let unseen = |started: &str| Target {
            files_since: None,
            started: Some(started.into()),
            ..target()
        };
        let mut found = Compared::default();
        differing_targets(&unseen("1"), &unseen("2"), &mut found);
        assert_eq!(found.differences.len(), 1, "{found:?}");
        let hidden = differing(|t| {
            t.system_identifier = None;
            t.started = Some("200".into());
        });
        assert!(
            hidden.iter().any(|what| what.starts_with("start of the")),
            "{hidden:?}"
        );
    }
}
