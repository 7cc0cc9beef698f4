//! What is stopped, since when and by whom: the latch says what holds, the log says who pressed it.
//!
//! The latch decides, always; the log is told afterwards. Where both differ at a start (somebody pressed or released while
//! nobody was running), the stop file is right and the log is told; where the file is gone, what the log holds is pressed
//! again.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sinew_actuation::{Latch, LatchError};
use sinew_api::views::{StopView, When};
use sinew_contract::{Entry, PrincipalId, Record, Stop, StopScope, Timestamp};

/// Who pressed a stop, when and why, by the log.
#[derive(Clone, Debug)]
struct Pressed {
    by: PrincipalId,
    at: Timestamp,
    reason: String,
}

/// The stops of one data directory.
pub struct Stops {
    latch: Arc<Latch>,
    /// There was no stop file when this process started.
    was_gone: bool,
    pressed: Mutex<BTreeMap<StopScope, Pressed>>,
}

impl Stops {
    /// Opens the latch of a data directory.
    ///
    /// # Errors
    /// Where its file can neither be opened nor made.
    pub fn open(data: &Path) -> Result<Self, LatchError> {
        let was_gone = !data.join("stop").exists();
        let latch = Arc::new(Latch::open(data)?);
        Ok(Self { latch, was_gone, pressed: Mutex::default() })
    }

    /// The latch itself, for the last hop.
    pub fn latch(&self) -> &Arc<Latch> {
        &self.latch
    }

    /// Folds an entry in. Folding one twice is harmless.
    pub fn observe(&self, entry: &Entry) {
        if let Record::Stop(stop) = &entry.record {
            self.note(stop, &entry.header.principal, entry.header.recorded);
        }
    }

    /// Notes who pressed or released.
    pub fn note(&self, stop: &Stop, by: &PrincipalId, at: Timestamp) {
        let mut pressed = self.pressed();
        if stop.engaged {
            pressed.insert(stop.scope.clone(), Pressed { by: by.clone(), at, reason: stop.reason.clone() });
        } else {
            pressed.remove(&stop.scope);
        }
    }

    /// Brings latch and log together after the log was folded; returns what the log has to be told.
    ///
    /// # Errors
    /// Where a stop that the log holds cannot be written; it holds in memory all the same.
    pub fn reconcile(&self) -> Result<Vec<Stop>, LatchError> {
        let (held, pressed) = (self.latch.stops(), self.pressed().clone());
        if self.was_gone {
            for (scope, Pressed { reason, .. }) in pressed {
                self.latch.set(&Stop { scope, engaged: true, reason })?;
            }
            return Ok(Vec::new());
        }
        let new = held.iter().filter(|(scope, _)| !pressed.contains_key(scope));
        let new = new.map(|(scope, reason)| Stop { scope: scope.clone(), engaged: true, reason: reason.clone() });
        let over = pressed.keys().filter(|scope| !held.contains_key(scope));
        let reason = "released in the stop file while nobody was running";
        let over = over.map(|scope| Stop { scope: scope.clone(), engaged: false, reason: reason.to_owned() });
        Ok(new.chain(over).collect())
    }

    /// The stops that hold.
    pub fn views(&self) -> Vec<StopView> {
        let pressed = self.pressed();
        let view = |(covers, reason)| {
            let by = pressed.get(&covers);
            StopView { by: by.map(|p| p.by.clone()), at: by.map(|p| When(p.at)), covers, reason }
        };
        self.latch.stops().into_iter().map(view).collect()
    }

    fn pressed(&self) -> MutexGuard<'_, BTreeMap<StopScope, Pressed>> {
        self.pressed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp(1_795_338_000_000_000);

    fn stop(engaged: bool) -> Stop {
        Stop { scope: StopScope::All, engaged, reason: "smoke".to_owned() }
    }

    fn open(data: &Path) -> Stops {
        Stops::open(data).expect("the latch opens")
    }

    #[test]
    fn what_was_pressed_or_released_while_nobody_ran_is_told_to_the_log() {
        let data = tempfile::tempdir().expect("a folder");
        let ana: PrincipalId = "person:ana".parse().expect("a principal");
        open(data.path()).latch().set(&stop(true)).expect("pressed");
        let stops = open(data.path());
        assert_eq!(stops.reconcile().expect("it can be read"), [stop(true)]);
        stops.note(&stop(true), &ana, AT);
        assert_eq!(stops.reconcile().expect("it can be read"), []);
        let views = stops.views();
        assert_eq!(views.iter().map(|v| v.by.clone()).collect::<Vec<_>>(), [Some(ana.clone())]);
        stops.latch().set(&stop(false)).expect("released");
        let stops = open(data.path());
        stops.note(&stop(true), &ana, AT);
        let told = stops.reconcile().expect("it can be read");
        assert!(matches!(told.as_slice(), [one] if !one.engaged && one.scope == StopScope::All), "{told:?}");
        assert_eq!(stops.views(), []);
    }

    #[test]
    fn a_stop_on_record_holds_again_where_the_file_is_gone() {
        let data = tempfile::tempdir().expect("a folder");
        let stops = open(data.path());
        stops.note(&stop(true), &"person:ana".parse().expect("a principal"), AT);
        assert_eq!(stops.reconcile().expect("it can be written"), []);
        assert_eq!(stops.views().len(), 1);
        assert_eq!(open(data.path()).views().len(), 1, "and in the file");
    }
}
