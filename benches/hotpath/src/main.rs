//! Durable runs through engine, dispatcher and journal alone: small enough to run under callgrind.
//!
//! `hotpath strict|native CONCURRENCY RUNS [DIR]` starts runs of ten pure steps by hand and waits for their ends, as
//! `sinew bench durable` does, without policy, devices and the rest of the house. Prints runs per second and what each
//! step took of the processor. Under callgrind, the difference of two counts of runs is what the runs alone cost.
//!
//! `hotpath waiting N [DIR]` leaves N runs waiting for a time, with 2 KiB of context each, and prints the memory that the
//! process holds; then it closes the log, folds all of it again as a restart does, and prints entries per second.

use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use serde_json::{Value, json};
use sinew_contract::{
    Actuator, Approvers, Ask, BootTime, Clock, Decision, Digest, Entry, EntryRef, ErrorKind, Failure, Journal, Model,
    Now, Outcome, Policy, Prepared, PrincipalId, Proposal, Recall, RecallQuery, Record, Request, RunId, Stop,
    Timestamp, Verdict, Wish,
};
use sinew_journal::{DataDir, FileLog, Options, RealDisk};
use sinew_planning::{Desk, Dispatcher, Engine, Known, Playbook, Ports, Settings, check};
use tokio::sync::watch;

const STEPS: u32 = 10;

type Anything<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Anything<()> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let place = |rest: &[String]| tempfile::tempdir_in(rest.first().map_or_else(std::env::temp_dir, Into::into));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    match args.as_slice() {
        [mode, runs, rest @ ..] if mode == "waiting" => {
            let dir = place(rest)?;
            runtime.block_on(wait(runs.parse()?, dir.path()))
        }
        [mode, concurrency, runs, rest @ ..] => {
            let dir = place(rest)?;
            runtime.block_on(measure(mode, concurrency.parse()?, runs.parse()?, dir.path()))
        }
        _ => Err("usage: hotpath strict|native CONCURRENCY RUNS [DIR] | waiting RUNS [DIR]".into()),
    }
}

/// Leaves runs waiting, tells what they hold, and folds them again.
async fn wait(runs: u32, dir: &Path) -> Anything<()> {
    let dir = DataDir::open(Arc::new(RealDisk), dir)?;
    let (log, _) = FileLog::open(&dir, &Options::default(), Arc::new(Machine))?;
    let log = Arc::new(log);
    let text = "document: { dsl: '1.0.3', namespace: bench, name: waits, version: '1.0.0' }\n\
                do:\n  - keep: { set: '${ . }', export: { as: '${ . }' } }\n  - wait: { wait: P30D }\n";
    let (playbook, findings) = check(text, &Known::default());
    let playbook = Arc::new(playbook.ok_or_else(|| format!("{findings:?}"))?);
    let before = resident_mib();
    let mut dispatcher = Dispatcher::new(ports(&log), settings()?, Engine::new([Arc::clone(&playbook)]));
    dispatcher.recover().await?;
    let (desk, by): (_, PrincipalId) = (dispatcher.desk(), "person:bench".parse()?);
    let (stop, stopping) = watch::channel(false);
    let running = tokio::spawn(dispatcher.run(stopping));
    let mut starting = tokio::task::JoinSet::new();
    for n in 0..runs {
        let (desk, playbook, by) = (desk.clone(), Arc::clone(&playbook), by.clone());
        starting.spawn(async move { desk.start(&playbook, json!({ "n": n, "text": "x".repeat(2_000) }), by).await });
        if starting.len() >= 256 {
            starting.join_next().await.transpose()?.transpose()?;
        }
    }
    while let Some(started) = starting.join_next().await {
        started??;
    }
    let mut follower = log.follow(log.tail().seq.next());
    // Each waiting run has a start, a passed task and a timer.
    while log.tail().seq.0 < u64::from(runs) * 3 {
        follower.next(256).await?;
    }
    desk.catch_up().await?;
    println!("{runs} waiting runs hold {} MiB more than none", resident_mib().saturating_sub(before));
    stop.send_replace(true);
    running.await??;
    let entries = log.tail().seq.0;
    let started = Instant::now();
    let mut again = Dispatcher::new(ports(&log), settings()?, Engine::new([playbook]));
    again.recover().await?;
    let took = started.elapsed().as_secs_f64();
    println!("{entries} entries folded again in {took:.2} s: {:.0} a second", entries as f64 / took);
    log.close().await;
    Ok(())
}

/// What the process holds in memory.
fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().split(' ').next().and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1_024
}

async fn measure(mode: &str, concurrency: usize, runs: u32, dir: &Path) -> Anything<()> {
    let dir = DataDir::open(Arc::new(RealDisk), dir)?;
    let (log, _) = FileLog::open(&dir, &Options::default(), Arc::new(Machine))?;
    let log = Arc::new(log);
    let playbook = Arc::new(playbook(mode)?);
    let mut dispatcher = Dispatcher::new(ports(&log), settings()?, Engine::new([Arc::clone(&playbook)]));
    dispatcher.recover().await?;
    let desk = dispatcher.desk();
    let (stop, stopping) = watch::channel(false);
    let running = tokio::spawn(dispatcher.run(stopping));
    let (cpu, started) = (cpu_now(), Instant::now());
    drive(&log, &desk, &playbook, concurrency, runs).await?;
    let (took, cpu) = (started.elapsed().as_secs_f64(), cpu_now().saturating_sub(cpu).as_secs_f64());
    let steps = f64::from(runs * STEPS);
    println!("{:.0} runs/s, {:.1} us of processor per step", f64::from(runs) / took, cpu * 1e6 / steps);
    stop.send_replace(true);
    running.await??;
    log.close().await;
    Ok(())
}

