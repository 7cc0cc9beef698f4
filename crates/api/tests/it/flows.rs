//! What the API does with what it is sent: scans, gates, stop, and what goes wrong.

use serde_json::{Value, json};

use crate::caller::{Answer, Stage};
use crate::fake::{GATE, RUN};

const DIGEST: &str = "5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c";

async fn reply(stage: &Stage, by: &str, body: &Value) -> Answer {
    stage.send("POST", &format!("/v1/gates/{GATE}")).by_local(by).json(body).answer().await
}

#[tokio::test]
async fn a_gate_closes_once() {
    let stage = Stage::full();
    let approve = json!({"answer": "approve", "digest": DIGEST, "note": "looks right"});
    let first = reply(&stage, "ana", &approve).await;
    assert_eq!((first.status, first.json()["status"].clone()), (200, json!("approved")));
    assert_eq!(stage.changes(), [format!("answer {GATE} approved by person:ana")]);
    let again = reply(&stage, "ana", &approve).await;
    assert_eq!((again.status, again.json()), (200, first.json()));
    assert!(stage.changes().is_empty(), "journaled once");
    let other = reply(&stage, "ana", &json!({"answer": "refuse", "digest": DIGEST})).await;
    assert_eq!(other.status, 409);
    assert_eq!(other.json()["detail"], "gate `g57` is closed already: approved by person:ana");
}

#[tokio::test]
async fn an_answer_is_bound_to_what_was_seen_and_to_those_who_may() {
    let stage = Stage::full();
    let check = async |by: &str, body: Value, expected: u16| {
        let answer = reply(&stage, by, &body).await;
        assert_eq!(answer.status, expected, "{by} {body}: {}", answer.body);
        assert!(stage.changes().is_empty());
    };
    check("ana", json!({"answer": "approve", "digest": "00".repeat(32)}), 409).await;
    check("ben", json!({"answer": "approve", "digest": DIGEST}), 403).await;
    check("ana", json!({"answer": "perhaps", "digest": DIGEST}), 400).await;
    check("ana", json!({"answer": "approve"}), 400).await;
    check("ana", json!({"answer": "approve", "digest": "x"}), 400).await;
    check("ana", json!({"answer": "approve", "digest": DIGEST, "note": "x".repeat(501)}), 400).await;
    check("ana", json!({"answer": "approve", "digest": DIGEST, "force": true}), 400).await;
}

#[tokio::test]
async fn a_gate_is_answered_from_its_page() {
    let stage = Stage::full();
    let session = stage.session("ana");
    let path = format!("/gates/{GATE}");
    let page = stage.send("GET", &path).in_session(&session).answer().await;
    let token = stage.people.form_token(&session, &path);
    assert!(page.body.contains(&token) && page.body.contains(DIGEST) && page.body.contains("value=\"refuse\""));
    let first_button = page.body.split("<form class=\"decide\"").nth(1).and_then(|form| form.split("<button ").nth(1));
    assert!(first_button.is_some_and(|button| button.starts_with("type=\"submit\" disabled")), "Enter decides nothing");
    let fields = [("form", token.as_str()), ("digest", DIGEST), ("answer", "refuse"), ("note", "wrong size")];
    let answered = stage.send("POST", &path).in_session(&session).form(&fields).answer().await;
    assert_eq!((answered.status, answered.header("location")), (303, path.as_str()));
    let after = stage.send("GET", &path).in_session(&session).answer().await;
    assert!(after.body.contains("wrong size") && !after.body.contains("value=\"refuse\""), "no buttons any more");
}

#[tokio::test]
async fn who_may_not_answer_sees_the_card_without_buttons() {
    let stage = Stage::full();
    let page = stage.send("GET", &format!("/gates/{GATE}")).by_local("ben").answer().await;
    assert!(page.body.contains("returns-lead") && !page.body.contains("value=\"approve\""));
}

#[tokio::test]
async fn a_picture_is_taken_in_once_per_key() {
    let stage = Stage::full();
    let send = |key: &str| {
        let picture: (&str, Option<&str>, &[u8]) = ("image", Some("../dock/a.png"), b"picture");
        stage.send("POST", "/v1/scans").by_local("ana").with("idempotency-key", key).multipart(&[picture])
    };
    let first = send("one").answer().await;
    assert_eq!((first.status, first.json()["verdict"].clone()), (201, json!("read")));
    assert_eq!(stage.changes(), ["scan 7 bytes Some(\"a.png\") by person:ana"]);
    assert_eq!(send("again").answer().await.status, 200);
    assert_eq!(send(&"k".repeat(129)).answer().await.status, 400);
}

