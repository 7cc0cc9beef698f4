//! Who is measured, each as a process of its own: the bare rule, Sinew on a deployment made for it, Node-RED.
//!
//! Ends its own children alone.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rumqttc::{Event, Packet, QoS};
use serde::Serialize;
use serde_json::{Value, json};
use sinew_contract::{Journal, Record, Seq};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::Args;
use super::load::{Broker, quality};
use crate::cli::{Exit, Outcome};
use crate::runtime::random;

/// How long a peer may take until it answers.
const START_MAX: Duration = Duration::from_secs(60);

/// The deployment that `sinew up` is started with: that of `examples/reflex`, whose rule also looks at the clock.
const FILES: [(&str, &str); 6] = [
    ("sinew.toml", include_str!("../../../../examples/reflex/sinew.toml")),
    ("people.toml", include_str!("../../../../examples/reflex/people.toml")),
    ("agents/operator.toml", include_str!("../../../../examples/reflex/agents/operator.toml")),
    ("capabilities/line.stop.toml", include_str!("../../../../examples/reflex/capabilities/line.stop.toml")),
    ("policies/line.cedar", include_str!("../../../../examples/reflex/policies/line.cedar")),
    ("devices/line.toml", include_str!("../../../../examples/reflex/devices/line.toml")),
];

/// The peers of a round, with their modes.
pub fn all(node_red: bool) -> Vec<(&'static str, &'static str)> {
    let mut all = vec![("bare", "rule"), ("sinew", "policy+journal")];
    if node_red {
        all.extend([("node-red", "stock"), ("node-red", "tuned")]);
    }
    all
}

/// What stands in Sinew's log after the round.
#[derive(Clone, Debug, Default, Serialize)]
pub struct OnRecord {
    /// Commands that came back over the wire.
    pub commands: u64,
    /// Firings on record.
    pub count: u64,
    /// Readings that were too old, on record.
    pub late: u64,
    /// Entries that say so.
    pub entries: u64,
}

/// A peer that answers.
pub struct Peer {
    child: Child,
    folder: PathBuf,
    system: &'static str,
}

impl Peer {
    /// Starts it and waits until it answers.
    ///
    /// # Errors
    /// Where it cannot be started or never answers.
    pub async fn start(system: &'static str, mode: &str, args: &Args) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("sinew-bench-{:016x}", u64::from_be_bytes(random())));
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
        let mut command = match system {
            "bare" => bare(args)?,
            "sinew" => sinew(&folder, args)?,
            _ => node_red(&folder, mode, args)?,
        };
        let log = std::fs::File::create(folder.join("log")).context("cannot make a log file")?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
        let mut child = command.spawn().context("cannot start it")?;
        // Read to its end, so that the pipe never fills up.
        if let Some(stdout) = child.stdout.take() {
            let mut lines = BufReader::new(stdout).lines();
            tokio::spawn(async move { while matches!(lines.next_line().await, Ok(Some(_))) {} });
        }
        let mut peer = Self { child, folder, system };
        peer.answers(&args.broker).await?;
        Ok(peer)
    }

    /// Asks until a command comes back.
    async fn answers(&mut self, broker: &Broker) -> Result<()> {
        let (client, mut events) = broker.client("probe");
        client.subscribe("act/cmd", QoS::AtMostOnce).await?;
        let probe = async {
            let mut tick = tokio::time::interval(Duration::from_millis(200));
            loop {
                tokio::select! {
                    event = events.poll() => {
                        if let Event::Incoming(Packet::Publish(_)) = event? { return Ok::<_, anyhow::Error>(()) }
                    }
                    _ = tick.tick() => {
                        let t = sinew_contract::Clock::now(&crate::runtime::SystemClock).wall.0;
                        let body = format!("{{\"seq\":0,\"value\":99,\"t\":{t}}}");
                        client.publish("sensor/probe/temp", QoS::AtMostOnce, false, body).await?;
                    }
                }
            }
        };
        let ended = tokio::select! {
            answered = tokio::time::timeout(START_MAX, probe) => return answered.context("it never answers")?,
            ended = self.child.wait() => ended?,
        };
        let said = std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        bail!("it ended with {ended}: {}", said.lines().rev().take(5).collect::<Vec<_>>().join(" | "))
    }

    /// Ends it, and reads what stands in its log where it has one.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub async fn end(mut self) -> Result<Option<OnRecord>> {
        let id = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        if let Some(id) = id {
            rustix::process::kill_process(id, rustix::process::Signal::TERM).context("cannot end it")?;
        }
        if tokio::time::timeout(Duration::from_secs(10), self.child.wait()).await.is_err() {
            self.child.kill().await.context("cannot end it")?;
        }
        let found = if self.system == "sinew" { Some(on_record(&self.folder.join("data"))?) } else { None };
        std::fs::remove_dir_all(&self.folder).with_context(|| format!("cannot remove `{}`", self.folder.display()))?;
        Ok(found)
    }
}

