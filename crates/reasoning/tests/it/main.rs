//! The room as its neighbours see it: through the `Model` port, with tables and templates as texts.

mod budgets;
mod hostile;
mod house;
mod ladder;
mod models;
mod returns;
mod tables;
mod upstream;
mod wires;

use serde_json::{Value, json};
use sinew_contract::{Ask, EffectId, Label, LogTag, Model, Proposal, RunId, Seq, Trust};
use sinew_reasoning::{LoadError, Reasoner};

/// A question with everything that a test does not care about.
fn ask(inputs: Value) -> Ask {
    Ask {
        effect: EffectId { run: RunId { log: LogTag(1), seq: Seq(1) }, step: 1 },
        role: "judge".to_owned(),
        instruction: "decide".to_owned(),
        inputs,
        schema: json!({}),
        rules: None,
        template: None,
        more: sinew_contract::AskMore::default(),
        label: Label::new("shop", Trust::Verified),
    }
}

fn pair(name: &str, text: &str) -> (String, String) {
    (name.to_owned(), text.to_owned())
}

fn load(tables: &[(&str, &str)], templates: &[(&str, &str)]) -> Result<Reasoner, LoadError> {
    let pairs = |files: &[(&str, &str)]| files.iter().map(|(name, text)| pair(name, text)).collect::<Vec<_>>();
    Reasoner::load(&pairs(tables), &pairs(templates))
}

/// The rungs here never wait, so the first poll is the last.
fn answer(reasoner: &Reasoner, ask: &Ask) -> Result<Proposal, sinew_contract::Failure> {
    let mut waiting = std::pin::pin!(reasoner.answer(ask));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match waiting.as_mut().poll(&mut context) {
        std::task::Poll::Ready(answer) => answer,
        std::task::Poll::Pending => panic!("a rung without a provider has nothing to wait for"),
    }
}
