//! What goes over a connection: JSON texts, one object each. `docs/realtime.md` is its description for clients.

use super::queue::{Frame, Keep};
use super::topic::{Class, Topic};
use crate::error::{Error, Kind, Result};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt::Write;
use std::time::Duration;
use uuid::Uuid;

/// Where a client stands in a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Says which history the offset belongs to.
    pub epoch: String,
    /// The offset of the last message that it has.
    pub offset: i64,
}

/// What a client says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Inbound<'a> {
    #[serde(borrow)]
    pub(super) t: Cow<'a, str>,
    #[serde(borrow, default)]
    topic: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) since: Option<Position>,
    /// Hears who is there without being there.
    #[serde(default)]
    pub(super) passive: bool,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

impl<'a> Inbound<'a> {
    pub(super) fn read(text: &'a str) -> Result<Self> {
        serde_json::from_str(text).map_err(|error| Error::invalid(format!("that is no message: {error}")))
    }

    pub(super) fn topic(&self) -> Result<Topic> {
        let topic = self.topic.as_deref().ok_or_else(|| Error::invalid("`topic` is missing"))?;
        Topic::parse(topic)
    }

    pub(super) fn data(&self) -> Result<&'a RawValue> {
        self.data.ok_or_else(|| Error::invalid("`data` is missing"))
    }
}

/// One message of a topic, before it is a frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    pub(super) topic: &'a Topic,
    pub(super) offset: Option<i64>,
    pub(super) key: Option<&'a str>,
    pub(super) by: Option<Uuid>,
    /// JSON.
    pub(super) data: &'a str,
}

impl Message<'_> {
    /// The frame that everybody who hears the topic gets.
    pub(super) fn frame(&self, class: Class) -> Frame {
        let mut text = String::with_capacity(self.data.len() + self.topic.as_str().len() + 64);
        let _ = write!(text, "{{\"t\":\"msg\",\"topic\":\"{}\"", self.topic);
        if let Some(offset) = self.offset {
            let _ = write!(text, ",\"offset\":{offset}");
        }
        if let Some(key) = self.key {
            let _ = write!(text, ",\"key\":{}", json!(key));
        }
        if let Some(by) = self.by {
            let _ = write!(text, ",\"by\":\"{by}\"");
        }
        let _ = write!(text, ",\"data\":{}}}", self.data);
        let keep = match class {
            Class::Durable | Class::Hot => Keep::All,
            Class::Ephemeral => Keep::Some,
            Class::Conflated => Keep::Latest(format!("{} {}", self.topic, self.key.unwrap_or_default()).into()),
        };
        let offset = self.offset.filter(|_| class == Class::Durable);
        Frame { text: Bytes::from(text), offset, keep }
    }
}

fn frame(value: &serde_json::Value) -> Frame {
    Frame { text: Bytes::from(value.to_string()), offset: None, keep: Keep::All }
}

/// The first thing that a client hears.
pub(super) fn hello(ping: Duration, max_message: u64) -> Frame {
    frame(
        &json!({ "t": "hello", "protocol": 1, "ping_ms": u64::try_from(ping.as_millis()).unwrap_or(u64::MAX), "max_message": max_message }),
    )
}

/// Who is there, as a subscriber is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Members {
    These(Vec<Uuid>),
    /// Too many to be named.
    Count(usize),
}

/// A subscription stands; what was missed follows where `recovered` says so.
pub(super) fn subscribed(
    topic: &Topic,
    position: Option<&Position>,
    recovered: bool,
    members: Option<&Members>,
) -> Frame {
    let mut value = json!({ "t": "subscribed", "topic": topic.as_str(), "recovered": recovered });
    if let Some(position) = position {
        value["epoch"] = json!(position.epoch);
        value["offset"] = json!(position.offset);
    }
    match members {
        Some(Members::These(these)) => value["members"] = json!(these),
        Some(Members::Count(count)) => value["count"] = json!(count),
        None => {}
    }
    frame(&value)
}

/// A subscription has ended; `error` says why when the client did not ask for it.
pub(super) fn unsubscribed(topic: &Topic, error: Option<&Error>) -> Frame {
    let mut value = json!({ "t": "unsubscribed", "topic": topic.as_str() });
    if let Some(error) = error {
        value["problem"] = problem(error);
    }
    frame(&value)
}

/// Who came and who left.
pub(super) fn presence(topic: &Topic, joined: &[Uuid], left: &[Uuid]) -> Frame {
    frame(&json!({ "t": "presence", "topic": topic.as_str(), "joined": joined, "left": left }))
}

/// How many are there, where they are too many to be named.
pub(super) fn presence_count(topic: &Topic, count: usize) -> Frame {
    frame(&json!({ "t": "presence", "topic": topic.as_str(), "count": count }))
}

/// Come back after a while.
pub(super) fn reconnect(after: Duration) -> Frame {
    frame(&json!({ "t": "reconnect", "after_ms": u64::try_from(after.as_millis()).unwrap_or(u64::MAX) }))
}

/// An answer to `ping`.
pub(super) fn pong() -> Frame {
    frame(&json!({ "t": "pong" }))
}

/// What the client asked for was not done.
pub(super) fn failed(topic: Option<&str>, error: &Error) -> Frame {
    let mut value = json!({ "t": "error", "problem": problem(error) });
    if let Some(topic) = topic {
        value["topic"] = json!(topic);
    }
    frame(&value)
}

/// The error as a problem document, without what only the log may know.
fn problem(error: &Error) -> serde_json::Value {
    let kind = error.kind();
    let (title, detail) = match kind {
        Kind::Internal => ("Something went wrong here", None),
        _ => (title(kind), Some(error.message())),
    };
    let mut value = json!({ "type": format!("urn:sarsen:problem:{}", kind.as_str()), "title": title });
    if let Some(detail) = detail {
        value["detail"] = json!(detail);
    }
    if let Some(hint) = error.hint_text().filter(|_| kind != Kind::Internal) {
        value["hint"] = json!(hint);
    }
    value
}

fn title(kind: Kind) -> &'static str {
    match kind {
        Kind::NotFound => "There is no such topic",
        Kind::Forbidden => "You may not do that",
        Kind::Unauthenticated => "Nobody is signed in",
        Kind::TooMany => "Too many",
        Kind::Timeout => "It took too long",
        Kind::Unavailable => "Not now",
        _ => "That is not right",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_written_as_it_is_described() {
        let topic = Topic::new("channel", 7);
        let message = Message { topic: &topic, offset: Some(12), key: None, by: None, data: "{\"text\":\"hi\"}" };
        let frame = message.frame(Class::Durable);
        assert_eq!(frame.text, r#"{"t":"msg","topic":"channel:7","offset":12,"data":{"text":"hi"}}"#);
        assert_eq!((frame.offset, frame.keep), (Some(12), Keep::All));
        let message = Message { key: Some("a\"b"), offset: None, ..message };
        assert_eq!(
            message.frame(Class::Conflated).text,
            r#"{"t":"msg","topic":"channel:7","key":"a\"b","data":{"text":"hi"}}"#
        );
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for wrong in ["", "null", "[]", "{}", "{\"t\":1}", "{\"t\":\"sub\",\"x\":1}", "{\"t\":\"sub\",\"since\":5}"] {
            assert!(Inbound::read(wrong).is_err(), "{wrong}");
        }
        let read = Inbound::read(r#"{"t":"sub","topic":"a:1","since":{"epoch":"e","offset":3}}"#).expect("a message");
        assert_eq!((read.topic().expect("a topic").as_str(), read.since.expect("a position").offset), ("a:1", 3));
    }
}
