//! The texts of a deployment, each handed to the room that understands it. Checked whole, before anything starts.
//!
//! Does not open the log: `sinew doctor` and `sinew playbook check` load the parts of a deployment that is running.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};
use sinew_actuation::{Manifests, Rules};
use sinew_contract::{CapabilityName, Device, DeviceId, ErrorKind, Failure, Manifest, PlaybookName, PrincipalId};
use sinew_drivers::{Egress, FolderDevice, MqttDevice, Surroundings};
use sinew_perception::{ScanConfig, Scanner};
use sinew_planning::{Known, KnownCapability, Playbook, Severity};
use sinew_policy::Cedar;
use sinew_reasoning::{Catalogue, Reasoner};

use crate::deployment::Deployment;
use crate::runtime::SystemClock;

/// The built-in device behind `call: http`.
const HTTP: &str = "id = \"http\"\ndriver = \"http\"\n";

/// What an agent's file says that the roof itself holds to.
#[derive(Debug, Deserialize)]
struct Agent {
    name: String,
    #[serde(rename = "may-ask-for")]
    may_ask_for: MayAskFor,
}

#[derive(Debug, Deserialize)]
struct MayAskFor {
    capabilities: Vec<String>,
}

/// A deployment's parts, loaded.
pub struct Parts {
    /// The agent on whose behalf playbooks act.
    pub agent: PrincipalId,
    /// May it.
    pub policy: Cedar,
    /// Tables and templates.
    pub reasoner: Reasoner,
    /// The models, their ladders and budgets.
    pub models: Catalogue,
    /// What can be done.
    pub manifests: Manifests,
    /// What it is done with.
    pub devices: BTreeMap<DeviceId, Arc<dyn Device>>,
    /// Watched folders.
    pub folders: Vec<Arc<FolderDevice>>,
    /// Devices behind a broker, each with the rules of its reflexes.
    pub wired: Vec<(Arc<MqttDevice>, Rules)>,
    /// The reader of pictures.
    pub scanner: Scanner,
    /// What playbooks may name.
    pub known: Known,
    /// The playbooks.
    pub playbooks: Vec<Arc<Playbook>>,
}

impl Parts {
    /// Loads and checks all parts.
    ///
    /// # Errors
    /// Names the file, and where it can the line, column and mend, of everything that is wrong with the first bad part.
    pub fn load(deployment: &Deployment) -> Result<Self> {
        let policy = Cedar::load(&deployment.texts("policies"))?;
        let reasoner = Reasoner::load(&deployment.texts("rules"), &deployment.texts("templates"))
            .context("the rules or templates are not right")?;
        let models = Catalogue::load(&deployment.texts("models")).context("the models are not right")?;
        let Devices { devices, folders, wired } = open_devices(deployment)?;
        let manifests = Manifests::load(&deployment.texts("capabilities"), &devices)?;
        let wired = rules(wired, &manifests)?;
        let (agent, may) = agent(deployment)?;
        let known = names(deployment, &manifests, &reasoner, &may);
        let playbooks = playbooks(deployment, &known)?;
        let formats = json!({ "formats": deployment.config.scan.formats });
        let config: ScanConfig =
            serde_json::from_value(formats).context("`scan.formats` in sinew.toml is not right")?;
        let scanner = Scanner::new(config).context("`scan` in sinew.toml is not right")?;
        Ok(Self { agent, policy, reasoner, models, manifests, devices, folders, wired, scanner, known, playbooks })
    }
}

/// What playbooks of this deployment may name.
///
/// # Errors
/// As `Parts::load`, but for the playbooks themselves.
pub fn known(deployment: &Deployment) -> Result<Known> {
    let reasoner = Reasoner::load(&deployment.texts("rules"), &deployment.texts("templates"))?;
    let Devices { devices, .. } = open_devices(deployment)?;
    let manifests = Manifests::load(&deployment.texts("capabilities"), &devices)?;
    let (_, may) = agent(deployment)?;
    Ok(names(deployment, &manifests, &reasoner, &may))
}

