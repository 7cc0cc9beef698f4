//! A conversation as turns of a prompt: the newest turns whole, what came before as a summary, and what was recalled, all
//! within a number of tokens.
//!
//! The conversation is a value of the playbook, so it stands in the journal and belongs to no provider: each answer may come
//! from another one. Pure; does not know where turns come from.
//!
//! ```yaml
//! conversation:
//!   turns: [{ by: user, text: My parcel is broken. }, { by: model, text: Which one? }, { by: user, text: The blue one. }]
//!   summary: The customer wrote about a parcel in October.      # of what came before; made from the turns where it is absent
//!   recalled: [The customer has had one refund before.]
//!   tokens: 2000                                                # default: a quarter of what the model can read
//! ```

use serde::Deserialize;
use serde_json::Value;

use crate::prompt::{Part, Speaker, Turn};

/// Of a turn that does not fit, so many bytes of its first sentence go into the summary.
const GIST_LEN_MAX: usize = 160;
/// The summary and what was recalled take at most this part of the tokens.
const BACKGROUND_PART: usize = 3;
/// Bytes per token of text, for estimates: three and a half, times two.
const BYTES_PER_TWO_TOKENS: usize = 7;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Talk {
    turns: Vec<Said>,
    summary: Option<String>,
    #[serde(default)]
    recalled: Vec<String>,
    tokens: Option<usize>,
}

#[derive(Deserialize)]
struct Said {
    by: By,
    text: String,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum By {
    User,
    Model,
}

/// The turns of a conversation that fit, the oldest first; `tokens_max` holds where the conversation does not say.
///
/// They begin with the user and change speakers each time, as all providers want it.
///
/// # Errors
/// In one line, what cannot be understood.
pub(crate) fn turns(source: &Value, tokens_max: usize) -> Result<Vec<Turn>, String> {
    if source.is_null() {
        return Ok(Vec::new());
    }
    let talk = Talk::deserialize(source).map_err(|e| format!("`conversation`: {e}"))?;
    let bytes = talk.tokens.unwrap_or(tokens_max).saturating_mul(BYTES_PER_TWO_TOKENS) / 2;
    let window = bytes - bytes / BACKGROUND_PART;
    let kept = newest(&talk.turns, window);
    let (before, kept) = talk.turns.split_at(talk.turns.len() - kept);
    let background = background(&talk, before, bytes / BACKGROUND_PART);
    let background = background.map(|text| (Speaker::User, text)).into_iter();
    let said = kept.iter().map(|said| (speaker(said.by), said.text.clone()));
    Ok(alternating(background.chain(said)))
}

/// How many of the newest turns fit.
fn newest(turns: &[Said], bytes_max: usize) -> usize {
    let mut bytes = 0usize;
    let fits = |said: &&Said| {
        bytes = bytes.saturating_add(said.text.len());
        bytes <= bytes_max
    };
    turns.iter().rev().take_while(fits).count()
}

/// What stands before the window: what was recalled, and the summary; where there is none, the gist of each turn.
fn background(talk: &Talk, before: &[Said], bytes_max: usize) -> Option<String> {
    let summary = talk.summary.clone().or_else(|| {
        let gists: Vec<_> = before.iter().map(|said| format!("{}: {}", word(said.by), gist(&said.text))).collect();
        (!gists.is_empty()).then(|| gists.join(" / "))
    });
    let known = (!talk.recalled.is_empty()).then(|| format!("Known: {}", talk.recalled.join(" / ")));
    let earlier = summary.map(|summary| format!("Earlier: {summary}"));
    let lines: Vec<_> =
        [known, earlier].into_iter().flatten().map(|line| cut(&line, bytes_max / 2).to_owned()).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn gist(text: &str) -> &str {
    let end = text.find(['.', '!', '?', '\n']).map_or(text.len(), |at| at + 1);
    cut(text.get(..end).unwrap_or(text), GIST_LEN_MAX).trim()
}

/// The beginning of a text, at most so many bytes, whole characters.
fn cut(text: &str, bytes_max: usize) -> &str {
    let end = (0..=bytes_max.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

/// Joins turns of one speaker, and lets the user begin.
fn alternating(said: impl Iterator<Item = (Speaker, String)>) -> Vec<Turn> {
    let mut turns: Vec<Turn> = Vec::new();
    for (speaker, text) in said {
        if turns.is_empty() && speaker == Speaker::Model {
            turns.push(Turn::text(Speaker::User, "(the conversation goes on)"));
        }
        match turns.last_mut() {
            Some(last) if last.speaker == speaker => last.parts.push(Part::Text(text)),
            _ => turns.push(Turn::text(speaker, text)),
        }
    }
    turns
}

const fn speaker(by: By) -> Speaker {
    match by {
        By::User => Speaker::User,
        By::Model => Speaker::Model,
    }
}

const fn word(by: By) -> &'static str {
    match by {
        By::User => "user",
        By::Model => "model",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(source: &Value, tokens: usize, expected: &[(Speaker, &str)]) {
        let turns = turns(source, tokens).expect("it is right");
        let text = |turn: &Turn| {
            let parts = turn.parts.iter().filter_map(|part| match part {
                Part::Text(text) => Some(text.as_str()),
                _ => None,
            });
            parts.collect::<Vec<_>>().join("|")
        };
        let got: Vec<_> = turns.iter().map(|turn| (turn.speaker, text(turn))).collect();
        let expected: Vec<_> = expected.iter().map(|(speaker, text)| (*speaker, (*text).to_owned())).collect();
        assert_eq!(got, expected);
    }

    fn talk() -> Value {
        json!({"turns": [
            {"by": "user", "text": "My parcel is broken. It came yesterday, wrapped in blue paper, and fell apart."},
            {"by": "model", "text": "Which one?"},
            {"by": "user", "text": "The blue one."},
            {"by": "user", "text": "Hello?"},
        ]})
    }

    #[test]
    fn what_fits_goes_along_whole_and_speakers_change_each_time() {
        let first = "My parcel is broken. It came yesterday, wrapped in blue paper, and fell apart.";
        let expected =
            [(Speaker::User, first), (Speaker::Model, "Which one?"), (Speaker::User, "The blue one.|Hello?")];
        check(&talk(), 1_000, &expected);
    }

    #[test]
    fn what_does_not_fit_is_told_in_short() {
        let earlier = "Earlier: user: My parcel i";
        let expected =
            [(Speaker::User, earlier), (Speaker::Model, "Which one?"), (Speaker::User, "The blue one.|Hello?")];
        check(&talk(), 45, &expected);
        let mut told = talk();
        told["summary"] = json!("A broken parcel.");
        told["recalled"] = json!(["One refund before."]);
        let background = "Known: One refund before.\nEarlier: A broken parcel.";
        let expected =
            [(Speaker::User, background), (Speaker::Model, "Which one?"), (Speaker::User, "The blue one.|Hello?")];
        check(&told, 45, &expected);
        told["tokens"] = json!(0);
        check(&told, 1_000, &[(Speaker::User, "\n")]);
    }

    #[test]
    fn the_user_begins_and_nonsense_is_refused() {
        let of_model = json!({"turns": [{"by": "model", "text": "Hello."}]});
        check(&of_model, 100, &[(Speaker::User, "(the conversation goes on)"), (Speaker::Model, "Hello.")]);
        check(&Value::Null, 100, &[]);
        for wrong in [json!(7), json!({"turns": [{"by": "god", "text": ""}]}), json!({"turns": [], "colour": 1})] {
            assert!(turns(&wrong, 100).is_err(), "{wrong}");
        }
    }
}
