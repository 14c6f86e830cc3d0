//! Reads the log as it grows, and gives out what belongs to topics, in its order.

use super::driver::Passing;
use super::history::{MESSAGE, PASSING};
use super::hub::Hub;
use super::topic::Topic;
use crate::cache::INVALIDATED;
use crate::clock;
use crate::data::{Entry, LOG_CHANNEL};
use crate::error::Result;
use crate::lifecycle;
use crate::telemetry::{Operation, OperationKind, Outcome, Trace};
use std::sync::Arc;
use std::time::Duration;

/// Most entries of one reading.
const BATCH: u32 = 500;
/// How often is looked without having been woken.
const POLL: Duration = Duration::from_secs(1);
/// While a transaction is not committed yet: should it be rolled back, nobody is woken.
const HELD: Duration = Duration::from_millis(20);
/// After a failure.
const REST: Duration = Duration::from_secs(1);

/// Begins at the position of the hub, until the application stops.
pub(super) fn start(hub: &Arc<Hub>) {
    lifecycle::spawn_background(follow(hub.clone()));
}

async fn follow(hub: Arc<Hub>) {
    let mut listener = hub.db.listen(LOG_CHANNEL);
    let name = hub.recorder.name(OperationKind::Job, "", "realtime deliver");
    while !hub.lifecycle.is_stopping() {
        let operation = Operation::open_in(name, Trace::new(), &hub.recorder);
        let wait = match operation.scope(step(&hub)).await {
            Ok((given, wait)) => {
                if given > 0 {
                    operation.close(Outcome::Done);
                }
                wait
            }
            Err(error) => {
                operation.set_error(&error);
                operation.close(Outcome::Failed);
                REST
            }
        };
        if wait.is_zero() {
            continue;
        }
        tokio::select! {
            () = clock::pause(wait) => {}
            () = listener.woken(), if wait != REST => {}
            () = hub.lifecycle.stopping() => {}
        }
    }
}

/// Gives out some; says how many, and how long to wait for more.
async fn step(hub: &Hub) -> Result<(usize, Duration)> {
    let tail = hub.db.log().tail(hub.position(), &[MESSAGE, PASSING, INVALIDATED], BATCH).await?;
    let (invalidated, told): (Vec<_>, Vec<_>) = tail.entries.iter().partition(|entry| entry.name == INVALIDATED);
    invalidated.into_iter().for_each(|entry| hub.cache.hear(entry));
    told.into_iter().for_each(|entry| give(hub, entry));
    hub.set_position(tail.mark);
    let wait = match tail.entries.len() {
        some if some >= BATCH as usize => Duration::ZERO,
        _ if tail.held => HELD,
        _ => POLL,
    };
    Ok((tail.entries.len(), wait))
}

fn give(hub: &Hub, entry: &Entry) {
    if entry.name == MESSAGE {
        match Topic::parse(&entry.key) {
            Ok(topic) => hub.deliver(&topic, entry.pos, &entry.data),
            Err(error) => tracing::warn!(position = entry.pos, "a message has no topic: {}", error.report()),
        }
        return;
    }
    match serde_json::from_str::<Passing>(&entry.data) {
        Ok(passing) => hub.passed(passing),
        Err(error) => tracing::warn!(position = entry.pos, %error, "a note of another process cannot be read"),
    }
}
