//! What a session reached, as far as the machine decides on it.

use super::Machine;
use crate::facts::Target;
use crate::gate::effect::Effect;
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Arrived {
    /// What is typed so that nobody takes one server for another.
    pub(super) name: String,
    /// What was signed was signed for this.
    identity: Arc<TargetIdentity>,
    /// All of it, where a second pass is held against it.
    pub(super) target: Option<Arc<Target>>,
}

/// The server, database and role that were reached, as far as they can be told from others.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct TargetIdentity {
    host: String,
    address: Option<String>,
    port: u16,
    database: String,
    role: String,
    session_role: Option<String>,
    system_identifier: Option<String>,
    timeline: Option<u32>,
}

impl TargetIdentity {
    fn of(target: &Target) -> TargetIdentity {
        TargetIdentity {
            host: target.host.clone(),
            address: target.address.clone(),
            port: target.port,
            database: target.database.clone(),
            role: target.role.clone(),
            session_role: target.session_role.clone(),
            system_identifier: target.system_identifier.clone(),
            timeline: target.timeline,
        }
    }
}

impl Machine {
    /// What was signed for one server, database and role was not signed for another, however alike
    /// its evidence is.
    pub(super) fn arrive(&mut self, target: Target) -> Vec<Effect> {
        let arrived = Arrived {
            name: self.name_of(&target),
            identity: Arc::new(TargetIdentity::of(&target)),
            target: self.plan.keeps().then(|| Arc::new(target)),
        };
        let elsewhere = |before: &Arrived| before.identity != arrived.identity;
        let elsewhere = self.arrived.as_ref().is_some_and(elsewhere);
        self.arrived = Some(arrived);
        if !elsewhere || !self.items.iter().any(|item| item.signed) {
            return Vec::new();
        }
        for item in self.items_mut() {
            item.signed = false;
        }
        vec![Effect::Say(
            "Another server, database or role was reached than the one that was signed for: nothing \
             is signed any more."
                .into(),
        )]
    }

    /// The name that the runbook has for it, where it knows several, and else its database's.
    fn name_of(&self, target: &Target) -> String {
        let named = target.named(&self.plan.targets);
        match (named, self.plan.targets.len()) {
            (Some(named), 2..) => named.name.clone(),
            (Some(_) | None, _) => target.database.clone(),
        }
    }

    /// Of what the name is that is typed: `database`, or `target` where the runbook knows several.
    pub fn name_is_of(&self) -> &'static str {
        let name = self.arrived.as_ref().map(|arrived| arrived.name.as_str());
        let targets = &self.plan.targets;
        match targets.len() > 1
            && targets
                .iter()
                .any(|known| Some(known.name.as_str()) == name)
        {
            true => "target",
            false => "database",
        }
    }
}
