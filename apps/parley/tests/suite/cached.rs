//! What is kept in memory: quick while nothing changes, and never older than a commit.

use crate::world::{Person, World};
use sarsen::clock;
use serde_json::{Value, json};
use std::time::Duration;

/// How long another process may take to hear of a commit.
const PATIENCE: Duration = Duration::from_secs(10);

fn names(channels: &[Value]) -> Vec<&str> {
    channels.iter().filter_map(|channel| channel["name"].as_str()).collect()
}

async fn queries(person: &Person, path: &str) -> u64 {
    let answer = person.get(path).await;
    let queries = answer.queries();
    answer.expect(200);
    queries
}

pub(crate) async fn lists_cost_two_queries_until_something_changes(world: World) {
    let (ada, bob) = (world.sign_up("ada").await, world.sign_up("bob").await);
    let channel = ada.channel("general", "public").await;
    let (own, all) = ("/v1/channels", "/v1/channels?scope=all");
    let members = format!("/v1/channels/{channel}/members");
    for list in [own, all, &members] {
        queries(&ada, list).await;
    }
    // Who asks, and for lists of channels what is unread; who asks, and nothing else.
    let warm = [queries(&ada, own).await, queries(&ada, all).await, queries(&ada, &members).await];
    assert_eq!(warm, [2, 2, 1]);
    assert_eq!(names(&bob.items(all).await), ["general"]);

    ada.patch(&format!("/v1/channels/{channel}"), json!({"name": "lobby"})).await.expect(200);
    assert_eq!((names(&ada.items(own).await), names(&bob.items(all).await)), (vec!["lobby"], vec!["lobby"]));
    bob.channel("news", "public").await;
    assert_eq!(names(&ada.items(all).await), ["lobby", "news"], "a public channel is in everybody's list");
    bob.channel("secret", "private").await;
    assert_eq!(names(&ada.items(all).await), ["lobby", "news"]);
    bob.post(&format!("/v1/channels/{channel}/join"), json!(null)).await.expect(200);
    assert_eq!(ada.items(own).await[0]["member_count"], 2);
    assert_eq!(names(&bob.items(own).await), ["lobby", "news", "secret"]);
    ada.say(&channel, "hello").await;
    world.run_jobs().await;
    assert_eq!(bob.items(own).await[0]["unread"], 1, "what moves is not kept");
}

pub(crate) async fn a_profile_changes_wherever_it_is_shown(world: World) {
    let (ada, bob) = (world.sign_up("ada").await, world.sign_up("bob").await);
    let channel = ada.channel("general", "public").await;
    let direct = ada.post("/v1/direct", json!({"user_ids": [bob.user_id()]})).await.expect(200);
    let (user, members) = (format!("/v1/users/{}", bob.user_id()), format!("/v1/channels/{channel}/members"));
    bob.post(&format!("/v1/channels/{channel}/join"), json!(null)).await.expect(200);
    let shown = async || {
        let user = ada.get(&user).await.expect(200)["display_name"].clone();
        let member = ada.items(&members).await[1]["display_name"].clone();
        let list = ada.items("/v1/channels").await;
        let found = list.iter().find(|found| found["id"] == direct["id"]).expect("the conversation");
        let people = found["members"].as_array().expect("people");
        let partner = people.iter().find(|person| person["id"] == bob.user["id"]).expect("bob");
        [user, member, partner["display_name"].clone()]
    };
    assert_eq!(shown().await, ["bob", "bob", "bob"].map(Value::from));
    queries(&bob, "/v1/me").await;
    assert_eq!((queries(&ada, &user).await, queries(&bob, "/v1/me").await), (1, 1), "only who asks is looked up");
    bob.patch("/v1/me", json!({"display_name": "Bob B."})).await.expect(200);
    assert_eq!(shown().await, ["Bob B.", "Bob B.", "Bob B."].map(Value::from));
    assert_eq!(bob.get("/v1/me").await.expect(200)["display_name"], "Bob B.");
}

pub(crate) async fn who_leaves_reads_no_more_from_that_moment(world: World) {
    let (ada, bob) = (world.sign_up("ada").await, world.sign_up("bob").await);
    let channel = ada.channel("secret", "private").await;
    let (path, messages) = (format!("/v1/channels/{channel}"), format!("/v1/channels/{channel}/messages"));
    for _ in 0..10 {
        bob.get(&messages).await.expect(404);
        bob.get(&path).await.expect(404);
        ada.post(&format!("{path}/members"), json!({"user_id": bob.user_id()})).await.expect(204);
        bob.get(&messages).await.expect(200);
        bob.get(&messages).await.expect(200);
        bob.post(&format!("{path}/leave"), json!(null)).await.expect(204);
    }
    bob.get(&messages).await.expect(404);
    bob.post(&messages, json!({"text": "still here"})).await.expect(404);
}

pub(crate) async fn another_process_hears_of_it(world: World) {
    let beside = world.beside().await;
    let (ada, bob) = (world.sign_up("ada").await, world.sign_up("bob").await);
    let channel = ada.channel("secret", "private").await;
    let (path, messages) = (format!("/v1/channels/{channel}"), format!("/v1/channels/{channel}/messages"));
    ada.post(&format!("{path}/members"), json!({"user_id": bob.user_id()})).await.expect(204);
    let there = bob.at(&beside).await;
    there.get(&messages).await.expect(200);
    assert_eq!(names(&there.items("/v1/channels").await), ["secret"]);
    bob.post(&format!("{path}/leave"), json!(null)).await.expect(204);
    let deadline = clock::monotonic() + PATIENCE;
    while there.get(&messages).await.status() != 404 || !there.items("/v1/channels").await.is_empty() {
        assert!(clock::monotonic() < deadline, "not within {PATIENCE:?}");
        clock::pause(Duration::from_millis(5)).await;
    }
}

pub(crate) async fn a_profile_that_has_not_changed_is_not_sent_again(world: World) {
    let ada = world.sign_up("ada").await;
    let path = format!("/v1/users/{}", ada.user_id());
    let first = ada.client.get(&path).await.expect_status(200);
    let etag = first.header("etag").expect("a version").to_owned();
    assert_eq!(first.header("cache-control"), Some("private, no-cache"));
    let second = ada.client.get(&path).header("if-none-match", &etag).await.expect_status(304);
    assert_eq!((second.bytes().len(), second.header("etag")), (0, Some(etag.as_str())));
    ada.patch("/v1/me", json!({"about": "Counts."})).await.expect(200);
    let third = ada.client.get(&path).header("if-none-match", &etag).await.expect_status(200);
    assert_eq!(third.json::<Value>()["about"], "Counts.");
    world.anonymous().client.get(&path).header("if-none-match", &etag).await.expect_status(401);
}
