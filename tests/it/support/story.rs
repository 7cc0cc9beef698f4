//! What a dock and its people do, through any number of deaths of the hub: hand photographs in until each was
//! acknowledged, answer what is asked as `people.json` says, and wait until everything rests.
//!
//! Remembers what the hub has acknowledged, and holds it to that afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::Value;

use super::hub::{Hub, sinew};
use super::{sample, text};

/// How often runs are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(8);
/// The longest that a story may take in one life of the hub; settling and retries in bad weather included.
const REST_MAX: Duration = Duration::from_secs(90);

/// One photograph.
#[derive(Clone, Debug)]
pub struct Scan {
    /// The sample's file name.
    pub file: String,
    /// The return that it is about, where it is about one.
    pub rma: Option<String>,
    /// What the hub acknowledged.
    pub seq: Option<u64>,
    /// The run that it started.
    pub run: Option<String>,
    /// How the run ended.
    pub end: Option<String>,
    key: String,
}

/// What a person answers, per photograph.
#[derive(Debug, Deserialize)]
struct People {
    default: String,
    answers: BTreeMap<String, String>,
}

/// Photographs on their way, and what came of them so far.
pub struct Story {
    /// In the order in which they are handed in.
    pub scans: Vec<Scan>,
    /// So many are under way at the same time.
    crowd: usize,
    people: People,
    answered: BTreeSet<String>,
}

impl Story {
    /// These samples, so many at a time. Two of the same return are never under way at once.
    pub fn new<S: AsRef<str>>(files: &[S], crowd: usize) -> Self {
        let people = std::fs::read_to_string(sample("people.json")).expect("people.json is there");
        let expected = expected();
        let scan = |(index, file): (usize, &S)| {
            let file = file.as_ref().to_owned();
            let rma = expected.iter().find(|e| text(e, "file") == file).and_then(|e| e["rma"].as_str());
            Scan { key: format!("{index}-{file}"), rma: rma.map(str::to_owned), seq: None, run: None, end: None, file }
        };
        let scans = files.iter().enumerate().map(scan).collect();
        let people = serde_json::from_str(&people).expect("people.json is right");
        Self { scans, crowd, people, answered: BTreeSet::new() }
    }

