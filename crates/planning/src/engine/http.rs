//! Calls over HTTP: what is asked, and what an answer means to the playbook.
//!
//! Does not know the net. A look is an act of the built-in capability; anything else is an act of the capability whose
//! manifest names the method and the address.

use std::str::FromStr;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use sinew_contract::{CapabilityName, Endorsed, Fault, Label, Outcome, Trust, Wish};
use sinew_expr::{Labels, Step, fill_uri, places};

use super::flow::Flow;
use super::live::{Live, Moment, State};
use super::openapi;
use super::step::Next;
use crate::playbook::{Auth, Credential, Http, HttpOutput, OpenApi, Task, TaskId, Template};
use crate::switched::off;
use crate::{ActAsk, faults};

/// The header by which an act is told from another; the standard's own name for it.
const KEY_HEADER: &str = "idempotency-key";

/// What is asked of the net, and where it comes from.
struct Asked {
    args: Map<String, Value>,
    labels: Labels,
}

impl Live {
    /// A call over HTTP.
    pub(super) fn ask_http(&mut self, task: &Task, http: &Http, input: &Flow, now: Moment) -> Result<Next, Fault> {
        if !is_look(&http.capability) {
            return self.ask_http_act(task, http, input, now);
        }
        let uri = self.filled(task, &http.uri, input)?;
        let mut asked = Asked::at(&uri);
        for (name, part) in [("query", &http.query), ("headers", &http.headers)] {
            if let Some(template) = part {
                asked.add(name, &self.in_task(task, |scope| scope.template(template, input))?);
            }
        }
        self.authenticate(task, http.auth.as_ref(), input, &mut asked)?;
        Ok(self.look(http.capability.clone(), asked, now))
    }

    fn look(&mut self, capability: CapabilityName, asked: Asked, now: Moment) -> Next {
        let effect = self.next_id();
        let args = Value::Object(asked.args);
        let wish = Wish { effect, capability, args, key: effect.to_string(), compensates: None };
        self.act(wish, None, asked.labels, now)
    }

    /// The body is what the capability is asked with, the places of the address included.
    fn ask_http_act(&mut self, task: &Task, http: &Http, input: &Flow, now: Moment) -> Result<Next, Fault> {
        let empty = Flow::new(json!({}), Label::owned());
        let part = |part: &Option<Template>| match part {
            Some(template) => self.in_task(task, |scope| scope.template(template, input)),
            None => Ok(empty.clone()),
        };
        let (body, headers) = (part(&http.body)?, part(&http.headers)?);
        let mut labels = Labels::clone(&body.labels);
        let Value::Object(mut args) = Value::clone(&body.value) else {
            return Err(faults::validation("the body of an act is a mapping: the arguments of its capability"));
        };
        if let Template::Literal(uri) = &http.uri {
            let names = places(uri.as_str().unwrap_or_default());
            for name in names.map_err(|error| faults::expression(error.to_string()))? {
                let member = input.member(&name);
                if !args.contains_key(&name) {
                    labels.set(&sinew_expr::json::pointer_step(&name), Labels::clone(&member.labels));
                    args.insert(name, Value::clone(&member.value));
                }
            }
        }
        let effect = self.next_id();
        let given = headers.value.as_object().into_iter().flatten();
        let mut given = given.filter(|(name, _)| name.eq_ignore_ascii_case(KEY_HEADER)).filter_map(|(_, v)| v.as_str());
        let key = given.next().map_or_else(|| effect.to_string(), str::to_owned);
        let args = Value::Object(args);
        self.set_state(State::Act(Arc::new(args.clone())));
        let wish = Wish { effect, capability: http.capability.clone(), args, key, compensates: None };
        Ok(self.act(wish, None, labels, now))
    }

    /// The address, with its places filled from the input where it is written out.
    fn filled(&self, task: &Task, uri: &Template, input: &Flow) -> Result<Flow, Fault> {
        let Template::Literal(written) = uri else { return self.in_task(task, |scope| scope.template(uri, input)) };
        let text = written.as_str().unwrap_or_default();
        let filled = fill_uri(text, &input.value).map_err(|error| faults::expression(error.to_string()))?;
        let label = if filled == text { Label::owned() } else { label_of_places(text, input) };
        Ok(Flow::new(Value::String(filled), label))
    }

