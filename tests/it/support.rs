//! Starts real processes (shop, hub), feeds and answers over HTTP as people do, and judges by the shop's ledger.
//!
//! Looks into no hub: what it knows of one is what its API, its exit code and its files say.
//!
//! ```text
//! Story (what is fed, what is answered) --HTTP--> Hub (sinew up) --HTTP--> Shop
//!                       \_____________ judge _______________________________/ ledger
//! ```
#![allow(
    dead_code,
    unused_imports,
    reason = "each suite uses a part, and the crash suite exists under a feature alone"
)]

pub mod hub;
pub mod judge;
pub mod shop;
pub mod story;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;

pub use hub::{Ended, Hub, Launch, Ran, sinew};
pub use shop::Shop;
pub use story::Story;

/// How often something is looked at that is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The deployment that the suites run.
pub fn deployment() -> PathBuf {
    root().join("deployments/returns")
}

/// A committed sample photograph.
pub fn sample(file: &str) -> PathBuf {
    deployment().join("samples").join(file)
}

/// The repository.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The full counts are wanted.
pub fn deep() -> bool {
    std::env::var_os("SINEW_DEEP").is_some()
}

/// The seed of all that is drawn by chance: `SINEW_SEED`, or a new one. Print it.
pub fn seed() -> u64 {
    let given = std::env::var("SINEW_SEED").ok().and_then(|text| text.trim().parse().ok());
    given.unwrap_or_else(|| getrandom::u64().expect("the system gives randomness"))
}

/// A client without a proxy; each hub and shop has its own, so that no connection of a dead process is used again.
pub fn http() -> reqwest::Client {
    // Only the first call of a process installs it; the others find it there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30));
    builder.build().expect("a plain client can be built")
}

/// Waits until `look` gives something; panics, naming `what`, when it does not within `max`.
pub async fn until<T>(what: &str, max: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < max, "waited {max:?} for {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// A field that is text; empty where there is none.
pub fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}
