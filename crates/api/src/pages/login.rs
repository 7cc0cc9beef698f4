//! Signing in: with a one-time link or a token. GET shows whose link it is; only the press of the button uses it up, so a
//! preview of the link in a message does not.

use axum::extract::Form;
use axum::extract::rejection::FormRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::layout::{Nav, hidden};
use super::own_path;
use super::visit::{Signed, Visit};
use crate::problem::Problem;
use crate::server::Api;
use crate::v1::Asked;

/// What a link says.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Link {
    #[serde(default)]
    code: String,
    #[serde(default)]
    next: String,
}

/// What the form sends.
#[derive(Default, Deserialize)]
pub(crate) struct SignIn {
    #[serde(default)]
    code: String,
    #[serde(default)]
    token: String,
    #[serde(default)]
    next: String,
}

/// Shows whose link it is, or asks for a token.
pub(crate) async fn show(visit: Visit, asked: Result<Asked<Link>, Problem>) -> Response {
    let Link { code, next } = asked.map(|Asked(link)| link).unwrap_or_default();
    let invited = visit.api.people.peek_link(&code).map(|caller| caller.name);
    let main = html! {
        section.card.login {
            h1 { "Sign in" }
            form method="post" action="/login" {
                (hidden("next", own_path(&next)))
                @match &invited {
                    Some(name) => {
                        p.lead { "This link signs you in as " strong { (name) } "." }
                        (hidden("code", &code))
                        button.main type="submit" { "Sign in as " (name) }
                    }
                    None => {
                        @if !code.is_empty() { (spent()) }
                        label { span { "Token" } input type="password" name="token" required autocomplete="current-password"; }
                        button.main type="submit" { "Sign in" }
                        p.muted.small { "No token? A one-time link is printed where Sinew was started." }
                    }
                }
            }
        }
    };
    visit.show(Nav::None, "Sign in", Ok(main)).await
}

fn spent() -> Markup {
    html! { p.warning { "This link has been used or has ended. Ask for another, or sign in with your token." } }
}

/// Signs in.
pub(crate) async fn enter(visit: Visit, form: Result<Form<SignIn>, FormRejection>) -> Response {
    let Form(SignIn { code, token, next }) = form.unwrap_or_default();
    let people = &visit.api.people;
    let session = if code.is_empty() { people.sign_in(token.trim()) } else { people.redeem_link(&code) };
    match session {
        Some(session) => with_cookie(&visit.api, &session, Redirect::to(own_path(&next)).into_response()),
        None => {
            let detail = "that token or link is not known here, or has been used; ask for another link";
            visit.problem(&Problem::new(StatusCode::FORBIDDEN, "unknown-caller", detail)).await
        }
    }
}

/// Signs out.
pub(crate) async fn leave(form: Signed) -> Response {
    if let Some(session) = form.visit.session() {
        form.visit.api.people.sign_out(session);
    }
    with_cookie(&form.visit.api, "", Redirect::to("/login").into_response())
}

/// Sets the session cookie (RFC 6265): no script sees it, no other site's request carries it. Empty removes it.
fn with_cookie(api: &Api, session: &str, mut response: Response) -> Response {
    let age = if session.is_empty() { 0 } else { api.people.session_lives().as_secs() };
    let secure = if api.settings.tls { "; Secure" } else { "" };
    let name = api.people.cookie_name();
    let cookie = format!("{name}={session}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age}{secure}");
    if let Ok(value) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, value);
    }
    response
}
