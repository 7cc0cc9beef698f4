//! `sinew device`: the devices of a deployment: what there is, whether it can be reached, and a new thing from its own description.
//!
//! Asks and never acts: what moves anything goes through a run or a reflex, with policy and the log.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use clap::{Args as ClapArgs, Subcommand};
use serde::Serialize;
use serde_json::{Value, json};
use sinew_contract::{Clock, Deadline, Device, DeviceId};
use sinew_drivers::wot::Thing;

use super::{Exit, ExitWith, Outcome, block_on, print_json, print_line};
use crate::assembly::parts::Parts;
use crate::config::Overrides;
use crate::deployment::Deployment;
use crate::runtime::SystemClock;

/// How long a device may take until its connection stands, or a question is answered.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// A description longer than this is none.
const TD_LEN_MAX: usize = 1 << 20;

/// `sinew device …`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the devices of a deployment, with what they can do.
    List(Deployed),
    /// Show one device: its file, its capabilities, its reflexes.
    Show(One),
    /// Try to reach one device. Asks only, changes nothing.
    Test(One),
    /// Add a thing from its own description (W3C Thing Description).
    Add(Add),
}

/// Which deployment.
#[derive(Debug, ClapArgs)]
pub struct Deployed {
    /// The deployment's folder.
    deployment: PathBuf,
    /// Where a logical host really is, as in plant.local=mqtt://127.0.0.1:1883. May stand several times.
    #[arg(long = "host", value_name = "NAME=URL")]
    hosts: Vec<String>,
}

/// Which device.
#[derive(Debug, ClapArgs)]
pub struct One {
    #[command(flatten)]
    of: Deployed,
    /// Its name.
    id: DeviceId,
}

/// What is to be added.
#[derive(Debug, ClapArgs)]
pub struct Add {
    /// The deployment's folder.
    deployment: PathBuf,
    /// The name it gets.
    id: DeviceId,
    /// Its description: a file, or an http(s) URL that is fetched once.
    #[arg(long, value_name = "FILE|URL")]
    td: String,
    /// Where its HTTP forms really are, by a logical host, as in `http://conveyor.local`.
    #[arg(long)]
    base: Option<String>,
    /// Where its MQTT forms really are, as in mqtt://plant.local.
    #[arg(long)]
    broker: Option<String>,
    /// The secret of its security scheme, as env:NAME or file:PATH.
    #[arg(long)]
    secret: Option<String>,
}

/// One device in a list.
#[derive(Debug, Serialize)]
struct Row {
    id: String,
    driver: String,
    capabilities: Vec<String>,
    reflexes: Vec<String>,
}

/// One thing that was tried.
#[derive(Debug, Serialize)]
struct Look {
    what: String,
    ok: bool,
    says: String,
    ms: u128,
}

/// Lists, shows, tries or adds.
pub fn run(command: &Command, json: bool) -> Outcome {
    match command {
        Command::List(args) => list(args, json),
        Command::Show(args) => show(args, json),
        Command::Test(args) => test(args, json),
        Command::Add(args) => add(args, json).or_exit(Exit::Failed),
    }
}

fn load(of: &Deployed) -> anyhow::Result<(Deployment, Parts)> {
    let overrides = Overrides { hosts: of.hosts.clone(), ..Overrides::default() };
    let deployment = Deployment::read(&of.deployment, &overrides)?;
    let parts = Parts::load(&deployment)?;
    Ok((deployment, parts))
}

/// The files of devices, by the id in them.
fn files(deployment: &Deployment) -> anyhow::Result<Vec<(String, Value)>> {
    let read = |(name, text): (String, String)| {
        let value: toml::Value = toml::from_str(&text).with_context(|| format!("`devices/{name}` is not right"))?;
        let value = serde_json::to_value(value)?;
        Ok((text_of(&value, "id"), value))
    };
    deployment.texts("devices").into_iter().map(read).collect()
}