#[tokio::test]
async fn what_is_not_a_picture_is_told_clearly() {
    let stage = Stage::full();
    let check = |answer: Answer, status: u16, detail: &str| {
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert_eq!((answer.status, answer.json()["detail"].clone()), (status, json!(detail)));
        assert!(stage.changes().is_empty());
    };
    let post = || stage.send("POST", "/v1/scans").by_local("ana");
    let needs = "send `multipart/form-data` with the picture in the field `image`";
    check(post().json(&json!({})).answer().await, 400, needs);
    check(post().answer().await, 400, needs);
    check(post().multipart(&[("file", Some("a.png"), b"x")]).answer().await, 400, needs);
    let empty = "the picture in the field `image` is empty; choose a file";
    check(post().multipart(&[("image", Some("a.png"), b"")]).answer().await, 400, empty);
    let nonsense = post().multipart(&[("image", Some("a.txt"), b"nonsense")]).answer().await;
    check(nonsense, 400, "the bytes are not a picture; send JPEG or PNG");
    let large = vec![b'x'; 25_000_001];
    let large = post().multipart(&[("image", Some("a.png"), &large)]).answer().await;
    check(large, 413, "a picture has at most 25 MB; send a smaller one");
    let cut = stage
        .send("POST", "/v1/scans")
        .by_local("ana")
        .form(&[("x", "y")])
        .with("content-type", "multipart/form-data; boundary=edge");
    assert_eq!(cut.answer().await.status, 400);
}

#[tokio::test]
async fn a_picture_of_the_full_size_is_taken_in() {
    let stage = Stage::full();
    let picture = vec![b'x'; 25_000_000];
    let taken = stage.send("POST", "/v1/scans").by_local("ana").multipart(&[("image", Some("a.png"), &picture)]);
    assert_eq!(taken.answer().await.status, 201);
}

#[tokio::test]
async fn stop_needs_one_press_and_going_on_needs_a_reason() {
    let stage = Stage::full();
    let post = |path: &str| stage.send("POST", path).by_local("ben");
    assert_eq!(post("/v1/stop").answer().await.status, 200, "no body, no reason");
    let health = stage.send("GET", "/v1/health").answer().await.json();
    assert_eq!(
        (&health["condition"], &health["stops"][0]["by"]),
        (&json!("stopped"), &json!(null)),
        "a stranger learns no name"
    );
    let page = stage.send("GET", "/runs").by_local("ana").answer().await;
    assert!(
        page.body.contains("Stopped: everything") && page.body.contains("person:ben"),
        "the banner is on every page"
    );
    assert_eq!(post("/v1/resume").answer().await.status, 400);
    assert_eq!(post("/v1/resume").json(&json!({"reason": "dock is clear"})).answer().await.json(), json!([]));
    assert_eq!(post("/v1/stop").json(&json!({"scope": "device"})).answer().await.status, 400, "which device?");
    let named = post("/v1/stop").json(&json!({"scope": "device", "name": "shop"})).answer().await;
    assert_eq!(named.json()[0]["covers"], json!({"scope": "device", "name": "shop"}));
}

#[tokio::test]
async fn problems_say_what_was_sent_and_how_to_mend_it() {
    let stage = Stage::full();
    let check = async |path: &str, expected: Value| {
        let answer = stage.send("GET", path).by_local("ana").answer().await;
        assert_eq!(
            (answer.status, answer.json()),
            (u16::try_from(expected["status"].as_u64().expect("a status")).expect("small"), expected.clone()),
            "{path}"
        );
    };
    let missing = |detail: &str| json!({"type": "urn:sinew:problem:missing", "title": "There is no such thing", "status": 404, "detail": detail});
    check("/v1/runs/r1", missing("`r1` is not a run id; expected r<seq>-<8 hex digits>, as in `r42-9f3a1c2d`")).await;
    check("/v1/runs/r7-00000000", missing("there is no run `r7-00000000` here")).await;
    check("/v1/scans/x", missing("`x` is not a scan; a scan is a number")).await;
    check("/v1/blobs/zz", missing("`zz` is not a digest; expected 64 hex digits")).await;
    check("/v1/nowhere", missing("nothing is at `/v1/nowhere`")).await;
    for query in ["/v1/runs?status=happy", "/v1/runs?limit=-1", "/v1/runs?colour=red", "/v1/events?from=x"] {
        let answer = stage.send("GET", query).by_local("ana").answer().await;
        assert_eq!((answer.status, answer.header("content-type")), (400, "application/problem+json"), "{query}");
    }
    let wrong_method = stage.send("DELETE", &format!("/v1/runs/{RUN}")).by_local("ana").answer().await;
    assert_eq!(wrong_method.status, 405);
}
