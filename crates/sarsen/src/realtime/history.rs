//! What was missed: from memory where it is recent, from the log where it is older, and never a part of it.

use super::protocol::Message;
use super::queue::Frame;
use super::topic::{Class, Topic};
use crate::clock::Timestamp;
use crate::data::Db;
use crate::error::{Error, Result};
use std::collections::VecDeque;
use std::time::Duration;

/// The name of the messages of durable topics in the log; `key` is the topic.
pub(super) const MESSAGE: &str = "realtime";
/// The name of what passes through the log on its way to every process, and is not kept.
pub(super) const PASSING: &str = "realtime.passing";
/// How long that stays in the log: a process that is further behind has lost its clients anyway.
const KEEP_PASSING: Duration = Duration::from_secs(120);
/// Entries of the log that one step of the sweep looks at.
const SWEEP_MANY: u32 = 1_000;

/// The last messages of all durable topics, in the order of the log: who comes back soon costs no query.
#[derive(Debug)]
pub(super) struct Recent {
    /// Everything after this position is here.
    floor: i64,
    messages: VecDeque<(i64, Topic, Frame)>,
    bytes: usize,
    most: usize,
}

impl Recent {
    /// Holds at most `most` bytes of messages after `floor`.
    pub(super) fn new(floor: i64, most: usize) -> Self {
        Self { floor, messages: VecDeque::new(), bytes: 0, most }
    }

    pub(super) fn push(&mut self, position: i64, topic: &Topic, frame: &Frame) {
        self.bytes += frame.text.len();
        self.messages.push_back((position, topic.clone(), frame.clone()));
        while self.bytes > self.most {
            let Some((position, _, frame)) = self.messages.pop_front() else { break };
            self.bytes -= frame.text.len();
            self.floor = position;
        }
    }

    /// The messages of `topic` after `since` up to `until`; nothing when older ones are needed.
    pub(super) fn after(&self, topic: &Topic, since: i64, until: i64) -> Option<Vec<Frame>> {
        if since < self.floor {
            return None;
        }
        let from = self.messages.partition_point(|(position, ..)| *position <= since);
        let newer = self.messages.range(from..).take_while(|(position, ..)| *position <= until);
        Some(newer.filter(|(_, of, _)| of == topic).map(|(.., frame)| frame.clone()).collect())
    }
}

/// The messages of `topic` after `since` up to `until` from the log; nothing when some were removed, or there are more than `most`.
pub(super) async fn read(db: &Db, topic: &Topic, since: i64, until: i64, most: u32) -> Result<Option<Vec<Frame>>> {
    let sql = "SELECT pos, data FROM sarsen_log WHERE name = 'realtime' AND key = ? AND pos > ? AND pos <= ? ORDER BY pos LIMIT ?";
    let query = db.query(sql).of_framework().bind(topic.as_str()).bind(since).bind(until).bind(most.saturating_add(1));
    let rows: Vec<(i64, String)> = query.all().await?;
    // Asked afterwards: what was removed meanwhile counts as removed.
    let sql = "SELECT pos FROM sarsen_realtime WHERE what = 'swept messages' LIMIT 1";
    let swept = db.query(sql).of_framework().optional::<(i64,)>().await?;
    let removed = swept.is_some_and(|(swept,)| since < swept);
    if removed || rows.len() > most as usize {
        return Ok(None);
    }
    let frame = |(offset, data): &(i64, String)| {
        let message = Message { topic, offset: Some(*offset), key: None, by: None, data };
        message.frame(Class::Durable)
    };
    Ok(Some(rows.iter().map(frame).collect()))
}

/// The id of the log: positions of another one mean nothing here.
pub(super) async fn epoch(db: &Db) -> Result<String> {
    let sql = "INSERT INTO sarsen_realtime (what, text) VALUES ('epoch', ?) ON CONFLICT (what) DO NOTHING";
    db.query(sql).of_framework().bind(db.clock().id().simple().to_string()).execute().await?;
    let sql = "SELECT text FROM sarsen_realtime WHERE what = 'epoch' LIMIT 1";
    db.query(sql).of_framework().scalar().await
}

/// Removes what is kept no longer; gives how many entries were looked at.
pub(super) async fn sweep(db: &Db, keep: Duration) -> Result<u64> {
    let messages = sweep_name(db, MESSAGE, "swept messages", keep).await?;
    Ok(messages + sweep_name(db, PASSING, "swept passing", KEEP_PASSING).await?)
}

/// Removes entries of a name that are older than `keep`. It goes on where the last sweep ended, so an entry is looked at once.
async fn sweep_name(db: &Db, name: &'static str, what: &'static str, keep: Duration) -> Result<u64> {
    let before = db.clock().now() - keep;
    let mut looked = 0;
    loop {
        let some = sweep_step(db, name, what, before).await?;
        looked += some;
        if some < u64::from(SWEEP_MANY) {
            return Ok(looked);
        }
    }
}

