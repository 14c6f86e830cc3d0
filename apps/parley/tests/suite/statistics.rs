//! How lively channels were.

use crate::world::World;
use parley::messages::api::ImportedMessage;
use sarsen::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

const DAY: Duration = Duration::from_secs(86_400);

/// The days on which something was said.
fn busy(statistics: &Value) -> Vec<(String, i64)> {
    let days = statistics["days"].as_array().expect("days").iter();
    let count = |day: &Value| (day["day"].as_str().expect("a day").to_owned(), day["messages"].as_i64().unwrap_or(-1));
    days.map(count).filter(|(_, messages)| *messages != 0).collect()
}

pub(crate) async fn messages_are_counted_by_day_and_person(world: World) {
    let (ada, bob) = (world.sign_up("ada").await, world.sign_up("bob").await);
    let channel = ada.channel("general", "public").await;
    bob.post(&format!("/v1/channels/{channel}/join"), json!(null)).await.expect(200);
    let path = format!("/v1/channels/{channel}/statistics");
    let empty = ada.get(&path).await.expect(200);
    assert_eq!((&empty["messages"], &empty["last_message_at"], busy(&empty).len()), (&json!(0), &json!(null), 0));
    assert_eq!((&empty["members"], empty["days"].as_array().map(Vec::len)), (&json!(2), Some(30)));
    ada.say(&channel, "one").await;
    bob.say(&channel, "two").await;
    world.clock().advance(DAY);
    let last = bob.say(&channel, "three").await;
    bob.delete(&format!("/v1/messages/{}", last["id"].as_str().expect("an id"))).await.expect(204);
    world.run_jobs().await;
    let now = ada.get(&path).await.expect(200);
    assert_eq!(busy(&now), [("2026-01-01".to_owned(), 2), ("2026-01-02".to_owned(), 1)]);
    assert_eq!((&now["messages"], &now["last_message_at"]), (&json!(3), &last["posted_at"]));
    let writers: Vec<_> = now["writers"].as_array().expect("people").iter().collect();
    assert_eq!((&writers[0]["user"]["username"], &writers[0]["messages"]), (&json!("bob"), &json!(2)));
    assert_eq!((&writers[1]["user"]["username"], &writers[1]["messages"]), (&json!("ada"), &json!(1)));
    world.clock().advance(30 * DAY);
    ada.sign_in_again().await;
    assert_eq!(busy(&ada.get(&path).await.expect(200)), [], "a month later nobody has said anything");
}

pub(crate) async fn imported_messages_count_on_their_days(world: World) {
    let ada = world.sign_up("ada").await;
    let channel = ada.channel("general", "public").await;
    let author = world.handles().accounts.import_people(vec!["old_hand".to_owned()]).await.expect("imports")[0].id;
    let start = world.clock().now() - 2 * DAY;
    let message = |number: u32| ImportedMessage {
        id: Uuid::from_u128(0x7000_8000_0000_0000_0000 + u128::from(number)),
        author,
        text: format!("line {number}"),
        posted_at: start + number * Duration::from_secs(3600),
    };
    let messages: Vec<ImportedMessage> = (0..30).map(message).collect();
    let id = channel.parse().expect("an id");
    for _ in 0..2 {
        world.handles().messages.import_batch(id, messages.clone()).await.expect("imports");
    }
    world.run_jobs().await;
    let statistics = ada.get(&format!("/v1/channels/{channel}/statistics")).await.expect(200);
    assert_eq!((&statistics["messages"], busy(&statistics).len()), (&json!(30), 2));
    let last: Timestamp = statistics["last_message_at"].as_str().expect("a time").parse().expect("a time");
    assert_eq!(last, start + 29 * Duration::from_secs(3600));
    assert_eq!(ada.items("/v1/channels").await[0]["unread"], 0, "what was imported is not news");
}

pub(crate) async fn a_private_channel_has_no_statistics_for_others(world: World) {
    let (ada, bob) = (world.sign_up("ada").await, world.sign_up("bob").await);
    let (open, closed) = (ada.channel("general", "public").await, ada.channel("secret", "private").await);
    bob.get(&format!("/v1/channels/{open}/statistics")).await.expect(200);
    bob.get(&format!("/v1/channels/{closed}/statistics")).await.expect(404);
}

pub(crate) async fn made_again_they_are_the_same(world: World) {
    let ada = world.sign_up("ada").await;
    let channel = ada.channel("general", "public").await;
    for day in 0..4 {
        for number in 0..=day {
            ada.say(&channel, &format!("day {day}, number {number}")).await;
        }
        world.clock().advance(DAY);
    }
    world.run_jobs().await;
    let path = format!("/v1/channels/{channel}/statistics");
    let before = ada.get(&path).await.expect(200);
    assert_eq!(busy(&before).iter().map(|(_, count)| *count).collect::<Vec<_>>(), [1, 2, 3, 4]);
    world.rebuild("statistics.activity").await;
    let after = ada.get(&path).await.expect(200);
    assert_eq!(busy(&before), busy(&after));
    assert_eq!(before["writers"], after["writers"]);
}
