//! The OpenAPI 3.1 document, made from the handlers and the views, so that it cannot tell other than they do.

use std::sync::OnceLock;

use axum::http::header;
use axum::response::IntoResponse;
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};

use crate::problem::Problem;
use crate::v1;

#[derive(OpenApi)]
#[openapi(
    info(title = "Sinew", description = "Signals become durable, policy-checked, auditable action.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")),
    paths(
        v1::scans::post_scan, v1::scans::get_scan,
        v1::runs::list_runs, v1::runs::get_run, v1::runs::cancel_run,
        v1::gates::list_gates, v1::gates::get_gate, v1::gates::answer_gate,
        v1::people::give_token, v1::people::give_link,
        v1::watch::stop, v1::watch::resume, v1::watch::health, v1::watch::audit, v1::watch::entries,
        v1::events::follow, v1::blobs::get_blob, document,
    ),
    components(schemas(Problem)),
    security(("bearer" = []), ("session" = [])),
    modifiers(&Doors),
)]
struct Document;

/// The two ways in.
struct Doors;

impl utoipa::Modify for Doors {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_with(Default::default);
        components.add_security_scheme("bearer", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
        let about = "a signed-in browser; POST also needs the header `Sinew-Form-Token`";
        let session = ApiKey::Cookie(ApiKeyValue::with_description("sinew-<deployment>", about));
        components.add_security_scheme("session", SecurityScheme::ApiKey(session));
    }
}

/// The document as JSON text: the same for the whole life of the process.
pub fn openapi_json() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let mut document = Document::openapi();
        document.info.version = env!("CARGO_PKG_VERSION").into();
        document.to_pretty_json().expect("invariant: the document is JSON")
    })
}

/// This document.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "watch",
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value)))]
pub(crate) async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], openapi_json())
}
