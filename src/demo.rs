//! The demo: a real shop beside a real hub, the sample photographs fed one by one, and the shop's own ledger as judge.
//!
//! Does not look into the hub: it feeds, answers and asks over HTTP as anybody would.
//!
//! ```text
//! labels --pictures--> feed --POST /v1/scans--> hub --POST /refunds …--> shop
//!                       answers --POST /v1/gates--^                       | /ledger
//!                                     summary <---------------------------+
//! ```

mod feed;
mod judge;
mod shop;
mod summary;

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::assembly::Hub;
use crate::config::Overrides;
use crate::deployment::Deployment;
use crate::runtime::asked_to_end;
use feed::Feed;
use judge::Judge;
use shop::Shop;
use summary::Summary;

/// What to do.
#[derive(Debug)]
pub struct Plan {
    /// The deployment's folder.
    pub deployment: PathBuf,
    /// End after feeding, with answers given.
    pub once: bool,
    /// Photographs instead of the samples.
    pub scans: Option<PathBuf>,
    /// Further labels.
    pub bulk: u32,
    /// Where everything is kept.
    pub data_dir: Option<PathBuf>,
    /// Where the other binaries are.
    pub bin: Option<PathBuf>,
    /// JSON for machines.
    pub json: bool,
}

/// Runs the demo; true when everything came out as `samples/expected.json` says.
///
/// # Errors
/// Where shop or hub cannot start, or stop answering.
pub async fn run(plan: Plan) -> Result<bool> {
    let folder = data_dir(&plan)?;
    let data = folder.join("data");
    let bin = binaries(&plan)?;
    let shop = Shop::start(&bin, &folder.join("shop.sqlite"), plan.bulk).await?;
    let hub = start_hub(&plan, &data, &shop).await?;
    let started = hub.started().clone();
    let feed = Feed::new(&started.url, hub.token("ana"), &plan)?;
    if !plan.json {
        say(&format!("shop at {}, {} at {} after {} ms", shop.url, started.name, started.url, started.ready_ms));
    }
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(hub.run(async move {
        // Ended on purpose or by the loss of the demo itself: both mean "end".
        let _ = ended.await;
        Ok(())
    }));
    let fed = feed.all(&plan, &bin, &folder).await;
    if !plan.once {
        feed.show(&started).await?;
        asked_to_end().await?;
    }
    let numbers = feed.numbers().await;
    let ledger = shop.ledger().await?;
    let _ = end.send(());
    running.await.context("the hub crashed")??;
    let judged = Judge::new(&plan, &fed?, &ledger)?;
    let summary = Summary::new(&judged, &numbers?, &data, sinew_journal::verify(&sinew_journal::RealDisk, &data));
    summary.print(plan.json);
    Ok(summary.right())
}

async fn start_hub(plan: &Plan, data: &std::path::Path, shop: &Shop) -> Result<Hub> {
    let listen = plan.once.then(|| std::net::SocketAddr::from(([127, 0, 0, 1], 0)));
    let overrides =
        |listen| Overrides { listen, data_dir: Some(data.to_owned()), hosts: vec![format!("shop.local={}", shop.url)] };
    let deployment = Deployment::read(&plan.deployment, &overrides(listen))?;
    let free = std::net::TcpListener::bind(deployment.config.listen).is_ok();
    let any = Some(std::net::SocketAddr::from(([127, 0, 0, 1], 0)));
    let deployment = if free { deployment } else { Deployment::read(&plan.deployment, &overrides(any))? };
    Hub::start(deployment).await.map_err(crate::cli::Coded::into_error)
}

/// A new folder of its own, so that a demo never meets the data of another.
fn data_dir(plan: &Plan) -> Result<PathBuf> {
    let dir = match &plan.data_dir {
        Some(dir) => dir.clone(),
        None => {
            let now = jiff::Timestamp::now();
            PathBuf::from(format!(".sinew/demo-{}-{}", now.as_second(), std::process::id()))
        }
    };
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot make `{}`", dir.display()))?;
    dir.canonicalize().with_context(|| format!("cannot find `{}`", dir.display()))
}

fn binaries(plan: &Plan) -> Result<PathBuf> {
    if let Some(bin) = &plan.bin {
        return Ok(bin.clone());
    }
    let own = std::env::current_exe().context("cannot find this binary")?;
    Ok(own.parent().map(PathBuf::from).unwrap_or_default())
}

/// Progress goes to standard error; standard output is for the summary alone.
fn say(line: &str) {
    eprintln!("{line}");
}
