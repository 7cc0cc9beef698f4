//! Reads calls over HTTP: looks, acts that a manifest describes, and calls that an OpenAPI document describes.
//!
//! Does not know how a call is carried out. A secret never comes in here: only its name does.

use serde_json::{Map, Value};
use sinew_contract::CapabilityName;

use super::reader::member;
use super::template::strip;
use super::{Action, Reader, Template, Undo};

const WITH: &[&str] = &["method", "endpoint", "query", "headers", "output", "body", "redirect"];
const WITH_OPENAPI: &[&str] = &["document", "operationId", "parameters", "authentication", "output", "redirect"];

/// A call over HTTP.
#[derive(Debug)]
pub(crate) struct Http {
    /// What it is an act of: the built-in look, or what a manifest says of this method and address.
    pub capability: CapabilityName,
    /// In capitals.
    pub method: String,
    /// The address; its `{places}` are filled from the input where it is written out.
    pub uri: Template,
    pub query: Option<Template>,
    pub headers: Option<Template>,
    /// The arguments of an act.
    pub body: Option<Template>,
    pub auth: Option<Auth>,
    pub output: HttpOutput,
    /// A redirection is an answer, not an error.
    pub redirect: bool,
    /// How an act is undone, where its manifest says so.
    pub undo: Option<Undo>,
}

/// What a call gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HttpOutput {
    /// The content.
    Content,
    /// `{request, statusCode, headers, content}`.
    Response,
}

/// As whom a call is made.
#[derive(Debug)]
pub(crate) enum Auth {
    /// RFC 7617.
    Basic(Credential, Credential),
    /// RFC 6750.
    Bearer(Credential),
}

/// One part of an authentication.
#[derive(Debug)]
pub(crate) enum Credential {
    /// A value of the run.
    Given(Template),
    /// A secret, by its name; looked up at the last hop and nowhere before.
    Secret(String),
}

/// A call that an OpenAPI document describes.
#[derive(Debug)]
pub(crate) struct OpenApi {
    /// Where the document is.
    pub document: Template,
    pub operation: String,
    pub parameters: Option<Template>,
    pub auth: Option<Auth>,
    pub output: HttpOutput,
    pub redirect: bool,
}

