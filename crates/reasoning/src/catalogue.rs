//! The models of a deployment, as its files in `models/` say: providers, models, ladders of roles, budgets, prices.
//!
//! Checked whole at load. Does not know how a model is called.
//!
//! ```toml
//! [providers.local]
//! wire = "openai"                      # openai | anthropic | gemini
//! url = "http://127.0.0.1:11434/v1"
//! key = "env:LOCAL_KEY"                # a reference, never the key itself
//! free = true                          # our own machine: its calls cost nothing
//!
//! [models.small]
//! provider = "local"
//! id = "qwen3:4b"
//!
//! [ladders.judge]
//! rungs = ["rules", { model = "small", deadline = "5s" }, "template"]
//!
//! [budgets]
//! action = { calls = 4, tokens = 40000, micros = 50000, duration = "60s" }
//! day = { calls = 2000, micros = 5000000 }
//!
//! [prices]
//! as-of = "2026-11-01"
//! [prices.models.small]
//! input = 150000                       # millionths of the currency per million tokens
//! cached = 75000
//! output = 600000
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;
use serde::Deserialize;

use crate::load::{LoadError, read_toml};
use crate::providers::wire;

/// Everything in the files of `models/`, put together.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// By name.
    pub providers: BTreeMap<String, Provider>,
    /// By name.
    pub models: BTreeMap<String, Model>,
    /// By role.
    pub ladders: BTreeMap<String, Vec<Step>>,
    /// What may be used.
    pub budgets: Budgets,
    /// What it costs.
    pub prices: Prices,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    #[serde(default)]
    providers: BTreeMap<String, Provider>,
    #[serde(default)]
    models: BTreeMap<String, Model>,
    #[serde(default)]
    ladders: BTreeMap<String, Ladder>,
    budgets: Option<Budgets>,
    prices: Option<Prices>,
}

/// Where models are.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Provider {
    /// A name of `providers::PROVIDERS`.
    pub wire: String,
    /// The base address; the wire adds its paths.
    pub url: String,
    /// A reference to the key: `env:NAME` or `file:PATH`.
    pub key: Option<String>,
    /// More headers; each value is a reference or, after `text:`, a plain text.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Its calls cost nothing: a machine of our own.
    #[serde(default)]
    pub free: bool,
}

/// One model.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Model {
    /// A name of `providers`.
    pub provider: String,
    /// The provider's own name of it.
    pub id: String,
    /// Tokens that it can read and write together. Default 32,768.
    #[serde(default = "default_context")]
    pub context: u32,
    /// Tokens that one answer may have. Default 1,024.
    #[serde(default = "default_output")]
    pub output_max: u32,
    /// Whether the schema is handed to the provider; it is in the prompt and checked here in any case. Default true.
    #[serde(default = "default_true")]
    pub schema: bool,
    /// Whether it can see. Default false.
    #[serde(default)]
    pub images: bool,
    /// Whether answers come piece by piece. Default false.
    #[serde(default)]
    pub stream: bool,
    /// Default 0; `-1` leaves it to the provider.
    #[serde(default)]
    pub temperature: f64,
    /// How long an answer to the very same question may be used again, as in `"10m"`. Default never.
    pub cache: Option<SignedDuration>,
}

const fn default_context() -> u32 {
    32_768
}
const fn default_output() -> u32 {
    1_024
}
const fn default_true() -> bool {
    true
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ladder {
    rungs: Vec<RawStep>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum RawStep {
    Name(String),
    Model(ModelStep),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelStep {
    model: String,
    deadline: Option<SignedDuration>,
}

/// One rung of a ladder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A rung without a provider: `rules`, `template`, …
    Own(String),
    /// A model, and how long it has.
    Model(String, Duration),
}

/// How long a model has where nobody says.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// What may be used, by whom and when. What is not named has no limit.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Budgets {
    /// One question.
    #[serde(default)]
    pub action: Limit,
    /// One run.
    #[serde(default)]
    pub run: Limit,
    /// One playbook, per day; the key is its name.
    #[serde(default)]
    pub playbooks: BTreeMap<String, Limit>,
    /// One day, UTC.
    #[serde(default)]
    pub day: Limit,
    /// One month, UTC.
    #[serde(default)]
    pub month: Limit,
}

/// A limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limit {
    /// Calls.
    pub calls: Option<u64>,
    /// Tokens, in and out.
    pub tokens: Option<u64>,
    /// Millionths of the deployment's currency.
    pub micros: Option<i64>,
    /// Time spent waiting for models.
    pub duration: Option<SignedDuration>,
}

