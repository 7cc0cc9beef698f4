//! The house as its face sees it: `sinew-api`'s traits, answered from memory, the journal, the desk and the latch.
//!
//! Does not know HTTP or pages; `api` does not know what stands behind these methods.

pub mod stops;
mod view;
mod watch;
mod words;
mod work;

use std::sync::{Arc, Mutex};

use sinew_api::views::AuditView;
use sinew_contract::{Actuator, Blobs, Clock, Journal, Manifest, Scope, Timestamp};
use sinew_memory::Memory;
use sinew_planning::Desk;
use sinew_reasoning::Reasoner;

use crate::config::Targets;
use crate::intake::Intake;
use stops::Stops;

/// Everything that the face may ask for.
pub struct Inside {
    /// The log.
    pub journal: Arc<dyn Journal>,
    /// The bytes of pictures.
    pub blobs: Arc<dyn Blobs>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// What the log means.
    pub memory: Memory,
    /// Where people answer.
    pub desk: Desk,
    /// The door for pictures.
    pub intake: Arc<Intake>,
    /// What answers questions, to be told which runs there are.
    pub reasoner: Arc<Reasoner>,
    /// The last hop, for stop.
    pub actuator: Arc<dyn Actuator>,
    /// The manifests, for words on cards.
    pub manifests: Vec<Arc<Manifest>>,
    /// What the numbers should be.
    pub targets: Targets,
    /// When the process started.
    pub since: Timestamp,
    /// The stops that hold.
    pub stops: Stops,
    /// The last verification of the log.
    pub audited: Mutex<Option<AuditView>>,
    /// Verifies the log on disk.
    pub verify: Box<dyn Fn() -> AuditView + Send + Sync>,
}

impl Inside {
    /// The one tenant of this face.
    fn scope(&self) -> Scope {
        Scope::main()
    }

    fn manifest(&self, name: &sinew_contract::CapabilityName) -> Option<&Arc<Manifest>> {
        self.manifests.iter().find(|m| m.name == *name)
    }
}
