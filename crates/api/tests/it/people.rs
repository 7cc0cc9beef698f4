//! Tokens, links and sessions.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sinew_api::{People, PeopleError, Person, check_bind, local_token};
use sinew_testkit::SimClock;

use crate::caller::Stage;
use crate::fake::{Paper, SECRET};

fn person(name: &str) -> Person {
    Person { name: name.into(), display: String::new(), roles: vec!["returns-lead".into()] }
}

fn open(paper: &Paper, names: &[&str]) -> Result<People, PeopleError> {
    let persons = names.iter().map(|name| person(name)).collect();
    People::open(persons, Box::new(paper.clone()), SECRET, Arc::new(SimClock::default()))
}

#[test]
fn a_token_opens_the_door_after_a_restart_and_is_kept_as_a_hash() {
    let paper = Paper::default();
    let token = open(&paper, &["ana"]).expect("good names").issue_token("ana").expect("a store");
    let people = open(&paper, &["ana"]).expect("good names");
    let caller = people.by_bearer(&token).expect("her token");
    assert_eq!((caller.principal.as_str(), caller.has_role("returns-lead")), ("person:ana", true));
    let kept = sinew_api::PeopleStore::load(&paper).expect("paper").expect("kept");
    assert!(!kept.contains(&token) && !kept.contains(token.trim_start_matches("sinew-")), "{kept}");
}

#[test]
fn a_new_token_ends_the_old_one_and_all_sessions() {
    let people = open(&Paper::default(), &["ana"]).expect("good names");
    let old = people.issue_token("ana").expect("a store");
    let session = people.sign_in(&old).expect("her token");
    people.issue_token("ana").expect("a store");
    assert_eq!(people.by_bearer(&old), None);
    assert_eq!(people.by_session(&session), None);
}

#[tokio::test]
async fn the_owner_gives_out_tokens_and_links_that_work() {
    let stage = Stage::full();
    let give = async |by: &str, name: &str, what: &str| {
        stage.send("POST", &format!("/v1/people/{name}/{what}")).by_local(by).answer().await
    };
    let token = give("ana", "ben", "token").await;
    assert_eq!(token.status, 201, "{}", token.body);
    let token = token.json()["token"].as_str().expect("a token").to_owned();
    assert_eq!(stage.people.by_bearer(&token).map(|c| c.principal.to_string()), Some("person:ben".into()));
    let link = give("ana", "ben", "link").await.json();
    assert_eq!(link["minutes"], 15);
    let code = link["path"].as_str().and_then(|path| path.strip_prefix("/login?code=")).expect("a link").to_owned();
    assert_eq!(stage.people.peek_link(&code).map(|c| c.name), Some("ben".into()));
    let unknown = give("ana", "zoe", "token").await;
    assert_eq!(unknown.status, 404);
    assert!(unknown.body.contains("there is no person `zoe`; the deployment names: ana, ben"), "{}", unknown.body);
}

#[tokio::test]
async fn nobody_but_the_owner_gives_out_anything() {
    let stage = Stage::full();
    for what in ["token", "link"] {
        let path = format!("/v1/people/ana/{what}");
        let refused = stage.send("POST", &path).by_local("ben").answer().await;
        assert_eq!(refused.status, 403, "{what}");
        assert!(refused.body.contains("only the owner gives out tokens and links; ben is not"), "{}", refused.body);
        assert_eq!(stage.send("POST", &path).answer().await.status, 401, "{what}");
    }
    assert!(!stage.people.has_token("ana"));
}

#[test]
fn the_owner_is_whoever_has_the_role_else_the_first() {
    let owner = |roles: [&[&str]; 2]| {
        let persons = ["ana", "ben"].into_iter().zip(roles);
        let person = |(name, roles): (&str, &[&str])| {
            let roles = roles.iter().map(ToString::to_string).collect();
            Person { roles, ..person(name) }
        };
        let people = People::open(
            persons.map(person).collect(),
            Box::new(Paper::default()),
            SECRET,
            Arc::new(SimClock::default()),
        );
        people.expect("good names").owner().map(|person| person.name.clone())
    };
    assert_eq!(owner([&[], &["owner"]]).as_deref(), Some("ben"));
    assert_eq!(owner([&["dock"], &[]]).as_deref(), Some("ana"));
}

#[test]
fn who_left_the_deployment_is_nobody() {
    let paper = Paper::default();
    let token = open(&paper, &["ana", "ben"]).expect("good names").issue_token("ben").expect("a store");
    let people = open(&paper, &["ana"]).expect("good names");
    assert_eq!(people.by_bearer(&token), None);
    assert_eq!(people.by_bearer(&local_token(SECRET, "ben")), None);
}

