//! `/v1/people`: a token or a login link for a person. The owner gives them out, and each is shown once.
//!
//! Does not keep them: `people` has their hashes.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use sinew_contract::Failure;
use utoipa::ToSchema;

use super::By;
use crate::face::Caller;
use crate::people::{People, PeopleError};
use crate::problem::Problem;
use crate::server::Api;

/// A new token, told for the only time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenView {
    /// Whose.
    pub person: String,
    /// To be sent as `Authorization: Bearer`, or to sign in with. It cannot be shown again.
    pub token: String,
}

/// A new login link, told for the only time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LinkView {
    /// Whose.
    pub person: String,
    /// The path of the link; it works once.
    pub path: String,
    /// For how many minutes it works.
    pub minutes: u64,
}

/// Gives a person a new token. The old one, and all sessions of that person, end.
#[utoipa::path(post, path = "/v1/people/{name}/token", tag = "people", params(("name" = String, Path)),
    responses((status = 201, body = TokenView), (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn give_token(
    State(api): State<Arc<Api>>,
    By(caller): By,
    Path(person): Path<String>,
) -> Result<(StatusCode, Json<TokenView>), Problem> {
    let (people, name) = (given_out_by(&api, &caller)?, person.clone());
    // The list is written to disk.
    let given = tokio::task::spawn_blocking(move || people.issue_token(&name)).await;
    let token = given.map_err(|_| broken("the making of a token was cut off"))?.map_err(problem)?;
    Ok((StatusCode::CREATED, Json(TokenView { person, token })))
}

/// Makes a login link for a person: works once, for a quarter of an hour.
#[utoipa::path(post, path = "/v1/people/{name}/link", tag = "people", params(("name" = String, Path)),
    responses((status = 201, body = LinkView), (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn give_link(
    State(api): State<Arc<Api>>,
    By(caller): By,
    Path(person): Path<String>,
) -> Result<(StatusCode, Json<LinkView>), Problem> {
    let people = given_out_by(&api, &caller)?;
    let code = people.issue_link(&person).map_err(problem)?;
    let minutes = people.link_lives().as_secs() / 60;
    Ok((StatusCode::CREATED, Json(LinkView { person, path: format!("/login?code={code}"), minutes })))
}

fn given_out_by(api: &Api, caller: &Caller) -> Result<Arc<People>, Problem> {
    if api.people.is_owner(caller) {
        return Ok(Arc::clone(&api.people));
    }
    Err(Problem::denied(format!("only the owner gives out tokens and links; {} is not", caller.name)))
}

fn problem(error: PeopleError) -> Problem {
    Failure::new(error.kind(), error.to_string()).caused_by(error).into()
}

fn broken(what: &str) -> Problem {
    Failure::new(sinew_contract::ErrorKind::Broken, what).into()
}
