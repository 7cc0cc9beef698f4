//! Device files: those of the deployment open, and wrong ones are refused with what is wrong.

use serde_json::{Value, json};
use sinew_contract::ErrorKind;
use sinew_drivers::open;

use crate::common::{folder, world};

#[test]
fn the_devices_of_the_returns_deployment_open() {
    let devices = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deployments/returns/devices");
    let folder = folder();
    let world = world(1, folder.path());
    let mut opened = Vec::new();
    for entry in std::fs::read_dir(devices).expect("the deployment has devices") {
        let text = std::fs::read_to_string(entry.expect("an entry").path()).expect("a device's file is text");
        let file: Value = toml::from_str(&text).expect("a device's file is TOML");
        let device = open(&file, &world.surroundings).unwrap_or_else(|error| panic!("{file}: {error}"));
        opened.push((device.device.id().to_string(), device.folder.is_some()));
    }
    opened.sort();
    assert_eq!(opened, [("dock-1".to_owned(), true), ("shop".to_owned(), false)]);
    assert!(!folder.path().join("inbox/done").is_dir());
}

#[test]
fn wrong_files_are_refused_with_what_is_wrong() {
    let folder = folder();
    let world = world(1, folder.path());
    let rows = [
        (json!({"id": "x"}), "there is no driver ``; there are http, mqtt"),
        (json!({"id": "x", "driver": "telex"}), "there is no driver `telex`"),
        (json!({"id": "x", "driver": "mqtt"}), "missing field `broker`"),
        (json!({"id": "x", "driver": "mqtt", "broker": "http://shop.local"}), "not of the form mqtt://host"),
        (json!({"id": "x", "driver": "mqtt", "broker": "mqtt://u:p@shop.local"}), "not of the form mqtt://host"),
        (json!({"id": "x", "driver": "mqtt", "broker": "mqtt://evil.example"}), "`egress.allow`"),
        (json!({"id": "x", "driver": "mqtt", "broker": "mqtt://shop.local", "keep-alive": "0s"}), "`keep-alive`"),
        (
            json!({"id": "x", "driver": "mqtt", "broker": "mqtt://shop.local", "reading": [
                {"topic": "a/+", "kind": "event"}, {"topic": "a/b", "kind": "telemetry"}]}),
            "overlap",
        ),
        (
            json!({"id": "x", "driver": "mqtt", "broker": "mqtt://shop.local", "reading": [{"topic": "a/#/b", "kind": "event"}]}),
            "is not a topic filter",
        ),
        (json!({"id": "a b", "driver": "http"}), "is not a device id"),
        (json!({"id": "x", "driver": "http", "bass": "http://shop.local"}), "unknown field `bass`"),
        (json!({"id": "x", "driver": "http", "base": "http://other.local"}), "`other.local` may not be called"),
        (json!({"id": "x", "driver": "http", "base": "shop.local"}), "is not a URI"),
        (json!({"id": "x", "driver": "http", "timeout": "0s"}), "`timeout` must be more than nothing"),
        (json!({"id": "x", "driver": "http", "timeout": "-5s"}), "`timeout` must be more than nothing"),
        (json!({"id": "x", "driver": "http", "key-header": "a b"}), "`a b` is not the name of a header"),
        (json!({"id": "x", "driver": "http", "headers": {"x": "env:SHOP_TOKEN"}}), "`headers` need a `base`"),
        (
            json!({"id": "x", "driver": "http", "base": "http://shop.local", "headers": {"x": "Bearer s3cret"}}),
            "must refer to a secret",
        ),
        (
            json!({"id": "x", "driver": "http", "base": "http://shop.local", "headers": {"x": "env:NONE"}}),
            "cannot resolve the secret `env:NONE`",
        ),
        (json!({"id": "x", "driver": "folder"}), "missing field `path`"),
        (json!({"id": "x", "driver": "folder", "path": "inbox", "poll": "0s"}), "`poll` must be more than nothing"),
    ];
    for (file, expected) in rows {
        let error = open(&file, &world.surroundings).err().unwrap_or_else(|| panic!("{file} is opened"));
        assert!(error.to_string().contains(expected), "{file}: {error}");
        assert!(!error.to_string().contains("s3cret"), "{error}");
        assert!(matches!(error.kind(), ErrorKind::Invalid | ErrorKind::Missing), "{error}");
    }
}

#[test]
fn operations_are_checked_at_load() {
    let folder = folder();
    let world = world(1, folder.path());
    let (shop, http) = (world.shop(), world.open(&json!({"id": "http", "driver": "http"})));
    let path = json!({"method": "POST", "path": "/refunds"});
    let uri = json!({"method": "GET", "uri": "{uri}", "raw": true});
    assert!(shop.check(&path).is_ok() && shop.check(&uri).is_ok() && http.check(&uri).is_ok());
    assert_eq!(http.check(&path).map_err(|failure| failure.kind()), Err(ErrorKind::Invalid), "no base");
    assert_eq!(shop.check(&json!({"method": "JUMP"})).map_err(|failure| failure.kind()), Err(ErrorKind::Invalid));
}
