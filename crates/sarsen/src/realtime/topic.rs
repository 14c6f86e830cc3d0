//! What a topic is, and who may hear it.

use crate::error::{Error, Result};
use futures_util::future::BoxFuture;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Longest name of a topic.
pub const MAX_TOPIC: usize = 200;

/// How the messages of a topic are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// In the commit log, as long as `realtime.keep`: whoever comes back gets what they missed.
    Durable,
    /// In memory, the last ones for a while: whoever comes back soon to the same process gets what they missed.
    Hot,
    /// Not at all: typing, pointers.
    Ephemeral,
    /// The latest of each key, in memory: whoever comes gets those.
    Conflated,
}

impl Class {
    /// The name in logs and pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Class::Durable => "durable",
            Class::Hot => "hot",
            Class::Ephemeral => "ephemeral",
            Class::Conflated => "conflated",
        }
    }
}

/// The name of one topic, its kind and which one: `channel:0198c5a0-…`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic(Arc<str>);

impl Topic {
    /// The topic of a kind with this id.
    pub fn new(kind: &str, id: impl fmt::Display) -> Self {
        Self(format!("{kind}:{id}").into())
    }

    /// Reads what a client sent. Only plain characters: it is written into messages as it is.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
        let fits = text.len() <= MAX_TOPIC && text.bytes().all(plain);
        if fits && text.split_once(':').is_some_and(|(kind, id)| !kind.is_empty() && !id.is_empty()) {
            return Ok(Self(text.into()));
        }
        Err(Error::invalid(format!("a topic is KIND:ID of at most {MAX_TOPIC} plain characters")))
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the colon.
    pub fn kind(&self) -> &str {
        self.0.split_once(':').map_or("", |(kind, _)| kind)
    }

    /// What stands after it.
    pub fn id(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, id)| id)
    }

    /// The id, where topics of this kind are named by UUIDs; not found for anything else.
    pub fn uuid(&self) -> Result<Uuid> {
        self.id().parse().map_err(|_| Error::not_found(format!("there is no topic {self}")))
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A kind of topics, as a module declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topics {
    pub(crate) name: &'static str,
    pub(crate) class: Class,
    pub(crate) presence: bool,
}

impl Topics {
    /// Topics `name:…` of a class.
    pub fn new(name: &'static str, class: Class) -> Self {
        Self { name, class, presence: false }
    }

    /// Topics whose messages are kept in the log.
    pub fn durable(name: &'static str) -> Self {
        Self::new(name, Class::Durable)
    }

    /// Topics whose last messages are kept in memory.
    pub fn hot(name: &'static str) -> Self {
        Self::new(name, Class::Hot)
    }

    /// Topics whose messages nobody keeps.
    pub fn ephemeral(name: &'static str) -> Self {
        Self::new(name, Class::Ephemeral)
    }

    /// Topics that hold the latest message of each key.
    pub fn conflated(name: &'static str) -> Self {
        Self::new(name, Class::Conflated)
    }

    /// Tells subscribers who else subscribes.
    #[must_use]
    pub fn with_presence(self) -> Self {
        Self { presence: true, ..self }
    }
}

/// Who wants to hear which topic.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Who is signed in; nobody where `realtime.anonymous` lets those in.
    pub actor: Option<Uuid>,
    /// What they want to hear.
    pub topic: Topic,
}

impl Asked {
    /// Who is signed in, or an error.
    pub fn actor(&self) -> Result<Uuid> {
        self.actor.ok_or_else(|| Error::unauthenticated("nobody is signed in"))
    }
}

/// What one may do with a topic, and how long that holds before it is asked for again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    pub(crate) publish: bool,
    pub(crate) lasts: Option<Duration>,
}

impl Grant {
    /// To hear it, as long as `realtime.grant`.
    pub fn hear() -> Self {
        Self { publish: false, lasts: None }
    }

    /// To hear it, and to send messages to the others from the client: only where nobody keeps them.
    pub fn hear_and_publish() -> Self {
        Self { publish: true, lasts: None }
    }

    /// For this long at most.
    #[must_use]
    pub fn lasting(self, lasts: Duration) -> Self {
        Self { lasts: Some(lasts), ..self }
    }
}

/// Decides who may hear the topics of a kind; an error of kind `Forbidden` or `NotFound` is a no.
pub(crate) type Authorize = Arc<dyn Fn(Asked) -> BoxFuture<'static, Result<Grant>> + Send + Sync>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_names_with_a_kind_are_topics() {
        assert_eq!(
            Topic::parse("channel:7").map(|topic| (topic.kind().to_owned(), topic.id().to_owned())).expect("plain"),
            ("channel".into(), "7".into())
        );
        let long = format!("channel:{}", "x".repeat(MAX_TOPIC));
        for wrong in ["", "channel", ":7", "channel:", "a b:c", "a:\"", "a:\\", "ü:1", "a:\n", &long] {
            assert!(Topic::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
