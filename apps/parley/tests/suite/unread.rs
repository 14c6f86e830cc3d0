//! What is unread, and up to where each has read.

use crate::world::{Person, World};
use serde_json::{Value, json};

/// What the person sees of the channel in their list.
async fn listed(person: &Person, channel: &str) -> Value {
    let all = person.items("/v1/channels").await;
    all.into_iter().find(|one| one["id"] == channel).expect("is listed")
}

async fn unread(world: &World, person: &Person, channel: &str) -> i64 {
    world.run_jobs().await;
    listed(person, channel).await["unread"].as_i64().expect("a count")
}

async fn read(person: &Person, channel: &str, message: &Value) {
    let body = json!({"message_id": message["id"]});
    person.put_json(&format!("/v1/channels/{channel}/read"), body).await.expect(204);
}

pub(crate) async fn messages_of_others_count_until_they_are_read(world: World) {
    let (ada, bob) = (world.sign_up("ada").await, world.sign_up("bob").await);
    let channel = ada.channel("general", "public").await;
    ada.say(&channel, "before anybody came").await;
    bob.post(&format!("/v1/channels/{channel}/join"), json!(null)).await.expect(200);
    assert_eq!(unread(&world, &bob, &channel).await, 0, "what was there before counts as read");
    let first = ada.say(&channel, "one").await;
    let second = ada.say(&channel, "two").await;
    let third = ada.say(&channel, "three").await;
    bob.say(&channel, "mine").await;
    let reply = json!({"text": "a reply", "thread_id": first["id"]});
    ada.post(&format!("/v1/channels/{channel}/messages"), reply).await.expect(201);
    assert_eq!((unread(&world, &ada, &channel).await, unread(&world, &bob, &channel).await), (1, 3));
    read(&bob, &channel, &second).await;
    assert_eq!(listed(&bob, &channel).await["read_until"], second["posted_at"]);
    assert_eq!(unread(&world, &bob, &channel).await, 1);
    read(&bob, &channel, &first).await;
    assert_eq!(unread(&world, &bob, &channel).await, 1, "nobody reads back");
    ada.delete(&format!("/v1/messages/{}", third["id"].as_str().expect("an id"))).await.expect(204);
    assert_eq!(unread(&world, &bob, &channel).await, 0, "what was deleted is nothing to read");
    bob.post(&format!("/v1/channels/{channel}/leave"), json!(null)).await.expect(204);
    let all = bob.items("/v1/channels?scope=all").await;
    assert_eq!((&all[0]["unread"], &all[0]["read_until"]), (&json!(0), &json!(null)));
}

pub(crate) async fn only_members_read_and_only_what_is_there(world: World) {
    let (ada, bob) = (world.sign_up("ada").await, world.sign_up("bob").await);
    let (open, closed) = (ada.channel("general", "public").await, ada.channel("secret", "private").await);
    let (here, there) = (ada.say(&open, "here").await, ada.say(&closed, "there").await);
    let body = |message: &Value| json!({"message_id": message["id"]});
    let path = format!("/v1/channels/{open}/read");
    bob.put_json(&path, body(&here)).await.expect(403);
    bob.put_json(&format!("/v1/channels/{closed}/read"), body(&there)).await.expect(404);
    for wrong in [
        body(&there),
        json!({"message_id": "00000000-0000-0000-0000-000000000000"}),
        json!({}),
        json!({"message_id": 1}),
    ] {
        let problem = ada.put_json(&path, wrong).await.expect_problem();
        assert_eq!(problem["errors"][0]["field"], "message_id", "{problem}");
    }
}

pub(crate) async fn more_than_a_hundred_are_a_hundred(world: World) {
    let (ada, bob) = (world.sign_up("ada").await, world.sign_up("bob").await);
    let channel = ada.channel("general", "public").await;
    bob.post(&format!("/v1/channels/{channel}/join"), json!(null)).await.expect(200);
    let mut posted = Vec::new();
    for number in 0..250 {
        posted.push(ada.say(&channel, &format!("number {number}")).await);
    }
    assert_eq!(unread(&world, &bob, &channel).await, 100);
    read(&bob, &channel, &posted[219]).await;
    assert_eq!(unread(&world, &bob, &channel).await, 30);
}

pub(crate) async fn made_again_it_says_the_same(world: World) {
    let (ada, bob) = (world.sign_up("ada").await, world.sign_up("bob").await);
    let channel = ada.channel("general", "public").await;
    bob.post(&format!("/v1/channels/{channel}/join"), json!(null)).await.expect(200);
    let mut posted = Vec::new();
    for number in 0..9 {
        posted.push(ada.say(&channel, &format!("number {number}")).await);
    }
    read(&bob, &channel, &posted[2]).await;
    ada.delete(&format!("/v1/messages/{}", posted[5]["id"].as_str().expect("an id"))).await.expect(204);
    assert_eq!(unread(&world, &bob, &channel).await, 5);
    world.rebuild("channels.unread").await;
    assert_eq!(unread(&world, &bob, &channel).await, 5);
    ada.say(&channel, "one more").await;
    assert_eq!(unread(&world, &bob, &channel).await, 6);
}
