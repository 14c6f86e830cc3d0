//! Signing up, in and out; sessions, tokens and profiles.

use crate::world::World;
use serde_json::json;
use std::time::Duration;

const PASSWORD: &str = "correct horse";

pub(crate) async fn signing_up_signs_in_and_out(world: World) {
    let ada = world.anonymous();
    ada.get("/v1/session").await.expect(401);
    let new = json!({"username": "Ada", "password": PASSWORD, "display_name": "Ada L."});
    let user = ada.post("/v1/accounts", new).await.expect(201);
    assert_eq!((user["username"].as_str(), user["display_name"].as_str()), (Some("Ada"), Some("Ada L.")));
    assert!(user.get("password").is_none());
    assert_eq!(ada.get("/v1/session").await.expect(200)["user"], user);
    assert_eq!(ada.get("/v1/me").await.expect(200), user);
    ada.delete("/v1/session").await.expect(204);
    ada.get("/v1/me").await.expect(401);
    let again = json!({"username": "aDA", "password": PASSWORD});
    assert_eq!(ada.post("/v1/session", again).await.expect(200), user);
    assert_eq!(ada.get("/v1/me").await.expect(200), user);
}

pub(crate) async fn usernames_are_taken_in_any_case_of_letters(world: World) {
    world.sign_up("ada").await;
    let answer = world.anonymous().post("/v1/accounts", json!({"username": "ADA", "password": PASSWORD})).await;
    assert_eq!(answer.expect(409)["errors"][0]["field"], "username");
}