    /// A secret is only named here; the last hop looks it up.
    fn authenticate(&self, task: &Task, auth: Option<&Auth>, input: &Flow, asked: &mut Asked) -> Result<(), Fault> {
        let parts: &[(&str, &Credential)] = match auth {
            _ if off("authentication") => return Ok(()),
            None => return Ok(()),
            Some(Auth::Basic(username, password)) => &[("username", username), ("password", password)],
            Some(Auth::Bearer(token)) => &[("token", token)],
        };
        let scheme = if matches!(auth, Some(Auth::Basic(..))) { "basic" } else { "bearer" };
        let mut written = Map::from_iter([("scheme".to_owned(), json!(scheme))]);
        let mut label = Label::owned();
        for (name, credential) in parts {
            let value = match credential {
                Credential::Secret(secret) => json!({ "secret": secret }),
                Credential::Given(template) => {
                    let given = self.in_task(task, |scope| scope.template(template, input))?;
                    label = label.join(&given.label());
                    Value::clone(&given.value)
                }
            };
            written.insert((*name).to_owned(), value);
        }
        asked.add("authentication", &Flow::new(Value::Object(written), label));
        Ok(())
    }

    pub(super) fn http_answered(
        &mut self,
        http: &Http,
        task: TaskId,
        ask: &ActAsk,
        outcome: &Outcome,
    ) -> Result<Next, Fault> {
        if is_look(&ask.wish.capability) {
            let look = Look { method: &http.method, output: http.output, redirect: http.redirect };
            return self.looked(look, ask, outcome).map(Next::Done);
        }
        match self.acted(http.undo.is_some(), task, ask, outcome)? {
            Next::Done(flow) => {
                let receipt = flow.value.get("receipt").cloned().unwrap_or(Value::Null);
                let labels = flow.labels.at(&Step::Named("receipt".to_owned()));
                Ok(Next::Done(Flow::new(receipt, labels)))
            }
            other => Ok(other),
        }
    }

    /// First the document, then what it describes.
    pub(super) fn ask_document(
        &mut self,
        task: &Task,
        call: &OpenApi,
        input: &Flow,
        now: Moment,
    ) -> Result<Next, Fault> {
        let uri = self.filled(task, &call.document, input)?;
        self.set_state(State::Document);
        Ok(self.look(look_name("GET"), Asked::at(&uri), now))
    }

    pub(super) fn openapi_answered(
        &mut self,
        call: &OpenApi,
        task: TaskId,
        ask: &ActAsk,
        outcome: &Outcome,
        now: Moment,
    ) -> Result<Next, Fault> {
        let is_document = matches!(self.active().map(|active| &active.state), Some(State::Document));
        if !is_document {
            let method = if ask.wish.capability.as_str() == "http.head" { "HEAD" } else { "GET" };
            let look = Look { method, output: call.output, redirect: call.redirect };
            return self.looked(look, ask, outcome).map(Next::Done);
        }
        let look = Look { method: "GET", output: HttpOutput::Content, redirect: false };
        let document = self.looked(look, ask, outcome)?;
        let playbook = Arc::clone(&self.playbook);
        let task = playbook.task(task);
        let input = self.active().map(|active| active.input.clone());
        let input = input.ok_or_else(|| faults::runtime("a call lost its place"))?;
        let parameters = match &call.parameters {
            Some(template) => self.in_task(task, |scope| scope.template(template, &input))?,
            None => Flow::new(json!({}), Label::owned()),
        };
        let at = ask.wish.args.get("uri").and_then(Value::as_str).unwrap_or_default();
        let request = openapi::request(&document.value, at, &call.operation, &parameters.value);
        let request = request.map_err(|problem| faults::validation(format!("`{}`: {problem}", call.operation)))?;
        if !matches!(request.method.as_str(), "GET" | "HEAD") {
            let detail = format!("`{}` is {}, which acts: describe it as a capability", call.operation, request.method);
            return Err(faults::validation(detail));
        }
        // Which parameter went where is the document's to say.
        let label = parameters.label().join(&document.label());
        let mut asked = Asked::at(&Flow::new(json!(request.uri), label.clone()));
        for (name, part) in [("query", request.query), ("headers", request.headers)] {
            if !part.is_empty() {
                asked.add(name, &Flow::new(Value::Object(part), label.clone()));
            }
        }
        self.authenticate(task, call.auth.as_ref(), &input, &mut asked)?;
        self.set_state(State::Plain);
        Ok(self.look(look_name(&request.method), asked, now))
    }
}

