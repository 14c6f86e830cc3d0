//! Finds messages by their words.

use super::Module;
use super::view::Message;
use crate::text::{check_line, check_present};
use sarsen::data::{Page, Search};
use sarsen::{Error, Result};
use uuid::Uuid;

/// The index; its documents are messages by `seq`, its scopes are channels.
pub(super) const INDEX: Search = Search::new("message_search");

/// Most characters of a query.
const MAX_QUERY: usize = 200;

/// What somebody looks for.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) words: String,
    /// Every channel that one may read (the first 200) when it is left out.
    pub(super) channel: Option<Uuid>,
    pub(super) cursor: Option<String>,
    pub(super) limit: u32,
}

impl Module {
    /// The messages that have all the words, those that came last first.
    pub(super) async fn search(&self, user: Uuid, wanted: Wanted) -> Result<Page<Message>> {
        check_present("q", &wanted.words)?;
        check_line("q", &wanted.words, MAX_QUERY)?;
        let before = wanted.cursor.map(|cursor| self.open_cursor(&cursor)).transpose()?;
        let channels = self.scopes(user, wanted.channel).await?;
        let mut seqs = self.store.search(&wanted.words, &channels, before, wanted.limit + 1).await?;
        let more = seqs.len() > wanted.limit as usize;
        seqs.truncate(wanted.limit as usize);
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
        let opened = self.store.db.open_sealed(cursor)?;
        let last = opened.strip_prefix("search ").and_then(|last| last.parse().ok());
        last.ok_or_else(|| Error::invalid_field("cursor", "is not from this list"))
    }
}
