//! Finds messages by their words.

use super::Module;
use super::view::Message;
use crate::text::{check_line, check_present};
use sarsen::data::{Page, PageRequest, Search};
use sarsen::{Error, Result};
use uuid::Uuid;

/// The index; its documents are messages by `seq`, its scopes are channels.
pub(super) const INDEX: Search = Search::new("message_search");

/// Most characters of a query.
const MAX_QUERY: usize = 200;

impl Module {
    /// The messages that have all the words, those that came last first.
    ///
    /// Without a channel it looks in every channel that `user` may read: the first 200, those they joined before the others.
    pub(super) async fn search(
        &self,
        user: Uuid,
        words: &str,
        channel: Option<Uuid>,
        page: &PageRequest,
    ) -> Result<Page<Message>> {
        check_present("q", words)?;
        check_line("q", words, MAX_QUERY)?;
        let limit = page.limit()?;
        let before = page.cursor.as_deref().map(|cursor| self.open_cursor(cursor)).transpose()?;
        let channels = self.scopes(user, channel).await?;
        let mut seqs = self.store.search(words, &channels, before, limit + 1).await?;
        let more = seqs.len() > limit as usize;
        seqs.truncate(limit as usize);
        let next = seqs.last().filter(|_| more).map(|last| self.seal_cursor(*last));
        let found = if seqs.is_empty() { Vec::new() } else { self.store.by_seqs(seqs).await? };
        Ok(Page { items: self.views(user, found).await?, next })
    }

    async fn scopes(&self, user: Uuid, channel: Option<Uuid>) -> Result<Vec<String>> {
        let channels = match channel {
            Some(channel) => vec![self.channels.visible(user, channel).await?.channel.id],
            None => self.channels.readable_ids(user).await?,
        };
        Ok(channels.iter().map(Uuid::to_string).collect())
    }

    fn seal_cursor(&self, last: i64) -> String {
        self.store.db.seal(&format!("search {last}"))
    }

    fn open_cursor(&self, cursor: &str) -> Result<i64> {
        let opened = self.store.db.open_sealed(cursor).ok();
        let last = opened.and_then(|opened| opened.strip_prefix("search ")?.parse().ok());
        last.ok_or_else(|| Error::invalid_field("cursor", "was not given by this list"))
    }
}
