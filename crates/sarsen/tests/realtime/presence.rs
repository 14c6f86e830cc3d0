//! Who is there: no flapping, several windows, and several processes.

use crate::stage::{Process, somebody, topic};
use sarsen::clock;
use serde_json::json;
use std::time::Duration;

sarsen::each_profile! {
    async fn who_comes_and_goes_is_told_and_who_comes_back_soon_has_not_left() {
        for driver in ["memory:", "database:"] {
            let (process, room, anna, ben) = (Process::start(driver).await, topic("room"), somebody(), somebody());
            let mut watch = process.connect(anna).await;
            assert_eq!(watch.subscribe(&room).await["members"], json!([anna]));
            let first = process.hear(ben, &room).await;
            assert_eq!(watch.next_of("presence").await["joined"], json!([ben]));
            let mut second = process.connect(ben).await;
            let mut both = [anna, ben];
            both.sort_unstable();
            assert_eq!(second.subscribe(&room).await["members"], json!(both));
            drop(first);
            drop(second);
            clock::pause(Duration::from_millis(100)).await;
            let back = process.hear(ben, &room).await;
            clock::pause(Duration::from_millis(2_100)).await;
            watch.hears_nothing().await;
            drop(back);
            assert_eq!(watch.next_of("presence").await["left"], json!([ben]), "after the grace, and once");
            let mut passive = process.connect(ben).await;
            passive.send(&json!({ "t": "sub", "topic": room.as_str(), "passive": true })).await;
            assert_eq!(passive.next_of("subscribed").await["members"], json!([anna]));
            watch.hears_nothing().await;
        }
    }
}
