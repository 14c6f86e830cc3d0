//! A message of a client is an Operation of its own, whose time is booked to the nanosecond.

use crate::stage::{PATIENCE, Process, somebody, topic};
use sarsen::clock;
use sarsen::telemetry::{Operation, OperationKind, Outcome, WaitKind};
use serde_json::json;
use std::time::Duration;

/// The closed Operations until one of this name is there.
async fn closed(process: &Process, name: &str) -> Operation {
    let late = clock::monotonic() + PATIENCE;
    loop {
        let found = process.app.operations().into_iter().find(|operation| &*operation.record().name == name);
        if let Some(found) = found {
            return found;
        }
        assert!(clock::monotonic() < late, "no `{name}` was closed");
        clock::pause(Duration::from_millis(5)).await;
    }
}

fn assert_exact(operation: &Operation) {
    let record = operation.record();
    assert_eq!(record.account.booked(), record.account.wall, "{}", &*record.name);
    assert!(record.account.wall > 0);
}

sarsen::each_profile! {
    async fn a_message_is_named_by_its_kind_of_topics_and_booked_exactly() {
        let process = Process::start("memory:").await;
        let (room, actor) = (topic("room"), somebody());
        let mut client = process.hear(actor, &room).await;
        let heard = closed(&process, "LIVE sub room").await;
        assert_eq!(heard.kind(), OperationKind::Request);
        {
            let record = heard.record();
            assert_eq!((record.module(), record.actor, record.outcome), ("rooms", Some(actor), Outcome::Done));
        }
        assert_exact(&heard);
        client.send(&json!({ "t": "ping" })).await;
        assert_exact(&closed(&process, "LIVE ping").await);
    }

    async fn what_a_message_waits_for_in_the_database_is_in_its_account() {
        let process = Process::start("memory:").await;
        let (room, actor) = (topic("room"), somebody());
        let offsets = process.say_all(&room, 0..3).await;
        let mut client = process.connect(actor).await;
        let begun = client.subscribe(&room).await;
        client.send(&json!({ "t": "unsub", "topic": room.as_str() })).await;
        closed(&process, "LIVE unsub room").await;
        // What was said before the process listened is in the table only.
        let since = json!({ "epoch": begun["epoch"], "offset": offsets[0] });
        assert_eq!(client.subscribe_from(&room, Some(&since)).await["recovered"], true);
        let again = closed(&process, "LIVE sub room").await;
        assert_exact(&again);
        let record = again.record();
        assert!(record.query_count > 0, "{:?}", *record);
        assert!(record.account.of(WaitKind::Database) > 0, "{:?}", record.account);
    }

    async fn a_message_that_may_not_be_is_no_failure_of_the_application() {
        let process = Process::start("memory:").await;
        let mut client = process.connect(somebody()).await;
        client.send(&json!({ "t": "sub", "topic": "room:secret" })).await;
        let refused = closed(&process, "LIVE sub room").await;
        assert!(!refused.record().has_failed());
        assert_exact(&refused);
    }
}
