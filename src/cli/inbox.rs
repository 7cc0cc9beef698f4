//! `sinew inbox`: what waits for a person.

use super::client::Client;
use super::runs::{rows, text};
use super::{Exit, Outcome, print_json, print_line};

/// Lists the gates that wait. Exits with 6 when there are any.
pub fn run(client: &Client, json: bool) -> Outcome {
    let gates = client.get("/v1/gates?status=waiting&limit=500")?;
    let waiting = rows(&gates, "gates");
    if json {
        print_json(&gates);
    } else if waiting.is_empty() {
        print_line("nothing waits for you");
    } else {
        for gate in waiting {
            print_line(&format!(
                "{:<8} {}  until {}",
                text(gate, "gate"),
                text(gate, "question"),
                text(gate, "expires")
            ));
            for why in rows(gate, "why") {
                print_line(&format!("         because {}", why.as_str().unwrap_or_default()));
            }
        }
    }
    Ok(if waiting.is_empty() { Exit::Ok } else { Exit::Waits })
}
