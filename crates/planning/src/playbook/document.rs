//! Reads the outer parts of a playbook: document, schedule, input, output, timeout, use.
//!
//! Does not know the text: it reads the JSON that the YAML stands for.

use serde_json::{Map, Value};
use sinew_contract::{Digest, PlaybookName};

use super::reader::{Spot, member};
use super::{Action, Durability, Playbook, Reader, Template, read_duration};

/// Versions of the DSL that we read.
const VERSIONS: &[&str] = &["1.0.0", "1.0.1", "1.0.2", "1.0.3"];
const KEYS: &[&str] = &["document", "input", "use", "do", "timeout", "output", "schedule", "evaluate"];

/// Reads a whole playbook; none where a problem leaves nothing to run.
pub(crate) fn parse(document: Value, digest: Digest, reader: &mut Reader<'_>) -> Option<Playbook> {
    let root = reader.object(&document, "", "the playbook")?;
    reader.only(root, "", KEYS);
    let head = reader.required(root, "", "document").and_then(|value| head(value, reader));
    read_use(root, reader);
    let schedule = root.get("schedule").map(|value| reader.schedule(value)).unwrap_or_default();
    let input = reader.shape(root, "", "input", Spot::WorkflowInput);
    let timeout = root.get("timeout").and_then(|value| timeout(value, reader));
    evaluate(root, reader);
    let block = reader.required(root, "", "do").and_then(|value| reader.block(value, "/do"));
    let output = reader.shape(root, "", "output", Spot::WorkflowOutput);
    let durability = durability(&document, reader);
    let (name, version) = head?;
    let root = block?;
    let (tasks, blocks) = (std::mem::take(&mut reader.tasks), std::mem::take(&mut reader.blocks));
    let listens = tasks.iter().any(|task| matches!(task.action, Action::Listen(_)));
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
        listens,
        tasks,
        blocks,
        root,
    })
}

/// How long a run may take: a duration that is known before it starts.
fn timeout(value: &Value, reader: &mut Reader<'_>) -> Option<jiff::SignedDuration> {
    match reader.timeout(value, "/timeout")? {
        Template::Literal(after) => read_duration(&after).ok(),
        _ => {
            let fix = "write the duration out, or give a task the timeout";
            reader.not_enabled("/timeout/after", "an expression in the timeout of a playbook", fix);
            None
        }
    }
}

/// `evaluate`: jq in strict mode, which is what we do anyway.
fn evaluate(root: &Map<String, Value>, reader: &mut Reader<'_>) {
    let Some(evaluate) = root.get("evaluate").and_then(|v| reader.object(v, "/evaluate", "evaluate")) else { return };
    reader.only(evaluate, "/evaluate", &["language", "mode"]);
    for (name, only) in [("language", "jq"), ("mode", "strict")] {
        if evaluate.get(name).is_some_and(|found| found != only) {
            let fix = format!("write `{only}`, or remove it");
            reader.not_enabled(&member("/evaluate", name), &format!("another {name} than `{only}`"), &fix);
        }
    }
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

/// What stands under `use`, by name; what is not built gives a finding.
fn read_use(root: &Map<String, Value>, reader: &mut Reader<'_>) {
    let Some(value) = root.get("use") else { return };
    let Some(parts) = reader.object(value, "/use", "use") else { return };
    for (name, part) in parts {
        let at = member("/use", name);
        if name == "secrets" {
            reader.secrets = secrets(part, reader);
            continue;
        }
        if name == "extensions" {
            reader.not_enabled(&at, "`use.extensions`", "write the tasks where they are meant");
            continue;
        }
        let Some(named) = reader.object(part, &at, name).cloned() else { continue };
        match name.as_str() {
            "retries" => reader.retries = named,
            "errors" => reader.errors = named,
            "timeouts" => reader.timeouts = named,
            "authentications" => reader.authentications = named,
            "functions" => reader.functions = named,
            "catalogs" if named.keys().all(|name| name == "default") => {}
            "catalogs" => reader.not_enabled(&at, "a catalog at an address", "use functions of the default catalog"),
            other => {
                let fix = "there are: retries, errors, timeouts, authentications, functions, secrets";
                reader.wrong("unknown-key", &at, format!("`use.{other}` means nothing"), fix);
            }
        }
    }
}

/// Names of secrets; their values never come into a playbook.
fn secrets(value: &Value, reader: &mut Reader<'_>) -> Vec<String> {
    let names = value.as_array().map(|items| items.iter().filter_map(Value::as_str).map(str::to_owned).collect());
    names.unwrap_or_else(|| {
        reader.wrong("type", "/use/secrets", "`secrets` is no list of names", "write `[ shopToken ]`");
        Vec::new()
    })
}
