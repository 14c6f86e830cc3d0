//! Several processes on one database.

use crate::stage::{Process, place, somebody, topic};
use sarsen::clock;
use serde_json::json;
use std::time::Duration;

sarsen::each_profile! {
    async fn what_is_said_at_one_process_is_heard_at_the_other() {
        let here = Process::start("database:").await;
        let (there, who) = (here.beside("database:").await, somebody());
        let (room, typing, ticker) = (topic("room"), topic("typing"), topic("ticker"));
        let mut client = there.hear(who, &room).await;
        client.subscribe(&typing).await;
        client.subscribe(&ticker).await;
        let offset = here.say(&room, &json!("durable")).await;
        assert_eq!(client.next_of("msg").await["offset"], offset);
        here.realtime().publish(&ticker, &json!("hot")).await.expect("is published");
        assert_eq!(client.data(1).await, ["hot"]);
        let mut types = here.hear(somebody(), &typing).await;
        types.send(&json!({ "t": "pub", "topic": typing.as_str(), "data": "types" })).await;
        assert_eq!(client.data(1).await, ["types"]);
        let tx = here.app.db().begin().await.expect("a transaction");
        here.realtime().revoke(&tx, who, Some(&room)).await.expect("is revoked");
        tx.commit().await.expect("is committed");
        assert_eq!(client.next_of("unsubscribed").await["topic"], room.as_str());
    }

    async fn who_is_at_another_process_is_there() {
        let here = Process::start("database:").await;
        let there = here.beside("database:").await;
        let (room, anna, ben) = (topic("room"), somebody(), somebody());
        let mut watch = here.hear(anna, &room).await;
        let visitor = there.hear(ben, &room).await;
        assert_eq!(watch.next_of("presence").await["joined"], json!([ben]));
        // A process that starts later asks who is where.
        let third = here.beside("database:").await;
        let mut late = third.hear(somebody(), &room).await;
        let mut known = 0;
        for _ in 0..100 {
            known = late.subscribe_again(&room).await["members"].as_array().expect("members").len();
            if known == 3 {
                break;
            }
            clock::pause(Duration::from_millis(50)).await;
        }
        assert_eq!(known, 3);
        drop(visitor);
        while watch.next_of("presence").await["left"] != json!([ben]) {}
    }

    async fn a_position_of_one_process_is_good_at_the_other() {
        let here = Process::start("database:").await;
        let there = here.beside("database:").await;
        let room = topic("room");
        let mut client = here.connect(somebody()).await;
        let mut stands = place(&client.subscribe(&room).await);
        for round in 0..20_u64 {
            stands["offset"] = json!(here.say(&room, &json!(round)).await);
            let mut client = there.connect(somebody()).await;
            let answer = client.subscribe_from(&room, Some(&stands)).await;
            assert_eq!(answer["recovered"], true, "what it has, this process may not have read yet");
            let next = here.say(&room, &json!("next")).await;
            assert_eq!(client.next_of("msg").await["offset"], next, "and nothing comes twice");
        }
    }
}

impl crate::stage::Client {
    async fn subscribe_again(&mut self, topic: &sarsen::realtime::Topic) -> serde_json::Value {
        self.send(&json!({ "t": "unsub", "topic": topic.as_str() })).await;
        self.subscribe(topic).await
    }
}
