//! Who did what: for whoever did it, and for the members of a channel.

use crate::world::{Person, World};
use serde_json::{Value, json};
use std::time::Duration;

/// Who did what, newest first.
async fn told(person: &Person, path: &str) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let entries = person.pages(path).await;
    entries.iter().map(|entry| (text(&entry["actor"]["username"]), text(&entry["action"]))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(who, what)| ((*who).to_owned(), (*what).to_owned())).collect()
}

pub(crate) async fn what_people_do_is_written_down(world: World) {
    let (ada, bob) = (world.sign_up("ada").await, world.sign_up("bob").await);
    let channel = ada.channel("general", "public").await;
    let path = format!("/v1/channels/{channel}");
    bob.post(&format!("{path}/join"), json!(null)).await.expect(200);
    bob.post(&format!("{path}/join"), json!(null)).await.expect(200);
    ada.patch(&path, json!({"topic": "Everything"})).await.expect(200);
    let posted = ada.say(&channel, "a secret plan").await;
    let message = format!("/v1/messages/{}", posted["id"].as_str().expect("an id"));
    ada.patch(&message, json!({"text": "a plan"})).await.expect(200);
    ada.delete(&message).await.expect(204);
    ada.delete(&message).await.expect(204);
    bob.post(&format!("{path}/leave"), json!(null)).await.expect(204);
    world.run_jobs().await;
    world.run_jobs().await;
    let of_channel = [
        ("bob", "channels.left"),
        ("ada", "messages.deleted"),
        ("ada", "messages.edited"),
        ("ada", "messages.posted"),
        ("ada", "channels.changed"),
        ("bob", "channels.joined"),
        ("ada", "channels.created"),
    ];
    assert_eq!(told(&ada, &format!("/v1/audit?channel={channel}&limit=2")).await, pairs(&of_channel));
    let own = [("bob", "channels.left"), ("bob", "channels.joined"), ("bob", "accounts.registered")];
    assert_eq!(told(&bob, "/v1/audit").await, pairs(&own));
    let entries = ada.items(&format!("/v1/audit?channel={channel}")).await;
    assert_eq!((&entries[3]["subject_id"], &entries[3]["channel_id"]), (&posted["id"], &json!(channel)));
    assert_eq!(entries[3]["at"], posted["posted_at"]);
    assert!(!format!("{entries:?}").contains("plan"), "what a message says is not written down");
}

pub(crate) async fn only_members_see_what_was_done_in_a_channel(world: World) {
    let (ada, bob) = (world.sign_up("ada").await, world.sign_up("bob").await);
    let (open, closed) = (ada.channel("general", "public").await, ada.channel("secret", "private").await);
    world.run_jobs().await;
    bob.get(&format!("/v1/audit?channel={open}")).await.expect(403);
    bob.get(&format!("/v1/audit?channel={closed}")).await.expect(404);
    bob.get("/v1/audit?channel=x").await.expect_problem();
    bob.get("/v1/audit?limit=101").await.expect_problem();
    world.anonymous().get("/v1/audit").await.expect(401);
    ada.post(&format!("/v1/channels/{closed}/members"), json!({"user_id": bob.user_id()})).await.expect(204);
    world.run_jobs().await;
    let seen = [("ada", "channels.joined"), ("ada", "channels.created")];
    assert_eq!(told(&bob, &format!("/v1/audit?channel={closed}")).await, pairs(&seen));
    let entries = bob.items(&format!("/v1/audit?channel={closed}")).await;
    assert_eq!(entries[0]["subject_id"], bob.user_id(), "ada did it, to bob");
}

pub(crate) async fn entries_go_when_their_time_is_over(world: World) {
    let ada = world.sign_up("ada").await;
    ada.channel("general", "public").await;
    world.run_jobs().await;
    assert_eq!(ada.items("/v1/audit").await.len(), 2);
    world.clock().advance(Duration::from_secs(366 * 86_400));
    world.run_jobs().await;
    ada.sign_in_again().await;
    assert_eq!(ada.items("/v1/audit").await.len(), 0);
}
