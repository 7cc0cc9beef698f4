//! Answers to the very same question, for a while: by canonical request, model, schema and everything that was looked at.
//!
//! The inputs are part of the question, so another state of the world is another key. Near is never the same: there is no
//! cache by meaning. Bounded; the oldest goes first. Does not know models.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use sinew_contract::{Digest, Timestamp};

/// Answers kept at most.
const ANSWERS_MAX: usize = 4_096;
/// Longer answers are not kept.
const ANSWER_LEN_MAX: usize = 64 * 1024;

/// The answers.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    answers: BTreeMap<Digest, (Timestamp, Value)>,
    order: VecDeque<Digest>,
}

impl Cache {
    /// The answer under a key that is still good.
    pub(crate) fn get(&self, key: Digest, now: Timestamp) -> Option<Value> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.answers.get(&key).filter(|(until, _)| now < *until).map(|(_, value)| value.clone())
    }

    /// Keeps an answer for so long.
    pub(crate) fn put(&self, key: Digest, value: &Value, life: Duration, now: Timestamp) {
        if value.to_string().len() > ANSWER_LEN_MAX {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.answers.insert(key, (now.after(life), value.clone())).is_none() {
            state.order.push_back(key);
        }
        while state.order.len() > ANSWERS_MAX
            && let Some(oldest) = state.order.pop_front()
        {
            state.answers.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_lives_as_long_as_it_was_told_and_no_longer() {
        let (cache, key, now) = (Cache::default(), Digest([1; 32]), Timestamp(5));
        cache.put(key, &json!(1), Duration::from_micros(10), now);
        assert_eq!(cache.get(key, Timestamp(14)), Some(json!(1)));
        assert_eq!(cache.get(key, Timestamp(15)), None);
        assert_eq!(cache.get(Digest([2; 32]), now), None);
    }

    #[test]
    fn it_never_grows_beyond_its_bound() {
        let cache = Cache::default();
        for n in 0..=u16::try_from(ANSWERS_MAX).expect("small") {
            let mut key = [0; 32];
            key[..2].copy_from_slice(&n.to_be_bytes());
            cache.put(Digest(key), &json!(n), Duration::from_secs(1), Timestamp(0));
        }
        assert_eq!(cache.get(Digest([0; 32]), Timestamp(0)), None);
        assert_eq!(cache.state.lock().expect("nobody panicked").answers.len(), ANSWERS_MAX);
    }
}
