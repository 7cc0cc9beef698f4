//! The door: every request passes here before any handler. Host, Origin, who is calling, and the per-form token.
//!
//! Does not know what the handlers do. GET never changes anything, so the door asks more of every other method: an own
//! Origin, and from a session the token of exactly that form. Loopback is no excuse: a page from elsewhere that runs in
//! the browser on this machine reaches loopback too (DNS rebinding, cross-site forms).
//!
//! ```text
//! Host ─> Origin (not GET) ─> bearer | session ─> /v1: form token in a header (session, not GET) ─> handler
//!                                                 pages: form token in the body, checked by `Signed`
//! ```

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};

use crate::face::Caller;
use crate::pages;
use crate::problem::Problem;
use crate::server::Api;

/// The header in which a page of ours would send its form token to `/v1`.
pub(crate) const FORM_TOKEN_HEADER: &str = "sinew-form-token";

/// Who came in, and by which session when by one.
#[derive(Clone, Debug)]
pub(crate) struct Entered {
    pub(crate) caller: Caller,
    pub(crate) session: Option<String>,
}

/// Paths that answer without knowing who is calling. None of them changes anything but `POST /login`.
const OPEN: [&str; 5] = ["/login", "/v1/health", "/livez", "/readyz", "/icon.svg"];

/// The middleware.
pub(crate) async fn door(State(api): State<Arc<Api>>, mut request: Request, next: Next) -> Response {
    match enter(&api, &request) {
        Ok(entered) => {
            if let Some(entered) = entered {
                request.extensions_mut().insert(entered);
            }
            guarded(next.run(request).await)
        }
        Err(problem) => guarded(turn_away(&request, problem)),
    }
}

/// Decides whether a request may go on; `None` is somebody unknown on an open path.
fn enter(api: &Api, request: &Request) -> Result<Option<Entered>, Problem> {
    let path = request.uri().path();
    let probes = matches!(path, "/livez" | "/readyz");
    if !probes {
        check_host(&api.settings.hosts, request.headers(), request.uri())?;
    }
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    if changes {
        check_origin(request.headers())?;
    }
    let entered = who(api, request.headers());
    if entered.is_none() && !OPEN.contains(&path) && path != pages::css_path() {
        return Err(Problem::unknown_caller());
    }
    if let Some(Entered { session: Some(session), .. }) = &entered
        && changes
        && is_api(path)
    {
        let token = text(request.headers(), FORM_TOKEN_HEADER).unwrap_or_default();
        check_form(api, session, path, token)?;
    }
    Ok(entered)
}

/// The form token of this session and path.
pub(crate) fn check_form(api: &Api, session: &str, path: &str, token: &str) -> Result<(), Problem> {
    if api.people.check_form(session, path, token) {
        return Ok(());
    }
    Err(Problem::denied("this form was not made for you here; load the page again and send it from there"))
}

pub(crate) fn is_api(path: &str) -> bool {
    path == "/v1" || path.starts_with("/v1/")
}

fn who(api: &Api, headers: &HeaderMap) -> Option<Entered> {
    if let Some(token) = text(headers, header::AUTHORIZATION.as_str()) {
        let (scheme, token) = token.split_once(' ')?;
        let caller = scheme.eq_ignore_ascii_case("bearer").then(|| api.people.by_bearer(token.trim()))??;
        return Some(Entered { caller, session: None });
    }
    let id = cookie(headers, &api.people.cookie_name())?;
    let caller = api.people.by_session(id)?;
    Some(Entered { caller, session: Some(id.to_owned()) })
}

/// The value of one cookie (RFC 6265, section 5.4).
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The host that the caller believes to talk to must be one of ours.
fn check_host(allowed: &[String], headers: &HeaderMap, uri: &Uri) -> Result<(), Problem> {
    let host = host_of(headers, uri).unwrap_or_default();
    if is_own_host(allowed, host) {
        return Ok(());
    }
    let shown: String = host.chars().take(80).collect();
    Err(Problem::denied(format!("`{shown}` is not a name of this house; add it to `names` in sinew.toml")))
}

fn host_of<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    text(headers, header::HOST.as_str()).or_else(|| uri.authority().map(axum::http::uri::Authority::as_str))
}

/// Loopback names always; configured names with or without their port.
fn is_own_host(allowed: &[String], host: &str) -> bool {
    let name = without_port(host);
    matches!(name, "localhost" | "127.0.0.1" | "[::1]")
        || allowed.iter().any(|own| own.eq_ignore_ascii_case(host) || own.eq_ignore_ascii_case(name))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

/// A browser says where a request comes from; only our own pages may change anything (Fetch standard, `Origin` header).
fn check_origin(headers: &HeaderMap) -> Result<(), Problem> {
    let host = text(headers, header::HOST.as_str()).unwrap_or_default();
    if headers.contains_key(header::ORIGIN) {
        let origin = text(headers, header::ORIGIN.as_str()).unwrap_or_default();
        let own = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        if host.is_empty() || !own.is_some_and(|own| own.eq_ignore_ascii_case(host)) {
            return Err(Problem::denied("this came from a page of another site; use the pages of this house"));
        }
    }
    match text(headers, "sec-fetch-site") {
        None | Some("same-origin" | "none") => Ok(()),
        Some(_) => Err(Problem::denied("this came from a page of another site; use the pages of this house")),
    }
}

/// The answer to those who may not go on: a problem under `/v1`, the login page for people, an error page otherwise.
fn turn_away(request: &Request, problem: Problem) -> Response {
    let path = request.uri().path();
    if is_api(path) || path == "/metrics" {
        return problem.into_response();
    }
    if problem.status_code() != StatusCode::UNAUTHORIZED {
        return pages::bare_problem(&problem).into_response();
    }
    if request.method() != Method::GET {
        return pages::bare_problem(&problem).into_response();
    }
    let next = request.uri().path_and_query().map_or("/", axum::http::uri::PathAndQuery::as_str);
    // A strict cookie does not travel with a link from elsewhere; a second step from our own page brings it along.
    if text(request.headers(), "sec-fetch-site") == Some("cross-site") {
        return pages::step_inside(next).into_response();
    }
    Redirect::to(&pages::login_path(next)).into_response()
}

/// What every answer carries: no scripts, no frames, no guessing of types, nothing of ours told to other sites.
fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let rules = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    for (name, value) in rules {
        headers.insert(name, axum::http::HeaderValue::from_static(value));
    }
    let pages_rule = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(axum::http::HeaderValue::from_static(pages_rule));
    headers.entry(header::CACHE_CONTROL).or_insert(axum::http::HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_names_are_own_hosts() {
        let allowed = ["sinew.shop.example".to_owned(), "box:8080".to_owned()];
        let check = |host, expected| assert_eq!(is_own_host(&allowed, host), expected, "{host}");
        check("localhost", true);
        check("localhost:7171", true);
        check("127.0.0.1:7171", true);
        check("[::1]", true);
        check("[::1]:7171", true);
        check("SINEW.shop.example:443", true);
        check("box:8080", true);
        check("box:8081", false);
        check("", false);
        check("localhost.evil.example", false);
        check("127.0.0.1.evil.example:7171", false);
        check("evil.example", false);
        check("localhost:7171@evil.example", false);
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, "xsinew=1; sinew=2".parse().expect("a header"));
        assert_eq!(cookie(&headers, "sinew"), Some("2"));
        assert_eq!(cookie(&headers, "inew"), None);
    }
}
