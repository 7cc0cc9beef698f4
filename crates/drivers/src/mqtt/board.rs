//! What a device said last, topic by topic: for those who look at its state, and for those who wait for its word.
//!
//! Keeps one message per topic and a bounded number of topics; does not know what any of them means.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::broadcast;

use super::lane::Message;
use super::topics::takes;

/// Topics that are remembered; a device that makes up more of them is not remembered further.
const TOPICS_MAX: usize = 10_000;
/// Messages that a waiting command may lag behind; it then waits in vain and ends as unknown.
const LAG_MAX: usize = 1_024;

/// The last word on each topic.
#[derive(Debug)]
pub(super) struct Board {
    filters: Vec<String>,
    last: Mutex<BTreeMap<String, Message>>,
    news: broadcast::Sender<Message>,
}

impl Board {
    pub(super) fn new(filters: Vec<String>) -> Self {
        Self { filters, last: Mutex::default(), news: broadcast::Sender::new(LAG_MAX) }
    }

    /// Says whether this topic is heard for its own sake.
    pub(super) fn wants(&self, topic: &str) -> bool {
        self.filters.iter().any(|filter| takes(filter, topic))
    }

    pub(super) fn pin(&self, message: &Message) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = last.get_mut(&message.topic) {
            known.clone_from(message);
        } else if last.len() < TOPICS_MAX {
            last.insert(message.topic.clone(), message.clone());
        }
        drop(last);
        if self.news.receiver_count() > 0 {
            // Nobody may be left, which is as good.
            let _ = self.news.send(message.clone());
        }
    }

    pub(super) fn last(&self, topic: &str) -> Option<Message> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).get(topic).cloned()
    }

    /// Everything from now on.
    pub(super) fn news(&self) -> broadcast::Receiver<Message> {
        self.news.subscribe()
    }
}