/// The text of a playbook to which a run is pinned, made ready again.
///
/// # Errors
/// Where it does not fit this binary or this deployment any more.
pub fn pinned_playbook(bytes: &[u8], name: &PlaybookName, known: &Known) -> Result<Playbook> {
    let text = std::str::from_utf8(bytes).with_context(|| format!("the kept text of `{name}` is not text"))?;
    let (playbook, findings) = sinew_planning::check(text, known);
    let why = || findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    playbook.with_context(|| format!("a run is pinned to a version of `{name}` that does not fit any more:\n{}", why()))
}

fn names(deployment: &Deployment, manifests: &Manifests, reasoner: &Reasoner, may: &[String]) -> Known {
    let allowed = manifests.iter().filter(|m| may.iter().any(|name| name == m.name.as_str()));
    let capability =
        |m: &Arc<Manifest>| (m.name.clone(), KnownCapability { class: m.class, compensation: m.compensation.clone() });
    Known {
        capabilities: allowed.map(capability).collect(),
        rules: reasoner.names().rules.iter().cloned().collect(),
        templates: reasoner.names().templates.iter().cloned().collect(),
        roles: deployment.roles().collect(),
        playbooks: deployment.texts("playbooks").iter().filter_map(|(_, text)| sinew_planning::named(text)).collect(),
        routes: routes(
            &deployment.texts("devices"),
            manifests.iter().filter(|m| may.iter().any(|name| name == m.name.as_str())),
        ),
    }
}

/// Method and address -> the capability that acts there, for devices that have a base.
pub fn routes<'m>(
    devices: &[(String, String)],
    manifests: impl Iterator<Item = &'m Arc<Manifest>>,
) -> BTreeMap<(String, String), CapabilityName> {
    let tables = devices.iter().filter_map(|(_, text)| text.parse::<toml::Table>().ok());
    let bases: BTreeMap<String, String> = tables
        .filter_map(|table| {
            let text = |name: &str| table.get(name).and_then(toml::Value::as_str).map(str::to_owned);
            Some((text("id")?, text("base")?))
        })
        .collect();
    let route = |m: &Arc<Manifest>| {
        let text = |name: &str| m.operation.get(name).and_then(Value::as_str);
        let base = bases.get(m.device.as_str())?.trim_end_matches('/');
        Some(((text("method")?.to_owned(), format!("{base}{}", text("path")?)), m.name.clone()))
    };
    manifests.filter_map(route).collect()
}

/// One playbook's text, checked.
///
/// # Errors
/// With every finding that keeps it from running.
pub fn playbook(text: &str, known: &Known) -> Result<Arc<Playbook>> {
    let (playbook, findings) = sinew_planning::check(text, known);
    let why = || findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    playbook.map(Arc::new).with_context(why)
}

/// All playbooks of a deployment, checked.
///
/// # Errors
/// With every finding that keeps one from running.
pub fn playbooks(deployment: &Deployment, known: &Known) -> Result<Vec<Arc<Playbook>>> {
    let (mut playbooks, mut wrong): (Vec<Arc<Playbook>>, Vec<String>) = (Vec::new(), Vec::new());
    for (file, text) in deployment.texts("playbooks") {
        let (playbook, findings) = sinew_planning::check(&text, known);
        let errors = findings.iter().filter(|f| f.severity == Severity::Error || playbook.is_none());
        wrong.extend(errors.map(|f| format!("playbooks/{file}:{f}")));
        playbooks.extend(playbook.map(Arc::new));
    }
    if !wrong.is_empty() {
        bail!("the playbooks are not right:\n{}", wrong.join("\n"));
    }
    Ok(playbooks)
}

fn agent(deployment: &Deployment) -> Result<(PrincipalId, Vec<String>)> {
    let wanted = &deployment.config.agent;
    for (file, text) in deployment.texts("agents") {
        let agent: Agent = toml::from_str(&text).with_context(|| format!("`agents/{file}` is not right"))?;
        if agent.name == *wanted {
            let id = format!("agent:{wanted}").parse().with_context(|| format!("`agents/{file}` has a bad name"))?;
            return Ok((id, agent.may_ask_for.capabilities));
        }
    }
    bail!("sinew.toml names the agent `{wanted}`, and no file in agents/ has that name")
}

