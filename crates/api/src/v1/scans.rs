//! `/v1/scans`: a photograph comes in.
//!
//! Does not decode: whether the bytes are a picture is for the house to say.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequest, Multipart, Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use bytes::{Bytes, BytesMut};
use sinew_contract::Seq;
use utoipa::ToSchema;

use super::{By, idempotency_key};
use crate::problem::Problem;
use crate::server::Api;
use crate::views::{ScanUpload, ScanView};

/// 25 MB: a photograph of 50 megapixels as JPEG.
pub(crate) const PICTURE_LEN_MAX: usize = 25_000_000;
/// 128 MB: so much of a picture that is too large is still read and thrown away, so that the sender hears the answer
/// instead of a broken connection.
const DRAIN_LEN_MAX: usize = 128_000_000;
/// 200 characters of a file name are kept.
const NAME_CHARS_MAX: usize = 200;

/// The form of `POST /v1/scans`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct ScanForm {
    /// The picture: JPEG or PNG, at most 25 MB.
    #[schema(value_type = String, format = Binary)]
    image: Vec<u8>,
}

/// What a multipart body held.
pub(crate) struct Picture {
    pub(crate) bytes: Bytes,
    pub(crate) media_type: String,
    pub(crate) name: Option<String>,
    /// The field `form`, for pages.
    pub(crate) form_token: String,
}

/// Takes a photograph in. Durable when it answers.
#[utoipa::path(post, path = "/v1/scans", tag = "scans",
    params(("Idempotency-Key" = Option<String>, Header, description = "the same key again gives the first scan again")),
    request_body(content = ScanForm, content_type = "multipart/form-data"),
    responses((status = 201, body = ScanView), (status = 200, body = ScanView, description = "taken in before"),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 413, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn post_scan(
    State(api): State<Arc<Api>>,
    By(caller): By,
    headers: HeaderMap,
    request: Request,
) -> Result<(StatusCode, Json<ScanView>), Problem> {
    let key = idempotency_key(&headers)?;
    let Picture { bytes, media_type, name, .. } = read_picture(request).await?;
    let upload = ScanUpload { picture: bytes, media_type, name, key };
    let scan = api.house.scan(upload, &caller).await?;
    let status = if scan.repeated { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, Json(scan)))
}

/// One scan.
#[utoipa::path(get, path = "/v1/scans/{scan}", tag = "scans", params(("scan" = u64, Path)),
    responses((status = 200, body = ScanView), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn get_scan(State(api): State<Arc<Api>>, Path(scan): Path<String>) -> Result<Json<ScanView>, Problem> {
    Ok(Json(api.house.scanned(scan_id(&scan)?).await?))
}

/// Reads a scan's id from a path.
pub(crate) fn scan_id(text: &str) -> Result<Seq, Problem> {
    let shown: String = text.chars().take(80).collect();
    text.parse().map(Seq).map_err(|_| Problem::missing(format!("`{shown}` is not a scan; a scan is a number")))
}

/// Reads the fields `image` and `form` of a multipart body (RFC 7578).
pub(crate) async fn read_picture(request: Request) -> Result<Picture, Problem> {
    let wrong = || Problem::invalid("send `multipart/form-data` with the picture in the field `image`");
    let mut fields = Multipart::from_request(request, &()).await.map_err(|_| wrong())?;
    let mut picture = Picture { bytes: Bytes::new(), media_type: String::new(), name: None, form_token: String::new() };
    let mut found = false;
    let mut read = 0;
    while let Some(mut field) = fields.next_field().await.map_err(|e| cut_short(&e))? {
        let field_name = field.name().unwrap_or_default().to_owned();
        let name = field.file_name().map(clean_name);
        let media_type = field.content_type().unwrap_or("application/octet-stream").to_owned();
        let mut bytes = BytesMut::new();
        while let Some(chunk) = field.chunk().await.map_err(|e| cut_short(&e))? {
            read += chunk.len();
            if read > DRAIN_LEN_MAX {
                return Err(too_large());
            }
            if read <= PICTURE_LEN_MAX {
                bytes.extend_from_slice(&chunk);
            }
        }
        match field_name.as_str() {
            "image" if !found => {
                found = true;
                (picture.bytes, picture.media_type, picture.name) = (bytes.freeze(), media_type, name);
            }
            "form" => picture.form_token = String::from_utf8_lossy(&bytes).into_owned(),
            _ => {}
        }
    }
    match (read > PICTURE_LEN_MAX, found, picture.bytes.is_empty()) {
        (true, ..) => Err(too_large()),
        (_, false, _) => Err(wrong()),
        (_, _, true) => Err(Problem::invalid("the picture in the field `image` is empty; choose a file")),
        _ => Ok(picture),
    }
}

fn too_large() -> Problem {
    Problem::too_large("a picture has at most 25 MB; send a smaller one")
}

fn cut_short(error: &axum::extract::multipart::MultipartError) -> Problem {
    Problem::invalid(format!("the form broke off or is not well formed: {}; send it again", error.body_text()))
}

/// The last part of a file name, without control characters: it is shown and journaled.
fn clean_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or(name);
    last.chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_loses_its_folders_and_its_control_characters() {
        assert_eq!(clean_name("C:\\photos\\a.png"), "a.png");
        assert_eq!(clean_name("../../etc/passwd"), "passwd");
        assert_eq!(clean_name("a\u{0}\n.png"), "a.png");
        assert_eq!(clean_name(&"é".repeat(500)).chars().count(), NAME_CHARS_MAX);
    }
}
