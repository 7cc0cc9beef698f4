//! The capabilities of the returns deployment load, and what is wrong in a manifest is said.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use sinew_actuation::Manifests;
use sinew_contract::*;
use sinew_expr::{Profile, Program};

use crate::bench::{Bench, texts};

fn devices(bench: &Bench) -> BTreeMap<DeviceId, Arc<dyn Device>> {
    let all: [Arc<dyn Device>; 2] = [bench.shop.clone(), bench.web.clone()];
    all.into_iter().map(|d| (d.id().clone(), d)).collect()
}

fn shipped() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deployments/returns/capabilities");
    let files = fs::read_dir(folder).expect("the deployment is in the repository").map(|f| f.expect("readable").path());
    let tomls = files.filter(|path| path.extension().is_some_and(|e| e == "toml"));
    tomls.map(|path| (path.display().to_string(), fs::read_to_string(&path).expect("readable"))).collect()
}

#[test]
fn the_shipped_capabilities_are_good_and_their_undos_fit() {
    let bench = Bench::new();
    let manifests = Manifests::load(&shipped(), &devices(&bench)).expect("good manifests");
    let by_name: BTreeMap<_, _> = manifests.iter().map(|m| (m.name.as_str(), m)).collect();
    let classes: Vec<_> = by_name.iter().map(|(name, m)| (*name, m.class)).collect();
    let expected = [
        ("http.get", Class::Pure),
        ("http.head", Class::Pure),
        ("shop.message", Class::Irreversible),
        ("shop.refund", Class::Compensable),
        ("shop.refund-void", Class::Idempotent),
        ("shop.restock", Class::Compensable),
        ("shop.unstock", Class::Idempotent),
    ];
    assert_eq!(classes, expected);
    let undo = |name: &str, receipt| {
        let compensation = by_name.get(name).and_then(|m| m.compensation.clone()).expect("can be undone");
        let program = Program::compile(&compensation.args_from, &[], Profile::Author).expect("compiles");
        let args = program.run(&json!({ "args": {}, "receipt": receipt }), &[]).expect("runs");
        let target = by_name.get(compensation.capability.as_str()).expect("exists");
        sinew_expr::Schema::compile(&target.args).expect("compiles").check(&args).expect("the undo takes them");
    };
    undo("shop.refund", json!({ "refund": "rf-000001" }));
    undo("shop.restock", json!({ "movement": "mv-000001" }));
}

#[track_caller]
fn check(from: &str, to: &str, expected: &str) {
    let bench = Bench::new();
    let mut texts = texts();
    let pay = texts.first_mut().expect("two manifests");
    assert!(pay.1.contains(from), "`{from}` stands in the manifest");
    pay.1 = pay.1.replacen(from, to, 1);
    let error = Manifests::load(&texts, &devices(&bench)).expect_err("a bad manifest");
    let problems: Vec<_> = error.problems.iter().map(ToString::to_string).collect();
    assert!(problems.iter().any(|p| p == expected), "wanted `{expected}` in {problems:#?}");
}

#[test]
fn what_is_wrong_in_a_manifest_is_said_with_its_place() {
    check("version = 1", "version = \"1\"", "pay.toml:3: invalid type: string \"1\", expected u32");
    check(
        "class = \"compensable\"",
        "class = \"harmless\"",
        "pay.toml:6: unknown variant `harmless`, expected one of `pure`, `idempotent`, `compensable`, `irreversible`, `physical`",
    );
    check("version = 1", "version = 0", "pay.toml: `version`: counts from 1");
    check(
        "device = \"shop\"",
        "device = \"shed\"",
        "pay.toml: `device`: there is no device `shed`; there are: http, shop",
    );
    check("method = \"POST\", ", "", "pay.toml: `operation`: say a `method`");
    check("{ method = \"GET\", path", "{ path", "pay.toml: `reconcile.operation`: say a `method`");
    check(
        "applied = \"/applied\"",
        "applied = \"applied\"",
        "pay.toml: `reconcile`: `applied` is not a JSON pointer; write `/applied`",
    );
    check(
        "[\"/order\"]",
        "[\"/oder\"]",
        "pay.toml: `natural-key`: `/oder` leads nowhere in `args`; a JSON pointer starts with `/`",
    );
    check(
        "required = [\"order\", \"amount\"]",
        "required = [\"amount\"]",
        "pay.toml: `natural-key`: `/order` may be absent; add `order` to `required` in `args`",
    );
    check(
        "required = [\"order\", \"amount\"]",
        "required = [\"amount\"]",
        "pay.toml: `title`: `/order` may be absent; add `order` to `required` in `args`",
    );
    check(
        "{ type = \"integer\" }",
        "{ type = \"number\" }",
        "pay.toml: `amount.minor`: `/amount/minor` must be an integer of minor units",
    );
    check(
        "for {order}",
        "for {who}",
        "pay.toml: `title`: `/who` leads nowhere in `args`; a JSON pointer starts with `/`",
    );
    check(
        "trust = { \"\"",
        "trust = { \"/x\"",
        "pay.toml: `trust`: `/x` leads nowhere in `args`; a JSON pointer starts with `/`",
    );
    check(
        "additionalProperties = false",
        "additionalProperties = true",
        "pay.toml: `args`: must say `additionalProperties = false`, so that nothing unknown reaches a target",
    );
    check("\"unpay\"", "\"repay\"", "pay.toml: `compensation.capability`: there is no capability `repay`");
    check("\"unpay\"", "\"http.get\"", "pay.toml: `compensation.capability`: `http.get` changes nothing");
    check(
        "class = \"compensable\"",
        "class = \"irreversible\"",
        "pay.toml: `class`: what can be undone is `compensable`, not `irreversible`",
    );
    check(
        "compensation = {",
        "retry = { attempts-max = 0 }\n#",
        "pay.toml: `retry.attempts-max`: the first try counts, so at least 1",
    );
    check(
        "compensation = {",
        "#",
        "pay.toml: `compensation`: a compensable capability must say what undoes it, or be `irreversible`",
    );
    check("expiry = \"2s\"", "expiry = \"0s\"", "pay.toml: `expiry`: must be above zero and at most 1h");
    check(
        "class = \"compensable\"",
        "class = \"physical\"",
        "pay.toml: `physical`: without its terms (safe state, dead man, envelope, …) nothing physical moves",
    );
    check("name = \"pay\"", "name = \"unpay\"", "unpay.toml: a second manifest named `unpay`; give each its own name");
}
