//! A thing that describes itself (W3C Web of Things Thing Description 1.1): properties, actions and events over HTTP and MQTT.
//!
//! Believes a description's names and paths, not its addresses: things advertise addresses of networks that we are not on.
//! All calls go to `base` and `broker`, logical names that the deployment allows; of a form's `href` only path or topic is
//! used. A written property is read back, an answer of 500 is an unknown outcome, and a value outside of its data schema
//! never leaves.
//!
//! Operations: `{ property = "speed" }` reads, with `value = "/speed"` writes; `{ action = "start", input = "/speed" }` invokes;
//! `via = "mqtt"` chooses the wire where there are both. `value` and `input` are JSON pointers into the arguments.

mod thing;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};
use sinew_contract::{Clock, Command, Deadline, Device, DeviceId, ErrorKind, Failure, Reading, Reply};
use sinew_expr::Schema;

use crate::http::{HttpConfig, HttpDevice};
use crate::mqtt::MqttDevice;
use crate::open::{OpenError, Opened};
use crate::surroundings::Surroundings;
use thing::Security;
pub use thing::{Affordance, Form, Thing, Via};

/// Numbers that are read back may differ by so much of their size: a device rounds.
const TOLERANCE: f64 = 1e-6;
/// How long a thing may take until a written property reads so, and how often it is asked.
const SETTLE_MAX: Duration = Duration::from_secs(1);
const SETTLE_EVERY: Duration = Duration::from_millis(50);
/// The reference under which the header of its security scheme is resolved.
const OWN_HEADER: &str = "env:own-header";

/// One file of `devices/` with `driver = "wot"`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct WotConfig {
    /// The device's name.
    pub id: DeviceId,
    /// Always `wot`.
    pub driver: String,
    /// The description itself, as JSON text; `sinew device add` writes it.
    pub td: String,
    /// Where its HTTP forms really are: scheme and logical host. None: they are not used.
    #[serde(default)]
    pub base: Option<String>,
    /// Where its MQTT forms really are. None: they are not used.
    #[serde(default)]
    pub broker: Option<String>,
    /// The secret of its security scheme, as `env:NAME` or `file:PATH`: a token, a key, or `user:password`.
    #[serde(default)]
    pub secret: Option<String>,
}

/// A thing.
pub struct WotDevice {
    id: DeviceId,
    thing: Thing,
    http: Option<HttpDevice>,
    mqtt: Option<Arc<MqttDevice>>,
    schemas: BTreeMap<String, Schema>,
    clock: Arc<dyn Clock>,
}

/// What an operation of a manifest says.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Operation {
    property: Option<String>,
    action: Option<String>,
    value: Option<String>,
    input: Option<String>,
    via: Option<Via>,
}

