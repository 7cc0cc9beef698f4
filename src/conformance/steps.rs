//! What the steps of a scenario mean.
//!
//! The first part is the standard's own kit; the second is ours, for what the kit has no words for.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::gherkin::{self, Step};
use super::hosts::{Answer, Answers};

/// A scenario, understood.
#[derive(Clone, Debug, Default)]
pub struct Scenario {
    /// The playbook that is run, then those that it may run.
    pub definitions: Vec<String>,
    pub input: Value,
    /// It is started by hand; else by an event or the clock.
    pub is_executed: bool,
    /// What happens to it, in this order.
    pub incoming: Vec<Incoming>,
    /// What persons say at gates, in this order.
    pub answers: Vec<bool>,
    pub hosts: Answers,
    /// The scenario ends at this many seconds, whatever still waits.
    pub lasts_s: Option<u64>,
    pub expected: Vec<(usize, Expected)>,
}

/// What happens to a run.
#[derive(Clone, Debug)]
pub enum Incoming {
    /// An event, at so many seconds after the beginning, or as soon as everybody waits.
    Event(Option<u64>, Value),
    /// Somebody cancels it.
    Cancel(Option<u64>),
}

/// What should be true at the end.
#[derive(Clone, Debug)]
pub enum Expected {
    Completes,
    CompletesWith(Value),
    Faults,
    FaultsWith(Value),
    Cancelled,
    /// It waits.
    Waits,
    Has(Vec<String>),
    Property(String, Value),
    Items(String, usize),
    First(String),
    Last(String),
    After(String, String),
    /// A task was passed so many times.
    Times(String, usize),
    /// The validator refuses the playbook by this rule.
    Refused(String),
    /// A host was asked so often with this method.
    Asked(String, String, usize),
    /// The log holds so many records of a kind.
    Records(String, usize),
    /// So many seconds have passed, at least and at most.
    Took(f64, f64),
    /// The log nowhere holds this text.
    NowhereInLog(String),
}

impl Scenario {
    /// Reads the steps.
    ///
    /// # Errors
    /// Names the line of a step that is not understood.
    pub fn read(written: &gherkin::Scenario) -> Result<Self> {
        let mut scenario = Self { input: Value::Object(serde_json::Map::new()), ..Self::default() };
        for step in &written.steps {
            let understood = scenario.take(step).with_context(|| format!("line {}: `{}`", step.line, step.text))?;
            if !understood {
                bail!("line {}: nobody knows what `{}` means", step.line, step.text);
            }
        }
        if scenario.definitions.is_empty() {
            bail!("the scenario gives no definition of a workflow");
        }
        Ok(scenario)
    }

    fn take(&mut self, step: &Step) -> Result<bool> {
        let words: Vec<&str> = step.text.trim_end_matches(':').split_whitespace().collect();
        Ok(self.given(step, &words)? || self.expects(step, &words)? || self.expects_of_ours(step, &words)?)
    }

