//! What a webhook hears of, and what it is told.

use crate::accounts::api::User;
use crate::messages::api::MessageRef;
use sarsen::{Error, Result, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Something that a webhook can hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub(in crate::webhooks) enum HookEvent {
    /// A message was posted, a reply too.
    #[serde(rename = "messages.posted")]
    Posted,
    /// The text of a message was changed.
    #[serde(rename = "messages.edited")]
    Edited,
    /// A message was deleted.
    #[serde(rename = "messages.deleted")]
    Deleted,
    /// Its owner tries the webhook out.
    #[serde(rename = "webhooks.test")]
    #[schemars(skip)]
    Test,
}

impl HookEvent {
    /// Those that one can choose.
    const CHOICES: [HookEvent; 3] = [HookEvent::Posted, HookEvent::Edited, HookEvent::Deleted];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            HookEvent::Posted => "messages.posted",
            HookEvent::Edited => "messages.edited",
            HookEvent::Deleted => "messages.deleted",
            HookEvent::Test => "webhooks.test",
        }
    }
}

/// The events that somebody chose, in order and each once.
pub(super) fn chosen(mut events: Vec<HookEvent>) -> Result<Vec<HookEvent>> {
    if let Some(wrong) = events.iter().find(|event| !HookEvent::CHOICES.contains(event)) {
        return Err(Error::invalid_field("events", format!("has {}, which nobody can choose", wrong.as_str())));
    }
    events.sort_unstable();
    events.dedup();
    if events.is_empty() {
        return Err(Error::invalid_field("events", "is empty"));
    }
    Ok(events)
}

/// The events as they are stored.
pub(super) fn write(events: &[HookEvent]) -> String {
    events.iter().map(|event| event.as_str()).collect::<Vec<_>>().join(",")
}

/// Reads what [`write`] wrote; what this build does not know is left out.
pub(super) fn read(text: &str) -> Vec<HookEvent> {
    HookEvent::CHOICES.into_iter().filter(|event| text.split(',').any(|name| name == event.as_str())).collect()
}

/// The body of a request, as the receiver reads it.
#[derive(Debug, Serialize)]
pub(super) struct Payload<'a> {
    /// What happened.
    #[serde(rename = "type")]
    pub(super) event: HookEvent,
    /// When it happened.
    pub(super) timestamp: Timestamp,
    pub(super) data: Happening<'a>,
}

impl Payload<'_> {
    pub(super) fn to_json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|error| Error::internal("a payload cannot be written").source(error))
    }
}

/// What happened, and to which message.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Happening<'a> {
    /// A message that is there.
    Message {
        id: Uuid,
        channel_id: Uuid,
        author: Author<'a>,
        text: &'a str,
        thread_id: Option<Uuid>,
        posted_at: Timestamp,
    },
    /// One that is no more.
    Gone { id: Uuid, channel_id: Uuid, author_id: Uuid, posted_at: Timestamp },
    /// Nothing: somebody tries the webhook out.
    Trial { channel_id: Uuid },
}

/// Who wrote a message.
#[derive(Debug, Serialize)]
pub(super) struct Author<'a> {
    id: Uuid,
    username: &'a str,
    display_name: &'a str,
    /// A program: a receiver that posts itself must not answer these, or two programs talk for ever.
    bot: bool,
}

impl<'a> Happening<'a> {
    pub(super) fn of_message(message: &'a MessageRef, author: &'a User) -> Self {
        Happening::Message {
            id: message.id,
            channel_id: message.channel,
            author: Author {
                id: author.id,
                username: &author.username,
                display_name: &author.display_name,
                bot: author.is_bot(),
            },
            text: &message.text,
            thread_id: message.thread,
            posted_at: message.posted_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_chosen_once_each_and_read_back() {
        let events = chosen(vec![HookEvent::Deleted, HookEvent::Posted, HookEvent::Deleted]).expect("good");
        assert_eq!(write(&events), "messages.posted,messages.deleted");
        assert_eq!(read("messages.deleted,messages.posted,messages.pinned"), events);
        assert!(chosen(Vec::new()).is_err());
        assert!(chosen(vec![HookEvent::Test]).is_err());
    }

    #[test]
    fn names_are_the_same_in_json() {
        for event in HookEvent::CHOICES {
            assert_eq!(serde_json::json!(event), event.as_str());
        }
    }
}
