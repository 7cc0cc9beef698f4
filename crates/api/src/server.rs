//! The router's list, and the one server that carries it. Every path of the house stands here.
//!
//! Does not know what lies behind `House` and `Watch`. A route of `/v1` also stands in `openapi.rs`; a test compares them.

use std::future::Future;
use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use sinew_contract::Clock;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use crate::face::{House, Watch};
use crate::people::People;
use crate::{guard, metrics, openapi, pages, v1};

/// 64 KiB: a form or a JSON body of ours has a note of 500 characters in it.
const BODY_LEN_MAX: usize = 64 * 1024;
/// 64 followers: every person and a few machines; each holds one connection and one reader of the log.
const FOLLOWERS_MAX: usize = 64;

/// What the pages say about the house, and by which names it is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The name of the house, as in `Returns desk`.
    pub site: String,
    /// Host names other than loopback under which it may be called, as in `sinew.example` or `box:8080`.
    pub hosts: Vec<String>,
    /// ISO 4217 code of what things cost us.
    pub currency: String,
    /// Effects go to simulated devices; said on every page.
    pub simulated: bool,
    /// It is reached over TLS alone (behind a proxy): the session cookie is marked `Secure`.
    pub tls: bool,
    /// Version of the binary.
    pub version: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            site: "Sinew".into(),
            hosts: Vec::new(),
            currency: "EUR".into(),
            simulated: false,
            tls: false,
            version: env!("CARGO_PKG_VERSION").into(),
        }
    }
}

/// What the roof hands over.
pub struct Parts {
    /// The work.
    pub house: Arc<dyn House>,
    /// What one watches it by.
    pub watch: Arc<dyn Watch>,
    /// Who may come in.
    pub people: Arc<People>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Names.
    pub settings: Settings,
}

/// What the handlers share.
pub(crate) struct Api {
    pub(crate) house: Arc<dyn House>,
    pub(crate) watch: Arc<dyn Watch>,
    pub(crate) people: Arc<People>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: Settings,
    /// One permit per follower of the log.
    pub(crate) followers: Arc<Semaphore>,
    /// Set when the server closes, so that streams end and do not hold it open.
    pub(crate) closing: watch::Receiver<bool>,
}

/// All routes, behind the door. The server below uses it; tests call it without a socket.
pub fn router(parts: Parts) -> Router {
    // The sender is dropped here, so nobody ever says that the server closes.
    let (_, closing) = watch::channel(false);
    router_closing(parts, closing)
}

/// Serves until `until` is ready; then takes nothing new in, ends the streams, finishes what is under way and returns.
///
/// # Errors
/// As the socket fails.
pub async fn serve(
    listener: TcpListener,
    parts: Parts,
    until: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (close, closing) = watch::channel(false);
    let app = router_closing(parts, closing);
    let until = async move {
        until.await;
        close.send_replace(true);
    };
    // A stream of events is made of small writes, each of which somebody waits for.
    let listener = listener.tap_io(|socket| {
        if let Err(error) = socket.set_nodelay(true) {
            tracing::warn!(%error, "a connection is slower than it could be");
        }
    });
    axum::serve(listener, app).with_graceful_shutdown(until).await
}

fn router_closing(parts: Parts, closing: watch::Receiver<bool>) -> Router {
    let Parts { house, watch, people, clock, settings } = parts;
    let followers = Arc::new(Semaphore::new(FOLLOWERS_MAX));
    let api = Arc::new(Api { house, watch, people, clock, settings, followers, closing });
    Router::new()
        .merge(api_routes())
        .merge(page_routes())
        .merge(probe_routes())
        .fallback(pages::no_such_page)
        .method_not_allowed_fallback(pages::no_such_method)
        .layer(DefaultBodyLimit::max(BODY_LEN_MAX))
        .layer(from_fn_with_state(Arc::clone(&api), guard::door))
        .with_state(api)
}

fn api_routes() -> Router<Arc<Api>> {
    Router::new()
        .route("/v1/scans", post(v1::scans::post_scan).layer(DefaultBodyLimit::disable()))
        .route("/v1/scans/{scan}", get(v1::scans::get_scan))
        .route("/v1/runs", get(v1::runs::list_runs))
        .route("/v1/runs/{run}", get(v1::runs::get_run))
        .route("/v1/runs/{run}/cancel", post(v1::runs::cancel_run))
        .route("/v1/gates", get(v1::gates::list_gates))
        .route("/v1/gates/{gate}", get(v1::gates::get_gate).post(v1::gates::answer_gate))
        .route("/v1/people/{name}/token", post(v1::people::give_token))
        .route("/v1/people/{name}/link", post(v1::people::give_link))
        .route("/v1/stop", post(v1::watch::stop))
        .route("/v1/resume", post(v1::watch::resume))
        .route("/v1/health", get(v1::watch::health))
        .route("/v1/audit", get(v1::watch::audit))
        .route("/v1/entries", get(v1::watch::entries))
        .route("/v1/events", get(v1::events::follow))
        .route("/v1/blobs/{digest}", get(v1::blobs::get_blob))
        .route("/v1/openapi.json", get(openapi::document))
}

fn page_routes() -> Router<Arc<Api>> {
    Router::new()
        .route("/", get(pages::home::show))
        .route("/inbox", get(pages::inbox::show))
        .route("/gates/{gate}", get(pages::gate::show).post(pages::gate::answer))
        .route("/runs", get(pages::runs::show))
        .route("/runs/{run}", get(pages::run::show))
        .route("/runs/{run}/cancel", post(pages::run::cancel))
        .route("/scan", get(pages::scan::show_form).post(pages::scan::take).layer(DefaultBodyLimit::disable()))
        .route("/scans/{scan}", get(pages::scan::show))
        .route("/audit", get(pages::audit::show))
        .route("/stop", post(pages::stop::press))
        .route("/resume", post(pages::stop::release))
        .route("/login", get(pages::login::show).post(pages::login::enter))
        .route("/logout", post(pages::login::leave))
        .route(pages::css_path(), get(pages::css))
        .route("/icon.svg", get(pages::icon))
}

fn probe_routes() -> Router<Arc<Api>> {
    Router::new()
        .route("/livez", get(metrics::livez))
        .route("/readyz", get(metrics::readyz))
        .route("/metrics", get(metrics::metrics))
}
