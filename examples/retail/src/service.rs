//! The worlds over HTTP: writes with an `Idempotency-Key` and a `Command-Expires`, look-ups, and "did this key arrive?".
//!
//! Does not deduplicate: the key is noted and never looked at before a write. What goes wrong on the way is drawn by
//! [`crate::faults`]; harm that falls on the sender is handed to whoever runs the sender.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::faults::{Faults, Harm};
use crate::reads;
use crate::world::{Fate, Row, World};

/// Hurts the sender; returns when it is done.
pub type Hurt = Box<dyn Fn(Harm) + Send + Sync>;

/// All worlds, by name.
pub struct Retail {
    worlds: BTreeMap<String, Mutex<World>>,
    faults: Option<Faults>,
    hurt: Hurt,
    arrivals: Mutex<HashMap<String, u32>>,
    harms: Mutex<BTreeMap<Harm, usize>>,
}

impl Retail {
    /// Makes the back end.
    pub fn new(worlds: BTreeMap<String, World>, faults: Option<Faults>, hurt: Hurt) -> Self {
        let worlds = worlds.into_iter().map(|(name, world)| (name, Mutex::new(world))).collect();
        Self { worlds, faults, hurt, arrivals: Mutex::default(), harms: Mutex::default() }
    }

    /// Looks at a world; none where there is no such name.
    pub fn world(&self, name: &str) -> Option<World> {
        self.worlds.get(name).map(|world| lock(world).clone())
    }

    /// How often each harm struck.
    pub fn harms(&self) -> BTreeMap<String, usize> {
        lock(&self.harms).iter().map(|(harm, count)| (format!("{harm:?}"), *count)).collect()
    }

    /// Serves until the task that runs it is dropped.
    ///
    /// # Errors
    /// Where the listener fails.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) -> std::io::Result<()> {
        let routes = Router::new()
            .route("/w/{world}/{action}", post(write))
            .route("/w/{world}/read/{name}/{arguments}", get(read))
            .route("/effects/{key}", get(effect))
            .with_state(self);
        axum::serve(listener, routes).await
    }

    /// The number of this arrival, from 0.
    fn arrival(&self, words: &str) -> u32 {
        let mut arrivals = lock(&self.arrivals);
        let count = arrivals.entry(words.to_owned()).or_default();
        *count += 1;
        *count - 1
    }

    fn harm(&self, key: &str) -> Option<Harm> {
        let nth = self.arrival(&format!("write {key}"));
        let harm = self.faults?.of_write(key, nth)?;
        *lock(&self.harms).entry(harm).or_default() += 1;
        Some(harm)
    }

    fn is_silent(&self, words: &str) -> bool {
        let nth = self.arrival(words);
        self.faults.is_some_and(|faults| faults.of_read(words, nth))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn problem(status: StatusCode, detail: &str) -> Response {
    (status, Json(json!({ "title": "refused", "detail": detail }))).into_response()
}

async fn write(
    State(retail): State<Arc<Retail>>,
    Path((world, action)): Path<(String, String)>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let Some(key) = header(&headers, "idempotency-key") else {
        return problem(StatusCode::BAD_REQUEST, "a write needs an `Idempotency-Key`");
    };
    let harm = retail.harm(key);
    match harm {
        Some(Harm::Busy) => return problem(StatusCode::SERVICE_UNAVAILABLE, "come back"),
        Some(harm) if !harm.is_after() => return silence(&retail, harm).await,
        _ => {}
    }
    let Some(world) = retail.worlds.get(&world) else { return problem(StatusCode::NOT_FOUND, "no such world") };
    let arguments = body.get("arguments").cloned().unwrap_or_default();
    let row = {
        let mut world = lock(world);
        // Judged with the rows in hand: nothing late is ever applied, however long the lock was waited for.
        if is_late(&headers) {
            return problem(StatusCode::GONE, "the command has expired");
        }
        let at = world.write(key, &action, &arguments);
        world.ledger().get(at).cloned()
    };
    match (harm, row) {
        (Some(harm), _) => silence(&retail, harm).await,
        (None, Some(row)) if row.outcome == Fate::Applied => Json(receipt(&row)).into_response(),
        (None, row) => {
            let reason = row.and_then(|row| row.reason).unwrap_or_default();
            problem(StatusCode::CONFLICT, &reason)
        }
    }
}

/// Hurts the sender where that is the harm, and never answers.
async fn silence(retail: &Retail, harm: Harm) -> Response {
    if harm.is_on_sender() {
        (retail.hurt)(harm);
    }
    std::future::pending().await
}

async fn read(
    State(retail): State<Arc<Retail>>,
    Path((world, name, arguments)): Path<(String, String, String)>,
) -> Response {
    if retail.is_silent(&format!("{world} {name} {arguments}")) {
        return std::future::pending().await;
    }
    let Ok(arguments) = serde_json::from_str(&arguments) else {
        return problem(StatusCode::BAD_REQUEST, "the arguments are not JSON");
    };
    let found = retail.worlds.get(&world).and_then(|world| reads::answer(lock(world).db(), &name, &arguments));
    found.map_or_else(|| problem(StatusCode::NOT_FOUND, "nothing found"), |found| Json(found).into_response())
}

async fn effect(State(retail): State<Arc<Retail>>, Path(key): Path<String>) -> Response {
    if retail.is_silent(&format!("effect {key}")) {
        return std::future::pending().await;
    }
    let found = retail.worlds.values().find_map(|world| lock(world).by_key(&key).cloned());
    match found {
        Some(row) => {
            let applied = row.outcome == Fate::Applied;
            let result = if applied { receipt(&row) } else { json!({ "detail": row.reason }) };
            Json(json!({ "applied": applied, "result": result })).into_response()
        }
        None => problem(StatusCode::NOT_FOUND, "no such key has arrived"),
    }
}

fn receipt(row: &Row) -> Value {
    json!({ "action": row.action, "money_cents": row.money_cents, "at_us": row.at_us })
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// What arrives after its time is turned away at the door, and leaves no line.
fn is_late(headers: &HeaderMap) -> bool {
    let expires = header(headers, "command-expires").and_then(|text| text.parse::<jiff::Timestamp>().ok());
    expires.is_some_and(|expires| jiff::Timestamp::now() > expires)
}
