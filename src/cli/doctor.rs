//! `sinew doctor`: look for what is missing or wrong, and say how to mend it.

use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use serde::Serialize;

use super::{Exit, Outcome, print_json, print_line};
use crate::assembly::{parts, places::Places};
use crate::config::Overrides;
use crate::deployment::Deployment;

/// `sinew doctor`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// A deployment's folder to look at.
    deployment: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Look {
    what: &'static str,
    ok: bool,
    says: String,
}

/// Looks at everything, whatever is found, and exits with 1 when something is wrong.
pub fn run(args: &Args, data: &Path, json: bool) -> Outcome {
    let mut looks = Vec::new();
    if let Some(folder) = &args.deployment {
        looks.extend(deployment(folder));
    }
    looks.push(disk(data));
    looks.push(log(data));
    looks.push(hub(data));
    let wrong = looks.iter().any(|l| !l.ok);
    if json {
        print_json(&looks);
    } else {
        for look in &looks {
            print_line(&format!("{} {:<12} {}", if look.ok { "ok  " } else { "WRONG" }, look.what, look.says));
        }
    }
    Ok(if wrong { Exit::Failed } else { Exit::Ok })
}

fn look<T>(what: &'static str, found: anyhow::Result<T>, says: impl FnOnce(T) -> String) -> Look {
    match found {
        Ok(found) => Look { what, ok: true, says: says(found) },
        Err(error) => Look { what, ok: false, says: format!("{error:#}") },
    }
}

fn deployment(folder: &Path) -> Vec<Look> {
    let read = Deployment::read(folder, &Overrides::default());
    let parts = match &read {
        Ok(deployment) => Some(look("parts", parts::Parts::load(deployment), |p| {
            format!("{} playbooks, {} capabilities, policies load", p.playbooks.len(), p.manifests.iter().count())
        })),
        Err(_) => None,
    };
    let first = look("deployment", read, |d| format!("`{}` in {}", d.config.name, d.folder.display()));
    std::iter::once(first).chain(parts).collect()
}

/// A hundred syncs of a small file: what every acknowledged entry waits for.
fn disk(data: &Path) -> Look {
    let folder = if data.is_dir() { data.to_owned() } else { std::env::temp_dir() };
    look("disk", sync_micros(&folder), |micros| {
        format!("fdatasync takes {micros} us (median of 100) in {}", folder.display())
    })
}

fn sync_micros(folder: &Path) -> anyhow::Result<u128> {
    use std::os::unix::fs::FileExt;
    let path = folder.join(format!(".doctor-{}", std::process::id()));
    let file = std::fs::File::create(&path)?;
    file.write_all_at(&[0; 4096], 0)?;
    file.sync_all()?;
    let mut took = Vec::new();
    for round in 0..100u8 {
        let start = std::time::Instant::now();
        file.write_all_at(&[round; 512], 0)?;
        file.sync_data()?;
        took.push(start.elapsed().as_micros());
    }
    std::fs::remove_file(&path)?;
    took.sort_unstable();
    Ok(took.get(50).copied().unwrap_or_default())
}

fn log(data: &Path) -> Look {
    if !data.join("journal").is_dir() {
        return Look { what: "log", ok: true, says: format!("none yet in {}", data.display()) };
    }
    let verified = sinew_journal::verify(&sinew_journal::RealDisk, data).map_err(anyhow::Error::from);
    look("log", verified, |r| format!("{} entries verify", r.entries))
}

fn hub(data: &Path) -> Look {
    match super::client::Client::local(data).and_then(|c| c.get("/v1/health")) {
        Ok(health) => Look { what: "hub", ok: true, says: super::runs::text(&health, "condition") },
        Err(error) => match Places::new(data).holder() {
            Ok(None) => Look { what: "hub", ok: true, says: "not running".to_owned() },
            Ok(Some(process)) => {
                let error = error.into_error();
                Look { what: "hub", ok: false, says: format!("process {process} does not answer: {error:#}") }
            }
            Err(unclear) => Look { what: "hub", ok: false, says: format!("{unclear:#}") },
        },
    }
}
