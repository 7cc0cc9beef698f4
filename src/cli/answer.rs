//! `sinew approve`, `sinew refuse`: a person's answer, bound to the card as it stands.

use std::path::Path;

use clap::Args as ClapArgs;
use serde_json::json;
use sinew_contract::GateId;

use super::client::Client;
use super::runs::text;
use super::{Exit, Outcome, print_json, print_line};

/// `sinew approve`, `sinew refuse`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// As in g57; see `sinew inbox`.
    gate: GateId,
    /// Why.
    #[arg(long, default_value = "")]
    note: String,
    /// The person who answers; the first owner of the deployment, where none is named.
    #[arg(long, value_name = "PERSON")]
    r#as: Option<String>,
}

/// Answers a gate.
pub fn run(data: &Path, args: &Args, answer: &str, json: bool) -> Outcome {
    let client = Client::local_as(data, args.r#as.as_deref())?;
    let path = format!("/v1/gates/{}", args.gate);
    let card = client.get(&path)?;
    let body = json!({ "answer": answer, "digest": text(&card, "digest"), "note": args.note });
    let gate = client.post(&path, &body)?;
    if json {
        print_json(&gate);
    } else {
        print_line(&format!("{} {}: {}", text(&gate, "gate"), text(&gate, "status"), text(&gate, "question")));
    }
    Ok(Exit::Ok)
}
