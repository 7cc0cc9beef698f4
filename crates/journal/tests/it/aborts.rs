//! Aborts at every boundary of a group commit, in a real process on the real disk.
//!
//! The test starts itself again as the process that is to end; what that one was told stands when it is gone.

use std::path::PathBuf;
use std::process::Command;

use sinew_contract::{Expect, Journal, Seq};
use sinew_journal::faults::{Phase, Plan, install};
use sinew_journal::verify;
use sinew_testkit::journal_suite::{draft, note_of};

use crate::Place;

const PLACE: &str = "SINEW_TEST_ABORT_PLACE";
const PHASE: &str = "SINEW_TEST_ABORT_PHASE";
const PHASES: [Phase; 3] = [Phase::BeforeWrite, Phase::AfterWrite, Phase::AfterSync];

#[tokio::test]
async fn a_process_that_ends_at_a_boundary_loses_nothing_that_it_told() {
    if let (Ok(path), Ok(phase)) = (std::env::var(PLACE), std::env::var(PHASE)) {
        return end_at(PathBuf::from(path), phase.parse().expect("a number")).await;
    }
    for (index, phase) in PHASES.iter().enumerate() {
        let place = Place::real();
        let child = Command::new(std::env::current_exe().expect("tests have a file"))
            .args(["--exact", "aborts::a_process_that_ends_at_a_boundary_loses_nothing_that_it_told", "--nocapture"])
            .env(PLACE, &place.path)
            .env(PHASE, index.to_string())
            .output()
            .expect("a process can be started");
        assert!(!child.status.success(), "it ends itself");
        let told = String::from_utf8_lossy(&child.stdout).matches("told:").count();
        assert_eq!(told, 4, "it ends at the fifth group");
        verify(place.disk.as_ref(), &place.path).expect("what is left verifies");
        let (log, report) = place.open().expect("what is left opens");
        // The fifth was never told of: it stands where it came to be written, and only there.
        assert_eq!(report.entries, if *phase == Phase::BeforeWrite { 4 } else { 5 });
        let entries = log.read(Seq(1), 9).expect("all of it reads");
        assert_eq!(note_of(&entries[3].record), Some("4"));
    }
}

async fn end_at(path: PathBuf, index: usize) {
    let place = Place { path, ..Place::real() };
    let (log, _) = place.open().expect("the place is empty");
    install(Plan { phase: PHASES[index], kind: Some("stop".into()), nth: 5 });
    for n in 1..=9 {
        log.append(vec![draft(&n.to_string())], Expect::Anything).await.expect("the log is open");
        println!("told:{n}");
    }
}
