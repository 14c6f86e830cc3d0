//! What the server shows of imported channels.

use crate::expected::Said;
use crate::program::client::Person;
use crate::program::place::{Place, Server};
use std::collections::BTreeSet;

/// A server over what was imported, and somebody who reads there.
pub(crate) struct Reader {
    server: Server,
    person: Person,
}

impl Reader {
    pub(crate) async fn start(place: &Place) -> Self {
        let server = place.serve().await;
        let person = Person::sign_up(server.address, "reader").await;
        Self { server, person }
    }

    /// The messages of a channel, oldest first.
    pub(crate) async fn messages(&mut self, channel: &str) -> Vec<Said> {
        let found = self.person.channel_named(channel).await.unwrap_or_else(|| panic!("there is no channel {channel}"));
        let path = format!("/v1/channels/{}/messages", found["id"].as_str().unwrap());
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let newest_first = self.person.pages(&path).await.into_iter();
        newest_first.rev().map(|message| (text(&message["author"]["username"]), text(&message["text"]))).collect()
    }

    /// Fails unless the channel shows exactly these messages: how many, by whom, in which order.
    pub(crate) async fn expect(&mut self, channel: &str, wanted: &[Said]) {
        let shown = self.messages(channel).await;
        assert_eq!(shown.len(), wanted.len(), "the number of messages of {channel}");
        let authors = |said: &[Said]| said.iter().map(|(nick, _)| nick.clone()).collect::<BTreeSet<_>>();
        assert_eq!(authors(&shown), authors(wanted), "the authors of {channel}");
        let differs = shown.iter().zip(wanted).position(|(shown, wanted)| shown != wanted);
        if let Some(place) = differs {
            panic!("message {place} of {channel} is {:?}, not {:?}", shown[place], wanted[place]);
        }
    }

    pub(crate) async fn stop(self) {
        self.server.kill().await;
    }
}