async fn sweep_step(db: &Db, name: &'static str, what: &'static str, before: Timestamp) -> Result<u64> {
    let sql = "INSERT INTO sarsen_realtime (what) VALUES (?) ON CONFLICT (what) DO NOTHING";
    db.query(sql).of_framework().bind(what).execute().await?;
    let sql = "SELECT pos FROM sarsen_realtime WHERE what = ? LIMIT 1";
    let from: i64 = db.query(sql).of_framework().bind(what).scalar().await?;
    let mark = db.log().mark().await?;
    let sql = "SELECT pos, at FROM sarsen_log WHERE pos > ? AND pos <= ? ORDER BY pos LIMIT ?";
    let looked: Vec<(i64, i64)> = db.query(sql).of_framework().bind(from).bind(mark).bind(SWEEP_MANY).all().await?;
    let old = looked.iter().take_while(|(_, at)| *at < before.as_micros());
    let Some((to, count)) = old.fold(None, |last, (pos, _)| Some((*pos, last.map_or(1, |(_, count)| count + 1))))
    else {
        return Ok(0);
    };
    let tx = db.begin().await?;
    let sql = "UPDATE sarsen_realtime SET pos = ? WHERE what = ? AND pos = ?";
    if tx.query(sql).of_framework().bind(to).bind(what).bind(from).execute().await? == 0 {
        // Another process was quicker.
        tx.rollback().await?;
        return Ok(0);
    }
    let sql = "DELETE FROM sarsen_log WHERE name = ? AND pos > ? AND pos <= ?";
    tx.query(sql).of_framework().bind(name).bind(from).bind(to).execute().await?;
    tx.commit().await?;
    Ok(count)
}

/// The last messages of a hot topic.
#[derive(Debug, Default)]
pub(super) struct Ring {
    last: i64,
    kept: VecDeque<(i64, std::time::Instant, Frame)>,
}

impl Ring {
    /// The offset that the next message gets.
    pub(super) fn next(&self) -> i64 {
        self.last + 1
    }

    pub(super) fn last(&self) -> i64 {
        self.last
    }

    pub(super) fn push(&mut self, frame: Frame, now: std::time::Instant, most: usize) {
        self.last += 1;
        self.kept.push_back((self.last, now, frame));
        while self.kept.len() > most {
            self.kept.pop_front();
        }
    }

    /// Forgets what is older than `from`.
    pub(super) fn expire(&mut self, from: std::time::Instant) {
        while self.kept.front().is_some_and(|(_, at, _)| *at < from) {
            self.kept.pop_front();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// What came after `since`; nothing when some of it is gone.
    pub(super) fn after(&self, since: i64) -> Option<Vec<Frame>> {
        let oldest = self.kept.front().map_or(self.last + 1, |(offset, ..)| *offset);
        if since > self.last || since + 1 < oldest {
            return None;
        }
        Some(self.kept.iter().filter(|(offset, ..)| *offset > since).map(|(.., frame)| frame.clone()).collect())
    }
}

/// Reads a position that a client sent where the epoch is `epoch`.
pub(super) fn known(since: Option<&super::protocol::Position>, epoch: &str) -> Option<i64> {
    since.filter(|since| since.epoch == epoch && since.offset >= 0).map(|since| since.offset)
}

/// The messages must be JSON of a bounded size.
pub(super) fn to_json<M: serde::Serialize + ?Sized>(message: &M, most: u64) -> Result<String> {
    let data = serde_json::to_string(message)
        .map_err(|error| Error::internal("a message cannot be written as JSON").source(error))?;
    if data.len() as u64 > most {
        return Err(Error::invalid(format!("a message of {} bytes is more than realtime.max_broadcast", data.len()))
            .hint("send ids, and let clients ask for the rest"));
    }
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::realtime::queue::Keep;
    use bytes::Bytes;

    fn frame(text: &'static str) -> Frame {
        Frame { text: Bytes::from_static(text.as_bytes()), offset: None, keep: Keep::All }
    }

    fn texts(frames: Option<Vec<Frame>>) -> Option<Vec<Bytes>> {
        frames.map(|frames| frames.into_iter().map(|frame| frame.text).collect())
    }

    #[test]
    fn what_is_recent_is_given_whole_or_not_at_all() {
        let (a, b) = (Topic::new("t", "a"), Topic::new("t", "b"));
        let mut recent = Recent::new(10, 3);
        for (position, topic, text) in [(11, &a, "1"), (13, &b, "2"), (14, &a, "3")] {
            recent.push(position, topic, &frame(text));
        }
        assert_eq!(texts(recent.after(&a, 10, 99)), Some(vec!["1".into(), "3".into()]));
        assert_eq!(texts(recent.after(&a, 11, 13)), Some(vec![]));
        assert_eq!(texts(recent.after(&a, 9, 99)), None);
        recent.push(20, &b, &frame("4"));
        assert_eq!(texts(recent.after(&a, 10, 99)), None, "the first has gone");
        assert_eq!(texts(recent.after(&a, 11, 99)), Some(vec!["3".into()]));
    }

    #[test]
    fn a_ring_knows_what_it_has_lost() {
        let (mut ring, now) = (Ring::default(), crate::clock::monotonic());
        assert_eq!(texts(ring.after(0)), Some(vec![]));
        ["1", "2", "3"].into_iter().for_each(|text| ring.push(frame(text), now, 2));
        assert_eq!(texts(ring.after(0)), None);
        assert_eq!(texts(ring.after(1)), Some(vec!["2".into(), "3".into()]));
        assert_eq!(texts(ring.after(4)), None, "that is of another ring");
        ring.expire(now + Duration::from_secs(1));
        assert_eq!((texts(ring.after(2)), texts(ring.after(3)), ring.next()), (None, Some(vec![]), 4));
    }
}
