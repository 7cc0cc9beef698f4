//! `sinew.toml` and the command line's say over it: one typed `Config`, read once, checked whole.
//!
//! Does not know the other files of a deployment; `deployment` does.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use jiff::SignedDuration;
use serde::Deserialize;
use sinew_drivers::BrokerConfig;

/// Settings of a deployment.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// The deployment's name: letters, digits, `-`.
    pub name: String,
    /// The agent on whose behalf its playbooks act, as a file in `agents/`.
    pub agent: String,
    /// Where the pages and the API listen. Default `127.0.0.1:8484`; beyond loopback only with people who have tokens.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// Host names and addresses, other than loopback, by which browsers and machines call it, with or without a port, as in
    /// `["box.local", "192.168.1.5:8484"]`; an address named in `listen` is one. Requests for other names are refused.
    #[serde(default)]
    pub names: Vec<String>,
    /// Where everything is kept. Relative to the deployment's folder. Default `data`.
    #[serde(default = "default_data")]
    pub data_dir: PathBuf,
    /// Who is asked when policy asks and the playbook names nobody.
    pub gates: Gates,
    /// Logical host name -> where it really is, as in `"shop.local" = "http://127.0.0.1:8090"`.
    #[serde(default)]
    pub hosts: BTreeMap<String, String>,
    /// What may be called at all.
    #[serde(default)]
    pub egress: Egress,
    /// What lifts trust: systems whose word about something that was checked counts.
    #[serde(default)]
    pub records: Vec<SystemOfRecord>,
    /// A small MQTT broker inside the hub. Default none.
    #[serde(default)]
    pub broker: Option<BrokerConfig>,
    /// Name of a secret in playbooks -> its reference, as in `"shop.token" = "env:SHOP_TOKEN"`.
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    /// How pictures are read.
    #[serde(default)]
    pub scan: Scan,
    /// What the numbers on the first page should be.
    #[serde(default)]
    pub targets: Targets,
}

/// What the three numbers, and the touches of people, should be at most.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Targets {
    /// Event to verdict, the middle one, in milliseconds. Default 200.
    pub latency_p50_ms: f64,
    /// Event to verdict, the 95th of a hundred, in milliseconds. Default 500.
    pub latency_p95_ms: f64,
    /// One action, in millionths of the deployment's currency. Default 50,000.
    pub cost_per_action_micros: f64,
    /// Runs and acts that failed, per thousand. Default 10.
    pub failures_permille: f64,
    /// How often a person is needed per return. Default 0.3.
    pub touches_per_return: f64,
}

impl Default for Targets {
    fn default() -> Self {
        Self {
            latency_p50_ms: 200.0,
            latency_p95_ms: 500.0,
            cost_per_action_micros: 50_000.0,
            failures_permille: 10.0,
            touches_per_return: 0.3,
        }
    }
}

/// Who is asked by default.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Gates {
    /// A role of `people.toml`.
    pub role: String,
    /// How long a gate waits before it is refused, as in `"24h"`. Default 24 hours.
    #[serde(default = "default_life")]
    pub life: SignedDuration,
}

/// Host names that may be called; all others are refused.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Egress {
    /// Logical host names.
    pub allow: Vec<String>,
}

/// A system of record: what it says about a reading that passed its checks is verified, and nothing else lifts trust but a
/// person.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SystemOfRecord {
    /// Its logical host name, as in `"shop.local"`.
    pub host: String,
    /// How the path of a question to it begins, as in `"/returns/"`.
    pub path: String,
    /// JSON pointer into its answer to the list of matches, as in `"/matches"`: only a list of exactly one counts. None: any
    /// answer counts.
    #[serde(default)]
    pub one: Option<String>,
    /// JSON pointers into its answer, `*` for every item or member of a step, as in `"/matches/*/order"`: what it vouches for.
    /// What it only repeats (a remark of a customer) does not belong here.
    pub facts: Vec<String>,
}

/// How pictures are read.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scan {
    /// The symbologies to look for. A list is mandatory: a reader that looks for all of them invents values.
    pub formats: Vec<String>,
}

impl Default for Scan {
    fn default() -> Self {
        Self { formats: ["ean-13", "code-128", "qr"].map(str::to_owned).into() }
    }
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8484))
}
fn default_data() -> PathBuf {
    PathBuf::from("data")
}
const fn default_life() -> SignedDuration {
    SignedDuration::from_hours(24)
}

