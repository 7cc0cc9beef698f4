//! One history: a shop, a data directory, a story, and a hub that dies as planned and is started again until all rests.
//!
//! Does not choose the deaths; does not judge alone: the undisturbed ledger is given.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::support::Shop;
use crate::support::hub::{Hub, Launch};
use crate::support::judge::{Deeds, deeds, judge};
use crate::support::story::{Story, audit, verify};

/// SIGABRT: the process ended itself at a fault point.
const ABORTED: Option<i32> = Some(6);
/// SIGKILL.
const KILLED: Option<i32> = Some(9);

/// How one life of the hub is to end. The life after the last of them has no end but rest.
#[derive(Clone, Debug)]
pub enum Death {
    /// By its own hand at this boundary, as on its command line.
    At(String),
    /// By `kill -9`, so long after its process was started.
    After(Duration),
}

/// What is to happen.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The photographs, in order.
    pub files: Vec<String>,
    /// So many are under way at the same time.
    pub crowd: usize,
    /// Deaths, life by life.
    pub deaths: Vec<Death>,
    /// The shop's switches.
    pub weather: Value,
    /// The shop is down until the first death.
    pub outage: bool,
    /// Further faults of every life: mutants.
    pub always: Vec<String>,
}

/// What did happen.
#[derive(Debug, Default)]
pub struct Told {
    /// Which deaths came about: a boundary that was passed, a kill before everything rested.
    pub died: Vec<bool>,
    /// How long the hub's lives took together.
    pub took: Duration,
    /// The shop's ledger at the end.
    pub ledger: Vec<Value>,
    /// The kinds of record in the log, and how many there are of each.
    pub kinds: BTreeMap<&'static str, usize>,
    /// All that is wrong.
    pub wrong: Vec<String>,
}

/// How a life ended.
enum End {
    /// As planned.
    Death,
    /// Everything rests; the hub is still there.
    Rest(Box<Hub>),
}

impl Plan {
    /// A history in fine weather in which nobody dies.
    pub fn quiet(files: &[&str], crowd: usize) -> Self {
        let files = files.iter().map(|file| (*file).to_owned()).collect();
        Self { files, crowd, deaths: Vec::new(), weather: json!({}), outage: false, always: Vec::new() }
    }

    /// Lives through it. Without an undisturbed ledger, the one that comes out is compared with itself.
    pub async fn live(&self, undisturbed: Option<&Deeds>) -> Told {
        let mut evidence = Evidence::new(self);
        let folder = evidence.folder.path();
        let shop = Shop::start(folder).await;
        let outage = json!({ "down": true });
        shop.set(if self.outage { &outage } else { &self.weather }).await;
        let launch = self.always.iter().fold(Launch::new(folder, &shop.url), |l, f| l.with("--fault").with(f));
        let mut story = Story::new(&self.files, self.crowd);
        let begun = Instant::now();
        let mut told = Told::default();
        let mut resting = None;
        for death in &self.deaths {
            match life(&launch, &mut story, death, &mut told.wrong).await {
                End::Death if has_log(&launch) => told.wrong.extend(verify(&launch.data).await),
                End::Death => {}
                End::Rest(hub) => {
                    resting = Some(*hub);
                    break;
                }
            }
            told.died.push(true);
            if self.outage {
                shop.set(&self.weather).await;
            }
        }
        told.died.resize(self.deaths.len(), false);
        let hub = match resting {
            Some(hub) => hub,
            None => last_life(&launch, &mut story).await,
        };
        told.took = begun.elapsed();
        told.wrong.extend(story.hold(&hub).await);
        let status = hub.end().await;
        // A process that was asked to end may meet its fault point while it ends.
        if !status.success() && status.signal() != ABORTED {
            told.wrong.push(format!("the hub ends with {status}"));
        }
        told.wrong.extend(audit(&launch.data).await);
        told.kinds = super::boundaries::kinds(&launch.data);
        told.ledger = shop.ledger().await;
        let mut should = undisturbed.cloned().unwrap_or_else(|| deeds(&told.ledger));
        should.retain(|rma, _| story.scans.iter().any(|scan| scan.rma.as_ref() == Some(rma)));
        told.wrong.extend(judge(&told.ledger, &should));
        // A mutant is to go wrong.
        if !told.wrong.is_empty() && self.always.is_empty() {
            evidence.keep();
        }
        told
    }
}

/// One life that is to end before everything rests.
async fn life(launch: &Launch, story: &mut Story, death: &Death, wrong: &mut Vec<String>) -> End {
    let (launch, moment) = match death {
        Death::At(fault) => (launch.clone().with("--fault").with(fault), None),
        Death::After(moment) => (launch.clone(), Some(*moment)),
    };
    let mut process = launch.spawn();
    let moment = moment.map(|moment| Instant::from_std(process.born) + moment);
    let said = tokio::select! {
        said = process.ready() => said,
        () = at(moment) => return died(process.kill().await, KILLED, wrong, ""),
    };
    let said = match said {
        Ok(said) => said,
        Err(ended) => return died(ended.status, ABORTED, wrong, &ended.stderr),
    };
    let mut hub = process.into_hub(said);
    let lived = tokio::select! {
        lived = story.live(&hub) => lived,
        () = at(moment) => return died(hub.kill().await, KILLED, wrong, ""),
    };
    match lived {
        Ok(()) => End::Rest(Box::new(hub)),
        Err(_) => died(hub.gone().await, ABORTED, wrong, &hub.stderr()),
    }
}

/// It lived long enough to begin a log; before that there is nothing to verify.
fn has_log(launch: &Launch) -> bool {
    let files = std::fs::read_dir(launch.data.join("journal")).into_iter().flatten().flatten();
    files.map(|file| file.path()).any(|path| path.extension().is_some_and(|ending| ending == "seg"))
}

/// The life in which everything comes to rest.
async fn last_life(launch: &Launch, story: &mut Story) -> Hub {
    let hub = launch.start().await.unwrap_or_else(|ended| panic!("the hub does not start again: {ended:#?}"));
    let lived = story.live(&hub).await;
    lived.unwrap_or_else(|error| panic!("the hub went away by itself ({error}):\n{}", hub.stderr()));
    hub
}

/// Holds that it died as it was to die.
fn died(status: ExitStatus, signal: Option<i32>, wrong: &mut Vec<String>, stderr: &str) -> End {
    if status.signal() != signal {
        wrong.push(format!("it was to die by signal {signal:?} and ended with {status}:\n{stderr}"));
    }
    End::Death
}

/// Returns at that moment; never, where there is none.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// The folder of a history; kept, and told with its plan, when the history goes wrong or breaks off.
struct Evidence<'a> {
    plan: &'a Plan,
    folder: TempDir,
}

impl<'a> Evidence<'a> {
    fn new(plan: &'a Plan) -> Self {
        Self { plan, folder: TempDir::new().expect("a folder") }
    }

    fn keep(&mut self) {
        self.folder.disable_cleanup(true);
        println!("kept in {}: {:?}", self.folder.path().display(), self.plan);
    }
}

impl Drop for Evidence<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.keep();
        }
    }
}