    /// Goes on until everything rests.
    ///
    /// # Errors
    /// Where the hub went away; call it again with the next one. Nothing is forgotten when it is dropped on the way.
    pub async fn live(&mut self, hub: &Hub) -> Result<(), reqwest::Error> {
        let begun = Instant::now();
        while !self.rests() {
            if let Some(next) = self.next() {
                self.hand_in(hub, next).await?;
            }
            for index in 0..self.scans.len() {
                self.look(hub, index).await?;
            }
            assert!(begun.elapsed() < REST_MAX, "no rest within {REST_MAX:?}: {:#?}\n{}", self.scans, hub.stderr());
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Every photograph was acknowledged and its run has ended.
    pub fn rests(&self) -> bool {
        self.scans.iter().all(|scan| scan.end.is_some())
    }

    /// The next photograph that may go in.
    fn next(&self) -> Option<usize> {
        let under_way = self.scans.iter().filter(|scan| scan.seq.is_some() && scan.end.is_none());
        if under_way.count() >= self.crowd {
            return None;
        }
        let waits = |scan: &Scan, before: &[Scan]| {
            scan.rma.is_some() && before.iter().any(|other| other.rma == scan.rma && other.end.is_none())
        };
        let fits = |(index, scan): &(usize, &Scan)| scan.seq.is_none() && !waits(scan, &self.scans[..*index]);
        self.scans.iter().enumerate().find(fits).map(|(index, _)| index)
    }

    async fn hand_in(&mut self, hub: &Hub, index: usize) -> Result<(), reqwest::Error> {
        let scan = &mut self.scans[index];
        let bytes = std::fs::read(sample(&scan.file)).expect("the sample is there");
        let (status, taken) = hub.scan(&scan.file, bytes, Some(&scan.key)).await?;
        assert!(matches!(status, 200 | 201), "{} was not taken: {status} {taken}", scan.file);
        scan.seq = Some(taken["seq"].as_u64().expect("a scan has a number"));
        Ok(())
    }

    /// Looks at the run of one photograph, and answers what it asks.
    async fn look(&mut self, hub: &Hub, index: usize) -> Result<(), reqwest::Error> {
        let scan = &mut self.scans[index];
        let (Some(seq), None) = (scan.seq, &scan.end) else { return Ok(()) };
        let Some(run) = scan.run.clone() else {
            let (_, found) = hub.get(&format!("/v1/scans/{seq}")).await?;
            scan.run = found["run"].as_str().map(str::to_owned);
            return Ok(());
        };
        let (status, view) = hub.get(&format!("/v1/runs/{run}")).await?;
        assert_eq!(status, 200, "run {run} of {} is there: {view}", scan.file);
        match (text(&view, "status"), view["gate"].as_str()) {
            (end @ ("completed" | "faulted" | "cancelled"), _) => scan.end = Some(end.to_owned()),
            ("waiting", Some(gate)) if !self.answered.contains(gate) => {
                let file = scan.file.clone();
                self.answer(hub, gate, &file).await?;
            }
            _ => {}
        }
        Ok(())
    }

    async fn answer(&mut self, hub: &Hub, gate: &str, file: &str) -> Result<(), reqwest::Error> {
        let answer = self.people.answers.get(file).unwrap_or(&self.people.default);
        let (status, said) = hub.answer(gate, answer).await?;
        assert_eq!(status, 200, "gate {gate} of {file} takes the answer {answer}: {said}");
        self.answered.insert(gate.to_owned());
        Ok(())
    }

    /// Holds the hub to what it has acknowledged: every photograph once, in its place, with its one run.
    pub async fn hold(&self, hub: &Hub) -> Vec<String> {
        let mut wrong = Vec::new();
        for scan in &self.scans {
            let bytes = std::fs::read(sample(&scan.file)).expect("the sample is there");
            let (status, again) = hub.scan(&scan.file, bytes, Some(&scan.key)).await.expect("the hub answers");
            let same =
                status == 200 && again["seq"].as_u64() == scan.seq && again["run"].as_str() == scan.run.as_deref();
            if !same {
                wrong.push(format!("{scan:?} was acknowledged, and handed in again it is {status} {again}"));
            }
            if scan.end.as_deref() != Some("completed") {
                wrong.push(format!("{scan:?} has not come to a good end"));
            }
        }
        let (_, runs) = hub.get("/v1/runs?limit=500").await.expect("the hub answers");
        let runs = runs.as_array().expect("runs are a list").len();
        if runs != self.scans.len() {
            wrong.push(format!("{} photographs and {runs} runs", self.scans.len()));
        }
        wrong
    }
}

/// What the label maker says that each sample must lead to.
pub fn expected() -> Vec<Value> {
    let text = std::fs::read_to_string(sample("expected.json")).expect("expected.json is there");
    let file: Value = serde_json::from_str(&text).expect("expected.json is JSON");
    file["samples"].as_array().expect("it lists samples").clone()
}

/// What an auditor finds in the data directory of a hub that has ended: the log verifies, and folds to the same again.
pub async fn audit(data: &Path) -> Vec<String> {
    let mut wrong = verify(data).await;
    let deployment = super::deployment();
    let words = ["--json", "replay", "--deployment"].map(OsStr::new);
    let args = words.into_iter().chain([deployment.as_os_str(), OsStr::new("--data"), data.as_os_str()]);
    let replay = sinew(args).await;
    wrong.extend((replay.code != Some(0)).then(|| format!("replay fails: {replay:?}")));
    wrong
}

/// What `audit verify` finds in the data directory of a hub that has ended or died.
pub async fn verify(data: &Path) -> Vec<String> {
    let ran = sinew([OsStr::new("--json"), OsStr::new("audit"), OsStr::new("verify"), data.as_os_str()]).await;
    (ran.code != Some(0)).then(|| format!("audit verify fails: {ran:?}")).into_iter().collect()
}