fn text_of(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn row(id: &str, file: &Value, parts: &Parts) -> Row {
    let capabilities = parts.manifests.iter().filter(|manifest| manifest.device.as_str() == id);
    let reflexes = file.get("reflex").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    Row {
        id: id.to_owned(),
        driver: text_of(file, "driver"),
        capabilities: capabilities.map(|manifest| manifest.name.to_string()).collect(),
        reflexes: reflexes.iter().map(|rule| text_of(rule, "name")).collect(),
    }
}

fn list(args: &Deployed, json: bool) -> Outcome {
    let (deployment, parts) = load(args).or_exit(Exit::BadConfig)?;
    let files = files(&deployment).or_exit(Exit::BadConfig)?;
    let rows: Vec<_> = files.iter().map(|(id, file)| row(id, file, &parts)).collect();
    if json {
        print_json(&rows);
    } else {
        for row in &rows {
            let reflexes = if row.reflexes.is_empty() {
                String::new()
            } else {
                format!("; reflexes: {}", row.reflexes.join(", "))
            };
            print_line(&format!("{:<16} {:<8} {}{reflexes}", row.id, row.driver, row.capabilities.join(", ")));
        }
    }
    Ok(Exit::Ok)
}

/// A device's file; a description in it is read and shown by its names.
fn find(deployment: &Deployment, id: &DeviceId) -> anyhow::Result<Value> {
    let found = files(deployment)?.into_iter().find(|(name, _)| name == id.as_str());
    found.map(|(_, file)| file).ok_or_else(|| anyhow!("no file in devices/ has the id `{id}`"))
}

fn show(args: &One, json: bool) -> Outcome {
    let (deployment, parts) = load(&args.of).or_exit(Exit::BadConfig)?;
    let mut file = find(&deployment, &args.id).or_exit(Exit::Failed)?;
    let thing = file.get("td").and_then(Value::as_str).and_then(|td| Thing::read(td).ok());
    let names = thing.map(|thing| {
        let [properties, actions, events] = thing.names();
        json!({ "title": thing.title, "properties": properties, "actions": actions, "events": events })
    });
    if let Some(members) = file.as_object_mut() {
        members.remove("td");
    }
    let capabilities: Vec<_> = parts.manifests.iter().filter(|manifest| manifest.device == args.id).collect();
    let view = json!({ "file": file, "thing": names, "capabilities": capabilities });
    if json {
        print_json(&view);
    } else {
        print_line(&serde_json::to_string_pretty(&view).unwrap_or_default());
    }
    Ok(Exit::Ok)
}

fn test(args: &One, json: bool) -> Outcome {
    let (deployment, parts) = load(&args.of).or_exit(Exit::BadConfig)?;
    let file = find(&deployment, &args.id).or_exit(Exit::Failed)?;
    let looks = block_on(look(&args.id, &file, &parts))?.or_exit(Exit::Failed)?;
    let reached = looks.iter().all(|look| look.ok);
    if json {
        print_json(&looks);
    } else {
        for look in &looks {
            let word = if look.ok { "ok   " } else { "WRONG" };
            print_line(&format!("{word} {:<24} {} ({} ms)", look.what, look.says, look.ms));
        }
    }
    Ok(if reached { Exit::Ok } else { Exit::Unreachable })
}

/// Connects where there is a connection, and asks a thing for all of its properties.
async fn look(id: &DeviceId, file: &Value, parts: &Parts) -> anyhow::Result<Vec<Look>> {
    let device = parts.devices.get(id).ok_or_else(|| anyhow!("no device `{id}`"))?;
    let mut looks = vec![Look { what: "file".to_owned(), ok: true, says: "is right".to_owned(), ms: 0 }];
    let wired = parts.wired.iter().find(|(wired, _)| wired.id() == id).map(|(wired, _)| wired);
    if let Some(wired) = wired {
        let begun = Instant::now();
        wired.start()?;
        let stands = tokio::time::timeout(ANSWER_MAX, wired.changed(false)).await.is_ok();
        let says = if stands { "the broker let us in" } else { "no connection; the log on standard error says why" };
        looks.push(Look {
            what: "connection".to_owned(),
            ok: stands,
            says: says.to_owned(),
            ms: begun.elapsed().as_millis(),
        });
    }
    let thing = file.get("td").and_then(Value::as_str).map(Thing::read).transpose().map_err(|error| anyhow!(error))?;
    let [properties, ..] = thing.map(|thing| thing.names()).unwrap_or_default();
    for name in properties {
        let begun = Instant::now();
        let deadline = Deadline::within(SystemClock.now(), ANSWER_MAX);
        let answer = device.read(&json!({ "property": name }), &json!({}), deadline).await;
        let ms = begun.elapsed().as_millis();
        let (ok, says) = answer.map_or_else(|failure| (false, failure.to_string()), |value| (true, value.to_string()));
        looks.push(Look { what: format!("property {name}"), ok, says, ms });
    }
    if let Some(wired) = wired.cloned() {
        tokio::task::spawn_blocking(move || wired.end()).await?;
    }
    Ok(looks)
}

fn add(args: &Add, json: bool) -> anyhow::Result<Exit> {
    if args.base.is_none() && args.broker.is_none() {
        bail!("say where it really is: `--base` for its HTTP forms, `--broker` for its MQTT forms, by logical hosts");
    }
    let td = description(&args.td)?;
    let thing = Thing::read(&td).map_err(|error| anyhow!(error))?;
    let path = args.deployment.join("devices").join(format!("{}.toml", args.id));
    if path.exists() {
        bail!("`{}` is there already; remove it first, or choose another name", path.display());
    }
    let mut file = toml::Table::new();
    let given = [("base", &args.base), ("broker", &args.broker), ("secret", &args.secret)];
    file.insert("id".to_owned(), args.id.to_string().into());
    file.insert("driver".to_owned(), "wot".into());
    for (name, value) in given {
        value.iter().for_each(|value| drop(file.insert(name.to_owned(), value.clone().into())));
    }
    file.insert("td".to_owned(), td.into());
    write(&path, &toml::to_string_pretty(&file)?)?;
    let [properties, actions, events] = thing.names();
    if json {
        print_json(
            &json!({ "file": path, "title": thing.title, "properties": properties, "actions": actions, "events": events }),
        );
    } else {
        print_line(&format!(
            "wrote {} ({}): {} properties, {} actions, {} events",
            path.display(),
            thing.title,
            properties.len(),
            actions.len(),
            events.len()
        ));
        print_line(
            "next: allow its hosts in sinew.toml ([egress], [hosts]), and write a capability for what it may be told",
        );
    }
    Ok(Exit::Ok)
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let parent = path.parent().context("a file has a folder")?;
    std::fs::create_dir_all(parent).with_context(|| format!("cannot make `{}`", parent.display()))?;
    std::fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))
}

/// The text of a description.
fn description(from: &str) -> anyhow::Result<String> {
    if !from.starts_with("http://") && !from.starts_with("https://") {
        return std::fs::read_to_string(from).with_context(|| format!("cannot read `{from}`"));
    }
    let fetch = async {
        let client = reqwest::Client::builder().no_proxy().timeout(ANSWER_MAX).build()?;
        let mut answer = client.get(from).send().await?.error_for_status()?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() > TD_LEN_MAX {
                bail!("it is longer than {TD_LEN_MAX} bytes");
            }
        }
        String::from_utf8(body).context("it is not text")
    };
    block_on(fetch).map_err(super::Coded::into_error)?.with_context(|| format!("cannot fetch `{from}`"))
}