/// A dated list of prices.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Prices {
    /// The day on which they were looked up, as in `2026-11-01`.
    #[serde(default)]
    pub as_of: String,
    /// By the model's name in the deployment.
    #[serde(default)]
    pub models: BTreeMap<String, Price>,
}

/// Millionths of the deployment's currency per million tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Price {
    /// In.
    pub input: u64,
    /// In, from the provider's cache. Default as `input`.
    pub cached: Option<u64>,
    /// Out.
    pub output: u64,
}

impl Price {
    /// What so many tokens cost, rounded up: never under-charged.
    pub fn of(&self, input: u64, cached: u64, output: u64) -> i64 {
        let cached = cached.min(input);
        let parts = [(input - cached, self.input), (cached, self.cached.unwrap_or(self.input)), (output, self.output)];
        let sum: u128 = parts.iter().map(|(tokens, price)| u128::from(*tokens) * u128::from(*price)).sum();
        i64::try_from(sum.div_ceil(1_000_000)).unwrap_or(i64::MAX)
    }
}

impl Catalogue {
    /// Reads the files of `models/`, each a pair of file name and text.
    ///
    /// # Errors
    /// With the file and the place of the first thing that is wrong.
    pub fn load(files: &[(String, String)]) -> Result<Self, LoadError> {
        let mut all = Self::default();
        for (file, text) in files {
            all.add(file, read_toml(file, text)?)?;
        }
        all.check()?;
        Ok(all)
    }

    fn add(&mut self, file: &str, own: File) -> Result<(), LoadError> {
        let twice = |what: &str, name: &str| LoadError::new(file, format!("{what} `{name}`"), "it stands in two files");
        for (name, provider) in own.providers {
            if self.providers.insert(name.clone(), provider).is_some() {
                return Err(twice("provider", &name));
            }
        }
        for (name, model) in own.models {
            if self.models.insert(name.clone(), model).is_some() {
                return Err(twice("model", &name));
            }
        }
        for (role, ladder) in own.ladders {
            let steps = ladder.rungs.into_iter().map(step).collect::<Result<_, _>>();
            let steps = steps.map_err(|problem| LoadError::new(file, format!("ladder `{role}`"), problem))?;
            if self.ladders.insert(role.clone(), steps).is_some() {
                return Err(twice("ladder", &role));
            }
        }
        self.budgets = own.budgets.unwrap_or_else(|| std::mem::take(&mut self.budgets));
        self.prices = own.prices.unwrap_or_else(|| std::mem::take(&mut self.prices));
        Ok(())
    }

    fn check(&self) -> Result<(), LoadError> {
        let wrong = |place: String, problem: String| Err(LoadError::new("models/", place, problem));
        for (name, provider) in &self.providers {
            if wire(&provider.wire).is_none() {
                let problem = format!("there is no wire `{}`; there are openai, anthropic and gemini", provider.wire);
                return wrong(format!("provider `{name}`"), problem);
            }
        }
        for (name, model) in &self.models {
            let Some(provider) = self.providers.get(&model.provider) else {
                return wrong(format!("model `{name}`"), format!("there is no provider `{}`", model.provider));
            };
            if !provider.free && self.prices.models.is_empty() {
                let problem = "nothing says what it costs; add [prices], or `free = true` to a provider of your own";
                return wrong(format!("model `{name}`"), problem.to_owned());
            }
            if model.output_max == 0 || model.output_max >= model.context {
                return wrong(format!("model `{name}`"), "`output-max` must be above 0 and below `context`".to_owned());
            }
        }
        for (role, steps) in &self.ladders {
            for step in steps {
                if let Step::Model(name, _) = step
                    && !self.models.contains_key(name)
                {
                    return wrong(format!("ladder `{role}`"), format!("there is no model `{name}`"));
                }
            }
        }
        Ok(())
    }

