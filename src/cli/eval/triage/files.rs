//! Labelled tickets in files, in the two forms in which public sets of intents come.
//!
//! | form | rows |
//! |---|---|
//! | `.csv` (RFC 4180) with a head line | columns `text` and `category` (or `label`, `intent`), else the first two |
//! | `.json` | an object with lists of `[text, label]`; `test` and `oos_test` are for testing, all others for learning |
//!
//! The label `oos`, or none, says that a row is out of scope. Does not know what is done with the rows.

use std::path::Path;

use anyhow::{Context as _, bail};
use serde_json::Value;
use sinew_reasoning::Example;

/// The label of what is out of scope.
const STRANGER: &str = "oos";
/// Lists of a JSON file that nothing is learned from.
const TEST_LISTS: [&str; 2] = ["test", "oos_test"];

/// What rows are wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// To learn from and calibrate with.
    Train,
    /// To be judged.
    Test,
}

/// Reads the rows of a file that are for this part.
///
/// # Errors
/// Where the file cannot be read, has another form, or holds no such rows.
pub fn read(path: &Path, part: Part) -> anyhow::Result<Vec<Example>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let rows = if is_json { of_json(&text, part) } else { of_csv(&text) };
    let rows = rows.with_context(|| format!("cannot use `{}`", path.display()))?;
    if rows.is_empty() {
        bail!("`{}` holds no rows for {part:?}", path.display());
    }
    Ok(rows)
}

fn example(text: &str, label: &str) -> Example {
    let label = label.trim();
    let label = (!label.is_empty() && label != STRANGER).then(|| label.to_owned());
    Example { text: text.to_owned(), label }
}

fn of_json(text: &str, part: Part) -> anyhow::Result<Vec<Example>> {
    let document: Value = serde_json::from_str(text).context("it is no JSON")?;
    let lists: Vec<&Value> = match &document {
        Value::Array(_) => vec![&document],
        Value::Object(lists) => {
            let wanted = |name: &str| TEST_LISTS.contains(&name) == (part == Part::Test);
            lists.iter().filter(|(name, _)| wanted(name)).map(|(_, list)| list).collect()
        }
        _ => bail!("it is neither an object with lists of rows nor a list of rows"),
    };
    let rows = lists.into_iter().flat_map(|list| list.as_array().into_iter().flatten());
    rows.enumerate().map(|(at, row)| json_row(row).with_context(|| format!("row {} is wrong", at + 1))).collect()
}

fn json_row(row: &Value) -> anyhow::Result<Example> {
    let text = row.get(0).or_else(|| row.get("text")).and_then(Value::as_str);
    let label = row.get(1).or_else(|| row.get("label")).unwrap_or(&Value::Null);
    let text = text.context("it has no text; a row is `[text, label]`")?;
    Ok(example(text, label.as_str().unwrap_or_default()))
}

fn of_csv(text: &str) -> anyhow::Result<Vec<Example>> {
    let mut records = csv(text)?.into_iter();
    let head = records.next().context("it is empty")?;
    let find = |names: &[&str]| head.iter().position(|name| names.contains(&name.trim().to_lowercase().as_str()));
    let text_at = find(&["text", "utterance", "query"]).unwrap_or(0);
    let label_at = find(&["category", "label", "intent"]).unwrap_or(1);
    let row = |(at, record): (usize, Vec<String>)| {
        let field = |column: usize| record.get(column).map(String::as_str);
        let (Some(text), Some(label)) = (field(text_at), field(label_at)) else {
            bail!("record {} has {} fields; a text and a category are needed", at + 2, record.len());
        };
        Ok(example(text, label))
    };
    records.enumerate().map(row).collect()
}

/// The records of a CSV text (RFC 4180): quoted fields may hold commas, line breaks and doubled quotes.
fn csv(text: &str) -> anyhow::Result<Vec<Vec<String>>> {
    let (mut records, mut record, mut field) = (Vec::new(), Vec::new(), String::new());
    let mut quoted = false;
    let mut rest = text.trim_start_matches('\u{feff}').chars().peekable();
    while let Some(c) = rest.next() {
        match (quoted, c) {
            (true, '"') if rest.next_if_eq(&'"').is_some() => field.push('"'),
            (true, '"') => quoted = false,
            (true, c) => field.push(c),
            (false, '"') if field.is_empty() => quoted = true,
            (false, ',') => record.push(std::mem::take(&mut field)),
            (false, '\r') if rest.peek() == Some(&'\n') => {}
            (false, '\n') => {
                record.push(std::mem::take(&mut field));
                records.push(std::mem::take(&mut record));
            }
            (false, c) => field.push(c),
        }
    }
    if quoted {
        bail!("a quoted field never ends");
    }
    if !field.is_empty() || !record.is_empty() {
        record.push(field);
        records.push(record);
    }
    records.retain(|record| record.iter().any(|field| !field.is_empty()));
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(text: &str, label: Option<&str>) -> Example {
        Example { text: text.to_owned(), label: label.map(str::to_owned) }
    }

    #[test]
    fn both_forms_give_rows() {
        let csv = "text,category\r\nwhere is it?,arrival\n\"a, \"\"b\"\"\nc\",pin\nsing,oos\n\nlast,pin";
        let expected = [
            row("where is it?", Some("arrival")),
            row("a, \"b\"\nc", Some("pin")),
            row("sing", None),
            row("last", Some("pin")),
        ];
        assert_eq!(of_csv(csv).expect("rows"), expected);
        assert_eq!(of_csv("category,text\npin,my pin").expect("rows"), [row("my pin", Some("pin"))]);
        let json =
            r#"{"train": [["a", "x"]], "oos_val": [["b", "oos"]], "test": [["c", "x"]], "oos_test": [["d", "oos"]]}"#;
        assert_eq!(of_json(json, Part::Train).expect("rows"), [row("a", Some("x")), row("b", None)]);
        assert_eq!(of_json(json, Part::Test).expect("rows"), [row("c", Some("x")), row("d", None)]);
        assert_eq!(of_json(r#"[["a", "x"]]"#, Part::Test).expect("rows"), [row("a", Some("x"))]);
    }

    #[test]
    fn what_is_no_list_of_tickets_is_refused() {
        for text in ["", "text,category\n\"open", "text,category\nalone"] {
            assert!(of_csv(text).is_err(), "`{text}`");
        }
        for text in ["", "3", r#"{"train": [[1, "x"]]}"#] {
            assert!(of_json(text, Part::Train).is_err(), "`{text}`");
        }
    }
}