/// An operation, held against the description.
enum Step<'t> {
    Read(&'t Form),
    Write { name: &'t str, form: &'t Form, back: Option<&'t Form>, at: String },
    Invoke { name: &'t str, form: &'t Form, input: Option<String> },
}

/// Opens a device whose file says `driver = "wot"`. Calls nothing.
///
/// # Errors
/// `Config` for a description that is no use or names that are not allowed; `Secret`.
pub fn open_device(file: &Value, surroundings: &Surroundings) -> Result<Opened, OpenError> {
    let config = WotConfig::deserialize(file).map_err(|error| OpenError::config(error.to_string()))?;
    let device = Arc::new(WotDevice::open(&config, surroundings)?);
    let mqtt = device.mqtt.clone();
    Ok(Opened { device, folder: None, mqtt })
}

impl WotDevice {
    /// Checks the description and opens the wires that it needs.
    ///
    /// # Errors
    /// As [`open_device`].
    pub fn open(config: &WotConfig, surroundings: &Surroundings) -> Result<Self, OpenError> {
        let thing = Thing::read(&config.td).map_err(OpenError::config)?;
        if config.base.is_none() && config.broker.is_none() {
            return Err(OpenError::config("say where it is: `base` for its HTTP forms, `broker` for its MQTT forms"));
        }
        let http = config.base.as_ref().map(|base| open_http(config, base, &thing, surroundings)).transpose()?;
        let mqtt = config.broker.as_ref().map(|broker| open_mqtt(config, broker, &thing, surroundings)).transpose()?;
        let schemas = thing.schemas().map_err(OpenError::config)?;
        let (id, clock) = (config.id.clone(), Arc::clone(&surroundings.clock));
        Ok(Self { id, thing, http, mqtt, schemas, clock })
    }

    fn has(&self, via: Via) -> bool {
        match via {
            Via::Http => self.http.is_some(),
            Via::Mqtt => self.mqtt.is_some(),
        }
    }

    fn step(&self, operation: &Value) -> Result<Step<'_>, Failure> {
        let said = Operation::deserialize(operation).map_err(|error| wrong(&error.to_string()))?;
        let usable = |via| self.has(via) && said.via.is_none_or(|wanted| wanted == via);
        let none =
            |name: &str, op: &str| wrong(&format!("`{name}` has no form for `{op}` on a wire that is configured"));
        match (&said.property, &said.action, &said.value, &said.input) {
            (Some(name), None, value, None) => {
                let found = self.thing.property(name);
                let (name, property) = found.ok_or_else(|| wrong(&format!("the thing has no property `{name}`")))?;
                let form = |op| property.form(op, usable).ok_or_else(|| none(name, op));
                let Some(at) = value else { return Ok(Step::Read(form("readproperty")?)) };
                if property.read_only {
                    return Err(wrong(&format!("the property `{name}` is read-only")));
                }
                let (form, back) = (form("writeproperty")?, property.form("readproperty", |via| self.has(via)));
                Ok(Step::Write { name, form, back, at: at.clone() })
            }
            (None, Some(name), None, input) => {
                let found = self.thing.action(name);
                let (name, action) = found.ok_or_else(|| wrong(&format!("the thing has no action `{name}`")))?;
                let form = action.form("invokeaction", usable).ok_or_else(|| none(name, "invokeaction"))?;
                Ok(Step::Invoke { name, form, input: input.clone() })
            }
            _ => Err(wrong("say either `property` (with `value` to write it) or `action` (with `input`)")),
        }
    }

    /// Asks for what stands at a form.
    async fn ask(&self, form: &Form, deadline: Deadline) -> Result<Value, Failure> {
        match (form.via, &self.http, &self.mqtt) {
            (Via::Http, Some(http), _) => {
                http.read(&json!({ "method": "GET", "path": form.place }), &json!({}), deadline).await
            }
            (Via::Mqtt, _, Some(mqtt)) => {
                mqtt.read(&json!({ "state": form.place, "fresh": "1h" }), &json!({}), deadline).await
            }
            _ => Err(wrong("its wire is not configured")),
        }
    }

    /// Sends a value to a form, once.
    async fn send(&self, form: &Form, method: &str, value: Value, command: &Command) -> Result<Reply, Failure> {
        let method = form.method.as_deref().unwrap_or(method);
        let operation = match form.via {
            Via::Http => json!({ "method": method, "path": form.place }),
            Via::Mqtt => json!({ "publish": form.place, "qos": 1 }),
        };
        let command = Command { operation, args: value, ..command.clone() };
        match (form.via, &self.http, &self.mqtt) {
            (Via::Http, Some(http), _) => http.write(&command).await,
            (Via::Mqtt, _, Some(mqtt)) => mqtt.write(&command).await,
            _ => Err(wrong("its wire is not configured")),
        }
    }

    /// Holds a value against its data schema.
    fn fits(&self, what: &str, value: &Value) -> Result<(), Failure> {
        let Some(schema) = self.schemas.get(what) else { return Ok(()) };
        schema.check(value).map_err(|findings| {
            let all: Vec<_> = findings.iter().map(|finding| finding.message.clone()).collect();
            Failure::new(
                ErrorKind::Invalid,
                format!("`{value}` is no value for `{what}`: {}; nothing was sent", all.join("; ")),
            )
        })
    }

    /// Waits until a property reads as it was written; returns what it read last.
    async fn reads_back(&self, form: &Form, wanted: &Value, deadline: Deadline) -> Result<Value, Failure> {
        let until = tokio::time::Instant::now() + SETTLE_MAX.min(deadline.remaining(self.clock.now()));
        loop {
            let found = self.ask(form, deadline).await;
            let settled = found.as_ref().is_ok_and(|found| alike(found, wanted));
            if settled || tokio::time::Instant::now() >= until {
                return found;
            }
            tokio::time::sleep(SETTLE_EVERY).await;
        }
    }

    async fn set(
        &self,
        (name, form, back): (&str, &Form, Option<&Form>),
        wanted: Value,
        command: &Command,
    ) -> Result<Reply, Failure> {
        self.fits(&format!("property/{name}"), &wanted)?;
        let sent = self.send(form, "PUT", wanted.clone(), command).await;
        let unsure = match &sent {
            Ok(Reply::Accepted(_)) => None,
            // Whether it arrived is not known: what the property reads is the only witness.
            Err(failure) if failure.kind() == ErrorKind::Broken => Some(failure.to_string()),
            _ => return sent,
        };
        let Some(back) = back else { return sent };
        match self.reads_back(back, &wanted, command.expires).await {
            Ok(found) if alike(&found, &wanted) => Ok(Reply::Accepted(json!({ "read_back": found }))),
            Ok(found) => {
                let told = unsure.map(|what| format!("{what}; ")).unwrap_or_default();
                Err(Failure::new(ErrorKind::Broken, format!("{told}`{name}` was set to {wanted} and reads {found}")))
            }
            Err(failure) => {
                Err(Failure::new(ErrorKind::Broken, format!("`{name}` was set and cannot be read back"))
                    .caused_by(failure))
            }
        }
    }
}

#[async_trait]
impl Device for WotDevice {
    fn id(&self) -> &DeviceId {
        &self.id
    }

    fn check(&self, operation: &Value) -> Result<(), Failure> {
        self.step(operation).map(drop)
    }

