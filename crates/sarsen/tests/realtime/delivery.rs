//! Messages: in order, once, as the commit says, and whole after an absence.

use crate::stage::{Process, ban, place, somebody, topic};
use sarsen::clock;
use sarsen::config::{Size, Span};
use serde_json::{Value, json};
use std::time::Duration;

const DRIVERS: [&str; 2] = ["memory:", "database:"];

fn numbers(range: std::ops::Range<u64>) -> Vec<Value> {
    range.map(|number| json!(number)).collect()
}

sarsen::each_profile! {
    async fn what_is_committed_is_heard_in_order_and_what_is_rolled_back_never() {
        for driver in DRIVERS {
            let (process, room) = (Process::start(driver).await, topic("room"));
            let mut client = process.hear(somebody(), &room).await;
            let first = process.say(&room, &json!("a")).await;
            let tx = process.app.db().begin().await.expect("a transaction");
            for kind in ["room", "ticker", "typing", "price"] {
                process.realtime().broadcast(&tx, &topic(kind), &json!("never")).await.expect("is broadcast");
            }
            process.realtime().broadcast(&tx, &room, &json!("never")).await.expect("is broadcast");
            tx.rollback().await.expect("is rolled back");
            let second = process.say(&room, &json!("b")).await;
            let heard = [client.next_of("msg").await, client.next_of("msg").await];
            assert_eq!([&heard[0]["data"], &heard[1]["data"]], ["a", "b"]);
            assert_eq!([&heard[0]["offset"], &heard[1]["offset"]], [first, second]);
            assert!(first < second);
            client.hears_nothing().await;
        }
    }

    async fn who_comes_back_gets_what_was_missed_whole_and_in_order() {
        for driver in DRIVERS {
            let (process, room) = (Process::start(driver).await, topic("room"));
            let mut client = process.connect(somebody()).await;
            let mut stands = place(&client.subscribe(&room).await);
            stands["offset"] = json!(process.say_all(&room, 0..3).await[2]);
            assert_eq!(client.data(3).await, numbers(0..3));
            drop(client);
            process.say_all(&topic("room"), 0..5).await;
            process.say_all(&room, 3..10).await;
            let mut client = process.connect(somebody()).await;
            let answer = client.subscribe_from(&room, Some(&stands)).await;
            assert_eq!(answer["recovered"], true, "{answer}");
            assert_eq!(client.data(7).await, numbers(3..10));
            // Another process has nothing of it in memory, and reads the log.
            let other = process.beside(driver).await;
            let mut client = other.connect(somebody()).await;
            assert_eq!(client.subscribe_from(&room, Some(&stands)).await["recovered"], true);
            assert_eq!(client.data(7).await, numbers(3..10));
            process.say(&room, &json!(10)).await;
            assert_eq!(client.data(1).await, numbers(10..11), "and it goes on from there");
        }
    }

    async fn who_cannot_get_everything_gets_nothing_and_is_told_to_load() {
        let process = Process::start_with("memory:", |section| {
            section.max_recovered = 10;
            section.keep = Span::seconds(600);
            section.recent = Size(0);
        }).await;
        let room = topic("room");
        let mut client = process.connect(somebody()).await;
        let stands = place(&client.subscribe(&room).await);
        process.say_all(&room, 0..11).await;
        client.data(11).await;
        for (since, why) in [
            (stands.clone(), "more was missed than is given"),
            (json!({ "epoch": "another", "offset": stands["offset"] }), "the log is another one"),
            (json!({ "epoch": stands["epoch"], "offset": 1_000_000 }), "the log never came so far"),
        ] {
            let mut client = process.connect(somebody()).await;
            let answer = client.subscribe_from(&room, Some(&since)).await;
            assert_eq!(answer["recovered"], false, "{why}");
            client.hears_nothing().await;
            let now = process.say(&room, &json!("next")).await;
            assert_eq!(client.next_of("msg").await["offset"], now, "{why}");
            drop(client);
        }
    }

    async fn nothing_falls_between_what_was_missed_and_what_comes() {
        let (process, room) = (Process::start("memory:").await, topic("room"));
        let mut first = process.connect(somebody()).await;
        let stands = place(&first.subscribe(&room).await);
        let writing = async {
            for number in 0..300_u64 {
                process.say(&room, &json!(number)).await;
                if number % 7 == 0 {
                    clock::pause(Duration::from_millis(1)).await;
                }
            }
        };
        let returning = async {
            for _ in 0..30 {
                let mut client = process.connect(somebody()).await;
                let answer = client.subscribe_from(&room, Some(&stands)).await;
                assert_eq!(answer["recovered"], true);
                assert_eq!(client.data(40).await, numbers(0..40));
            }
        };
        tokio::join!(writing, returning);
        assert_eq!(first.data(300).await, numbers(0..300));
        println!("30 clients came back while 300 messages were written: each got all of them once");
    }

    async fn hot_topics_keep_some_and_conflated_ones_the_latest() {
        for driver in DRIVERS {
            let process = Process::start_with(driver, |section| section.hot_messages = 3).await;
            let (ticker, price, actor) = (topic("ticker"), topic("price"), somebody());
            let mut client = process.connect(actor).await;
            let stands = place(&client.subscribe(&ticker).await);
            client.subscribe(&price).await;
            for number in 0..3 {
                process.realtime().publish(&ticker, &json!(number)).await.expect("is published");
                process.realtime().publish_latest(&price, "oil", &json!(number)).await.expect("is published");
            }
            process.realtime().publish_latest(&price, "gold", &json!(9)).await.expect("is published");
            while client.next_of("msg").await["data"] != 9 {}
            let mut late = process.connect(actor).await;
            assert_eq!(late.subscribe_from(&ticker, Some(&stands)).await["recovered"], true);
            assert_eq!(late.data(3).await, numbers(0..3));
            assert_eq!(late.subscribe(&price).await["recovered"], true);
            let mut latest = late.data(2).await;
            latest.sort_by_key(Value::as_i64);
            assert_eq!(latest, [json!(2), json!(9)]);
            process.realtime().publish(&ticker, &json!(3)).await.expect("is published");
            assert_eq!(late.data(1).await, numbers(3..4));
            let mut later = process.connect(actor).await;
            assert_eq!(later.subscribe_from(&ticker, Some(&stands)).await["recovered"], false, "the first is gone");
        }
    }

    async fn clients_publish_where_nobody_keeps_it_and_they_may() {
        for driver in DRIVERS {
            let (process, typing, room, who) = (Process::start(driver).await, topic("typing"), topic("room"), somebody());
            let mut hears = process.hear(somebody(), &typing).await;
            let mut types = process.hear(who, &typing).await;
            types.send(&json!({ "t": "pub", "topic": typing.as_str(), "data": { "typing": true } })).await;
            let heard = hears.next_of("msg").await;
            assert_eq!((&heard["by"], &heard["data"]), (&json!(who), &json!({ "typing": true })));
            types.subscribe(&room).await;
            types.send(&json!({ "t": "pub", "topic": room.as_str(), "data": 1 })).await;
            let refused = types.next_of("error").await;
            assert_eq!(refused["problem"]["type"], "urn:sarsen:problem:forbidden", "{refused}");
        }
    }

    async fn what_is_taken_back_ends_at_once_and_what_expires_is_asked_again() {
        for driver in DRIVERS {
            let process = Process::start_with(driver, |section| section.grant = Span(Duration::from_millis(100))).await;
            let (room, other, who) = (topic("room"), topic("room"), somebody());
            let mut client = process.hear(who, &room).await;
            client.subscribe(&other).await;
            let tx = process.app.db().begin().await.expect("a transaction");
            process.realtime().revoke(&tx, who, Some(&room)).await.expect("is revoked");
            tx.commit().await.expect("is committed");
            let told = client.next_of("unsubscribed").await;
            assert_eq!((&told["topic"], &told["problem"]["type"]), (&json!(room.as_str()), &json!("urn:sarsen:problem:forbidden")));
            process.say(&room, &json!("secret")).await;
            ban(who, &other);
            assert_eq!(client.next_of("unsubscribed").await["topic"], other.as_str(), "nobody revoked it; the grant ran out");
            process.say(&other, &json!("secret")).await;
            client.hears_nothing().await;
            let tx = process.app.db().begin().await.expect("a transaction");
            process.realtime().revoke(&tx, who, None).await.expect("is revoked");
            tx.commit().await.expect("is committed");
            assert_eq!(client.closed().await, 4003);
        }
    }
}
