//! What others may know of messages: how to bring them in from elsewhere.

use crate::Failure;
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
    /// 1 to [`MAX_TEXT`] characters without NUL.
    pub text: String,
    /// When it was written.
    pub posted_at: Timestamp,
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

/// How to bring messages in from elsewhere.
#[sarsen::api(name = "messages", handle = Messages)]
pub trait MessagesApi {
    /// Adds messages to a channel in one transaction and says how many are new; those whose id exists are left as they are.
    ///
    /// They are found by search, but mention nobody. At most [`MAX_BATCH`].
    #[idempotent]
    async fn import_batch(&self, channel: Uuid, messages: Vec<ImportedMessage>) -> Result<u64, MessagesError>;
}