fn on_record(data: &Path) -> Result<OnRecord> {
    let (log, _) = crate::assembly::open_log(data)?;
    let (mut found, mut from) = (OnRecord::default(), Seq::ZERO.next());
    loop {
        let entries = log.read(from, 256)?;
        let Some(last) = entries.last() else { return Ok(found) };
        from = last.seq().next();
        for entry in &entries {
            if let Record::Reflexed(slice) = &entry.record {
                found.count += slice.count;
                found.late += slice.late;
                found.entries += 1;
            }
        }
    }
}

fn own() -> Result<PathBuf> {
    std::env::current_exe().context("cannot find this binary")
}

fn bare(args: &Args) -> Result<Command> {
    let mut command = Command::new(own()?);
    let (broker, qos) = (args.broker.to_string(), args.qos.to_string());
    command.args(["bench", "reflex", "--be-bare", "--broker", &broker, "--qos", &qos]);
    Ok(command)
}

fn sinew(folder: &Path, args: &Args) -> Result<Command> {
    for (name, text) in FILES {
        let path = folder.join(name);
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent).with_context(|| format!("cannot make `{}`", parent.display()))?;
        let text =
            text.replace("above = 80.0", "above = 80.0, at = \"/t\"").replace("grant = \"24h\"", "fresh = \"250ms\"");
        std::fs::write(&path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    let mut command = Command::new(own()?);
    let host = format!("plant.local={}", args.broker);
    command.arg("--json").arg("up").arg(folder).arg("--data-dir").arg(folder.join("data"));
    command.args(["--listen", "127.0.0.1:0", "--host", &host]);
    Ok(command)
}

/// Node-RED with one flow: mqtt in -> switch -> function -> mqtt out. Tuned: every socket without Nagle's algorithm.
fn node_red(folder: &Path, mode: &str, args: &Args) -> Result<Command> {
    let root = args.node_red.as_deref().context("`--node-red` names its folder")?;
    let broker = args.broker.to_string();
    let (host, port) = broker.trim_start_matches("mqtt://").rsplit_once(':').context("a broker has a port")?;
    let flow = json!([
        {"id": "tab", "type": "tab", "label": "reflex"},
        {"id": "broker", "type": "mqtt-broker", "broker": host, "port": port, "clientid": "", "autoConnect": true,
            "usetls": false, "protocolVersion": "4", "keepalive": "60", "cleansession": true},
        {"id": "in", "type": "mqtt in", "z": "tab", "topic": "sensor/+/temp", "qos": args.qos.to_string(),
            "datatype": "json", "broker": "broker", "wires": [["rule"]]},
        {"id": "rule", "type": "switch", "z": "tab", "property": "payload.value", "propertyType": "msg",
            "rules": [{"t": "gt", "v": "80", "vt": "num"}], "checkall": "true", "outputs": 1, "wires": [["make"]]},
        {"id": "make", "type": "function", "z": "tab", "outputs": 1, "wires": [["out"]],
            "func": "return {topic:'act/cmd',payload:{cmd:'stop',seq:msg.payload.seq}};"},
        {"id": "out", "type": "mqtt out", "z": "tab", "topic": "act/cmd", "qos": args.qos.to_string(), "retain": "false",
            "broker": "broker", "wires": []},
    ]);
    let settings = "module.exports={flowFile:'flows.json',uiHost:'127.0.0.1',uiPort:0,httpAdminRoot:false,\
        credentialSecret:false,telemetry:{enabled:false,updateNotification:false}}";
    let nodelay = "const s=require('net').Socket.prototype,c=s.connect;\
        s.connect=function(...a){const r=c.apply(this,a);this.setNoDelay(true);return r}";
    for (name, text) in [("flows.json", flow.to_string().as_str()), ("settings.js", settings), ("nodelay.js", nodelay)]
    {
        std::fs::write(folder.join(name), text).with_context(|| format!("cannot write `{name}`"))?;
    }
    let mut command = Command::new("node");
    if mode == "tuned" {
        command.arg("-r").arg(folder.join("nodelay.js"));
    }
    command.arg(root.join("node_modules/node-red/red.js")).arg("-u").arg(folder);
    Ok(command)
}

/// The floor: one rule on the plain client, and nothing else.
pub async fn be_bare(broker: Broker, qos: u8) -> Outcome {
    let (client, mut events) = broker.client("bare");
    // A full queue of requests would be a subscription that never leaves; it is empty here.
    let _ = client.subscribe("sensor/+/temp", quality(qos)).await;
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::Publish(heard))) => {
                let said: Value = serde_json::from_slice(&heard.payload).unwrap_or_default();
                let value = said.get("value").and_then(Value::as_f64).unwrap_or_default();
                if let Some(number) = said.get("seq").filter(|_| value > 80.0) {
                    let command = format!("{{\"cmd\":\"stop\",\"seq\":{number}}}");
                    // The floor drops what its queue does not take; the row then says what was lost.
                    let _ = client.try_publish("act/cmd", quality(qos), false, command);
                }
            }
            Ok(_) => {}
            Err(error) => {
                eprintln!("{error}");
                return Ok(Exit::Unreachable);
            }
        }
    }
}
