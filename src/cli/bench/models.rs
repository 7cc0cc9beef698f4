//! `sinew bench models`: what the room adds to a call to a model, with the journal on, beside the same client alone.
//!
//! The upstream is our own and answers at once, so that what is measured is ours. Modes take turns within each round; with
//! `--litellm`, that proxy stands in front of the same upstream in the same round.

mod litellm;
mod tally;
mod upstream;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args as ClapArgs;
use serde::Serialize;
use serde_json::json;
use sinew_contract::{
    Ask, AskMore, Digest, Draft, EffectId, Expect, Journal, Label, Model, OfRun, Record, RunId, RunStarted, Trust,
};
use sinew_journal::{FileBlobs, FileLog, Options};
use sinew_reasoning::prompt::{Prompt, Speaker, Turn};
use sinew_reasoning::{Catalogue, Endpoint, Keeper, Outside, Reasoner, providers};
use tokio::task::JoinSet;

use super::super::{Exit, ExitWith, Outcome, block_on, print_json, print_line};
use crate::assembly::open_dir;
use crate::runtime::SystemClock;
use litellm::LiteLlm;
use tally::{Row, Tally, rss_mb};
use upstream::Upstream;

/// No call takes longer; one that does is a failure of the measurement.
const DEADLINE: Duration = Duration::from_secs(60);

/// `sinew bench models`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// How many calls are under way at once; may be given several times.
    #[arg(long = "concurrency", default_values_t = [1, 16], value_name = "N")]
    concurrency: Vec<usize>,
    /// How long each measurement takes.
    #[arg(long, default_value_t = 3.0, value_name = "SECONDS")]
    seconds: f64,
    /// How often all of them are taken; the median of the rounds is reported.
    #[arg(long, default_value_t = 3, value_name = "N")]
    rounds: usize,
    /// A Python environment with `litellm[proxy]`, to be measured beside it.
    #[arg(long, value_name = "DIR")]
    litellm: Option<PathBuf>,
}

#[derive(Serialize)]
struct Report {
    rows: Vec<Row>,
    /// What the room adds: its figures minus those of the client alone.
    added: Vec<Added>,
    rounds: usize,
    seconds: f64,
}

#[derive(Serialize)]
struct Added {
    concurrency: usize,
    p50_ms: f64,
    p99_ms: f64,
    /// The room's rate as a part of the client's own.
    share: f64,
}

/// Measures.
pub fn run(args: &Args, json: bool) -> Outcome {
    let report = block_on(measure(args))?.or_exit(Exit::Failed)?;
    if json {
        print_json(&report);
    } else {
        for row in &report.rows {
            print_line(&row.to_string());
        }
        for added in &report.added {
            let Added { concurrency, p50_ms, p99_ms, share } = added;
            print_line(&format!(
                "added at {concurrency}: p50 {p50_ms:.3} ms, p99 {p99_ms:.3} ms; {share:.2} of the rate"
            ));
        }
    }
    Ok(Exit::Ok)
}

async fn measure(args: &Args) -> Result<Report> {
    let upstream = Upstream::start()?;
    let folder = std::env::temp_dir().join(format!("sinew-bench-models-{}", std::process::id()));
    let lite = match &args.litellm {
        Some(venv) => Some(LiteLlm::start(venv, &folder, upstream.address()).await?),
        None => None,
    };
    let room = Room::open(&folder, &upstream.url()).await?;
    let mut tally = Tally::default();
    let direct = Arc::new(client(&upstream.url(), None)?);
    let lasting = Duration::from_secs_f64(args.seconds.clamp(0.1, 600.0));
    for round in 0..=args.rounds {
        // The first round warms up and is thrown away.
        let lasting = if round == 0 { lasting.min(Duration::from_millis(500)) } else { lasting };
        for &at_once in &args.concurrency {
            let call = |n| exchange(Arc::clone(&direct), n);
            tally.add(round, "direct", at_once, drive(at_once, lasting, call).await?, rss_mb(std::process::id()));
            let reasoner = Arc::clone(&room.reasoner);
            let run = room.run;
            let call = |n| answer(Arc::clone(&reasoner), run, n);
            tally.add(round, "sinew", at_once, drive(at_once, lasting, call).await?, rss_mb(std::process::id()));
            if let Some(lite) = &lite {
                let through = Arc::new(client(&lite.url(), Some(litellm::KEY))?);
                let call = |n| exchange(Arc::clone(&through), n);
                tally.add(round, "litellm", at_once, drive(at_once, lasting, call).await?, lite.rss_mb());
            }
        }
    }
    room.close().await?;
    std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove `{}`", folder.display()))?;
    let rows = tally.rows();
    Ok(Report { added: added(&rows), rows, rounds: args.rounds, seconds: args.seconds })
}

fn added(rows: &[Row]) -> Vec<Added> {
    let of = |system: &str, at: usize| rows.iter().find(|row| row.system == system && row.concurrency == at);
    let both = rows.iter().filter(|row| row.system == "sinew");
    let both = both.filter_map(|ours| Some((ours, of("direct", ours.concurrency)?)));
    let one = |(ours, direct): (&Row, &Row)| Added {
        concurrency: ours.concurrency,
        p50_ms: ours.p50_ms - direct.p50_ms,
        p99_ms: ours.p99_ms - direct.p99_ms,
        share: ours.per_s / direct.per_s,
    };
    both.map(one).collect()
}