    fn given(&mut self, step: &Step, words: &[&str]) -> Result<bool> {
        match words {
            ["a", "workflow", "with", "definition"] => self.definitions.insert(0, text(step)?),
            ["another", "workflow", "with", "definition"] => self.definitions.push(text(step)?),
            ["given", "the", "workflow", "input", "is"] => self.input = doc(step)?,
            ["the", "workflow", "is", "executed"] => self.is_executed = true,
            ["this", "event", "arrives"] => self.incoming.push(Incoming::Event(None, doc(step)?)),
            ["this", "event", "arrives", "after", seconds, "seconds"] => {
                self.incoming.push(Incoming::Event(Some(seconds.parse()?), doc(step)?));
            }
            ["the", "workflow", "is", "cancelled"] => self.incoming.push(Incoming::Cancel(None)),
            ["the", "workflow", "is", "cancelled", "after", seconds, "seconds"] => {
                self.incoming.push(Incoming::Cancel(Some(seconds.parse()?)));
            }
            [seconds, "seconds", "pass"] => self.lasts_s = Some(seconds.parse()?),
            ["a", "person", "approves"] => self.answers.push(true),
            ["a", "person", "refuses"] => self.answers.push(false),
            ["host", host, "answers", method, path, "with", status] => {
                let body =
                    step.doc.as_deref().map(sinew_planning::read_yaml).transpose().map_err(anyhow::Error::msg)?;
                let answer = Answer { status: status.parse()?, body: body.unwrap_or_default() };
                let key = ((*host).to_owned(), (*method).to_owned(), (*path).to_owned());
                self.hosts.entry(key).or_default().push_back(answer);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn expects(&mut self, step: &Step, words: &[&str]) -> Result<bool> {
        let expected = match words {
            ["the", "workflow", "should", "complete"] => Expected::Completes,
            ["the", "workflow", "should", "complete", "with", "output"] => Expected::CompletesWith(doc(step)?),
            ["the", "workflow", "should", "fault"] => Expected::Faults,
            ["the", "workflow", "should", "fault", "with", "error"] => Expected::FaultsWith(doc(step)?),
            ["the", "workflow", "output", "should", "have", "properties", names @ ..] => {
                Expected::Has(names.iter().map(|name| name.trim_matches([',', '\'']).to_owned()).collect())
            }
            ["the", "workflow", "output", "should", "have", "a", name, "property", "with", "value"] => {
                Expected::Property(unquoted(name), doc(step)?)
            }
            ["the", "workflow", "output", "should", "have", "a", name, "property", "containing", count, "items"] => {
                Expected::Items(unquoted(name), count.parse()?)
            }
            [task, "should", "run", "first"] => Expected::First((*task).to_owned()),
            [task, "should", "run", "last"] => Expected::Last((*task).to_owned()),
            [task, "should", "run", "after", other] => Expected::After((*task).to_owned(), (*other).to_owned()),
            _ => return Ok(false),
        };
        self.expected.push((step.line, expected));
        Ok(true)
    }

    fn expects_of_ours(&mut self, step: &Step, words: &[&str]) -> Result<bool> {
        let expected = match words {
            ["the", "workflow", "should", "be", "cancelled"] => Expected::Cancelled,
            ["the", "workflow", "should", "wait"] => Expected::Waits,
            [task, "should", "not", "run"] => Expected::Times((*task).to_owned(), 0),
            [task, "should", "run", "once"] => Expected::Times((*task).to_owned(), 1),
            [task, "should", "run", count, "times"] => Expected::Times((*task).to_owned(), count.parse()?),
            ["the", "definition", "should", "be", "refused", "by", "rule", rule] => Expected::Refused(unquoted(rule)),
            ["host", host, "should", "have", "been", "asked", count, "times", "with", method] => {
                Expected::Asked((*host).to_owned(), (*method).to_owned(), count.parse()?)
            }
            ["the", "log", "should", "hold", count, kind, "records"] => {
                Expected::Records((*kind).to_owned(), count.parse()?)
            }
            ["it", "should", "take", seconds, "seconds"] => Expected::Took(seconds.parse()?, seconds.parse()?),
            ["it", "should", "take", "from", least, "to", most, "seconds"] => {
                Expected::Took(least.parse()?, most.parse()?)
            }
            ["the", "log", "should", "nowhere", "hold", text] => Expected::NowhereInLog(unquoted(text)),
            _ => return Ok(false),
        };
        self.expected.push((step.line, expected));
        Ok(true)
    }

    /// The rule by which the definition should be refused, where it should.
    pub fn refused_by(&self) -> Option<&str> {
        self.expected.iter().find_map(|(_, expected)| match expected {
            Expected::Refused(rule) => Some(rule.as_str()),
            _ => None,
        })
    }
}

fn unquoted(word: &str) -> String {
    word.trim_matches(['\'', '"']).to_owned()
}

fn text(step: &Step) -> Result<String> {
    step.doc.clone().context("the step needs a text below it")
}

fn doc(step: &Step) -> Result<Value> {
    sinew_planning::read_yaml(&text(step)?).map_err(anyhow::Error::msg)
}
