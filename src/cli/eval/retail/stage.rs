//! One store, one deployment, and a hub that is started, answered, killed and started again until all tasks are done.
//!
//! Does not judge: it brings back the worlds as they are at the end, and what the hub said of each action.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use serde_json::{Value, json};
use sinew_example_retail::db::Db;
use sinew_example_retail::faults::{Faults, Harm};
use sinew_example_retail::judge::Said;
use sinew_example_retail::service::{Hurt, Retail};
use sinew_example_retail::tasks::Task;
use sinew_example_retail::world::{Guard, World};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use super::deployment::{self, Round, world};

/// How often the hub is asked how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// The longest that one round may take, on a loaded machine and with every fault.
const ROUND_MAX: Duration = Duration::from_secs(600);
/// The longest that a hub may take to be ready.
const READY_MAX: Duration = Duration::from_secs(120);
/// More restarts than the faults of one seed can cause.
const RESTARTS_MAX: usize = 400;

/// How a stage is played.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// What the store looks at.
    pub guard: Guard,
    /// What goes wrong.
    pub faults: Option<u64>,
    /// The customer confirms; otherwise nobody answers.
    pub confirmed: bool,
}

/// What came of it.
pub(super) struct Played {
    /// What the hub said of each action of the first round, by key.
    pub said: BTreeMap<String, Said>,
    /// The worlds, in the order of the tasks.
    pub worlds: Vec<World>,
    /// How often each harm struck at the store.
    pub harms: BTreeMap<String, usize>,
    /// How often the hub was started.
    pub starts: usize,
    /// Repeats of a done key that did not give the first receipt, other arguments that were not refused, and rows in the
    /// ledgers that these rounds added. None of them may be.
    pub unkept: usize,
}

/// A store and a deployment.
pub(super) struct Stage<'t> {
    folder: PathBuf,
    tasks: &'t [Task],
    plan: Plan,
    retail: Arc<Retail>,
    /// The hub's process, for whoever hurts it; 0 is none.
    victim: Arc<AtomicI32>,
    _serving: JoinSet<std::io::Result<()>>,
}

/// A hub that is ready.
struct Hub {
    child: Child,
    url: String,
    token: String,
}

/// What is known of a round while it runs.
#[derive(Default)]
struct Heard {
    outputs: BTreeMap<String, Value>,
    answered: BTreeSet<String>,
}

impl<'t> Stage<'t> {
    /// Starts the store and writes the deployment.
    pub async fn open(folder: &Path, db: &Db, tasks: &'t [Task], plan: Plan) -> Result<Self> {
        let worlds = (0..tasks.len()).map(|nth| (world(nth), World::new(db.clone(), plan.guard))).collect();
        let victim = Arc::new(AtomicI32::new(0));
        let retail = Arc::new(Retail::new(worlds, plan.faults.map(Faults::new), hurt(&victim)));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("cannot listen for the store")?;
        let store = format!("http://{}", listener.local_addr()?);
        let mut serving = JoinSet::new();
        serving.spawn(Arc::clone(&retail).serve(listener));
        deployment::write(&folder.join("deployment"), &store, tasks, plan.confirmed)?;
        Ok(Self { folder: folder.to_owned(), tasks, plan, retail, victim, _serving: serving })
    }

    /// Plays all rounds.
    pub async fn play(&self) -> Result<Played> {
        let mut starts = 0;
        let first = self.round(&[Round::First], &mut starts).await?;
        let said = self.said(&first);
        let rows = self.rows();
        let mut unkept = 0;
        if self.plan.confirmed {
            // As after hours: another process, and nothing known but what the log says.
            let later = self.round(&[Round::Again, Round::Other], &mut starts).await?;
            unkept = self.unkept(&later, &said) + (self.rows() - rows);
        }
        let worlds = (0..self.tasks.len()).filter_map(|nth| self.retail.world(&world(nth))).collect();
        Ok(Played { said, worlds, harms: self.retail.harms(), starts, unkept })
    }

    fn rows(&self) -> usize {
        let worlds = (0..self.tasks.len()).filter_map(|nth| self.retail.world(&world(nth)));
        worlds.map(|world| world.ledger().len()).sum()
    }