    /// The price of a model; the dearest of all for one that has none.
    pub fn price(&self, model: &str) -> Price {
        let of = self.models.get(model).and_then(|own| self.providers.get(&own.provider));
        if of.is_some_and(|provider| provider.free) {
            return Price::default();
        }
        let all = || self.prices.models.values();
        let dearest = || Price {
            input: all().map(|p| p.input).max().unwrap_or(0),
            cached: None,
            output: all().map(|p| p.output).max().unwrap_or(0),
        };
        self.prices.models.get(model).copied().unwrap_or_else(dearest)
    }
}

fn step(raw: RawStep) -> Result<Step, String> {
    match raw {
        RawStep::Name(name) => Ok(Step::Own(name)),
        RawStep::Model(ModelStep { model, deadline }) => {
            let deadline = deadline.map_or(Ok(DEADLINE), Duration::try_from);
            let deadline = deadline.ok().filter(|d| !d.is_zero());
            let deadline = deadline.ok_or_else(|| format!("the deadline of `{model}` must be above zero"))?;
            Ok(Step::Model(model, deadline))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Catalogue, LoadError> {
        Catalogue::load(&[("main.toml".to_owned(), text.to_owned())])
    }

    const GOOD: &str = r#"
[providers.cloud]
wire = "anthropic"
url = "https://api.example.com"
key = "env:KEY"
[models.large]
provider = "cloud"
id = "large-1"
[models.other]
provider = "cloud"
id = "other-1"
[ladders.judge]
rungs = ["rules", { model = "large", deadline = "20s" }, "template"]
[prices]
as-of = "2026-11-01"
[prices.models.large]
input = 3000000
cached = 300000
output = 15000000
"#;

    #[test]
    fn a_catalogue_is_read_whole() {
        let all = load(GOOD).expect("it is good");
        let steps = [
            Step::Own("rules".to_owned()),
            Step::Model("large".to_owned(), Duration::from_secs(20)),
            Step::Own("template".to_owned()),
        ];
        assert_eq!(all.ladders.get("judge").map(Vec::as_slice), Some(&steps[..]));
    }

    #[test]
    fn prices_round_up_and_the_unknown_is_the_dearest() {
        let all = load(GOOD).expect("it is good");
        assert_eq!(all.price("large").of(1_000_000, 0, 0), 3_000_000);
        assert_eq!(all.price("large").of(10, 10, 0), 3);
        assert_eq!(all.price("large").of(1, 0, 0), 3);
        assert_eq!(all.price("other").of(1_000_000, 1_000_000, 1_000_000), 18_000_000);
        assert_eq!(Price { input: u64::MAX, cached: None, output: 1 }.of(u64::MAX, 0, 1), i64::MAX);
    }

    #[test]
    fn mistakes_are_named() {
        let check = |from: &str, to: &str, word: &str| {
            let error = load(&GOOD.replace(from, to)).expect_err("it is wrong").to_string();
            assert!(error.contains(word), "{error}");
        };
        check("\"anthropic\"", "\"telepathy\"", "telepathy");
        check("provider = \"cloud\"", "provider = \"no\"", "no provider `no`");
        check("model = \"large\"", "model = \"no\"", "no model `no`");
        check("\"20s\"", "\"0s\"", "above zero");
        check("id = \"large-1\"", "id = \"large-1\"\ncolour = 1", "colour");
        let unpriced = GOOD.split("[prices]").next().expect("it has one");
        assert!(load(unpriced).expect_err("nothing has a price").to_string().contains("free = true"));
    }
}
