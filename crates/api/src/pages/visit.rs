//! A person's visit to a page: who it is, the frame around the page, and forms that prove where they come from.
//!
//! Does not know what any page shows.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{Form, FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::response::{Html, IntoResponse, Redirect, Response};
use maud::Markup;
use sinew_contract::Timestamp;

use super::layout::{self, Frame, Nav};
use super::{own_path, problem_words};
use crate::face::Caller;
use crate::guard::{self, Entered};
use crate::problem::Problem;
use crate::server::Api;
use crate::views::{GateQuery, GateStatus};

/// So many waiting gates are counted for the sign beside the inbox.
const COUNTED_MAX: u32 = 100;

/// One visit.
#[derive(Clone)]
pub(crate) struct Visit {
    pub(crate) api: Arc<Api>,
    entered: Option<Entered>,
    /// Path and query of this page.
    pub(crate) path: String,
}

impl FromRequestParts<Arc<Api>> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, Infallible> {
        let entered = parts.extensions.get::<Entered>().cloned();
        let path = parts.uri.path_and_query().map_or("/", axum::http::uri::PathAndQuery::as_str).to_owned();
        Ok(Self { api: Arc::clone(api), entered, path })
    }
}

impl Visit {
    /// Who it is.
    ///
    /// # Errors
    /// For an unknown visitor; the door lets none through but to the open pages.
    pub(crate) fn caller(&self) -> Result<&Caller, Problem> {
        self.entered.as_ref().map(|entered| &entered.caller).ok_or_else(Problem::unknown_caller)
    }

    /// The session, where it is one.
    pub(crate) fn session(&self) -> Option<&str> {
        self.entered.as_ref()?.session.as_deref()
    }

    /// The token that a form to `path` must carry.
    pub(crate) fn form_token(&self, path: &str) -> String {
        self.session().map(|session| self.api.people.form_token(session, path)).unwrap_or_default()
    }

    /// The wall clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.api.clock.now().wall
    }

    /// Checks the token of a form that was sent to `path`. Callers with a bearer token need none: no browser sends theirs.
    pub(crate) fn check_form(&self, path: &str, token: &str) -> Result<(), Problem> {
        match self.session() {
            Some(session) => guard::check_form(&self.api, session, path, token),
            None => self.caller().map(|_| ()),
        }
    }

    /// The page, or the problem as a page.
    pub(crate) async fn show(&self, nav: Nav, title: &str, main: Result<Markup, Problem>) -> Response {
        match main {
            Ok(main) => {
                let frame = self.frame().await;
                Html(layout::page(&frame, nav, title, &main).into_string()).into_response()
            }
            Err(problem) => self.problem(&problem).await,
        }
    }

    /// A problem as a page.
    pub(crate) async fn problem(&self, problem: &Problem) -> Response {
        let frame = self.frame().await;
        let page = layout::page(&frame, Nav::None, &problem.title, &problem_words(problem));
        (problem.status_code(), Html(page.into_string())).into_response()
    }

    /// After a form: on to a page that shows what became of it, or the problem as a page.
    pub(crate) async fn go_on(&self, to: Result<String, Problem>) -> Response {
        match to {
            Ok(path) => Redirect::to(own_path(&path)).into_response(),
            Err(problem) => self.problem(&problem).await,
        }
    }

    async fn frame(&self) -> Frame {
        let Some(entered) = &self.entered else { return Frame::bare() };
        let query = GateQuery { status: Some(GateStatus::Waiting), limit: Some(COUNTED_MAX) };
        // A page must not fail because the sign beside the inbox cannot be counted.
        let waiting = self.api.house.gates(&query).await.map_or(0, |gates| gates.len());
        let settings = &self.api.settings;
        Frame {
            site: settings.site.clone(),
            version: settings.version.clone(),
            simulated: settings.simulated,
            visitor: Some(entered.caller.name.clone()),
            waiting,
            stops: self.api.watch.stops(),
            now: self.now(),
            back: self.path.clone(),
            stop_token: self.form_token("/stop"),
            resume_token: self.form_token("/resume"),
            logout_token: self.form_token("/logout"),
        }
    }
}

/// The fields of a form whose token was right.
pub(crate) struct Signed {
    pub(crate) visit: Visit,
    fields: HashMap<String, String>,
}

impl Signed {
    /// One field; empty where it was not sent.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

impl FromRequest<Arc<Api>> for Signed {
    type Rejection = Response;

    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let Ok(visit) = Visit::from_request_parts(&mut parts, api).await;
        let path = parts.uri.path().to_owned();
        match read(Request::from_parts(parts, body)).await {
            Ok(fields) => {
                let token = fields.get("form").map_or("", String::as_str);
                match visit.check_form(&path, token) {
                    Ok(()) => Ok(Self { visit, fields }),
                    Err(problem) => Err(visit.problem(&problem).await),
                }
            }
            Err(problem) => Err(visit.problem(&problem).await),
        }
    }
}

async fn read(request: Request) -> Result<HashMap<String, String>, Problem> {
    let form: Result<Form<HashMap<String, String>>, _> = Form::from_request(request, &()).await;
    form.map(|Form(fields)| fields).map_err(|rejection| match rejection.status().as_u16() {
        413 => Problem::too_large("the form is longer than 64 KiB"),
        _ => Problem::invalid("the form cannot be read; load the page again and send it from there"),
    })
}
