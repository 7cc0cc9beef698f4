//! Reads the outer parts of a playbook: document, schedule, input, output, timeout, use.
//!
//! Does not know the text: it reads the JSON that the YAML stands for.

use serde_json::{Map, Value};
use sinew_contract::{Digest, PlaybookName};

use super::reader::{Spot, member};
use super::{Durability, EventFilter, Playbook, Reader, read_duration};

/// Versions of the DSL that we read.
const VERSIONS: &[&str] = &["1.0.0", "1.0.1", "1.0.2", "1.0.3"];
const KEYS: &[&str] = &["document", "input", "use", "do", "timeout", "output", "schedule"];

/// Reads a whole playbook; none where a problem leaves nothing to run.
pub(crate) fn parse(document: Value, digest: Digest, reader: &mut Reader<'_>) -> Option<Playbook> {
    let root = reader.object(&document, "", "the playbook")?;
    reader.only(root, "", KEYS);
    let head = reader.required(root, "", "document").and_then(|value| head(value, reader));
    read_use(root, reader);
    let schedule = root.get("schedule").map(|value| schedule(value, reader)).unwrap_or_default();
    let input = reader.shape(root, "", "input", Spot::WorkflowInput);
    let timeout = root.get("timeout").and_then(|value| timeout(value, "/timeout", reader));
    let block = reader.required(root, "", "do").and_then(|value| reader.block(value, "/do"));
    let output = reader.shape(root, "", "output", Spot::WorkflowOutput);
    let durability = durability(&document, reader);
    let (name, version) = head?;
    let root = block?;
    let (tasks, blocks) = (std::mem::take(&mut reader.tasks), std::mem::take(&mut reader.blocks));
    Some(Playbook {
        name,
        version,
        digest,
        document,
        schedule,
        input,
        output,
        timeout,
        durability,
        tasks,
        blocks,
        root,
    })
}

/// Name and version.
fn head(value: &Value, reader: &mut Reader<'_>) -> Option<(PlaybookName, String)> {
    let at = "/document";
    let head = reader.object(value, at, "document")?;
    reader.only(head, at, &["dsl", "namespace", "name", "version", "title", "summary", "tags", "metadata"]);
    for name in ["dsl", "namespace", "name", "version"] {
        reader.required(head, at, name);
    }
    if let Some(dsl) = reader.text(head, at, "dsl")
        && !VERSIONS.contains(&dsl)
    {
        let fix = format!("write one of {}", VERSIONS.join(", "));
        reader.wrong("dsl-version", "/document/dsl", format!("version `{dsl}` of the DSL is not known"), fix);
    }
    reader.text(head, at, "namespace");
    let version = reader.text(head, at, "version").map(str::to_owned);
    let name = reader.text(head, at, "name")?;
    let name = name.parse::<PlaybookName>().map_err(|error| {
        reader.wrong("name", "/document/name", error.to_string(), "use lower case, digits and hyphens");
    });
    Some((name.ok()?, version?))
}

/// `document.metadata.sinew.durability`: the standard leaves metadata to whoever runs the playbook.
fn durability(document: &Value, reader: &mut Reader<'_>) -> Durability {
    let at = "/document/metadata/sinew/durability";
    match document.pointer(at).map(Value::as_str) {
        None | Some(Some("native")) => Durability::Native,
        Some(Some("strict")) => Durability::Strict,
        Some(_) => {
            reader.wrong("durability", at, "this is no durability".to_owned(), "write `native` or `strict`");
            Durability::Native
        }
    }
}

/// `use.retries` and `use.errors`; the rest of `use` is not enabled.
fn read_use(root: &Map<String, Value>, reader: &mut Reader<'_>) {
    let Some(value) = root.get("use") else { return };
    let Some(parts) = reader.object(value, "/use", "use") else { return };
    for (name, part) in parts {
        let at = member("/use", name);
        if !matches!(name.as_str(), "retries" | "errors") {
            reader.not_enabled(&at, &format!("`use.{name}`"), "remove it; `retries` and `errors` may be used");
            continue;
        }
        let Some(named) = reader.object(part, &at, name) else { continue };
        if name == "retries" {
            reader.retries = named.clone();
        } else {
            reader.errors = named.clone();
        }
    }
}

/// `schedule.on` with `one` or `any`.
fn schedule(value: &Value, reader: &mut Reader<'_>) -> Vec<EventFilter> {
    let Some(schedule) = reader.object(value, "/schedule", "schedule") else { return Vec::new() };
    for name in schedule.keys().filter(|name| *name != "on") {
        reader.not_enabled(
            &member("/schedule", name),
            &format!("`schedule.{name}`"),
            "start it on an event, with `on`",
        );
    }
    let Some(on) = schedule.get("on").and_then(|on| reader.object(on, "/schedule/on", "on")) else { return Vec::new() };
    reader.only(on, "/schedule/on", &["one", "any", "all"]);
    if on.contains_key("all") {
        reader.not_enabled("/schedule/on/all", "`all`", "use `one` or `any`");
    }
    let one = on.get("one").map(|one| ("/schedule/on/one".to_owned(), one));
    let any = on.get("any").and_then(Value::as_array).into_iter().flatten().enumerate();
    let any = any.map(|(at, filter)| (format!("/schedule/on/any/{at}"), filter));
    let filters: Vec<_> = one.into_iter().chain(any).collect();
    if filters.is_empty() {
        reader.wrong("missing-key", "/schedule/on", "no event is named", "add `one: { with: { type: … } }`");
    }
    filters.into_iter().filter_map(|(at, filter)| event_filter(filter, &at, reader)).collect()
}

fn event_filter(value: &Value, pointer: &str, reader: &mut Reader<'_>) -> Option<EventFilter> {
    let filter = reader.object(value, pointer, "an event filter")?;
    for name in filter.keys().filter(|name| *name != "with") {
        reader.not_enabled(&member(pointer, name), &format!("`{name}`"), "filter with `with`");
    }
    let at = member(pointer, "with");
    let with = reader.required(filter, pointer, "with")?;
    let with = reader.object(with, &at, "with")?;
    if !with.get("type").is_some_and(Value::is_string) {
        reader.wrong("missing-key", &at, "`type` is missing", "name the type of the event, as in `sinew.scan.v1`");
    }
    for (name, value) in with {
        if value.to_string().contains("${") {
            let fix = "write the value to compare with; decide about the rest in a `switch`";
            reader.not_enabled(&member(&at, name), "an expression in an event filter", fix);
        }
    }
    Some(EventFilter { with: with.clone() })
}

/// `{ after: … }`.
pub(super) fn timeout(value: &Value, pointer: &str, reader: &mut Reader<'_>) -> Option<jiff::SignedDuration> {
    let object = reader.object(value, pointer, "timeout")?;
    reader.only(object, pointer, &["after"]);
    let after = reader.required(object, pointer, "after")?;
    let fix = "write `{ hours: 1 }` or `PT1H`";
    let wrong = |problem: String| reader.wrong("duration", &member(pointer, "after"), problem, fix);
    read_duration(after).map_err(wrong).ok()
}
