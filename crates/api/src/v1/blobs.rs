//! `/v1/blobs/{digest}`: bytes by what they are. They came from outside, so a browser is told to run none of them.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use sinew_contract::Digest;

use super::id;
use crate::problem::Problem;
use crate::server::Api;

/// Types that a browser may show as they are; none of them can carry a script.
const SHOWN: [&str; 5] = ["image/jpeg", "image/png", "image/webp", "image/gif", "image/avif"];

/// Bytes from the blob store, verified.
#[utoipa::path(get, path = "/v1/blobs/{digest}", tag = "blobs", params(("digest" = String, Path)),
    responses((status = 200, description = "the bytes", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn get_blob(State(api): State<Arc<Api>>, Path(digest): Path<String>) -> Result<Response, Problem> {
    let digest: Digest = id(&digest)?;
    let blob = api.house.blob(digest).await?;
    let shown = SHOWN.iter().find(|media_type| **media_type == blob.media_type);
    let mut response = blob.bytes.into_response();
    let headers = response.headers_mut();
    let media_type = HeaderValue::from_static(shown.copied().unwrap_or("application/octet-stream"));
    headers.insert(header::CONTENT_TYPE, media_type);
    if shown.is_none() {
        headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    }
    let rule = HeaderValue::from_static("default-src 'none'; sandbox; frame-ancestors 'none'");
    headers.insert(header::CONTENT_SECURITY_POLICY, rule);
    // The bytes of a digest never change; only the person's own browser keeps them.
    let keep = HeaderValue::from_static("private, max-age=86400, immutable");
    headers.insert(header::CACHE_CONTROL, keep);
    Ok(response)
}
