//! `sinew people token`, `sinew people link`: how a person gets in. What is made is shown once.
//!
//! Both ask the running hub. A token can also be made while none is running, so that a hub that others can reach never has
//! to start without one; a link lives in the hub's memory alone.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use clap::Subcommand;
use serde_json::{Value, json};
use sinew_api::people::People;

use super::client::Client;
use super::runs::text;
use super::{Coded, Exit, ExitWith, Outcome, print_json, print_line};
use crate::assembly::{self, places::Places};
use crate::config::Overrides;
use crate::deployment::Deployment;
use crate::runtime::SystemClock;

/// `sinew people …`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a new token for a person and print it, once. The old one ends; only a hash is kept.
    Token {
        /// A person of the deployment.
        name: String,
        /// The deployment's folder, for when no hub is running.
        #[arg(long, value_name = "DIR")]
        deployment: Option<PathBuf>,
    },
    /// Make a login link for a person: works once, for a quarter of an hour.
    Link {
        /// A person of the deployment.
        name: String,
    },
}

/// Makes it.
pub fn run(data: Option<&Path>, command: &Command, json: bool) -> Outcome {
    match command {
        Command::Token { name, deployment } => token(data, name, deployment.as_deref(), json),
        Command::Link { name } => link(data, name, json),
    }
}

fn token(data: Option<&Path>, name: &str, folder: Option<&Path>, json: bool) -> Outcome {
    let deployment = folder.map(|f| Deployment::read(f, &Overrides::default())).transpose().or_exit(Exit::BadConfig)?;
    let of_deployment = deployment.as_ref().map(|d| d.config.data_dir.clone());
    let data = data.map(Path::to_owned).or(of_deployment).unwrap_or_else(|| PathBuf::from(super::DATA));
    let made = ask(&data, name, "token");
    let made = match (made, deployment) {
        (Err(Coded { exit: Exit::Unreachable, .. }), Some(deployment)) => offline(&data, deployment, name)?,
        (Err(Coded { exit: Exit::Unreachable, error }), None) => {
            let hint = "to make a token while no hub is running, name the deployment's folder with --deployment";
            return Err(Coded::new(Exit::Unreachable, anyhow!("{error:#}; {hint}")));
        }
        (made, _) => made?,
    };
    if json {
        print_json(&made);
    } else {
        print_line(&text(&made, "token"));
        eprintln!("sinew: this is the token of {name}; it is shown this once, and an older one does not work any more");
    }
    Ok(Exit::Ok)
}

fn link(data: Option<&Path>, name: &str, json: bool) -> Outcome {
    let client = Client::local(data.unwrap_or(Path::new(super::DATA)))?;
    let made = client.post(&path(name, "link"), &json!({}))?;
    let url = format!("{}{}", client.base(), text(&made, "path"));
    if json {
        print_json(&json!({ "person": name, "url": url, "minutes": made.get("minutes") }));
    } else {
        print_line(&url);
        eprintln!("sinew: this lets {name} in, once, within {} minutes", text(&made, "minutes"));
    }
    Ok(Exit::Ok)
}

fn ask(data: &Path, name: &str, what: &str) -> Result<Value, Coded> {
    Client::local(data)?.post(&path(name, what), &json!({}))
}

/// A name with other characters than a person's is nobody's; it must not become another path.
fn path(name: &str, what: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '?' };
    let name: String = name.chars().map(plain).collect();
    format!("/v1/people/{}/{what}", name.replace('?', "%3F"))
}

/// Nobody may have the directory meanwhile: a hub that runs would not see the new token, and would write over it.
fn offline(data: &Path, deployment: Deployment, name: &str) -> Result<Value, Coded> {
    let locked = assembly::open_dir(data)?;
    let places = Places::new(locked.path());
    let secret = places.secret().or_exit(Exit::Failed)?;
    let people = People::open(deployment.people, Box::new(places), secret, Arc::new(SystemClock));
    let people = people.context("cannot open the list of people").or_exit(Exit::BadConfig)?;
    let token = people.issue_token(name).or_exit(Exit::Failed)?;
    Ok(json!({ "person": name, "token": token }))
}
