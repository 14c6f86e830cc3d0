//! What others may know of messages: what is said of them when they come and go, how to bring them in from elsewhere, post
//! for a program, and count them.

use crate::Failure;
use sarsen::events::Event;
use sarsen::{Error, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Most messages that one call of [`MessagesApi::import_batch`] takes.
pub const MAX_BATCH: usize = 500;

/// Most characters of a message.
pub const MAX_TEXT: usize = 8_000;

/// A message from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedMessage {
    /// The same each time the message is imported, so that an import can be repeated.
    pub id: Uuid,
    /// The user who wrote it.
    pub author: Uuid,
    /// Up to [`MAX_TEXT`] characters without NUL; empty where somebody said nothing.
    pub text: String,
    /// When it was written.
    pub posted_at: Timestamp,
}

/// A message, as far as other modules need it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageRef {
    /// Which one.
    pub id: Uuid,
    /// Where it was posted.
    pub channel: Uuid,
    /// Who wrote it.
    pub author: Uuid,
    /// The first message of its thread, for a reply.
    pub thread: Option<Uuid>,
    /// What it says now.
    pub text: String,
    /// When it was posted.
    pub posted_at: Timestamp,
}

/// Somebody posted a message. Imported messages are not posted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessagePosted {
    /// Which one; its text stays with messages, for it may be edited or deleted.
    pub message: Uuid,
    /// Where.
    pub channel: Uuid,
    /// Who.
    pub author: Uuid,
    /// The first message of the thread, for a reply.
    pub thread: Option<Uuid>,
    /// Whom it mentions.
    pub mentions: Vec<Uuid>,
    /// When.
    pub at: Timestamp,
}

impl Event for MessagePosted {
    const NAME: &'static str = "messages.posted";

    fn key(&self) -> Option<String> {
        Some(self.channel.to_string())
    }
}

/// Somebody gave their message another text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageEdited {
    /// Which one.
    pub message: Uuid,
    /// Where.
    pub channel: Uuid,
    /// Who.
    pub author: Uuid,
    /// Whom it mentions now.
    pub mentions: Vec<Uuid>,
    /// When.
    pub at: Timestamp,
}

impl Event for MessageEdited {
    const NAME: &'static str = "messages.edited";

    fn key(&self) -> Option<String> {
        Some(self.channel.to_string())
    }
}

/// Somebody deleted their message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageDeleted {
    /// Which one.
    pub message: Uuid,
    /// Where.
    pub channel: Uuid,
    /// Who.
    pub author: Uuid,
    /// When it was posted.
    pub posted_at: Timestamp,
    /// When.
    pub at: Timestamp,
}

impl Event for MessageDeleted {
    const NAME: &'static str = "messages.deleted";

    fn key(&self) -> Option<String> {
        Some(self.channel.to_string())
    }
}

/// Messages came from elsewhere: one event for a batch of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessagesImported {
    /// Where.
    pub channel: Uuid,
    /// How many, of each author and day.
    pub counts: Vec<ImportedCount>,
}

/// What one author said on one day of an import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedCount {
    /// Who.
    pub author: Uuid,
    /// How many messages.
    pub messages: u64,
    /// When the last of them was posted; all were on its day, by UTC.
    pub last_at: Timestamp,
}

impl Event for MessagesImported {
    const NAME: &'static str = "messages.imported";

    fn key(&self) -> Option<String> {
        Some(self.channel.to_string())
    }
}

/// Most entries of one page of [`MessagesApi::activity`].
pub const MAX_ACTIVITY: usize = 1_000;

/// What a program posts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramPost {
    /// Where it goes.
    pub channel: Uuid,
    /// The user it is posted as.
    pub author: Uuid,
    /// 1 to [`MAX_TEXT`] characters.
    pub text: String,
    /// 1 to 64 characters: the same one of the same author posts once, however often and however many at once.
    pub nonce: String,
}

/// A message as far as statistics need it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, sarsen::FromRow)]
pub struct Activity {
    /// Which one.
    pub id: Uuid,
    /// The user who wrote it.
    pub author_id: Uuid,
    /// When it was posted.
    pub posted_at: Timestamp,
    /// The first message of its thread, for a reply.
    pub thread_id: Option<Uuid>,
    /// How many replies it has.
    pub reply_count: i64,
    /// How many reactions it has.
    pub reactions: i64,
}

/// Which messages are counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivityRange {
    /// Where they were posted.
    pub channel: Uuid,
    /// The first moment.
    pub from: Timestamp,
    /// The moment after the last.
    pub until: Timestamp,
    /// Time and id of the last entry of the page before.
    pub after: Option<(Timestamp, Uuid)>,
}

/// Why messages did not do it.
#[derive(Clone, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum MessagesError {
    /// Whatever it was.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl From<Error> for MessagesError {
    fn from(error: Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<MessagesError> for Error {
    fn from(error: MessagesError) -> Self {
        let MessagesError::Failed(failure) = error;
        failure.into()
    }
}

/// How to find messages, bring them in from elsewhere, post for a program, and count them.
#[sarsen::api(name = "messages", handle = Messages)]
pub trait MessagesApi {
    /// A message that was not deleted. It does not ask who may read it: channels know that.
    #[idempotent]
    async fn find(&self, id: Uuid) -> Result<Option<MessageRef>, MessagesError>;

    /// Adds messages to a channel in one transaction and says how many are new; those whose id exists are left as they are.
    ///
    /// They are found by search, but mention nobody. At most [`MAX_BATCH`].
    #[idempotent]
    async fn import_batch(&self, channel: Uuid, messages: Vec<ImportedMessage>) -> Result<u64, MessagesError>;

    /// Posts a message and gives its id. It does not ask whether the author may: whoever calls answers for that.
    #[idempotent]
    async fn post_for_program(&self, post: ProgramPost) -> Result<Uuid, MessagesError>;

    /// What was posted in a channel in some time, oldest first, without what was deleted; at most [`MAX_ACTIVITY`], and
    /// fewer only at the end.
    #[idempotent]
    async fn activity(&self, range: ActivityRange) -> Result<Vec<Activity>, MessagesError>;
}
