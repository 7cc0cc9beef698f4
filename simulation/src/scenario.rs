//! The playbooks that are run, and what may be done in them.
//!
//! The first is that of the returns deployment, with its own capabilities; the others are small and each about one thing.

use std::collections::BTreeMap;
use std::sync::Arc;

use sinew_actuation::Manifests;
use sinew_contract::{Device, DeviceId};
use sinew_planning::{Known, KnownCapability, Playbook, check};

/// One playbook.
#[derive(Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Its name in reports.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

const RETURNS: &str = include_str!("../../deployments/returns/playbooks/return-intake.yaml");

macro_rules! playbook {
    ($name:literal, $meta:literal, $tasks:expr) => {
        Scenario {
            name: $name,
            text: concat!(
                "document: { dsl: '1.0.3', namespace: simulation, name: ",
                $name,
                ", version: '1.0.0'",
                $meta,
                " }\n",
                "schedule: { on: { one: { with: { type: sinew.scan.v1 } } } }\n",
                "input: { from: '${ .[0].data }' }\n",
                "do:\n",
                $tasks
            ),
        }
    };
}

/// All of them.
pub static SCENARIOS: [Scenario; 6] = [
    Scenario { name: "return-intake", text: RETURNS },
    playbook!(
        "strict-steps",
        ", metadata: { sinew: { durability: strict } }",
        "  - a: { set: { code: '${ .code }', n: 1 } }\n\
         \x20 - b: { set: '${ . + { n: (.n + 1) } }', export: { as: '${ { n: .n } }' } }\n\
         \x20 - c: { switch: [ { big: { when: '${ .n > 5 }', then: end } }, { small: { then: d } } ] }\n\
         \x20 - d: { set: '${ . + { n: (.n + $context.n) } }' }\n"
    ),
    playbook!(
        "pay-once",
        "",
        "  - pay:\n\
         \x20     call: act:1.0.0@default\n\
         \x20     with:\n\
         \x20       capability: shop.refund\n\
         \x20       args: { rma: '${ .code }', order: '${ .code }', line: 0, amount: { minor: 500, currency: EUR } }\n\
         \x20       idempotencyKey: '${ \"pay/\" + .code + \"/\" + $workflow.id }'\n"
    ),
    playbook!(
        "wait-and-try",
        "",
        "  - first: { wait: PT5S }\n\
         \x20 - work:\n\
         \x20     try:\n\
         \x20       - look: { call: http, with: { method: get, endpoint: 'http://shop.local/returns/{code}' } }\n\
         \x20     catch:\n\
         \x20       errors: { with: { type: 'https://serverlessworkflow.io/spec/1.0.0/errors/communication' } }\n\
         \x20       retry: { delay: { seconds: 1 }, backoff: { exponential: {} }, limit: { attempt: { count: 3 } } }\n\
         \x20       do: [ { none: { set: { matches: [] } } } ]\n\
         \x20 - last: { wait: PT1M }\n"
    ),
    playbook!(
        "ask-a-person",
        "",
        "  - ask:\n\
         \x20     call: approve:1.0.0@default\n\
         \x20     with: { question: 'Shall we?', approvers: { role: returns-lead }, expires: PT1H, onExpiry: reject }\n\
         \x20 - more:\n\
         \x20     call: remember:1.0.0@default\n\
         \x20     with: { kind: fact, subject: 'customer:c1', content: '${ .decision }', sources: [gate], \
         idempotencyKey: '${ $workflow.id }' }\n"
    ),
    playbook!(
        "undo",
        "",
        "  - both:\n\
         \x20     try:\n\
         \x20       - pay:\n\
         \x20           call: act:1.0.0@default\n\
         \x20           with:\n\
         \x20             capability: shop.refund\n\
         \x20             args: { rma: '${ .code }', order: '${ .code }', line: 1, amount: { minor: 700, currency: EUR } }\n\
         \x20             idempotencyKey: '${ \"pay/\" + $workflow.id }'\n\
         \x20       - shelve:\n\
         \x20           call: act:1.0.0@default\n\
         \x20           with:\n\
         \x20             capability: shop.restock\n\
         \x20             args: { rma: r1, sku: s1, qty: 1 }\n\
         \x20             idempotencyKey: '${ \"shelve/\" + $workflow.id }'\n\
         \x20       - fail: { raise: { error: { type: 'urn:test:late', status: 400, title: late } } }\n\
         \x20     catch:\n\
         \x20       do:\n\
         \x20         - undo: { call: 'compensate:1.0.0@default', with: { scope: both, order: reverse, onStuck: page-operator } }\n"
    ),
];

impl Scenario {
    /// The scenario of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        SCENARIOS.iter().find(|scenario| scenario.name == name)
    }

    /// Its playbook, checked against the capabilities.
    ///
    /// # Panics
    /// Where it is not right: it stands in this file, or in the deployment.
    pub fn playbook(&self, manifests: &Manifests) -> Arc<Playbook> {
        let capability = |m: &Arc<sinew_contract::Manifest>| {
            (m.name.clone(), KnownCapability { class: m.class, compensation: m.compensation.clone() })
        };
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let known = Known {
            capabilities: manifests.iter().map(capability).collect(),
            rules: names(&["return-decision"]),
            templates: names(&["return-message"]),
            roles: names(&["returns-lead"]),
            ..Known::default()
        };
        let (playbook, findings) = check(self.text, &known);
        let findings: Vec<_> = findings.iter().map(ToString::to_string).collect();
        Arc::new(playbook.unwrap_or_else(|| panic!("`{}` is not right:\n{}", self.name, findings.join("\n"))))
    }
}

/// The capabilities of the returns deployment.
///
/// # Panics
/// Where they are not right.
pub(crate) fn manifests(devices: &BTreeMap<DeviceId, Arc<dyn Device>>) -> Arc<Manifests> {
    let texts = [
        ("shop.refund.toml", include_str!("../../deployments/returns/capabilities/shop.refund.toml")),
        ("shop.refund-void.toml", include_str!("../../deployments/returns/capabilities/shop.refund-void.toml")),
        ("shop.restock.toml", include_str!("../../deployments/returns/capabilities/shop.restock.toml")),
        ("shop.unstock.toml", include_str!("../../deployments/returns/capabilities/shop.unstock.toml")),
        ("shop.message.toml", include_str!("../../deployments/returns/capabilities/shop.message.toml")),
    ];
    let texts = texts.map(|(file, text)| (file.to_owned(), text.to_owned()));
    Arc::new(Manifests::load(&texts, devices).expect("the deployment's capabilities are right"))
}
