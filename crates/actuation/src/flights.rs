//! Which commands have left and have no answer: what stop can say of each actuator.
//!
//! Does not know outcomes, only whether an answer came. Forgets nothing of this process but the commands themselves.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sinew_contract::{DeviceId, PlaybookName, Seq, StopScope};

use crate::last_hop::Order;

/// How an actuator stands when stop is pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Halted {
    /// Nothing is on its way, and nothing leaves any more.
    Stopped,
    /// Its last command had ended before stop was pressed.
    FinishedBefore,
    /// A command has left and nobody knows yet what became of it, or it is not yet in its safe state.
    Unknown,
}

/// Commands on their way.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    away: BTreeMap<Seq, (DeviceId, PlaybookName)>,
    answered: BTreeSet<DeviceId>,
}

impl Flights {
    pub(crate) fn left(&mut self, order: &Order) {
        self.away.insert(order.permit, (order.command.device.clone(), order.playbook().clone()));
    }

    pub(crate) fn landed(&mut self, order: &Order, answered: bool) {
        // Without an answer it stays on its way until it is settled.
        if answered {
            self.settled(order);
        }
    }

    pub(crate) fn settled(&mut self, order: &Order) {
        self.away.remove(&order.permit);
        self.answered.insert(order.command.device.clone());
    }

    pub(crate) fn of(&self, device: &DeviceId, scope: &StopScope, moving: bool) -> Halted {
        let covered = |playbook: &PlaybookName| match scope {
            StopScope::Playbook(name) => playbook == name,
            StopScope::All | StopScope::Device(_) => true,
        };
        let away = self.away.values().any(|(to, playbook)| to == device && covered(playbook));
        match (away || moving, self.answered.contains(device)) {
            (true, _) => Halted::Unknown,
            (false, true) => Halted::FinishedBefore,
            (false, false) => Halted::Stopped,
        }
    }
}
