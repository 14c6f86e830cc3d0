//! Section `[realtime]`: the limits of connections, topics and messages.

use super::types::{Size, Span, Url};
use serde::{Deserialize, Serialize};

/// Section `[realtime]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct RealtimeSection {
    /// How what is not in the log travels between processes: `memory:` for one, `database:` for several on one database.
    pub url: Url,
    /// Most connections of this process.
    pub max_connections: usize,
    /// Most topics that one connection hears.
    pub max_subscriptions: usize,
    /// Most topics of which something is kept in memory.
    pub max_topics: usize,
    /// Largest message that a client may send.
    pub max_message: Size,
    /// Largest message that is sent to clients.
    pub max_broadcast: Size,
    /// Most bytes that wait for one client; one that is slower is sent away, and comes back for what it missed.
    pub queue: Size,
    /// Messages a second that a client may send.
    pub inbound_rate: u32,
    /// Messages that it may send at once.
    pub inbound_burst: u32,
    /// A client that says nothing is asked after this time whether it is there, and sent away after it once more.
    pub ping: Span,
    /// How long it holds that somebody may hear a topic, before it is asked again.
    pub grant: Span,
    /// After this time a client connects anew, so that it is asked who is there.
    pub max_age: Span,
    /// Whether clients are let in where nobody is signed in; each kind of topics still decides.
    pub anonymous: bool,
    /// Origins beside the application's own whose pages may connect: `https://www.example.org`.
    pub origins: Vec<String>,
    /// How long the messages of durable topics are kept.
    pub keep: Span,
    /// The messages of durable topics that memory holds for clients that come back soon, all topics together.
    pub recent: Size,
    /// Most messages of one topic that a client gets when it comes back; one that missed more loads anew.
    pub max_recovered: u32,
    /// How many messages a hot topic keeps.
    pub hot_messages: usize,
    /// How long a hot topic keeps them.
    pub hot_for: Span,
    /// Who comes back within this time has not left.
    pub presence_grace: Span,
    /// At the stop of a process clients are told to come back after a time of their own within this.
    pub spread: Span,
}

impl Default for RealtimeSection {
    fn default() -> Self {
        Self {
            url: Url::new("memory:"),
            max_connections: 10_000,
            max_subscriptions: 200,
            max_topics: 10_000,
            max_message: Size(16 << 10),
            max_broadcast: Size(64 << 10),
            queue: Size(256 << 10),
            inbound_rate: 20,
            inbound_burst: 250,
            ping: Span::seconds(25),
            grant: Span::seconds(60),
            max_age: Span::seconds(3_600),
            anonymous: false,
            origins: Vec::new(),
            keep: Span::seconds(86_400),
            recent: Size(16 << 20),
            max_recovered: 1_000,
            hot_messages: 100,
            hot_for: Span::seconds(300),
            presence_grace: Span::seconds(15),
            spread: Span::seconds(5),
        }
    }
}
