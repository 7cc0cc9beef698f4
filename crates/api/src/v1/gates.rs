//! `/v1/gates`: what waits for a person. A gate closes once, so answering is idempotent by itself.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use sinew_contract::{Answer, GateId};

use super::{Asked, Body, By, id, idempotency_key, note};
use crate::face::Caller;
use crate::problem::Problem;
use crate::server::Api;
use crate::views::{GateQuery, GateReply, GateRow, GateStatus, GateView};

/// Gates: those that wait first, the most urgent first.
#[utoipa::path(get, path = "/v1/gates", tag = "gates", params(GateQuery),
    responses((status = 200, body = Vec<GateRow>),
        (status = 400, body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn list_gates(
    State(api): State<Arc<Api>>,
    Asked(query): Asked<GateQuery>,
) -> Result<Json<Vec<GateRow>>, Problem> {
    Ok(Json(api.house.gates(&query).await?))
}

/// One gate with its whole card.
#[utoipa::path(get, path = "/v1/gates/{gate}", tag = "gates", params(("gate" = String, Path)),
    responses((status = 200, body = GateView), (status = 404, body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn get_gate(State(api): State<Arc<Api>>, Path(gate): Path<String>) -> Result<Json<GateView>, Problem> {
    Ok(Json(api.house.gate(id(&gate)?).await?))
}

/// Answers a gate. The same answer again gives the same view; another answer is a conflict.
#[utoipa::path(post, path = "/v1/gates/{gate}", tag = "gates",
    params(("gate" = String, Path), ("Idempotency-Key" = Option<String>, Header)), request_body = GateReply,
    responses((status = 200, body = GateView),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn answer_gate(
    State(api): State<Arc<Api>>,
    By(caller): By,
    Path(gate): Path<String>,
    headers: HeaderMap,
    Body(reply): Body<GateReply>,
) -> Result<Json<GateView>, Problem> {
    idempotency_key(&headers)?;
    Ok(Json(answer(&api, id(&gate)?, reply, &caller).await?))
}

/// Answers for a person who may, bound to the digest that the person saw. Pages come through here too.
///
/// The house judges once more, in the same commit as the answer; this look only gives the clearer sentence.
pub(crate) async fn answer(api: &Api, gate: GateId, reply: GateReply, caller: &Caller) -> Result<GateView, Problem> {
    let reply = GateReply { note: note(&reply.note)?, ..reply };
    let view = api.house.gate(gate).await?;
    if let Some(reason) = may_not_answer(&view, caller) {
        return Err(Problem::denied(reason));
    }
    if view.digest != reply.digest {
        return Err(conflict(format!("gate `{gate}` asks about something else than what you saw; look at it again")));
    }
    match closed_otherwise(&view, reply.answer) {
        Some(detail) => Err(conflict(detail)),
        None => Ok(api.house.answer(gate, reply, caller).await?),
    }
}

fn conflict(detail: String) -> Problem {
    Problem::new(StatusCode::CONFLICT, "conflict", detail)
}

/// Why this caller may not answer, where that is so.
pub(crate) fn may_not_answer(view: &GateView, caller: &Caller) -> Option<String> {
    if view.not_by.contains(&caller.principal) {
        return Some(format!("{} may not answer this one; another person must", caller.name));
    }
    let role = &view.row.role;
    (!caller.has_role(role)).then(|| format!("only those with the role `{role}` may answer; {} has not", caller.name))
}

fn closed_otherwise(view: &GateView, answer: Answer) -> Option<String> {
    let gate = view.row.gate;
    let by = view.row.by.as_ref().map_or_else(|| "time".to_owned(), ToString::to_string);
    let same = match view.row.status {
        GateStatus::Waiting => true,
        GateStatus::Approved => answer == Answer::Approve,
        GateStatus::Refused => answer == Answer::Refuse,
        GateStatus::Expired => false,
    };
    (!same).then(|| format!("gate `{gate}` is closed already: {} by {by}", view.row.status.word()))
}
