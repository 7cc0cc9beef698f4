//! A running shop on a free port, and a client that never retries.

use std::path::Path;

use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use sinew_example_shop::api::{self, Shop};
use sinew_example_shop::store::Store;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub struct Running {
    pub base: String,
    pub client: Client,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub async fn start() -> Running {
    start_with(None, 40).await
}

pub async fn start_with(path: Option<&Path>, bulk: u32) -> Running {
    let store = Store::open(path, "2026-11-22".parse().expect("a date"), bulk).expect("the shop opens its file");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let base = format!("http://{}", listener.local_addr().expect("a bound socket has an address"));
    let shop = Shop::new(store);
    let task =
        tokio::spawn(async move { api::serve(listener, shop, std::future::pending()).await.expect("it serves") });
    // The HTTP client wants a provider even where nothing is encrypted; whichever test comes first installs it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder()
        .no_proxy()
        .retry(reqwest::retry::never())
        .pool_max_idle_per_host(0)
        .tls_certs_only([])
        .build()
        .expect("the client builds");
    Running { base, client, task }
}

impl Running {
    pub async fn send(
        &self,
        path: &str,
        key: &str,
        expires: Option<&str>,
        body: &Value,
    ) -> Result<Response, reqwest::Error> {
        let mut request = self.client.post(format!("{}{path}", self.base)).header("Idempotency-Key", key).json(body);
        if let Some(expires) = expires {
            request = request.header("Command-Expires", expires);
        }
        request.send().await
    }

    pub async fn post(&self, path: &str, key: &str, body: &Value) -> (u16, Value) {
        read(self.send(path, key, None, body).await.expect("the shop answers")).await
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        read(self.client.get(format!("{}{path}", self.base)).send().await.expect("the shop answers")).await
    }

    pub async fn switch(&self, switches: Value) {
        let request = self.client.request(Method::PUT, format!("{}/switches", self.base)).json(&switches);
        let (status, body) = read(request.send().await.expect("the shop answers")).await;
        assert_eq!(status, 200, "{body}");
    }

    /// `action applied` for every row.
    pub async fn ledger(&self) -> Vec<String> {
        let (_, rows) = self.get("/ledger").await;
        let rows = rows.as_array().expect("the ledger is a list");
        rows.iter().map(|row| format!("{} {}", word(row, "action"), word(row, "applied"))).collect()
    }

    pub async fn count(&self, what: &str) -> i64 {
        let (_, state) = self.get("/state").await;
        state.get(what).and_then(Value::as_i64).unwrap_or_else(|| panic!("`{what}` is counted"))
    }
}

pub fn word<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_else(|| panic!("`{name}` is a text in {value}"))
}

async fn read(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    (status, response.json().await.expect("the shop speaks JSON"))
}

pub fn refund(number: u32, minor: i64) -> Value {
    let (rma, order) = (format!("RMA-{}", 100_000 + number), format!("o-{}", 5000 + number));
    json!({"rma": rma, "order": order, "line": 1, "amount": {"minor": minor, "currency": "EUR"}})
}

pub fn restock(number: u32, sku: &str) -> Value {
    json!({"rma": format!("RMA-{}", 100_000 + number), "sku": sku, "qty": 1})
}
