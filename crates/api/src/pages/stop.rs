//! Stop and resume, from the form that is on every page.

use axum::response::Response;

use super::visit::Signed;
use crate::problem::Problem;
use crate::v1::watch::halt;
use crate::views::{ScopeWord, StopBody};

/// Presses it.
pub(crate) async fn press(form: Signed) -> Response {
    let to = order(&form, true).await;
    form.visit.go_on(to).await
}

/// Releases it.
pub(crate) async fn release(form: Signed) -> Response {
    let to = order(&form, false).await;
    form.visit.go_on(to).await
}

async fn order(form: &Signed, engaged: bool) -> Result<String, Problem> {
    let scope = match form.get("scope") {
        "playbook" => ScopeWord::Playbook,
        "device" => ScopeWord::Device,
        _ => ScopeWord::All,
    };
    let name = Some(form.get("name")).filter(|name| !name.is_empty()).map(str::to_owned);
    let body = StopBody { scope, name, reason: form.get("reason").to_owned() };
    halt(&form.visit.api, body, engaged, form.visit.caller()?).await?;
    Ok(form.get("back").to_owned())
}