    /// Plays some rounds side by side until every run of theirs has ended.
    async fn round(&self, rounds: &[Round], starts: &mut usize) -> Result<BTreeMap<String, Value>> {
        let names = |round: &Round| (0..self.tasks.len()).map(|nth| round.playbook(nth)).collect::<Vec<_>>();
        let wanted: Vec<_> = rounds.iter().flat_map(names).collect();
        let events = self.events(&wanted)?;
        let mut heard = Heard::default();
        let begun = Instant::now();
        loop {
            if let Some(mut hub) = self.start(&events, *starts).await? {
                let over = self.attend(&mut hub, &wanted, &mut heard, begun).await?;
                self.victim.store(0, Ordering::SeqCst);
                hub.child.kill().await.context("cannot end the hub")?;
                if over {
                    return Ok(heard.outputs);
                }
            }
            *starts += 1;
            if *starts > RESTARTS_MAX {
                bail!("the hub ended {RESTARTS_MAX} times; see `{}`", self.log().display());
            }
        }
    }

    fn log(&self) -> PathBuf {
        self.folder.join("hub.log")
    }

    fn events(&self, playbooks: &[String]) -> Result<PathBuf> {
        let path = self.folder.join("events.json");
        let event = |name: &String| {
            let kind = deployment::event_type(name);
            json!({ "id": name, "source": "/people/customer", "type": kind, "time": jiff::Timestamp::now().as_microsecond(), "data": {} })
        };
        let events: Vec<_> = playbooks.iter().map(event).collect();
        std::fs::write(&path, Value::from(events).to_string())
            .with_context(|| format!("cannot write `{}`", path.display()))?;
        Ok(path)
    }