#[test]
fn a_local_token_is_good_for_its_person_and_secret_alone() {
    let people = open(&Paper::default(), &["ana", "ben"]).expect("good names");
    let token = local_token(SECRET, "ana");
    assert_eq!(people.by_bearer(&token).map(|caller| caller.name), Some("ana".into()));
    let mac = token.rsplit(':').next().expect("a mac").to_owned();
    for wrong in [
        format!("local:ben:{mac}"),
        "local:ana:".into(),
        "local:ana".into(),
        local_token([8; 32], "ana"),
        String::new(),
    ] {
        assert_eq!(people.by_bearer(&wrong), None, "{wrong}");
    }
}

#[test]
fn names_that_cannot_stand_in_a_principal_are_refused() {
    for names in [&["Ana B"][..], &[""], &["a:b"], &["ana", "ana"], &["é"]] {
        assert!(open(&Paper::default(), names).is_err(), "{names:?}");
    }
    let unknown = open(&Paper::default(), &["ana"]).expect("good names").issue_link("bob").expect_err("nobody");
    assert_eq!(unknown.to_string(), "there is no person `bob`; the deployment names: ana");
}

#[test]
fn binding_to_the_world_needs_somebody_with_a_token() {
    let people = open(&Paper::default(), &["ana"]).expect("good names");
    let [world, loopback]: [SocketAddr; 2] =
        ["0.0.0.0:7171", "127.0.0.1:7171"].map(|addr| addr.parse().expect("an address"));
    assert!(check_bind(loopback, &people).is_ok());
    assert!(check_bind(world, &people).is_err());
    people.issue_token("ana").expect("a store");
    assert!(check_bind(world, &people).is_ok());
}

#[tokio::test]
async fn a_login_link_works_once_and_a_preview_does_not_use_it_up() {
    let stage = Stage::full();
    let code = stage.people.issue_link("ana").expect("ana is known");
    let path = format!("/login?code={code}&next=/inbox");
    for _ in 0..3 {
        let page = stage.send("GET", &path).answer().await;
        assert!(page.body.contains("Sign in as Ana Costa"), "{}", page.body);
        assert!(page.header("set-cookie").is_empty());
    }
    let enter = || stage.send("POST", "/login").form(&[("code", &code), ("next", "/inbox")]);
    let entered = enter().answer().await;
    assert_eq!((entered.status, entered.header("location")), (303, "/inbox"));
    let cookie = entered.header("set-cookie").to_owned();
    assert!(cookie.contains("HttpOnly; SameSite=Strict; Max-Age=43200"), "{cookie}");
    assert_eq!(enter().answer().await.status, 403, "once only");
    let spent = stage.send("GET", &path).answer().await;
    assert!(spent.body.contains("has been used"), "{}", spent.body);
    let id = cookie.split(['=', ';']).nth(1).expect("a value").to_owned();
    assert_eq!(stage.send("GET", "/inbox").in_session(&id).answer().await.status, 200);
    stage.fake.clock.advance(Duration::from_secs(12 * 3600));
    assert_eq!(stage.send("GET", "/inbox").in_session(&id).answer().await.status, 303, "sessions end");
}

#[tokio::test]
async fn a_login_link_ends_by_itself() {
    let stage = Stage::full();
    let code = stage.people.issue_link("ana").expect("ana is known");
    stage.fake.clock.advance(Duration::from_secs(15 * 60));
    assert_eq!(stage.send("POST", "/login").form(&[("code", &code)]).answer().await.status, 403);
}

#[tokio::test]
async fn a_login_never_leads_away() {
    let stage = Stage::full();
    for next in ["//evil.example", "https://evil.example", "/\\evil.example"] {
        let code = stage.people.issue_link("ana").expect("ana is known");
        let entered = stage.send("POST", "/login").form(&[("code", &code), ("next", next)]).answer().await;
        assert_eq!(entered.header("location"), "/", "{next}");
    }
}

#[tokio::test]
async fn signing_out_ends_the_session() {
    let stage = Stage::full();
    let session = stage.session("ana");
    let token = stage.people.form_token(&session, "/logout");
    let left = stage.send("POST", "/logout").in_session(&session).form(&[("form", &token)]).answer().await;
    assert!(left.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(stage.send("GET", "/").in_session(&session).answer().await.status, 303);
}
