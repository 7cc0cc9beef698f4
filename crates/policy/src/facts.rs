//! A request in Cedar's words: ids of who, what and how, and the facts as integers, strings, closed lists and sets.
//!
//! Does not decide anything. What cannot be said plainly (a host behind user information, say) is said as "nothing", so
//! that a policy which looks for something does not find it.

use std::collections::HashSet;

use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request as CedarRequest, RestrictedExpression,
};
use serde_json::Value;
use sinew_contract::{CapabilityName, Class, PrincipalId, Request, Trust};

/// Type names parsed once.
pub(crate) struct Names {
    agent: EntityTypeName,
    person: EntityTypeName,
    system: EntityTypeName,
    class: EntityTypeName,
    capability: EntityTypeName,
    trust: EntityTypeName,
    pub(crate) act: EntityUid,
    pub(crate) act_unattended: EntityUid,
}

impl Names {
    pub(crate) fn new() -> Self {
        let name = |text: &str| text.parse::<EntityTypeName>().expect("invariant: a plain type name");
        let action = |id: &str| uid(&name("Action"), id);
        Self {
            agent: name("Agent"),
            person: name("Person"),
            system: name("System"),
            class: name("Class"),
            capability: name("Capability"),
            trust: name("Trust"),
            act: action("Act"),
            act_unattended: action("ActUnattended"),
        }
    }

    /// `agent:x` is an Agent, `person:x` a Person, all else a System under its whole name.
    fn principal(&self, principal: &PrincipalId) -> EntityUid {
        match principal.as_str().split_once(':') {
            Some(("agent", id)) => uid(&self.agent, id),
            Some(("person", id)) => uid(&self.person, id),
            _ => uid(&self.system, principal.as_str()),
        }
    }

    fn resource(&self, capability: &CapabilityName) -> EntityUid {
        uid(&self.capability, capability.as_str())
    }

    /// The capability in its class: all that policy knows beside the request.
    pub(crate) fn entities(&self, capability: &CapabilityName, class: Class) -> Entities {
        let class = uid(&self.class, class.as_str());
        let entity = Entity::new_no_attrs(self.resource(capability), HashSet::from([class]));
        Entities::from_entities([entity], None).expect("invariant: one entity is neither a duplicate nor a cycle")
    }

    /// The question for one action.
    pub(crate) fn question(&self, request: &Request, action: &EntityUid, context: Context) -> CedarRequest {
        let principal = self.principal(&request.principal);
        CedarRequest::new(principal, action.clone(), self.resource(&request.capability), context, None)
            .expect("invariant: without a schema there is nothing to violate")
    }

    /// The facts, each under the name that stands in the schema.
    pub(crate) fn context(&self, request: &Request) -> Context {
        let text = |value: &str| RestrictedExpression::new_string(value.to_owned());
        let long = RestrictedExpression::new_long;
        let flag = RestrictedExpression::new_bool;
        let trust = |trust| RestrictedExpression::new_entity_uid(uid(&self.trust, trust_word(trust)));
        let leaves = leaves(&request.args).into_iter().map(RestrictedExpression::new_string);
        let facts = [
            ("scope", text(request.scope.as_str())),
            ("playbook", text(request.playbook.as_str())),
            ("device", text(&request.device)),
            ("host", text(&host(&request.args).unwrap_or_default())),
            ("amount_minor", long(request.amount_minor)),
            ("currency", text(&request.currency)),
            ("args_trust", trust(request.args_trust)),
            ("control_trust", trust(request.control_trust)),
            ("evidence_age_s", long(request.evidence_age_s)),
            ("confidence_permille", long(request.confidence_permille)),
            ("approved", flag(request.approved)),
            ("duplicate", flag(request.duplicate)),
            ("compensates", flag(request.compensates)),
            ("args", RestrictedExpression::new_set(leaves)),
        ];
        let facts = facts.map(|(name, value)| (name.to_owned(), value));
        Context::from_pairs(facts).expect("invariant: each name stands once and no value calls an extension")
    }
}

fn uid(of: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(of.clone(), EntityId::new(id))
}

const fn trust_word(trust: Trust) -> &'static str {
    match trust {
        Trust::Untrusted => "untrusted",
        Trust::Observed => "observed",
        Trust::Verified => "verified",
        Trust::Owned => "owned",
    }
}

/// The host of the argument `uri`; none unless it is a plain `http(s)://host[:port]…` of letters, digits, `-` and `.`.
fn host(args: &Value) -> Option<String> {
    let uri = args.get("uri")?.as_str()?;
    let (scheme, rest) = uri.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (host, port) = authority.split_once(':').unwrap_or((authority, "0"));
    let plain_host = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'));
    let plain = matches!(scheme, "http" | "https") && plain_host && port.parse::<u16>().is_ok();
    plain.then(|| host.to_ascii_lowercase())
}

/// One `pointer=value` for each leaf; an empty object or array is a leaf too.
fn leaves(args: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![(String::new(), args)];
    while let Some((pointer, value)) = open.pop() {
        match value {
            Value::Object(map) if !map.is_empty() => {
                open.extend(map.iter().map(|(name, inner)| (format!("{pointer}/{}", escape(name)), inner)));
            }
            Value::Array(items) if !items.is_empty() => {
                open.extend(items.iter().enumerate().map(|(at, inner)| (format!("{pointer}/{at}"), inner)));
            }
            Value::String(text) => found.push(format!("{pointer}={text}")),
            other => found.push(format!("{pointer}={other}")),
        }
    }
    found
}

/// RFC 6901, section 3.
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_plain_host_is_a_host() {
        let check = |uri: &str, expected: Option<&str>| {
            assert_eq!(host(&json!({ "uri": uri })).as_deref(), expected, "{uri}");
        };
        check("http://shop.local/returns/1?x=http://evil", Some("shop.local"));
        check("https://SHOP.local:8443", Some("shop.local"));
        check("http://shop.local?x", Some("shop.local"));
        for uri in [
            "http://shop.local@evil.example/",
            "http://shop.local:pass@evil.example/",
            "http://evil.example\\@shop.local/",
            "file://shop.local/etc",
            "//shop.local/",
            "http:///x",
            "http://shop.local:99999/",
            "http://shop.local%2eevil/",
            "HTTP://shop.local/",
            "",
        ] {
            check(uri, None);
        }
        assert_eq!(host(&json!({ "uri": 5 })), None);
    }

    #[test]
    fn every_leaf_of_the_arguments_has_its_line() {
        let mut found = leaves(&json!({ "a": { "b/c": [1, "x"] }, "d": null, "e": {}, "f": true }));
        found.sort();
        assert_eq!(found, ["/a/b~1c/0=1", "/a/b~1c/1=x", "/d=null", "/e={}", "/f=true"]);
        assert_eq!(leaves(&json!("top")), ["=top"]);
    }
}