pub(crate) async fn of_two_who_want_a_name_at_once_one_gets_it(world: World) {
    let new = json!({"username": "ada", "password": PASSWORD});
    let (one, other) = (world.anonymous(), world.anonymous());
    let (first, second) = tokio::join!(one.post("/v1/accounts", new.clone()), other.post("/v1/accounts", new));
    let mut statuses = [first.status(), second.status()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
}

pub(crate) async fn bad_input_names_the_field(world: World) {
    let nobody = world.anonymous();
    let cases = [
        (json!({"username": "a", "password": PASSWORD}), "username"),
        (json!({"username": "a b", "password": PASSWORD}), "username"),
        (json!({"username": "a\u{0}b", "password": PASSWORD}), "username"),
        (json!({"username": "ada", "password": "short"}), "password"),
        (json!({"username": "ada", "password": "x".repeat(257)}), "password"),
        (json!({"username": "ada", "password": PASSWORD, "display_name": "a\u{0}b"}), "display_name"),
        (json!({"username": "ada"}), "password"),
    ];
    for (body, field) in cases {
        let problem = nobody.post("/v1/accounts", body).await.expect_problem();
        assert_eq!(problem["errors"][0]["field"], field, "{problem}");
    }
    let ada = world.sign_up("ada").await;
    let problem = ada.patch("/v1/me", json!({"about": "a\u{0}"})).await.expect_problem();
    assert_eq!(problem["errors"][0]["field"], "about");
}

pub(crate) async fn a_wrong_password_is_like_a_wrong_name_and_the_sixth_must_wait(world: World) {
    world.sign_up("ada").await;
    let nobody = world.anonymous();
    let wrong = json!({"username": "ada", "password": "not her password"});
    let first = nobody.post("/v1/session", wrong.clone()).await.expect(401);
    let unknown = nobody.post("/v1/session", json!({"username": "eve", "password": PASSWORD})).await.expect(401);
    assert_eq!(first["detail"], unknown["detail"]);
    nobody.post("/v1/session", json!({"username": "a\u{0}", "password": PASSWORD})).await.expect(401);
    for _ in 0..4 {
        nobody.post("/v1/session", wrong.clone()).await.expect(401);
    }
    nobody.post("/v1/session", wrong).await.expect(429);
    let right = json!({"username": "ada", "password": PASSWORD});
    nobody.post("/v1/session", right.clone()).await.expect(429);
    world.clock().advance(Duration::from_secs(60));
    nobody.post("/v1/session", right).await.expect(200);
}

pub(crate) async fn a_new_password_ends_the_other_sessions(world: World) {
    let here = world.sign_up("ada").await;
    let there = world.anonymous();
    there.post("/v1/session", json!({"username": "ada", "password": PASSWORD})).await.expect(200);
    let change = json!({"current": "not my password", "new": "another password"});
    assert_eq!(here.post("/v1/me/password", change).await.expect_problem()["errors"][0]["field"], "current");
    there.get("/v1/me").await.expect(200);
    here.post("/v1/me/password", json!({"current": PASSWORD, "new": "another password"})).await.expect(204);
    there.get("/v1/me").await.expect(401);
    here.get("/v1/me").await.expect(200);
    there.post("/v1/session", json!({"username": "ada", "password": PASSWORD})).await.expect(401);
    there.post("/v1/session", json!({"username": "ada", "password": "another password"})).await.expect(200);
}

pub(crate) async fn sessions_are_listed_and_ended_by_their_owner_only(world: World) {
    let ada = world.sign_up("ada").await;
    let eve = world.sign_up("eve").await;
    let other = world.anonymous();
    other.post("/v1/session", json!({"username": "ada", "password": PASSWORD})).await.expect(200);
    let sessions = ada.items("/v1/me/sessions").await;
    assert_eq!(sessions.len(), 2);
    assert_eq!(sessions.iter().filter(|session| session["current"] == true).count(), 1);
    let foreign = sessions.iter().find(|session| session["current"] == false).expect("the other one");
    let path = format!("/v1/me/sessions/{}", foreign["id"].as_str().expect("an id"));
    eve.delete(&path).await;
    other.get("/v1/me").await.expect(200);
    ada.delete(&path).await.expect(204);
    other.get("/v1/me").await.expect(401);
    ada.get("/v1/me").await.expect(200);
}

pub(crate) async fn tokens_act_for_their_user_until_they_are_deleted(world: World) {
    let ada = world.sign_up("ada").await;
    let made = ada.post("/v1/me/tokens", json!({"name": "my script"})).await.expect(201);
    let token = made["token"].as_str().expect("shown once").to_owned();
    assert!(token.starts_with("parley_"));
    let script = world.bearer(&token);
    assert_eq!(script.get("/v1/me").await.expect(200)["username"], "ada");
    let listed = ada.items("/v1/me/tokens").await;
    assert_eq!(listed.len(), 1);
    assert!(listed[0].get("token").is_none() && listed[0]["used_at"].is_string(), "{listed:?}");
    script.get("/v1/me").await.expect(200);
    assert_eq!(ada.items("/v1/me/tokens").await, listed, "its use is noted once a minute");
    world.clock().advance(Duration::from_secs(60));
    script.get("/v1/me").await.expect(200);
    assert_ne!(ada.items("/v1/me/tokens").await, listed);
    let path = format!("/v1/me/tokens/{}", made["id"].as_str().expect("an id"));
    world.sign_up("eve").await.delete(&path).await.expect(404);
    ada.delete(&path).await.expect(204);
    script.get("/v1/me").await.expect(401);
    world.bearer("parley_guessed").get("/v1/me").await.expect(401);
    ada.post("/v1/me/tokens", json!({"name": " "})).await.expect_problem();
}

pub(crate) async fn an_address_is_for_its_owner_only(world: World) {
    let ada = world.sign_up_with("ada", "Ada.L@example.org").await;
    let bob = world.sign_up("bob").await;
    let me = ada.get("/v1/me").await.expect(200);
    assert_eq!((&me["email"], &me["mention_mails"]), (&json!("Ada.L@example.org"), &json!(true)));
    assert_eq!(bob.get("/v1/me").await.expect(200)["email"], json!(null));
    let seen = bob.get(&format!("/v1/users/{}", ada.user_id())).await.expect(200);
    assert!(seen.get("email").is_none() && seen.get("mention_mails").is_none(), "{seen}");
    assert_eq!(bob.items("/v1/users?query=example.org").await.len(), 0);
    let same = bob.patch("/v1/me", json!({"email": " Ada.L@example.org "})).await.expect(200);
    assert_eq!(same["email"], "Ada.L@example.org", "two may share an address");
    let off = bob.patch("/v1/me", json!({"mention_mails": false, "about": "quiet"})).await.expect(200);
    assert_eq!((&off["mention_mails"], &off["email"]), (&json!(false), &same["email"]));
    let gone = bob.patch("/v1/me", json!({"email": ""})).await.expect(200);
    assert_eq!(
        (&gone["email"], &gone["about"], &gone["mention_mails"]),
        (&json!(null), &json!("quiet"), &json!(false))
    );
    for bad in [
        "bob",
        "bob@",
        "a b@example.org",
        "bob@example.org, eve@example.org",
        "bob@example.org\r\nbcc: x",
        "b\u{0}@x.y",
    ] {
        let problem = bob.patch("/v1/me", json!({"email": bad})).await.expect_problem();
        assert_eq!(problem["errors"][0]["field"], "email", "{bad}: {problem}");
        let new = json!({"username": "carl", "password": PASSWORD, "email": bad});
        let problem = world.anonymous().post("/v1/accounts", new).await.expect_problem();
        assert_eq!(problem["errors"][0]["field"], "email", "{bad}: {problem}");
    }
}

pub(crate) async fn people_are_found_by_a_part_of_a_name(world: World) {
    let ada = world.sign_up("ada").await;
    world.sign_up("Adam").await;
    world.sign_up("nada_x").await;
    world.sign_up("bob").await;
    ada.patch("/v1/me", json!({"display_name": "Countess 100%", "about": "Engines\nand numbers"})).await.expect(200);
    let names = async |query: &str| -> Vec<String> {
        let found = ada.items(&format!("/v1/users?query={query}")).await;
        found.iter().map(|user| user["username"].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(names("AdA").await, ["ada", "Adam", "nada_x"]);
    assert_eq!(names("countess").await, ["ada"]);
    assert_eq!(names("100%25").await, ["ada"]);
    assert_eq!(names("_").await, ["nada_x"]);
    assert_eq!(names("%25").await, ["ada"]);
    assert_eq!(names("'%20OR%201=1").await, [""; 0]);
    assert_eq!(names("").await.len(), 4);
    ada.get("/v1/users?query=%00").await.expect_problem();
    let id = ada.user_id();
    assert_eq!(ada.get(&format!("/v1/users/{id}")).await.expect(200)["about"], "Engines\nand numbers");
    ada.get("/v1/users/00000000-0000-0000-0000-000000000000").await.expect(404);
    ada.get("/v1/users/not-an-id").await.expect_problem();
}

pub(crate) async fn of_two_changes_at_once_none_is_lost(world: World) {
    let ada = world.sign_up("ada").await;
    for round in ["one", "two", "three", "four", "five"] {
        let name = ada.patch("/v1/me", json!({"display_name": round}));
        let about = ada.patch("/v1/me", json!({"about": round}));
        let (name, about) = tokio::join!(name, about);
        name.expect(200);
        about.expect(200);
        let me = ada.get("/v1/me").await.expect(200);
        assert_eq!((&me["display_name"], &me["about"]), (&json!(round), &json!(round)));
    }
    assert_eq!(ada.items("/v1/users?query=five").await.len(), 1);
    assert_eq!(ada.patch("/v1/me", json!({"display_name": " "})).await.expect(200)["display_name"], "ada");
}

pub(crate) async fn imported_people_take_nobodys_name_and_cannot_sign_in(world: World) {
    let accounts = &world.handles().accounts;
    let nicks: Vec<String> = ["bob", "Bob", "[x]|`", "bob"].map(str::to_owned).to_vec();
    let first = accounts.import_people(nicks.clone()).await.expect("imports");
    let again = accounts.import_people(nicks).await.expect("imports");
    assert_eq!(first, again);
    assert_eq!(first[0], first[3]);
    assert_ne!(first[0].id, first[1].id);
    let bob = world.sign_up("bob").await;
    assert_ne!(bob.user_id(), first[0].id.to_string());
    let found = accounts.by_usernames(vec!["BOB".to_owned(), "nobody".to_owned()]).await.expect("looks up");
    assert_eq!(found.iter().map(|user| user.id.to_string()).collect::<Vec<_>>(), [bob.user_id()]);
    assert!(accounts.import_people(vec!["a\u{0}b".to_owned()]).await.is_err());
}
