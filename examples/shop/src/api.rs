//! The routes: what reaches the shop over HTTP, and which fault it gets on the way.
//!
//! Decides nothing about money or stock: a POST is handed whole to [`Store::post`]. SQLite blocks, so every call to the
//! store runs on a blocking thread, one at a time.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use crate::cut::{Cut, CutListener};
use crate::rules::Action;
use crate::store::{Answer, Call, Store, StoreError, problem};
use crate::switches::{Panel, Switches};

/// A running shop, shared by its handlers.
#[derive(Clone)]
pub struct Shop {
    store: Arc<Mutex<Store>>,
    panel: Arc<Panel>,
}

impl Shop {
    /// A shop over its opened store, with all switches off.
    pub fn new(store: Store) -> Self {
        Self { store: Arc::new(Mutex::new(store)), panel: Arc::default() }
    }

    async fn with_store<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Answer> {
        let store = self.store.clone();
        let work = move || f(&mut store.lock().unwrap_or_else(PoisonError::into_inner));
        match tokio::task::spawn_blocking(work).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                tracing::error!(%error, "the store failed");
                Err(problem(500, &error.to_string()))
            }
            Err(error) => Err(problem(500, &error.to_string())),
        }
    }

    async fn view(&self, f: impl FnOnce(&Store) -> rusqlite::Result<Option<Value>> + Send + 'static) -> Answer {
        match self.with_store(|store| Ok(f(store)?)).await {
            Ok(Some(body)) => Answer { status: 200, body },
            Ok(None) => problem(404, "there is no such thing"),
            Err(answer) => answer,
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let media_type = if status.is_success() { "application/json" } else { "application/problem+json" };
        (status, [(header::CONTENT_TYPE, media_type)], self.body.to_string()).into_response()
    }
}

/// Serves the shop on a bound socket until `stop` comes.
///
/// # Errors
/// As the socket.
pub async fn serve(
    listener: TcpListener,
    shop: Shop,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let app = routes(shop).into_make_service_with_connect_info::<Cut>();
    axum::serve(CutListener(listener), app).with_graceful_shutdown(stop).await
}

fn routes(shop: Shop) -> Router {
    let trade = Router::new()
        .route("/returns/{code}", get(returns))
        .route("/customers/{id}", get(customer))
        .route("/orders/{id}", get(order))
        .route("/products/{ean}", get(product))
        .route("/stock/{sku}", get(stock))
        .route("/effects/{*key}", get(effect))
        .route("/refunds", post(async |call: Parts| act(Action::Refund, call).await))
        .route("/refunds/void", post(async |call: Parts| act(Action::RefundVoid, call).await))
        .route("/stock/restock", post(async |call: Parts| act(Action::Restock, call).await))
        .route("/stock/unstock", post(async |call: Parts| act(Action::Unstock, call).await))
        .route("/messages", post(async |call: Parts| act(Action::Message, call).await))
        .route_layer(middleware::from_fn_with_state(shop.clone(), weather));
    let administration = Router::new()
        .route("/ledger", get(ledger))
        .route("/state", get(state))
        .route("/switches", get(switches).put(set_switches).patch(change_switches))
        .route("/health", get(health));
    trade.merge(administration).fallback(async || problem(404, "there is no such place")).with_state(shop)
}

/// What befalls every call of the trade alike: waiting, and a shop that is down.
async fn weather(
    State(shop): State<Shop>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: Request,
    next: Next,
) -> Response {
    let delay = shop.panel.delay();
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    if shop.panel.is_down() {
        return dropped(&cut);
    }
    next.run(request).await
}

/// The connection ends here; the answer is made up, for nobody will read it.
fn dropped(cut: &Cut) -> Response {
    cut.pull();
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}

/// What a POST brings.
struct Parts {
    shop: Shop,
    cut: Cut,
    headers: HeaderMap,
    body: Result<Json<Value>, JsonRejection>,
}

impl axum::extract::FromRequest<Shop> for Parts {
    type Rejection = std::convert::Infallible;

    async fn from_request(request: Request, shop: &Shop) -> Result<Self, Self::Rejection> {
        let cut = request.extensions().get::<ConnectInfo<Cut>>().map(|info| info.0.clone()).unwrap_or_default();
        let headers = request.headers().clone();
        let body = Json::from_request(request, shop).await;
        Ok(Self { shop: shop.clone(), cut, headers, body })
    }
}

