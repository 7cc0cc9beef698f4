//! Who wants which topic, and the mailboxes in which messages wait. One short lock; nothing waits while holding it.
//!
//! Does not know sockets.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rumqttc::{Publish, QoS};
use tokio::sync::Notify;

use crate::mqtt::topics::takes;

/// Messages that wait for one client.
const WAITING_MAX: usize = 10_000;
/// Messages that one client has been given and has not acknowledged; it gets no more until it does.
pub(super) const GIVEN_MAX: usize = 1_000;
/// Topics whose last message is kept; more are not kept, and counted as dropped.
const RETAINED_MAX: usize = 10_000;
/// Clients that are remembered while they are away.
const AWAY_MAX: usize = 1_024;
/// How long the sender of a QoS 1 message waits for room before it is sent away without an answer.
const ROOM_MAX: Duration = Duration::from_secs(10);

/// Counts what was dropped.
#[derive(Clone, Debug, Default)]
pub struct Dropped(Arc<AtomicU64>);

impl Dropped {
    /// How many so far.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A client, there or away.
#[derive(Default)]
struct Client {
    /// Grows with each connection of this name: an older one has been thrown out.
    turn: u64,
    there: bool,
    keeps: bool,
    filters: Vec<(String, QoS)>,
    waiting: VecDeque<Publish>,
    given: BTreeMap<u16, Publish>,
    last_number: u16,
    wake: Arc<Notify>,
}

#[derive(Default)]
struct State {
    clients: BTreeMap<String, Client>,
    retained: BTreeMap<String, Publish>,
}

/// Everything that the sessions share.
#[derive(Default)]
pub(super) struct Switch {
    state: Mutex<State>,
    room: Notify,
    dropped: Dropped,
}

/// A session's hold on its client.
#[derive(Clone)]
pub(super) struct Seat {
    pub name: String,
    turn: u64,
    pub wake: Arc<Notify>,
}

/// What a session is to do next.
pub(super) enum Next {
    Give(Publish),
    Wait,
    /// Another connection has taken this name.
    Leave,
}

impl Switch {
    pub(super) fn dropped(&self) -> Dropped {
        self.dropped.clone()
    }

    /// Seats a client; an older connection of the same name loses its seat. Says whether its session was known.
    pub(super) fn enter(&self, name: &str, clean: bool) -> Option<(Seat, bool)> {
        let mut state = self.state();
        if !state.clients.contains_key(name) && state.clients.len() >= AWAY_MAX * 2 {
            return None;
        }
        let client = state.clients.entry(name.to_owned()).or_default();
        let known = client.keeps && !clean;
        let turn = client.turn + 1;
        client.wake.notify_one();
        if known {
            // What was given and not acknowledged comes again, before all else and marked as such.
            let again = std::mem::take(&mut client.given).into_values().rev();
            again.for_each(|publish| client.waiting.push_front(Publish { dup: true, ..publish }));
        } else {
            *client = Client::default();
        }
        (client.turn, client.there, client.keeps) = (turn, true, !clean);
        client.wake = Arc::default();
        Some((Seat { name: name.to_owned(), turn, wake: Arc::clone(&client.wake) }, known))
    }

    /// A connection has ended.
    pub(super) fn leave(&self, seat: &Seat) {
        let mut state = self.state();
        let Some(client) = state.clients.get_mut(&seat.name).filter(|client| client.turn == seat.turn) else { return };
        client.there = false;
        if !client.keeps {
            state.clients.remove(&seat.name);
        }
        drop(state);
        self.room.notify_waiters();
    }

    /// Adds filters, and puts what is retained for them into the mailbox.
    pub(super) fn subscribe(&self, seat: &Seat, filter: &str, qos: QoS) {
        let mut state = self.state();
        let kept: Vec<_> = state.retained.values().filter(|publish| takes(filter, &publish.topic)).cloned().collect();
        let Some(client) = state.clients.get_mut(&seat.name).filter(|client| client.turn == seat.turn) else { return };
        client.filters.retain(|(known, _)| known != filter);
        client.filters.push((filter.to_owned(), qos));
        for publish in kept {
            if !client.put(Publish { retain: true, ..publish }, qos) {
                self.dropped.add();
            }
        }
    }