/// The devices of a deployment, under each face that they have.
#[derive(Default)]
struct Devices {
    devices: BTreeMap<DeviceId, Arc<dyn Device>>,
    folders: Vec<Arc<FolderDevice>>,
    /// With the `[[reflex]]` tables of the device's file, as they are written.
    wired: Vec<(Arc<MqttDevice>, Value)>,
}

/// Compiles the rules that stand beside devices.
fn rules(wired: Vec<(Arc<MqttDevice>, Value)>, manifests: &Manifests) -> Result<Vec<(Arc<MqttDevice>, Rules)>> {
    let compile = |(device, tables): (Arc<MqttDevice>, Value)| {
        let rules = Rules::compile(device.id(), &tables, manifests, device.as_ref())?;
        Ok((device, rules))
    };
    wired.into_iter().map(compile).collect()
}

fn open_devices(deployment: &Deployment) -> Result<Devices> {
    let surroundings = surroundings(deployment);
    let mut all = Devices::default();
    let own = ("http (built in)".to_owned(), HTTP.to_owned());
    for (file, text) in deployment.texts("devices").into_iter().chain([own]) {
        let value: toml::Value = toml::from_str(&text).with_context(|| format!("`devices/{file}` is not right"))?;
        let mut value: Value = serde_json::to_value(value).with_context(|| format!("`devices/{file}` is not right"))?;
        let reflexes = value.as_object_mut().and_then(|file| file.remove("reflex"));
        let opened = sinew_drivers::open(&value, &surroundings).with_context(|| format!("`devices/{file}`"))?;
        all.folders.extend(opened.folder);
        match (opened.mqtt, reflexes) {
            (Some(device), tables) => all.wired.push((device, tables.unwrap_or_else(|| json!([])))),
            (None, Some(_)) => {
                bail!("`devices/{file}`: only a device that speaks by itself (mqtt) can have a `reflex`")
            }
            (None, None) => {}
        }
        if let Some(twice) = all.devices.insert(opened.device.id().clone(), Arc::clone(&opened.device)) {
            bail!("`devices/{file}`: there are two devices named `{}`", twice.id());
        }
    }
    Ok(all)
}

fn surroundings(deployment: &Deployment) -> Surroundings {
    Surroundings {
        clock: Arc::new(SystemClock),
        hosts: deployment.config.hosts.clone(),
        egress: Egress::new(deployment.config.egress.allow.iter().cloned()),
        secrets: Arc::new(secrets(deployment.config.secrets.clone())),
        data_dir: deployment.config.data_dir.clone(),
    }
}

/// A secret by its reference, or by the name under which the deployment lists its reference: `secret:NAME`.
fn secrets(named: BTreeMap<String, String>) -> impl Fn(&str) -> Result<String, Failure> {
    move |reference| match reference.strip_prefix("secret:") {
        None => secret(reference),
        Some(name) => {
            let missing = || Failure::new(ErrorKind::Missing, format!("`[secrets]` in sinew.toml has no `{name}`"));
            secret(named.get(name).ok_or_else(missing)?)
        }
    }
}

/// A secret by its reference: `env:NAME` or `file:PATH`.
///
/// # Errors
/// `Missing` where it is not there; `Invalid` for another form of reference.
pub fn secret(reference: &str) -> Result<String, Failure> {
    let missing = |what: String| Failure::new(ErrorKind::Missing, what);
    match reference.split_once(':') {
        Some(("env", name)) => {
            std::env::var(name).map_err(|_| missing(format!("the environment has no variable `{name}`")))
        }
        Some(("file", path)) => std::fs::read_to_string(path)
            .map(|text| text.trim_end().to_owned())
            .map_err(|e| missing(format!("cannot read the secret file `{path}`")).caused_by(e)),
        _ => Err(Failure::new(ErrorKind::Invalid, "a secret is given as `env:NAME` or `file:PATH`")),
    }
}