    async fn read(&self, operation: &Value, _args: &Value, deadline: Deadline) -> Result<Value, Failure> {
        match self.step(operation)? {
            Step::Read(form) => self.ask(form, deadline).await,
            Step::Write { .. } | Step::Invoke { .. } => Err(wrong("only a `property` without `value` can be read")),
        }
    }

    async fn write(&self, command: &Command) -> Result<Reply, Failure> {
        let value = |at: &str| {
            let missing = || Failure::new(ErrorKind::Invalid, format!("nothing stands at `{at}` in the arguments"));
            command.args.pointer(at).cloned().ok_or_else(missing)
        };
        match self.step(&command.operation)? {
            Step::Read(_) => Err(wrong("to read a property is no command; give it a `value` to write")),
            Step::Write { name, form, back, at } => self.set((name, form, back), value(&at)?, command).await,
            Step::Invoke { name, form, input } => {
                let input = input.map(|at| value(&at)).transpose()?;
                if let Some(input) = &input {
                    self.fits(&format!("action/{name}"), input)?;
                }
                self.send(form, "POST", input.unwrap_or_default(), command).await
            }
        }
    }

    async fn listen(&self) -> Result<Reading, Failure> {
        match &self.mqtt {
            Some(mqtt) => mqtt.listen().await,
            None => Err(Failure::new(ErrorKind::Missing, format!("device `{}` never speaks by itself", self.id))),
        }
    }
}

fn open_http(
    config: &WotConfig,
    base: &str,
    thing: &Thing,
    surroundings: &Surroundings,
) -> Result<HttpDevice, OpenError> {
    let header = match (&thing.security, &config.secret) {
        (Security::None, _) => None,
        (_, None) => return Err(OpenError::config("the thing wants to know who calls; give its `secret`")),
        (Security::ApiKey(name), Some(_)) => Some(name.clone()),
        (Security::Basic | Security::Bearer, Some(_)) => Some("authorization".to_owned()),
    };
    let mut file = json!({ "id": config.id, "driver": "http", "base": base });
    if let Some(header) = header {
        file["headers"] = json!({ header: OWN_HEADER });
    }
    let (secrets, own) = (Arc::clone(&surroundings.secrets), config.secret.clone().unwrap_or_default());
    let security = thing.security.clone();
    let wrapped = move |reference: &str| match reference {
        OWN_HEADER => secrets(&own).map(|secret| match &security {
            Security::Basic => format!("Basic {}", base64(secret.as_bytes())),
            Security::Bearer => format!("Bearer {secret}"),
            Security::ApiKey(_) | Security::None => secret,
        }),
        other => secrets(other),
    };
    let surroundings = Surroundings { secrets: Arc::new(wrapped), ..surroundings.clone() };
    HttpDevice::open(&HttpConfig::read(&file)?, &surroundings)
}

fn open_mqtt(
    config: &WotConfig,
    broker: &str,
    thing: &Thing,
    surroundings: &Surroundings,
) -> Result<Arc<MqttDevice>, OpenError> {
    let readings = thing.topics().into_iter().map(|(topic, event)| match event {
        Some(name) => json!({ "topic": topic, "kind": "event", "event-type": format!("wot.{name}") }),
        None => json!({ "topic": topic, "kind": "telemetry" }),
    });
    let readings: Vec<_> = readings.collect();
    let mut file = json!({ "id": config.id, "driver": "mqtt", "broker": broker, "reading": readings });
    if let (Security::Basic, Some(secret)) = (&thing.security, &config.secret) {
        let resolved = (surroundings.secrets)(secret);
        let resolved = resolved.map_err(|source| OpenError::Secret { reference: secret.clone(), source })?;
        let (user, password) = resolved.split_once(':').unwrap_or((resolved.as_str(), ""));
        (file["username"], file["password"]) = (user.into(), OWN_HEADER.into());
        let password = password.to_owned();
        let surroundings = Surroundings { secrets: Arc::new(move |_| Ok(password.clone())), ..surroundings.clone() };
        return opened(&file, &surroundings);
    }
    opened(&file, surroundings)
}

fn opened(file: &Value, surroundings: &Surroundings) -> Result<Arc<MqttDevice>, OpenError> {
    let opened = crate::mqtt::open_device(file, surroundings)?;
    opened.mqtt.ok_or_else(|| OpenError::config("the MQTT side cannot be opened"))
}

/// Equal values; numbers within the tolerance.
fn alike(found: &Value, wanted: &Value) -> bool {
    match (found.as_f64(), wanted.as_f64()) {
        (Some(found), Some(wanted)) => (found - wanted).abs() <= TOLERANCE * wanted.abs().max(1.0),
        _ => found == wanted,
    }
}

fn wrong(what: &str) -> Failure {
    Failure::new(ErrorKind::Invalid, format!("the operation is not right: {what}"))
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let word = three.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let index = usize::try_from(word >> (18 - 6 * place) & 63).unwrap_or_default();
            let letter = ALPHABET.get(index).copied().unwrap_or_default();
            text.push(if place <= three.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        for (plain, coded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("ana:s3cret", "YW5hOnMzY3JldA==")]
        {
            assert_eq!(base64(plain.as_bytes()), coded, "{plain}");
        }
    }
}
