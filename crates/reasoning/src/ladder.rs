//! A role's ladder: rungs in order, from the surest to the last resort. The first that answers well is the answer.
//!
//! Does not know what a rung does. Which rung answered stands in the proposal, and so in the journal.

use async_trait::async_trait;
use serde_json::Value;
use sinew_contract::{Ask, Cost, ErrorKind, Failure, Proposal};
use tracing::debug;

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
    async fn draft(&self, ask: &Ask) -> Result<Result<Draft, String>, Failure>;
}

/// Asks the rungs in order and returns the first answer that matches the schema of the question.
///
/// # Errors
/// `Invalid` for a bad schema or what a rung finds wrong with the question; `Missing` where no rung can answer, with
/// what each of them said.
pub(crate) async fn climb(rungs: &[Box<dyn Rung>], ask: &Ask) -> Result<Proposal, Failure> {
    let schema = check::schema(ask)?;
    let mut said = Vec::new();
    for rung in rungs {
        let name = rung.name();
        let draft = rung.draft(ask).await?;
        let fits = draft.and_then(|draft| match check::mismatch(&schema, &draft.value) {
            None => Ok(draft),
            Some(problem) => Err(format!("its answer does not match the schema, {problem}")),
        });
        match fits {
            Ok(draft) => return Ok(proposal(ask, name, draft)),
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

fn proposal(ask: &Ask, rung: &str, draft: Draft) -> Proposal {
    Proposal {
        value: draft.value,
        rung: rung.to_owned(),
        because: draft.because,
        asked: check::question_digest(ask),
        cost: draft.cost,
        label: check::label(&ask.label, rung),
    }
}