impl Reader<'_> {
    pub(super) fn http(&mut self, with: &Value, pointer: &str) -> Option<Http> {
        let with = self.object(with, pointer, "with")?;
        self.only(with, pointer, WITH);
        let method = self.required(with, pointer, "method")?.as_str().unwrap_or_default().to_ascii_uppercase();
        let (uri, auth) = self.endpoint(with, pointer)?;
        let capability = self.capability_of(&method, &uri, pointer)?;
        let looks = matches!(method.as_str(), "GET" | "HEAD");
        if looks && with.contains_key("body") {
            self.wrong("http-method", &member(pointer, "body"), format!("{method} has no body"), "remove it");
        }
        let mut part = |name: &str| with.get(name).map(|v| self.inside(v, &member(pointer, name)));
        let (query, headers, body) = (part("query"), part("headers"), part("body"));
        if !looks && (auth.is_some() || query.is_some()) {
            let fix = "give the device its credentials, and the manifest its arguments";
            self.not_enabled(pointer, "authentication or a query of an act", fix);
        }
        let output = self.http_output(with, pointer);
        let redirect = with.get("redirect") == Some(&Value::Bool(true));
        let undo = if looks { None } else { self.undo_of_manifest(&capability, pointer) };
        Some(Http { capability, method, uri, query, headers, body, auth, output, redirect, undo })
    }

    /// Looks are built in; everything else acts, and an act needs a manifest for this method and this address.
    fn capability_of(&mut self, method: &str, uri: &Template, pointer: &str) -> Option<CapabilityName> {
        if matches!(method, "GET" | "HEAD") {
            return format!("http.{}", method.to_ascii_lowercase()).parse().ok();
        }
        let written = match uri {
            Template::Literal(text) => text.as_str().unwrap_or_default().to_owned(),
            _ => String::new(),
        };
        let found = self.known.routes.get(&(method.to_owned(), written.clone())).cloned();
        if found.is_none() {
            let fix =
                "describe it in `capabilities/`, with this method and path of a device, or call `act:1.0.0@default`";
            let what = if written.is_empty() { "an address that is not written out" } else { written.as_str() };
            let message = format!("`{method}` acts, and no capability describes it for `{what}`");
            self.wrong("http-method", &member(pointer, "method"), message, fix);
        }
        found
    }

    fn http_output(&mut self, with: &Map<String, Value>, pointer: &str) -> HttpOutput {
        match with.get("output").and_then(Value::as_str) {
            None | Some("content") => HttpOutput::Content,
            Some("response") => HttpOutput::Response,
            Some(other) => {
                let fix = "use `content` or `response`";
                self.not_enabled(&member(pointer, "output"), &format!("output `{other}`"), fix);
                HttpOutput::Content
            }
        }
    }

    /// A text, or `{ uri, authentication }`.
    fn endpoint(&mut self, owner: &Map<String, Value>, pointer: &str) -> Option<(Template, Option<Auth>)> {
        let mut at = member(pointer, "endpoint");
        let mut endpoint = self.required(owner, pointer, "endpoint")?;
        let mut auth = None;
        if let Some(object) = endpoint.as_object() {
            self.only(object, &at, &["uri", "authentication"]);
            auth = object.get("authentication").and_then(|v| self.auth(v, &member(&at, "authentication")));
            endpoint = self.required(object, &at, "uri")?;
            at = member(&at, "uri");
        }
        let text = endpoint.as_str().unwrap_or_default();
        let plain = strip(text).is_none();
        let fix = "write `https://host/path/{name}`, or an expression in `${ }`";
        if plain && !text.starts_with("http://") && !text.starts_with("https://") {
            self.wrong("endpoint", &at, format!("`{text}` is no http address"), fix);
            return None;
        }
        if plain && let Err(error) = sinew_expr::places(text) {
            self.wrong("endpoint", &at, error.to_string(), fix);
        }
        Some((self.inside(endpoint, &at), auth))
    }

    pub(super) fn openapi(&mut self, with: &Value, pointer: &str) -> Option<Action> {
        let with = self.object(with, pointer, "with")?;
        self.only(with, pointer, WITH_OPENAPI);
        let at = member(pointer, "document");
        let document = self.required(with, pointer, "document")?;
        let document = self.object(document, &at, "document")?;
        self.only(document, &at, &["name", "endpoint"]);
        let (uri, at_document) = self.endpoint(document, &at)?;
        if at_document.is_some() {
            let fix = "put the document where it can be read without";
            self.not_enabled(&member(&at, "endpoint"), "authentication for the document itself", fix);
        }
        self.required(with, pointer, "operationId")?;
        let operation = self.text(with, pointer, "operationId")?.to_owned();
        if strip(&operation).is_some() {
            let fix = "write the operation's id out";
            self.wrong("literal", &member(pointer, "operationId"), "`operationId` is an expression", fix);
        }
        let parameters = with.get("parameters").map(|v| self.inside(v, &member(pointer, "parameters")));
        let auth = with.get("authentication").and_then(|v| self.auth(v, &member(pointer, "authentication")));
        let output = self.http_output(with, pointer);
        let redirect = with.get("redirect") == Some(&Value::Bool(true));
        let call = OpenApi { document: uri, operation, parameters, auth, output, redirect };
        Some(Action::OpenApi(Box::new(call)))
    }

    /// An authentication, inline or by name.
    fn auth(&mut self, value: &Value, pointer: &str) -> Option<Auth> {
        let object = self.object(value, pointer, "authentication")?;
        if let Some(name) = object.get("use") {
            let name = name.as_str().unwrap_or_default();
            let Some(named) = self.authentications.get(name).cloned() else {
                let message = format!("there is no authentication `{name}`");
                self.wrong("reference", &member(pointer, "use"), message, "add it under `use.authentications`");
                return None;
            };
            return self.scheme(&named, &member("/use/authentications", name));
        }
        self.scheme(value, pointer)
    }

    fn scheme(&mut self, value: &Value, pointer: &str) -> Option<Auth> {
        let object = self.object(value, pointer, "authentication")?;
        let Some((scheme, parts)) = object.iter().next().filter(|_| object.len() == 1) else {
            self.wrong("type", pointer, "exactly one scheme is expected", "write `basic: …` or `bearer: …`");
            return None;
        };
        let at = member(pointer, scheme);
        match scheme.as_str() {
            "basic" => {
                let user = self.credential(parts, &at, "username")?;
                let password = self.credential(parts, &at, "password")?;
                Some(Auth::Basic(user, password))
            }
            "bearer" => self.credential(parts, &at, "token").map(Auth::Bearer),
            other => {
                let fix = "use basic or bearer, or give the device its credentials";
                self.not_enabled(&at, &format!("authentication by `{other}`"), fix);
                None
            }
        }
    }

    /// `{ use: secret }`, or the part itself; `${ $secrets.name }` stands for a secret.
    fn credential(&mut self, parts: &Value, pointer: &str, name: &str) -> Option<Credential> {
        let parts = self.object(parts, pointer, "credentials")?;
        if let Some(secret) = parts.get("use") {
            let secret = secret.as_str().unwrap_or_default();
            self.secret(secret, &member(pointer, "use"))?;
            return Some(Credential::Secret(format!("{secret}.{name}")));
        }
        let value = self.required(parts, pointer, name)?;
        let at = member(pointer, name);
        match value.as_str().and_then(named_secret) {
            Some(secret) => {
                self.secret(secret.split('.').next().unwrap_or_default(), &at)?;
                Some(Credential::Secret(secret.to_owned()))
            }
            None => Some(Credential::Given(self.inside(value, &at))),
        }
    }

    fn secret(&mut self, name: &str, pointer: &str) -> Option<()> {
        if self.secrets.iter().any(|known| known == name) {
            return Some(());
        }
        let message = format!("there is no secret `{name}`");
        self.wrong("reference", pointer, message, "name it under `use.secrets`");
        None
    }
}

/// `name` or `name.part` of `${ $secrets.name.part }`; nothing else may stand in the expression.
fn named_secret(text: &str) -> Option<&str> {
    let path = strip(text)?.trim().strip_prefix("$secrets.")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    (!path.is_empty() && path.chars().all(plain)).then_some(path)
}