    /// Starts a hub; none where it ended before it was ready, as one does whose disk is full or who was killed.
    async fn start(&self, events: &Path, nth: usize) -> Result<Option<Hub>> {
        let log = std::fs::File::options().create(true).append(true).open(self.log()).context("cannot open the log")?;
        let mut command = Command::new(std::env::current_exe().context("cannot find this binary")?);
        command
            .args(["eval", "retail-hub"])
            .arg(self.folder.join("deployment"))
            .arg(self.folder.join("data"))
            .arg(events);
        if let Some(seed) = self.plan.faults {
            command.arg("--seed").arg(seed.wrapping_add(u64::try_from(nth).unwrap_or(0) << 32).to_string());
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("cannot start a hub")?;
        self.victim.store(child.id().and_then(|id| i32::try_from(id).ok()).unwrap_or(0), Ordering::SeqCst);
        let mut said = String::new();
        let mut stdout = BufReader::new(child.stdout.take().context("the hub has no output")?);
        let read = tokio::time::timeout(READY_MAX, stdout.read_line(&mut said));
        if read.await.context("the hub does not become ready")?? == 0 {
            let status = child.wait().await?;
            if self.plan.faults.is_none() {
                bail!("the hub ended with {status} before it was ready; see `{}`", self.log().display());
            }
            return Ok(None);
        }
        let said: Value = serde_json::from_str(&said).context("the hub does not say where it listens")?;
        Ok(Some(Hub { child, url: text(&said, "listening"), token: text(&said, "token") }))
    }

    /// Answers what is asked until all is over; false where the hub has ended before.
    async fn attend(&self, hub: &mut Hub, wanted: &[String], heard: &mut Heard, begun: Instant) -> Result<bool> {
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?;
        let desk = Desk { http, url: hub.url.clone(), token: hub.token.clone() };
        loop {
            if let Some(status) = hub.child.try_wait()? {
                if self.plan.faults.is_none() {
                    bail!("the hub ended with {status}; see `{}`", self.log().display());
                }
                return Ok(false);
            }
            // A hub that is being killed does not answer; whether it is gone is seen above.
            if self.look(&desk, heard).await.is_ok() && wanted.iter().all(|name| heard.outputs.contains_key(name)) {
                return Ok(true);
            }
            if begun.elapsed() > ROUND_MAX {
                let open = wanted.iter().filter(|name| !heard.outputs.contains_key(*name)).count();
                bail!("{open} runs do not come to an end; see `{}`", self.log().display());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Confirms what waits, and takes down what has ended.
    async fn look(&self, desk: &Desk, heard: &mut Heard) -> Result<()> {
        if self.plan.confirmed {
            for gate in list(&desk.get("/v1/gates?status=waiting&limit=500").await?) {
                let id = text(&gate, "gate");
                if !heard.answered.contains(&id) {
                    desk.approve(&id).await?;
                    heard.answered.insert(id);
                }
            }
        }
        for run in list(&desk.get("/v1/runs?limit=500").await?) {
            let (playbook, over) = (text(&run, "playbook"), !run.get("ended").is_none_or(Value::is_null));
            if over && !heard.outputs.contains_key(&playbook) {
                let view = desk.get(&format!("/v1/runs/{}", text(&run, "run"))).await?;
                heard.outputs.insert(playbook, view.get("output").cloned().unwrap_or_default());
            }
        }
        Ok(())
    }

    fn said(&self, outputs: &BTreeMap<String, Value>) -> BTreeMap<String, Said> {
        let of_task = |(nth, task): (usize, &Task)| {
            let output = outputs.get(&Round::First.playbook(nth)).cloned().unwrap_or_default();
            let keys: Vec<_> = task.actions.iter().map(|action| task.key(action)).collect();
            keys.into_iter().map(move |key| (key.clone(), said(output.get(&key)))).collect::<Vec<_>>()
        };
        self.tasks.iter().enumerate().flat_map(of_task).collect()
    }

    /// Counts what the later rounds should not have said.
    fn unkept(&self, outputs: &BTreeMap<String, Value>, first: &BTreeMap<String, Said>) -> usize {
        let mut count = 0;
        for (nth, task) in self.tasks.iter().enumerate() {
            let of = |round: Round| outputs.get(&round.playbook(nth)).cloned().unwrap_or_default();
            let (again, other) = (of(Round::Again), of(Round::Other));
            for key in task.actions.iter().filter(|action| action.is_write()).map(|action| task.key(action)) {
                let same = said(again.get(&key)) == *first.get(&key).unwrap_or(&Said::Unknown);
                let first_receipt =
                    again.pointer(&format!("/{}/first", key.replace('/', "~1"))).is_some_and(Value::is_number);
                let repeated = same && (first_receipt || said(again.get(&key)) != Said::Done);
                let refused = failure(other.get(&key)) == "urn:sinew:error:key-misused";
                count += usize::from(!repeated) + usize::from(!refused);
            }
        }
        count
    }
}

/// What the hub said of one action.
fn said(of_action: Option<&Value>) -> Said {
    let done = of_action.and_then(|said| said.get("done")).and_then(Value::as_bool) == Some(true);
    match failure(of_action) {
        _ if done => Said::Done,
        "urn:sinew:error:unknown" | "" => Said::Unknown,
        "urn:sinew:error:failed" => Said::Failed,
        _ => Said::Refused,
    }
}

fn failure(of_action: Option<&Value>) -> &str {
    of_action.and_then(|said| said.get("failure")).and_then(Value::as_str).unwrap_or_default()
}

/// Ends the hub's life, or its disk.
fn hurt(victim: &Arc<AtomicI32>) -> Hurt {
    let victim = Arc::clone(victim);
    Box::new(move |harm| {
        let Some(pid) = Pid::from_raw(victim.load(Ordering::SeqCst)) else { return };
        let done = match harm {
            Harm::DiskFull => {
                let nothing = Rlimit { current: Some(0), maximum: Some(0) };
                prlimit(Some(pid), Resource::Fsize, nothing).map(drop)
            }
            _ => kill_process(pid, Signal::KILL),
        };
        if let Err(error) = done {
            tracing::warn!(%error, ?harm, "the hub was gone before it could be hurt");
        }
    })
}

/// The hub as the customer sees it.
struct Desk {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Desk {
    async fn get(&self, path: &str) -> Result<Value> {
        let answer = self.http.get(format!("{}{path}", self.url)).bearer_auth(&self.token).send().await?;
        Ok(answer.error_for_status()?.json().await?)
    }

    async fn approve(&self, gate: &str) -> Result<()> {
        let path = format!("/v1/gates/{gate}");
        let card = self.get(&path).await?;
        let body = json!({ "answer": "approve", "digest": card.get("digest"), "note": "confirmed" });
        let sent = self.http.post(format!("{}{path}", self.url)).json(&body).bearer_auth(&self.token).send();
        sent.await?.error_for_status()?;
        Ok(())
    }
}

fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}