/// Keeps so many runs going until all have ended.
async fn drive(
    log: &Arc<FileLog>,
    desk: &Desk,
    playbook: &Arc<Playbook>,
    concurrency: usize,
    runs: u32,
) -> Anything<()> {
    let by: PrincipalId = "person:bench".parse()?;
    let mut follower = log.follow(log.tail().seq.next());
    let (mut begun, mut ended) = (0, BTreeSet::new());
    let mut starting = tokio::task::JoinSet::new();
    while ended.len() < runs as usize {
        while begun < runs && (begun as usize) < ended.len() + concurrency {
            begun += 1;
            let (desk, playbook, by) = (desk.clone(), Arc::clone(playbook), by.clone());
            starting.spawn(async move { desk.start(&playbook, json!({ "n": 0 }), by).await });
        }
        for entry in follower.next(256).await? {
            if matches!(entry.record, Record::RunEnded(_)) {
                ended.extend(entry.header.run.map(|run: RunId| run.seq));
            }
        }
    }
    while let Some(started) = starting.join_next().await {
        started??;
    }
    Ok(())
}

fn playbook(mode: &str) -> Anything<Playbook> {
    let steps: String = (0..STEPS).map(|n| format!("  - s{n}: {{ set: {{ n: '${{ .n + 1 }}' }} }}\n")).collect();
    let text = format!(
        "document:\n  {{ dsl: '1.0.3', namespace: bench, name: steps, version: '1.0.0',\n    \
         metadata: {{ sinew: {{ durability: {mode} }} }} }}\ndo:\n{steps}"
    );
    let (playbook, findings) = check(&text, &Known::default());
    playbook.ok_or_else(|| format!("{findings:?}").into())
}

fn settings() -> Anything<Settings> {
    Ok(Settings {
        agent: "agent:bench".parse()?,
        approvers: Approvers { role: "owner".to_owned(), quorum: 1, not_by: Vec::new() },
        gate_life: Duration::from_secs(60),
        catalogue: Digest::ZERO,
        records: Vec::new(),
    })
}

fn ports(log: &Arc<FileLog>) -> Ports {
    Ports {
        clock: Arc::new(Machine),
        journal: Arc::clone(log) as _,
        recall: Arc::new(Nobody),
        model: Arc::new(Nobody),
        policy: Arc::new(Nobody),
        actuator: Arc::new(Nobody),
    }
}

/// What this process took of the processors so far; the kernel counts in hundredths of a second.
fn cpu_now() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    let ticks: u64 = fields.skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// The machine's clocks, as the standard library reads them: callgrind knows no others.
struct Machine;

#[async_trait]
impl Clock for Machine {
    fn now(&self) -> Now {
        #[expect(clippy::disallowed_methods, reason = "this is the clock of a bench, which answers the port")]
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let micros = u64::try_from(since.as_micros()).unwrap_or(0);
        Now { wall: Timestamp(i64::try_from(micros).unwrap_or(0)), boot: BootTime(micros) }
    }

    async fn sleep_until(&self, until: Timestamp) {
        tokio::time::sleep(until.since(self.now().wall)).await;
    }
}

/// Whom these playbooks never ask.
struct Nobody;

fn nobody<T>() -> Result<T, Failure> {
    Err(Failure::new(ErrorKind::Missing, "the bench asks nobody"))
}

#[async_trait]
impl Recall for Nobody {
    async fn recall(&self, _: RecallQuery) -> Result<Value, Failure> {
        nobody()
    }
}

#[async_trait]
impl Model for Nobody {
    async fn answer(&self, _: &Ask) -> Result<Proposal, Failure> {
        nobody()
    }
}

impl Policy for Nobody {
    fn decide(&self, _: &Request) -> Decision {
        Decision { verdict: Verdict::Refuse, reasons: Vec::new(), policy: Digest::ZERO }
    }

    fn digest(&self) -> Digest {
        Digest::ZERO
    }
}

#[async_trait]
impl Actuator for Nobody {
    fn prepare(&self, _: &Wish) -> Result<Prepared, Failure> {
        nobody()
    }

    async fn carry_out(&self, _: EntryRef) -> Outcome {
        Outcome::Unknown { reason: "the bench acts nowhere".to_owned() }
    }

    async fn settle(&self, _: EntryRef) -> Outcome {
        Outcome::Unknown { reason: "the bench acts nowhere".to_owned() }
    }

    fn halt(&self, _: &Stop) -> Result<(), Failure> {
        nobody()
    }

    fn observe(&self, _: &Entry) {}
}