/// What the command line says over the file.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// Instead of `listen`.
    pub listen: Option<SocketAddr>,
    /// Instead of `data-dir`; relative to the working directory.
    pub data_dir: Option<PathBuf>,
    /// Added to `hosts`, as `name=url`.
    pub hosts: Vec<String>,
}

impl Config {
    /// Reads `sinew.toml` in `folder`, and lays the command line over it.
    ///
    /// # Errors
    /// Names the file, the line and the field.
    pub fn read(folder: &Path, overrides: &Overrides) -> Result<Self> {
        let path = folder.join("sinew.toml");
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read `{}`; a deployment is a folder with a sinew.toml", path.display()))?;
        let mut config: Self = toml::from_str(&text).with_context(|| format!("`{}` is not right", path.display()))?;
        config.data_dir = folder.join(&config.data_dir);
        config.lay_over(overrides)?;
        config.check()?;
        Ok(config)
    }

    fn lay_over(&mut self, overrides: &Overrides) -> Result<()> {
        self.listen = overrides.listen.unwrap_or(self.listen);
        if let Some(dir) = &overrides.data_dir {
            self.data_dir.clone_from(dir);
        }
        for host in &overrides.hosts {
            let Some((name, url)) = host.split_once('=') else {
                bail!("`--host {host}` is not of the form name=url, as in shop.local=http://127.0.0.1:8090");
            };
            self.hosts.insert(name.to_owned(), url.to_owned());
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if self.name.is_empty() || !self.name.chars().all(plain) {
            bail!("the name `{}` in sinew.toml has other characters than a-z, A-Z, 0-9 and -", self.name);
        }
        if self.gates.life.is_negative() || self.gates.life.is_zero() {
            bail!("`gates.life` in sinew.toml must be a positive duration, as in \"24h\"");
        }
        if self.scan.formats.is_empty() {
            bail!("`scan.formats` in sinew.toml is empty; name at least one, as in [\"ean-13\"]");
        }
        Ok(())
    }

    /// All names by which others may call it.
    pub fn all_names(&self) -> Vec<String> {
        let own = Some(self.listen).filter(|address| !address.ip().is_unspecified());
        self.names.iter().cloned().chain(own.map(|address| address.to_string())).collect()
    }

    /// How long a gate of policy's own waits.
    pub fn gate_life(&self) -> Duration {
        Duration::try_from(self.gates.life).unwrap_or(Duration::from_secs(86_400))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = "name = \"returns\"\nagent = \"return-clerk\"\n[gates]\nrole = \"lead\"\n";

    fn read(text: &str, overrides: &Overrides) -> Result<Config> {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("sinew.toml"), text).expect("a file");
        Config::read(folder.path(), overrides)
    }

    #[test]
    fn defaults_are_loopback_and_deny() {
        let config = read(SMALL, &Overrides::default()).expect("a small config is enough");
        assert!(config.listen.ip().is_loopback());
        assert!(config.egress.allow.is_empty());
        assert_eq!(config.gate_life(), Duration::from_secs(86_400));
    }

    #[test]
    fn the_command_line_has_the_last_word() {
        let overrides = Overrides { hosts: vec!["shop.local=http://127.0.0.1:1".to_owned()], ..Overrides::default() };
        let config = read(SMALL, &overrides).expect("overrides fit");
        assert_eq!(config.hosts.get("shop.local").map(String::as_str), Some("http://127.0.0.1:1"));
    }

    #[test]
    fn an_address_that_others_reach_is_a_name_of_its_own() {
        let check = |listen: &str, expected: &[&str]| {
            let text = format!("names = [\"box.local\"]\nlisten = \"{listen}\"\n{SMALL}");
            assert_eq!(read(&text, &Overrides::default()).expect("it is right").all_names(), expected);
        };
        check("192.168.1.5:8484", &["box.local", "192.168.1.5:8484"]);
        check("0.0.0.0:8484", &["box.local"]);
    }

    #[test]
    fn mistakes_are_named() {
        for (text, word) in [
            (format!("colour = 1\n{SMALL}"), "colour"),
            (SMALL.replace("returns", "re turns"), "re turns"),
            (SMALL.replace("[gates]", "[gates]\nlife = \"soon\""), "life"),
            (format!("{SMALL}[scan]\nformats = []\n"), "scan.formats"),
        ] {
            let error = format!("{:#}", read(&text, &Overrides::default()).expect_err("it is wrong"));
            assert!(error.contains(word), "{error}");
        }
    }
}
