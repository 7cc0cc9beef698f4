//! Gherkin, as far as features about playbooks need it: features, backgrounds, scenarios, outlines, steps with texts.
//!
//! Does not know what a step means. A text keeps its lines, without the indentation of its quotes and without the media type
//! behind them.

use anyhow::{Result, bail};

/// A file.
#[derive(Debug, Default)]
pub struct Feature {
    pub name: String,
    pub scenarios: Vec<Scenario>,
}

/// One scenario; an outline is one for each row of its examples.
#[derive(Clone, Debug, Default)]
pub struct Scenario {
    pub name: String,
    pub steps: Vec<Step>,
}

/// One step: what it says behind its keyword, and the text below it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    pub line: usize,
    pub text: String,
    pub doc: Option<String>,
}

/// What lines belong to.
enum Place {
    Nowhere,
    Background,
    Scenario,
    Examples,
}

const KEYWORDS: &[&str] = &["Given ", "When ", "Then ", "And ", "But ", "* "];

/// Reads a file.
pub fn parse(text: &str) -> Result<Feature> {
    let mut feature = Feature::default();
    let (mut background, mut place): (Vec<Step>, Place) = (Vec::new(), Place::Nowhere);
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((at, raw)) = lines.next() {
        let line = raw.trim();
        if line.is_empty() || line.starts_with('#') || line.starts_with('@') {
            continue;
        }
        if let Some(name) = line.strip_prefix("Feature:") {
            name.trim().clone_into(&mut feature.name);
        } else if line.starts_with("Background:") {
            place = Place::Background;
        } else if let Some(name) = heading(line, &["Scenario Outline:", "Scenario Template:", "Scenario:", "Example:"])
        {
            unfold(&mut feature, &mut rows);
            place = Place::Scenario;
            feature.scenarios.push(Scenario { name: name.to_owned(), steps: background.clone() });
        } else if heading(line, &["Examples:", "Scenarios:"]).is_some() {
            place = Place::Examples;
        } else if line.starts_with('|') {
            let Place::Examples = place else { bail!("line {}: a table stands only below `Examples:`", at + 1) };
            rows.push(line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect());
        } else if let Some(quotes) = ["\"\"\"", "```"].into_iter().find(|quotes| line.starts_with(quotes)) {
            let doc = doc_text(&mut lines, quotes, raw.len() - raw.trim_start().len());
            let steps = steps_of(&mut feature, &mut background, &place);
            let Some(step) = steps.and_then(|steps| steps.last_mut()) else {
                bail!("line {}: a text without a step", at + 1)
            };
            step.doc = Some(doc);
        } else if let Some(text) = KEYWORDS.iter().find_map(|keyword| line.strip_prefix(keyword)) {
            let step = Step { line: at + 1, text: text.trim().to_owned(), doc: None };
            let Some(steps) = steps_of(&mut feature, &mut background, &place) else {
                bail!("line {}: a step without a scenario", at + 1)
            };
            steps.push(step);
        } else if !matches!(place, Place::Nowhere) {
            bail!("line {}: `{line}` is no step", at + 1);
        }
    }
    unfold(&mut feature, &mut rows);
    Ok(feature)
}

fn heading<'l>(line: &'l str, words: &[&str]) -> Option<&'l str> {
    words.iter().find_map(|word| line.strip_prefix(word)).map(str::trim)
}

fn steps_of<'f>(feature: &'f mut Feature, background: &'f mut Vec<Step>, place: &Place) -> Option<&'f mut Vec<Step>> {
    match place {
        Place::Background => Some(background),
        Place::Scenario => feature.scenarios.last_mut().map(|scenario| &mut scenario.steps),
        Place::Nowhere | Place::Examples => None,
    }
}

/// The lines up to the closing quotes, which may stand behind the last of them.
fn doc_text<'t>(lines: &mut impl Iterator<Item = (usize, &'t str)>, quotes: &str, indent: usize) -> String {
    let mut doc = String::new();
    for (_, raw) in lines {
        let (line, ends) = match raw.find(quotes) {
            Some(at) => (raw.get(..at).unwrap_or_default(), true),
            None => (raw, false),
        };
        let own = line.len() - line.trim_start().len();
        if !(ends && line.trim().is_empty()) {
            doc.push_str(line.get(indent.min(own)..).unwrap_or_default());
            doc.push('\n');
        }
        if ends {
            break;
        }
    }
    doc
}

/// Makes a scenario of each row of examples of the last outline.
fn unfold(feature: &mut Feature, rows: &mut Vec<Vec<String>>) {
    let rows = std::mem::take(rows);
    let Some((names, examples)) = rows.split_first() else { return };
    let Some(outline) = feature.scenarios.pop() else { return };
    for row in examples {
        let fill = |text: &str| {
            let cells = names.iter().zip(row);
            cells.fold(text.to_owned(), |text, (name, cell)| text.replace(&format!("<{name}>"), cell))
        };
        let step = |step: &Step| Step { line: step.line, text: fill(&step.text), doc: step.doc.as_deref().map(fill) };
        let name = format!("{} ({})", fill(&outline.name), row.join(", "));
        feature.scenarios.push(Scenario { name, steps: outline.steps.iter().map(step).collect() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_becomes_scenarios_with_steps_and_texts() {
        let text = "# c\nFeature: F\n  in words\n\n  Background:\n    Given a\n  @tag\n  Scenario: One\n    # no\n    When b:\n    \"\"\"yaml\n    x:\n      - 1\n    \"\"\"\n  Scenario Outline: Two\n    Then <n> of <m>\n    Examples:\n      | n | m |\n      | 1 | 2 |\n      | 3 | 4 |\n";
        let feature = parse(text).expect("a feature");
        let steps = |scenario: &Scenario| scenario.steps.iter().map(|s| s.text.clone()).collect::<Vec<_>>();
        let found: Vec<_> = feature.scenarios.iter().map(|s| (s.name.as_str(), steps(s))).collect();
        let owned = |texts: [&str; 2]| texts.map(str::to_owned).to_vec();
        assert_eq!(
            found,
            [
                ("One", owned(["a", "b:"])),
                ("Two (1, 2)", owned(["a", "1 of 2"])),
                ("Two (3, 4)", owned(["a", "3 of 4"]))
            ]
        );
        assert_eq!(feature.scenarios[0].steps[1].doc.as_deref(), Some("x:\n  - 1\n"));
        assert!(parse("Feature: F\nScenario: S\n  oops\n").is_err());
    }
}
