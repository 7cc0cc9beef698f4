//! `/v1/runs`: what runs and what ran.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};

use super::{Asked, BodyOrDefault, By, id, note};
use crate::problem::Problem;
use crate::server::Api;
use crate::views::{CancelBody, RunQuery, RunRow, RunView};

/// Runs, newest first.
#[utoipa::path(get, path = "/v1/runs", tag = "runs", params(RunQuery),
    responses((status = 200, body = Vec<RunRow>),
        (status = 400, body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn list_runs(
    State(api): State<Arc<Api>>,
    Asked(query): Asked<RunQuery>,
) -> Result<Json<Vec<RunRow>>, Problem> {
    Ok(Json(api.house.runs(&query).await?))
}

/// One run with its timeline.
#[utoipa::path(get, path = "/v1/runs/{run}", tag = "runs", params(("run" = String, Path)),
    responses((status = 200, body = RunView), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn get_run(State(api): State<Arc<Api>>, Path(run): Path<String>) -> Result<Json<RunView>, Problem> {
    Ok(Json(api.house.run(id(&run)?).await?))
}

/// Asks a run to end. It ends at its next step, not at once.
#[utoipa::path(post, path = "/v1/runs/{run}/cancel", tag = "runs", params(("run" = String, Path)),
    request_body = CancelBody,
    responses((status = 200, body = RunView), (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn cancel_run(
    State(api): State<Arc<Api>>,
    By(caller): By,
    Path(run): Path<String>,
    BodyOrDefault(body): BodyOrDefault<CancelBody>,
) -> Result<Json<RunView>, Problem> {
    Ok(Json(api.house.cancel(id(&run)?, &note(&body.reason)?, &caller).await?))
}
