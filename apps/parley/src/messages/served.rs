//! What messages do for other modules.

use super::Module;
use super::api::{
    Activity, ActivityRange, ImportedMessage, MAX_ACTIVITY, MessageRef, MessagesApi, MessagesError, ProgramPost,
};
use super::posting::{self, Draft};
use super::store::Stored;
use uuid::Uuid;

impl MessagesApi for Module {
    async fn import_batch(&self, channel: Uuid, messages: Vec<ImportedMessage>) -> Result<u64, MessagesError> {
        Ok(Module::import_batch(self, channel, messages).await?)
    }

    async fn find(&self, id: Uuid) -> Result<Option<MessageRef>, MessagesError> {
        let found = self.store.message(id).await?;
        Ok(found.filter(|stored| !stored.deleted).map(MessageRef::from))
    }

    async fn post_for_program(&self, post: ProgramPost) -> Result<Uuid, MessagesError> {
        let ProgramPost { channel, author, text, nonce } = post;
        let draft = Draft { text, thread: None, nonce: Some(nonce), files: Vec::new() };
        posting::check(&draft)?;
        Ok(self.post_checked(author, channel, draft).await?.id)
    }

    async fn activity(&self, range: ActivityRange) -> Result<Vec<Activity>, MessagesError> {
        Ok(self.store.activity(&range, MAX_ACTIVITY).await?)
    }
}

impl From<Stored> for MessageRef {
    fn from(stored: Stored) -> Self {
        Self {
            id: stored.id,
            channel: stored.channel_id,
            author: stored.author_id,
            text: stored.text,
            thread: stored.thread_id,
            posted_at: stored.posted_at,
        }
    }
}