impl Live {
    /// The content of a look over HTTP, or the error that it stands for.
    fn looked(&mut self, look: Look<'_>, ask: &ActAsk, outcome: &Outcome) -> Result<Flow, Fault> {
        let endorsed = self.endorsed.take().filter(|endorsed| endorsed.effect == ask.wish.effect);
        looked(&look, ask, outcome, endorsed.as_ref()).map(|flow| self.meet(flow))
    }
}

/// What is wanted of a look.
#[derive(Clone, Copy)]
struct Look<'l> {
    method: &'l str,
    output: HttpOutput,
    redirect: bool,
}

impl Asked {
    fn at(uri: &Flow) -> Self {
        let mut asked = Self { args: Map::new(), labels: Labels::owned() };
        asked.add("uri", uri);
        asked
    }

    fn add(&mut self, name: &str, part: &Flow) {
        self.args.insert(name.to_owned(), Value::clone(&part.value));
        self.labels.set(&sinew_expr::json::pointer_step(name), Labels::clone(&part.labels));
    }
}

fn is_look(capability: &CapabilityName) -> bool {
    matches!(capability.as_str(), "http.get" | "http.head")
}

fn look_name(method: &str) -> CapabilityName {
    let name = if method == "HEAD" { "http.head" } else { "http.get" };
    CapabilityName::from_str(name).expect("invariant: a plain name")
}

/// The content of a look over HTTP, or the error that it stands for.
fn looked(look: &Look<'_>, ask: &ActAsk, outcome: &Outcome, endorsed: Option<&Endorsed>) -> Result<Flow, Fault> {
    let receipt = match outcome {
        Outcome::Done { receipt, .. } => receipt,
        Outcome::Refused { by, reason } if by == "stopped" => return Err(faults::stopped(reason)),
        Outcome::Refused { by, reason } if by == "target" => return Err(faults::communication(404, reason.clone())),
        Outcome::Refused { reason, .. } => return Err(faults::communication(403, reason.clone())),
        Outcome::Failed { reason, .. } => return Err(faults::communication(503, reason.clone())),
        Outcome::Unknown { reason } => return Err(faults::communication(504, reason.clone())),
    };
    let status = receipt.get("status").and_then(Value::as_u64).and_then(|n| u16::try_from(n).ok()).unwrap_or(200);
    let uri = ask.wish.args.get("uri").and_then(Value::as_str).unwrap_or_default();
    let good = if look.redirect && !off("redirect") { 200..400 } else { 200..300 };
    if !good.contains(&status) {
        return Err(faults::communication(status, format!("`{uri}` answered with status {status}")));
    }
    let member = |name: &str| receipt.get(name).cloned().unwrap_or(Value::Null);
    let labels = labels_of(uri, &ask.args_label, endorsed);
    Ok(match look.output {
        HttpOutput::Response if !off("response") => {
            let headers = ask.wish.args.get("headers").cloned().unwrap_or_else(|| json!({}));
            let said = Labels::object([("content".to_owned(), labels)]);
            let response = json!({
                "request": { "method": look.method, "uri": uri, "headers": headers },
                "statusCode": status, "headers": member("headers"), "content": member("content"),
            });
            Flow::new(response, said.under(&Label::new("http", Trust::Observed).join(&ask.args_label)))
        }
        _ => Flow::new(member("content"), labels),
    })
}

/// What somebody says is observed at best, and no better than the question; what a system of record vouches for is verified.
fn labels_of(uri: &str, args: &Label, endorsed: Option<&Endorsed>) -> Labels {
    let host = uri.split("://").nth(1).and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or("http");
    let mut labels = Labels::from(Label::new(host, Trust::Observed).join(args));
    for at in endorsed.iter().flat_map(|endorsed| &endorsed.facts) {
        labels.set(at, Label::new(host, Trust::Verified).into());
    }
    labels
}

/// The label of what fills the places of an address.
fn label_of_places(text: &str, input: &Flow) -> Label {
    let steps = |place: &String| place.trim_start_matches('/').split('/').map(|s| Step::Named(s.to_owned())).collect();
    let label = |place: &String| -> Label {
        let steps: Vec<Step> = steps(place);
        input.labels.inside(&steps).whole()
    };
    match places(text) {
        Ok(places) => places.iter().map(label).fold(Label::owned(), |all, one| all.join(&one)),
        Err(_) => input.label(),
    }
}
