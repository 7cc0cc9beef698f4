//! Tells people that a critical question was answered by less than a model, or by nothing: as an event in the log, which a
//! playbook may turn into a message through the effect path.
//!
//! Does not know who is told, or how.

use serde_json::json;
use sinew_contract::{Ask, Event, Failure};

use crate::books::Books;

/// The type of the event.
pub const LOW_RUNG: &str = "sinew.alert.low-rung.v1";

/// Journals the alert.
pub(crate) async fn low_rung(books: &Books, ask: &Ask, rung: Option<&str>, why: &str) -> Result<(), Failure> {
    let event = Event {
        id: ask.effect.to_string(),
        source: "/sinew/reasoning".to_owned(),
        event_type: LOW_RUNG.to_owned(),
        time: books.outside.clock.now().wall,
        subject: Some(ask.effect.run.to_string()),
        data: json!({
            "run": ask.effect.run,
            "question": ask.effect,
            "role": ask.role,
            "playbook": ask.more.playbook,
            "rung": rung,
            "why": why,
        }),
    };
    books.announce(ask, event).await
}