    pub(super) fn unsubscribe(&self, seat: &Seat, filters: &[String]) {
        if let Some(client) = self.state().clients.get_mut(&seat.name).filter(|client| client.turn == seat.turn) {
            client.filters.retain(|(known, _)| !filters.contains(known));
        }
    }

    /// Hands a message to all who want it. A QoS 1 message waits until all of them have room.
    ///
    /// Says false where that takes too long: then the sender must not be answered.
    pub(super) async fn publish(&self, publish: &Publish) -> bool {
        let waited = tokio::time::timeout(ROOM_MAX, async {
            loop {
                // Made before the look, so that room which comes in between is not missed.
                let room = self.room.notified();
                if self.try_publish(publish) {
                    return;
                }
                room.await;
            }
        });
        waited.await.is_ok()
    }

    /// All of them, or none where a QoS 1 message does not fit.
    fn try_publish(&self, publish: &Publish) -> bool {
        let mut state = self.state();
        let wants = |client: &Client| client.wants(&publish.topic).map(|qos| lesser(qos, publish.qos));
        let full = |client: &Client| client.waiting.len() >= WAITING_MAX && wants(client) == Some(QoS::AtLeastOnce);
        if publish.qos != QoS::AtMostOnce && state.clients.values().any(full) {
            return false;
        }
        for client in state.clients.values_mut() {
            let Some(qos) = wants(client) else { continue };
            let away = !client.there && qos == QoS::AtMostOnce;
            if away || !client.put(Publish { retain: false, dup: false, ..publish.clone() }, qos) {
                self.dropped.add();
            }
        }
        if publish.retain {
            self.retain(&mut state, publish);
        }
        true
    }

    fn retain(&self, state: &mut State, publish: &Publish) {
        if publish.payload.is_empty() {
            state.retained.remove(&publish.topic);
        } else if state.retained.len() < RETAINED_MAX || state.retained.contains_key(&publish.topic) {
            state.retained.insert(publish.topic.clone(), publish.clone());
        } else {
            self.dropped.add();
        }
    }

    /// The next message of a client.
    pub(super) fn next(&self, seat: &Seat) -> Next {
        let mut state = self.state();
        let Some(client) = state.clients.get_mut(&seat.name).filter(|client| client.turn == seat.turn) else {
            return Next::Leave;
        };
        if client.given.len() >= GIVEN_MAX {
            return Next::Wait;
        }
        let Some(mut publish) = client.waiting.pop_front() else { return Next::Wait };
        let made_room = client.waiting.len() + 1 == WAITING_MAX;
        if publish.qos != QoS::AtMostOnce {
            publish.pkid = client.number();
            client.given.insert(publish.pkid, publish.clone());
        }
        drop(state);
        if made_room {
            self.room.notify_waiters();
        }
        Next::Give(publish)
    }

    /// A client has acknowledged a message.
    pub(super) fn acknowledged(&self, seat: &Seat, number: u16) {
        if let Some(client) = self.state().clients.get_mut(&seat.name).filter(|client| client.turn == seat.turn) {
            client.given.remove(&number);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Client {
    /// The best quality at which it wants this topic.
    fn wants(&self, topic: &str) -> Option<QoS> {
        let wanted = self.filters.iter().filter(|(filter, _)| takes(filter, topic)).map(|(_, qos)| *qos);
        wanted.reduce(|one, other| if one == QoS::AtLeastOnce { one } else { other })
    }

    /// Puts a message into the mailbox; false where it is full.
    fn put(&mut self, publish: Publish, qos: QoS) -> bool {
        if self.waiting.len() >= WAITING_MAX {
            return false;
        }
        let qos = lesser(qos, publish.qos);
        self.waiting.push_back(Publish { qos, pkid: 0, ..publish });
        self.wake.notify_one();
        true
    }

    fn number(&mut self) -> u16 {
        loop {
            self.last_number = self.last_number.checked_add(1).unwrap_or(1);
            if !self.given.contains_key(&self.last_number) {
                return self.last_number;
            }
        }
    }
}

fn lesser(one: QoS, other: QoS) -> QoS {
    if one == QoS::AtMostOnce || other == QoS::AtMostOnce { QoS::AtMostOnce } else { QoS::AtLeastOnce }
}
