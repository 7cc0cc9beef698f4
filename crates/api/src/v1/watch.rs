//! `/v1/health`, `/v1/audit`, `/v1/entries`, `/v1/stop`, `/v1/resume`.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use sinew_contract::StopScope;

use super::{Asked, BodyOrDefault, By, id, note};
use crate::face::Caller;
use crate::guard::Entered;
use crate::problem::Problem;
use crate::server::Api;
use crate::views::{AuditView, EntryQuery, EntryRow, HealthView, ScopeWord, StopBody, StopOrder, StopView};

/// How it goes: the three numbers, person-touches per return, what waits. Names nobody to those who are not signed in.
#[utoipa::path(get, path = "/v1/health", tag = "watch", security(()), responses((status = 200, body = HealthView)))]
pub(crate) async fn health(State(api): State<Arc<Api>>, entered: Option<Extension<Entered>>) -> Json<HealthView> {
    let mut health = api.watch.health().await;
    if entered.is_none() {
        for stop in &mut health.stops {
            (stop.by, stop.reason) = (None, String::new());
        }
        health.devices.clear();
        health.reasons.clear();
    }
    Json(health)
}

/// Whether the log verifies, and how far.
#[utoipa::path(get, path = "/v1/audit", tag = "watch", responses((status = 200, body = AuditView)))]
pub(crate) async fn audit(State(api): State<Arc<Api>>) -> Result<Json<AuditView>, Problem> {
    Ok(Json(api.watch.audit().await?))
}

/// Entries of the log in few words, newest first.
#[utoipa::path(get, path = "/v1/entries", tag = "watch", params(EntryQuery),
    responses((status = 200, body = Vec<EntryRow>)))]
pub(crate) async fn entries(
    State(api): State<Arc<Api>>,
    Asked(query): Asked<EntryQuery>,
) -> Result<Json<Vec<EntryRow>>, Problem> {
    Ok(Json(api.watch.entries(&query).await?))
}

/// Presses stop. No reason is needed, and no second step.
#[utoipa::path(post, path = "/v1/stop", tag = "watch", request_body = StopBody,
    responses((status = 200, body = Vec<StopView>, description = "the stops that hold now")))]
pub(crate) async fn stop(
    State(api): State<Arc<Api>>,
    By(caller): By,
    BodyOrDefault(body): BodyOrDefault<StopBody>,
) -> Result<Json<Vec<StopView>>, Problem> {
    Ok(Json(halt(&api, body, true, &caller).await?))
}

/// Releases stop, for a reason. Restarts nothing by itself.
#[utoipa::path(post, path = "/v1/resume", tag = "watch", request_body = StopBody,
    responses((status = 200, body = Vec<StopView>, description = "the stops that hold now"),
        (status = 400, body = Problem, content_type = "application/problem+json")))]
pub(crate) async fn resume(
    State(api): State<Arc<Api>>,
    By(caller): By,
    BodyOrDefault(body): BodyOrDefault<StopBody>,
) -> Result<Json<Vec<StopView>>, Problem> {
    Ok(Json(halt(&api, body, false, &caller).await?))
}

/// Presses or releases; pages come through here too.
pub(crate) async fn halt(api: &Api, body: StopBody, engaged: bool, caller: &Caller) -> Result<Vec<StopView>, Problem> {
    // A reason that is too long must not keep anybody from stopping.
    let reason =
        if engaged { body.reason.trim().chars().take(super::NOTE_CHARS_MAX).collect() } else { note(&body.reason)? };
    if !engaged && reason.is_empty() {
        return Err(Problem::invalid("to go on needs a reason: send `reason`"));
    }
    let order = StopOrder { scope: scope(body.scope, body.name.as_deref())?, engaged, reason };
    Ok(api.watch.halt(&order, caller).await?)
}

fn scope(word: ScopeWord, name: Option<&str>) -> Result<StopScope, Problem> {
    let named = || name.ok_or_else(|| Problem::invalid("this scope needs the `name` of a playbook or a device"));
    match word {
        ScopeWord::All => Ok(StopScope::All),
        ScopeWord::Playbook => Ok(StopScope::Playbook(id(named()?)?)),
        ScopeWord::Device => Ok(StopScope::Device(id(named()?)?)),
    }
}
