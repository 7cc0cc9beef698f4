//! The file of a device with `driver = "mqtt"`, checked whole.
//!
//! Connects nowhere. The broker is a logical name: the allow-list must name it, and `[hosts]` says where it really is.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use jiff::SignedDuration;
use reqwest::Url;
use rumqttc::{LastWill, QoS};
use serde::Deserialize;
use sinew_contract::DeviceId;

use super::topics::{is_filter, is_topic, overlap};
use super::wire::{Address, tls};
use crate::open::OpenError;
use crate::surroundings::Surroundings;

/// One file of `devices/` with `driver = "mqtt"`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct MqttConfig {
    /// The device's name.
    pub id: DeviceId,
    /// Always `mqtt`.
    pub driver: String,
    /// The broker, as in `mqtt://plant.local` or `mqtts://plant.local:8883`; its host by the logical name.
    pub broker: String,
    /// How it calls itself at the broker. Default `sinew-<id>`. Two clients of one name throw each other out.
    #[serde(default)]
    pub client_id: Option<String>,
    /// The user's name, where the broker wants one.
    #[serde(default)]
    pub username: Option<String>,
    /// The password, as a reference: `env:NAME` or `file:PATH`.
    #[serde(default)]
    pub password: Option<String>,
    /// Certificates to trust, PEM. Default: what the system trusts.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// How often at least the two sides hear of each other. Default 15 s, from 1 s to 1 h.
    #[serde(default = "default_keep_alive")]
    pub keep_alive: SignedDuration,
    /// Said by the broker when the connection breaks.
    #[serde(default)]
    pub will: Option<Announcement>,
    /// Said whenever the connection stands.
    #[serde(default)]
    pub online: Option<Announcement>,
    /// What is heard for its own sake.
    #[serde(default)]
    pub reading: Vec<ReadingConfig>,
    /// A message longer than this ends the connection. Default 256 KiB.
    #[serde(default = "default_len")]
    pub message_len_max: usize,
}

/// A message about ourselves.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Announcement {
    /// Where.
    pub topic: String,
    /// What.
    pub payload: String,
    /// Kept by the broker for those who come later. Default true.
    #[serde(default = "yes")]
    pub retain: bool,
}

/// What is made of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReadingKind {
    /// An event: acknowledged to the broker only once it stands in the log. Never dropped.
    Event,
    /// A number over time: may be dropped where nobody keeps up, and each drop is counted.
    Telemetry,
}

/// One topic filter that is heard.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ReadingConfig {
    /// The filter, as in `dock/+/scan`.
    pub topic: String,
    /// See `ReadingKind`.
    pub kind: ReadingKind,
    /// The type of the events, as in `dock.scan.v1`. Default `sinew.reading.v1`.
    #[serde(default)]
    pub event_type: Option<String>,
    /// JSON pointer to the sender's own id of a message: the same one twice is once. None: each arrival is a new one.
    #[serde(default)]
    pub id: Option<String>,
    /// JSON pointer to the number of telemetry. Default: SenML, or the whole message as a number.
    #[serde(default)]
    pub value: Option<String>,
    /// UCUM unit of that number.
    #[serde(default)]
    pub unit: Option<String>,
}

const fn default_keep_alive() -> SignedDuration {
    SignedDuration::from_secs(15)
}
const fn default_len() -> usize {
    256 << 10
}
const fn yes() -> bool {
    true
}

/// All that a connection needs to know.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub address: Address,
    pub client_id: String,
    pub login: Option<(String, String)>,
    pub keep_alive: Duration,
    pub will: Option<LastWill>,
    pub online: Option<Announcement>,
    pub len_max: usize,
}

impl MqttConfig {
    /// Checks everything and resolves broker and secrets.
    pub(super) fn settle(&self, surroundings: &Surroundings) -> Result<Settings, OpenError> {
        self.check_readings()?;
        let keep_alive = Duration::try_from(self.keep_alive).unwrap_or_default();
        if !(1..=3600).contains(&keep_alive.as_secs()) {
            return Err(OpenError::config("`keep-alive` must be from 1s to 1h"));
        }
        for said in [&self.will, &self.online].into_iter().flatten() {
            if !is_topic(&said.topic) {
                return Err(OpenError::config(format!("`{}` is not a topic that one can publish to", said.topic)));
            }
        }
        Ok(Settings {
            address: self.address(surroundings)?,
            client_id: self.client_id.clone().unwrap_or_else(|| format!("sinew-{}", self.id)),
            login: self.login(surroundings)?,
            keep_alive,
            will: self.will.as_ref().map(|will| LastWill {
                topic: will.topic.clone(),
                message: Bytes::from(will.payload.clone()),
                qos: QoS::AtLeastOnce,
                retain: will.retain,
            }),
            online: self.online.clone(),
            len_max: self.message_len_max,
        })
    }

    fn check_readings(&self) -> Result<(), OpenError> {
        for (index, reading) in self.reading.iter().enumerate() {
            if !is_filter(&reading.topic) {
                return Err(OpenError::config(format!("reading `{}` is not a topic filter", reading.topic)));
            }
            let pointers = [&reading.id, &reading.value].into_iter().flatten();
            if let Some(wrong) = pointers.into_iter().find(|at| !at.is_empty() && !at.starts_with('/')) {
                return Err(OpenError::config(format!("`{wrong}` is not a JSON pointer; write `/{wrong}`")));
            }
            if let Some(other) = self.reading.iter().skip(index + 1).find(|other| overlap(&other.topic, &reading.topic))
            {
                let problem =
                    format!("readings `{}` and `{}` overlap; a message would come twice", reading.topic, other.topic);
                return Err(OpenError::config(problem));
            }
        }
        Ok(())
    }

    fn login(&self, surroundings: &Surroundings) -> Result<Option<(String, String)>, OpenError> {
        let Some(username) = &self.username else { return Ok(None) };
        let resolve = |reference: &String| {
            (surroundings.secrets)(reference)
                .map_err(|source| OpenError::Secret { reference: reference.clone(), source })
        };
        Ok(Some((username.clone(), self.password.as_ref().map(resolve).transpose()?.unwrap_or_default())))
    }

    fn address(&self, surroundings: &Surroundings) -> Result<Address, OpenError> {
        let wrong = |problem: &str| OpenError::config(format!("`broker` `{}` {problem}", self.broker));
        let logical =
            broker_url(&self.broker).ok_or_else(|| wrong("is not of the form mqtt://host or mqtts://host:port"))?;
        let host = logical.host_str().unwrap_or_default();
        if !surroundings.egress.allows(host, logical.port()) {
            return Err(wrong("is not in `egress.allow`; add its host there if it should be called"));
        }
        let real = match surroundings.hosts.get(host) {
            Some(base) => {
                broker_url(base).ok_or_else(|| wrong(&format!("maps to `{base}`, which is no mqtt:// address")))?
            }
            None => logical,
        };
        let secured = real.scheme() == "mqtts";
        let ca = self.ca.as_ref().map(|path| surroundings.data_dir.join(path));
        let tls = secured.then(|| tls(ca.as_deref())).transpose().map_err(|problem| wrong(&problem))?;
        let port = real.port().unwrap_or(if secured { 8883 } else { 1883 });
        let host = real.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        Ok(Address { host, port, tls })
    }
}

/// An address of a broker: scheme, host and port alone.
fn broker_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let plain =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    let bare = matches!(url.path(), "" | "/");
    (matches!(url.scheme(), "mqtt" | "mqtts") && url.has_host() && plain && bare).then_some(url)
}