/// Makes calls, so many at once, for so long; gives back how long each took.
async fn drive<F, C>(at_once: usize, lasting: Duration, call: C) -> Result<(Vec<Duration>, Duration)>
where
    F: Future<Output = Result<()>> + Send + 'static,
    C: Fn(u32) -> F,
{
    let begun = Instant::now();
    let (mut running, mut took, mut next) = (JoinSet::new(), Vec::new(), 0u32);
    let mut more = |running: &mut JoinSet<Result<Duration>>| {
        next += 1;
        let call = call(next);
        running.spawn(async move {
            let begun = Instant::now();
            call.await.map(|()| begun.elapsed())
        });
    };
    (0..at_once).for_each(|_| more(&mut running));
    while let Some(done) = running.join_next().await {
        took.push(done.context("a call crashed")??);
        if begun.elapsed() < lasting {
            more(&mut running);
        }
    }
    Ok((took, begun.elapsed()))
}

/// The very client that the room uses, without the room.
fn client(url: &str, key: Option<&str>) -> Result<Endpoint> {
    let wire = providers::wire("openai").context("the wire is built")?;
    Ok(Endpoint::new(wire, &format!("{url}/v1"), key, &[], Arc::new(SystemClock))?)
}

async fn exchange(client: Arc<Endpoint>, n: u32) -> Result<()> {
    let prompt = Prompt {
        model: "bench".to_owned(),
        system: "Answer with one JSON value that matches the schema.".to_owned(),
        turns: vec![Turn::text(Speaker::User, format!("Decide, question {n}."))],
        schema: Some(schema()),
        output_max: 64,
        temperature: Some(0.0),
        ..Prompt::default()
    };
    let reply = client.call(&prompt, DEADLINE, None).await.reply;
    reply.map(drop).context("the client alone got no answer")
}

async fn answer(reasoner: Arc<Reasoner>, run: RunId, n: u32) -> Result<()> {
    let ask = Ask {
        effect: EffectId { run, step: n },
        role: "judge".to_owned(),
        instruction: format!("Decide, question {n}."),
        inputs: json!({"n": n}),
        schema: schema(),
        rules: None,
        template: None,
        more: AskMore::default(),
        label: Label::new("bench", Trust::Owned),
    };
    reasoner.answer(&ask).await.map(drop).context("the room got no answer")
}

fn schema() -> serde_json::Value {
    json!({"type": "object", "required": ["action"], "additionalProperties": false, "properties": {
        "action": {"enum": ["hold", "refund"]}, "confidence": {"type": "number", "minimum": 0, "maximum": 1}}})
}

/// The room, over a real log on a real disk.
struct Room {
    reasoner: Arc<Reasoner>,
    run: RunId,
    log: Arc<FileLog>,
    stop: tokio::sync::oneshot::Sender<()>,
    keeper: JoinSet<Result<(), sinew_contract::Failure>>,
}

impl Room {
    async fn open(folder: &std::path::Path, upstream: &str) -> Result<Self> {
        let dir = open_dir(&folder.join("data")).map_err(super::super::Coded::into_error)?;
        let clock = Arc::new(SystemClock);
        let (log, _) = FileLog::open(&dir, &Options::default(), Arc::clone(&clock) as _)?;
        let log = Arc::new(log);
        let run = start_run(log.as_ref()).await?;
        let text = format!(
            "[providers.up]\nwire = \"openai\"\nurl = \"{upstream}/v1\"\nfree = true\n[models.bench]\nprovider = \"up\"\n\
             id = \"bench\"\noutput-max = 64\n[ladders.judge]\nrungs = [{{ model = \"bench\", deadline = \"60s\" }}]\n"
        );
        let catalogue = Catalogue::load(&[("bench.toml".to_owned(), text)])?;
        let outside =
            Outside { journal: Arc::clone(&log) as _, blobs: Arc::new(FileBlobs::open(&dir)?), clock: clock as _ };
        let (reasoner, keeper) =
            Reasoner::load(&[], &[])?.with_models(&catalogue, &crate::assembly::parts::secret, &outside)?;
        reasoner.recovered();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let mut task = JoinSet::new();
        task.spawn(keep(keeper, stopped));
        Ok(Self { reasoner: Arc::new(reasoner), run, log, stop, keeper: task })
    }

    async fn close(mut self) -> Result<()> {
        // Only a keeper that has failed is gone; its failure comes below.
        let _ = self.stop.send(());
        while let Some(ended) = self.keeper.join_next().await {
            ended.context("the keeper crashed")??;
        }
        self.log.close().await;
        Ok(())
    }
}

async fn keep(keeper: Keeper, stopped: tokio::sync::oneshot::Receiver<()>) -> Result<(), sinew_contract::Failure> {
    keeper.run(async move { drop(stopped.await) }).await
}

async fn start_run(log: &FileLog) -> Result<RunId> {
    let started = RunStarted {
        playbook: "bench".parse()?,
        version: "1.0.0".to_owned(),
        digest: Digest::ZERO,
        engine: 1,
        policy: Digest::ZERO,
        catalogue: Digest::ZERO,
        trigger: None,
        parent: None,
        input: json!({}),
    };
    let mut draft = Draft::new("sinew".parse()?, Record::RunStarted(started));
    draft.run = OfRun::Starts;
    let appended = log.append(vec![draft], Expect::Anything).await?;
    let first = appended.entries.first().context("the log took the run")?;
    Ok(RunId { log: log.id().tag(), seq: first.seq })
}
