//! The API under `/v1`: one file per resource. Answers JSON, and problems where something goes wrong.
//!
//! Does not know pages or sessions: the door has already found out who is calling.

pub(crate) mod blobs;
pub(crate) mod events;
pub(crate) mod gates;
pub(crate) mod people;
pub(crate) mod runs;
pub(crate) mod scans;
pub(crate) mod watch;

use std::str::FromStr;

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Json, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use serde::de::DeserializeOwned;

use crate::face::Caller;
use crate::guard::Entered;
use crate::problem::Problem;

/// 500 characters: a note or a reason is a sentence or three.
pub(crate) const NOTE_CHARS_MAX: usize = 500;

/// Who is calling; the door let nobody in here whom it does not know.
pub(crate) struct By(pub(crate) Caller);

impl<S: Send + Sync> FromRequestParts<S> for By {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let entered = parts.extensions.get::<Entered>().ok_or_else(Problem::unknown_caller)?;
        Ok(Self(entered.caller.clone()))
    }
}

/// A JSON body whose errors are problems.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(value)) => Ok(Self(value)),
            Err(rejection) => Err(body_problem(&rejection)),
        }
    }
}

/// As `Body`; an empty body is the default.
pub(crate) struct BodyOrDefault<T>(pub(crate) T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for BodyOrDefault<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !request.headers().contains_key(header::CONTENT_TYPE) {
            return Ok(Self(T::default()));
        }
        Body::from_request(request, state).await.map(|Body(value)| Self(value))
    }
}

fn body_problem(rejection: &JsonRejection) -> Problem {
    let text = rejection.body_text();
    match rejection.status().as_u16() {
        413 => Problem::too_large("the body is longer than 64 KiB"),
        415 => Problem::invalid("send JSON, with `Content-Type: application/json`"),
        _ => Problem::invalid(text),
    }
}

/// A query string whose errors are problems.
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let asked: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, state).await;
        asked.map(|Query(value)| Self(value)).map_err(|rejection| Problem::invalid(rejection.body_text()))
    }
}

/// Reads an id from a path. What is not an id names nothing that exists.
pub(crate) fn id<T: FromStr>(text: &str) -> Result<T, Problem>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| Problem::missing(error.to_string()))
}

/// A note or reason, trimmed and within its length.
pub(crate) fn note(text: &str) -> Result<String, Problem> {
    let text = text.trim();
    if text.chars().count() > NOTE_CHARS_MAX {
        return Err(Problem::invalid(format!("a note has at most {NOTE_CHARS_MAX} characters")));
    }
    Ok(text.to_owned())
}

/// The caller's `Idempotency-Key`: 1 to 128 visible characters.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let plain = |text: &&str| (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    let wrong = || Problem::invalid("`Idempotency-Key` has 1 to 128 visible ASCII characters");
    value.to_str().ok().filter(plain).map(|text| Some(text.to_owned())).ok_or_else(wrong)
}
