//! Tells a subscriber again what happened since some place in the log.

use super::event::Recorded;
use super::{Events, Subscribed};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use std::collections::HashSet;
use std::str::FromStr;
use uuid::Uuid;

/// Events that are told again in one transaction.
const BATCH: u32 = 500;

/// A place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// After this one.
    After(i64),
    /// From this moment on.
    Since(Timestamp),
}

impl FromStr for Position {
    type Err = Error;
    /// A number, or a time such as `2026-11-23T01:02:03Z`.
    fn from_str(text: &str) -> Result<Self> {
        match text.parse::<i64>() {
            Ok(position) => Ok(Position::After(position)),
            Err(_) => text.parse().map(Position::Since),
        }
    }
}

/// Which events are told again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replay {
    /// Those that are not in the subscriber's inbox: what it missed.
    Missed,
    /// All of them; its inbox forgets them first.
    Again,
}

impl Events {
    /// Events of the log since `from`, oldest first, all of them or those of some names; at most 10,000.
    pub async fn list(&self, from: Position, names: &[&str], limit: u32) -> Result<Vec<Recorded>> {
        let after = self.position(from).await?;
        let tail = self.db().log().tail(after, names, limit).await?;
        tail.entries.into_iter().map(Recorded::of_entry).collect()
    }

    /// Delivers to one subscriber what happened since `from`, in order; gives how many deliveries were enqueued.
    ///
    /// It works in batches of 500, each a transaction of its own: after an error, call it again with [`Replay::Missed`].
    pub async fn replay(&self, subscriber: &str, from: Position, which: Replay) -> Result<usize> {
        let names = self.0.registry.heard_by(subscriber);
        if names.is_empty() {
            return Err(self.no_such_subscriber(subscriber));
        }
        let mut after = self.position(from).await?;
        let mut told = 0;
        loop {
            let tail = self.db().log().tail(after, &names, BATCH).await?;
            if tail.entries.is_empty() && tail.mark <= after {
                return Ok(told);
            }
            after = tail.mark.max(after);
            let events = tail.entries.into_iter().map(Recorded::of_entry).collect::<Result<Vec<_>>>()?;
            told += self.tell_again(subscriber, &events, which).await?;
        }
    }

    async fn tell_again(&self, subscriber: &str, events: &[Recorded], which: Replay) -> Result<usize> {
        if events.is_empty() {
            return Ok(0);
        }
        let tx = self.db().begin().await?;
        let ids = || events.iter().map(|event| event.id);
        let mut known = HashSet::new();
        if which == Replay::Again {
            let sql = "DELETE FROM sarsen_inbox WHERE subscriber = ? AND event IN (?)";
            tx.own(sql).bind(subscriber).bind_list(ids()).execute().await?;
        } else {
            let sql = "SELECT event FROM sarsen_inbox WHERE subscriber = ? AND event IN (?)";
            let rows: Vec<(Uuid,)> = tx.own(sql).bind(subscriber).bind_list(ids()).all().await?;
            known.extend(rows.into_iter().map(|(id,)| id));
        }
        let wanted = |one: &Subscribed, event: &Recorded| one.subscriber == subscriber && !known.contains(&event.id);
        let told = self.deliver(&tx, events, wanted).await?;
        tx.commit().await?;
        Ok(told)
    }

    /// The position before the first event of `from`.
    async fn position(&self, from: Position) -> Result<i64> {
        match from {
            Position::After(position) => Ok(position),
            Position::Since(at) => {
                let sql = "SELECT MIN(pos) FROM sarsen_log WHERE at >= ?";
                let first: Option<i64> = self.db().query(sql).bind(at.as_micros()).scalar().await?;
                Ok(first.map_or(i64::MAX - 1, |first| first - 1))
            }
        }
    }

    fn no_such_subscriber(&self, name: &str) -> Error {
        let mut known: Vec<&str> = self.0.registry.all().map(|one| one.subscriber).collect();
        known.dedup();
        Error::not_found(format!("there is no subscriber `{name}`")).hint(format!("known: {}", known.join(", ")))
    }
}