/// One POST: its switches are read first, then it goes to the store, once or (as a network may do) twice.
async fn act(action: Action, parts: Parts) -> Response {
    let Parts { shop, cut, headers, body } = parts;
    let plan = shop.panel.plan();
    if plan.lose_request {
        return dropped(&cut);
    }
    let (call, wrong) = read_call(action, &headers, body, plan.unguarded);
    if let Some(answer) = wrong {
        return turn_away(&shop, call, answer).await;
    }
    if let Some(seconds) = plan.busy {
        let answer = turn_away(&shop, call, problem(503, "the shop is busy; nothing was done")).await;
        return ([(header::RETRY_AFTER, seconds.to_string())], answer).into_response();
    }
    let answer = deliver(&shop, call, plan.duplicate).await;
    if plan.lose_reply {
        return dropped(&cut);
    }
    answer.unwrap_or_else(|answer| answer).into_response()
}

async fn deliver(shop: &Shop, call: Call, twice: bool) -> Result<Answer, Answer> {
    shop.with_store(move |store| {
        let first = store.post(&call)?;
        if twice {
            store.post(&call)?;
        }
        Ok(first)
    })
    .await
}

/// Says no before anybody looks at the call, and writes that down.
async fn turn_away(shop: &Shop, call: Call, answer: Answer) -> Response {
    let row = answer.clone();
    let written = shop.with_store(move |store| store.turn_away(&call, &row)).await;
    written.map_or_else(|failed| failed, |()| answer).into_response()
}

/// The call as far as it can be understood, and what is wrong with it.
fn read_call(
    action: Action,
    headers: &HeaderMap,
    body: Result<Json<Value>, JsonRejection>,
    unguarded: bool,
) -> (Call, Option<Answer>) {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let key = text("idempotency-key").map(|key| key.trim_matches('"').to_owned()).filter(|key| !key.is_empty());
    let mut call = Call { action, key, expires: None, arguments: Value::Null, unguarded };
    match body {
        Ok(Json(arguments)) => call.arguments = arguments,
        Err(rejection) => return (call, Some(problem(400, &rejection.body_text()))),
    }
    match text("command-expires").map(str::parse::<Timestamp>).transpose() {
        Ok(expires) => call.expires = expires,
        Err(_) => return (call, Some(problem(400, "the header `Command-Expires` is not an RFC 3339 time"))),
    }
    (call, None)
}

async fn returns(State(shop): State<Shop>, Path(code): Path<String>) -> Answer {
    shop.view(move |store| store.returns(&code).map(Some)).await
}

async fn customer(State(shop): State<Shop>, Path(id): Path<String>) -> Answer {
    shop.view(move |store| store.customer(&id)).await
}

async fn order(State(shop): State<Shop>, Path(id): Path<String>) -> Answer {
    shop.view(move |store| store.order(&id)).await
}

async fn product(State(shop): State<Shop>, Path(ean): Path<String>) -> Answer {
    shop.view(move |store| store.product(&ean)).await
}

async fn stock(State(shop): State<Shop>, Path(sku): Path<String>) -> Answer {
    shop.view(move |store| store.stock(&sku)).await
}

async fn effect(State(shop): State<Shop>, Path(key): Path<String>) -> Answer {
    shop.view(move |store| store.effect(&key)).await
}

async fn ledger(State(shop): State<Shop>) -> Answer {
    shop.view(|store| Ok(Some(Value::Array(store.ledger()?)))).await
}

async fn state(State(shop): State<Shop>) -> Answer {
    shop.view(|store| store.state().map(Some)).await
}

async fn health(State(shop): State<Shop>) -> Json<Value> {
    Json(json!({"ok": true, "down": shop.panel.is_down()}))
}

async fn switches(State(shop): State<Shop>) -> Json<Switches> {
    Json(shop.panel.get())
}

async fn set_switches(State(shop): State<Shop>, Json(new): Json<Value>) -> Result<Json<Switches>, Answer> {
    let new = serde_json::from_value(new).map_err(|error| problem(422, &format!("no such switch: {error}")))?;
    shop.panel.set(new);
    Ok(Json(shop.panel.get()))
}

async fn change_switches(
    State(shop): State<Shop>,
    Json(changes): Json<Map<String, Value>>,
) -> Result<Json<Switches>, Answer> {
    let mut all = serde_json::to_value(shop.panel.get()).map_err(|error| problem(500, &error.to_string()))?;
    if let Value::Object(all) = &mut all {
        all.extend(changes);
    }
    set_switches(State(shop), Json(all)).await
}
