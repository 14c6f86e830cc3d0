//! Direct conversations: one for each set of people, made when somebody first wants it.

use super::api::ChannelKind;
use super::store::NewChannel;
use super::view::Channel;
use super::{Module, names};
use sarsen::{Error, Result};
use uuid::Uuid;

/// Most people besides oneself in a direct conversation.
const MAX_OTHERS: usize = 8;

impl Module {
    /// Finds or makes the conversation of `user` and up to eight others.
    pub(super) async fn direct(&self, user: Uuid, mut others: Vec<Uuid>) -> Result<Channel> {
        others.retain(|other| *other != user);
        others.sort_unstable();
        others.dedup();
        if others.is_empty() || others.len() > MAX_OTHERS {
            return Err(Error::invalid_field("user_ids", format!("does not name 1 to {MAX_OTHERS} other people")));
        }
        let people = [others.as_slice(), &[user]].concat();
        let key = names::direct_key(&people);
        if self.store.direct(user, &key).await?.is_none() {
            self.exist("user_ids", &others).await?;
            self.insert_direct(user, key.clone(), &people).await?;
        }
        let stored = self.store.direct(user, &key).await?;
        self.view(user, stored.ok_or_else(|| Error::internal("a direct conversation was not made"))?).await
    }

    async fn insert_direct(&self, by: Uuid, key: String, people: &[Uuid]) -> Result<()> {
        let (id, created_at, kind) = (self.clock.id(), self.clock.now(), ChannelKind::Direct);
        let direct_key = Some(key);
        let new = NewChannel { id, name: None, topic: String::new(), kind, direct_key, created_by: by, created_at };
        self.insert(new, people).await.map(drop)
    }
}
