//! A role's ladder: rungs in order, from the surest to the last resort. The first that answers well is the answer.
//!
//! Does not know what a rung does. Which rung answered stands in the proposal, and so in the journal.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use sinew_contract::{Ask, Cost, ErrorKind, Failure, Proposal};
use tracing::debug;

use crate::attempt::Attempt;
use crate::check;

/// An answer before it is checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The answer.
    pub value: Value,
    /// What it rests on.
    pub because: Vec<String>,
    /// What it cost.
    pub cost: Cost,
}

/// One way to answer questions.
#[async_trait]
pub trait Rung: Send + Sync {
    /// Its name, as it stands in proposals and labels: `rules`, `template`, a provider and model.
    fn name(&self) -> &str;

    /// Answers, or says that it cannot, with the reason.
    ///
    /// # Errors
    /// Where the question itself is wrong (no such table) or the rung is broken: no other rung is tried.
    async fn draft(&self, ask: &Ask, attempt: &Attempt) -> Result<Result<Draft, String>, Failure>;

    /// Says whether it asks a model.
    fn is_model(&self) -> bool {
        false
    }
}

/// What a ladder came to.
pub(crate) struct Climbed {
    /// The answer.
    pub proposal: Proposal,
    /// A model should have answered, and what answered in its place is none.
    pub low: bool,
    /// What each rung before it said.
    pub said: Vec<String>,
}

/// Asks the rungs in order and returns the first answer that fits the question.
///
/// # Errors
/// `Invalid` for what a rung finds wrong with the question; `Missing` where no rung can answer, with what each of them
/// said.
pub(crate) async fn climb(rungs: &[Arc<dyn Rung>], ask: &Ask, attempt: &Attempt) -> Result<Climbed, Failure> {
    let mut said = Vec::new();
    let mut models = rungs.iter().filter(|rung| rung.is_model()).count();
    let has_models = models > 0;
    for rung in rungs {
        models -= usize::from(rung.is_model());
        attempt.set_models_left(models);
        let name = rung.name();
        let draft = rung.draft(ask, attempt).await?;
        let fits = draft.and_then(|draft| match attempt.findings(&ask.inputs, &draft.value) {
            findings if findings.is_empty() => Ok(draft),
            findings => Err(format!("its answer does not match the schema, {}", findings.join("; "))),
        });
        match fits {
            Ok(draft) => {
                let low = has_models && models == 0 && !rung.is_model();
                return Ok(Climbed { proposal: proposal(ask, attempt, name, draft), low, said });
            }
            Err(reason) => {
                debug!(effect = %ask.effect, rung = name, %reason, "rung could not answer");
                said.push(format!("{name}: {reason}"));
            }
        }
    }
    let said = said.join("; ");
    let text = format!("no rung could answer question `{}` of role `{}`: {said}", ask.effect, ask.role);
    Err(Failure::new(ErrorKind::Missing, text))
}

fn proposal(ask: &Ask, attempt: &Attempt, rung: &str, draft: Draft) -> Proposal {
    Proposal {
        value: draft.value,
        rung: rung.to_owned(),
        because: draft.because,
        asked: attempt.fit.asked,
        cost: draft.cost,
        label: check::label(&ask.label, rung),
    }
}
