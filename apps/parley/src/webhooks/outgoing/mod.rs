//! Outgoing webhooks: addresses that hear of what happens in a channel.

mod deliveries;
mod events;
mod store;

pub(super) use deliveries::{Delivery, Fact};
pub(super) use events::HookEvent;
pub(super) use store::Store;

use super::call::Target;
use super::{Module, signature};
use crate::accounts::api::User;
use sarsen::data::{Page, PageRequest};
use sarsen::{Error, Result, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;
use store::{NewHook, StoredHook};
use uuid::Uuid;

/// Most outgoing webhooks of one channel.
const MAX_HOOKS: usize = 20;

/// A webhook, as members of its channel see it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Webhook {
    id: Uuid,
    channel_id: Uuid,
    /// Who made it, and may change it.
    owner: User,
    /// Where it leads; others than its owner see the host only, because an address may hold a secret.
    url: String,
    events: Vec<HookEvent>,
    created_at: Timestamp,
    /// Since when it is not called any more.
    disabled_at: Option<Timestamp>,
    /// Why it is not.
    disabled_reason: Option<String>,
}

/// A webhook that was just made, with its secret.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct NewWebhook {
    webhook: Webhook,
    /// What signs each request, as Standard Webhooks has it; it is not shown again.
    secret: String,
}

/// What is to be different; what is left out stays.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) url: Option<String>,
    pub(super) events: Option<Vec<HookEvent>>,
    pub(super) enabled: Option<bool>,
}

impl Module {
    /// The webhooks of a channel, oldest first, for its members.
    pub(super) async fn webhooks(&self, user: Uuid, channel: Uuid) -> Result<Vec<Webhook>> {
        self.member(user, channel).await?;
        let stored = self.outgoing.of_channel(channel).await?;
        let owners = self.people(stored.iter().map(|hook| hook.owner_id).collect()).await?;
        let shown = |hook: StoredHook| Some(shown(user, owners.get(&hook.owner_id)?.clone(), hook));
        Ok(stored.into_iter().filter_map(shown).collect())
    }

    /// Makes a webhook.
    pub(super) async fn make_webhook(
        &self,
        owner: Uuid,
        channel: Uuid,
        url: String,
        events: Vec<HookEvent>,
    ) -> Result<NewWebhook> {
        Target::parse(&url, self.caller.reach())?;
        let events = events::chosen(events)?;
        self.member(owner, channel).await?;
        if self.outgoing.of_channel(channel).await?.len() >= MAX_HOOKS {
            let full = format!("the channel has {MAX_HOOKS} outgoing webhooks already");
            return Err(Error::conflict(full).hint("delete one first"));
        }
        let (id, created_at, secret) = (self.clock.id(), self.clock.now(), signature::new_secret()?);
        let new = NewHook { id, channel, owner, url, events, secret: secret.clone(), created_at };
        self.outgoing.insert(new).await?;
        Ok(NewWebhook { webhook: self.shown_to_owner(id).await?, secret })
    }

    /// Changes one's own webhook. Enabling one that was disabled forgets its failures.
    pub(super) async fn change_webhook(&self, user: Uuid, id: Uuid, changes: Changes) -> Result<Webhook> {
        let hook = self.own_webhook(user, id).await?;
        let Changes { url, events, enabled } = changes;
        url.as_deref().map_or(Ok(()), |url| Target::parse(url, self.caller.reach()).map(drop))?;
        let events = events.map(events::chosen).transpose()?;
        self.outgoing.update(id, url, events.as_deref()).await?;
        match enabled {
            Some(true) => {
                self.member(user, hook.channel_id).await?;
                self.outgoing.enable(id).await?;
            }
            Some(false) => self.disable(id, "its owner disabled it").await?,
            None => {}
        }
        self.shown_to_owner(id).await
    }

    /// Deletes one's own webhook, with its deliveries.
    pub(super) async fn delete_webhook(&self, user: Uuid, id: Uuid) -> Result<()> {
        self.own_webhook(user, id).await?;
        self.outgoing.delete(id).await
    }

    /// The deliveries of one's own webhook, newest first.
    pub(super) async fn deliveries(&self, user: Uuid, id: Uuid, page: &PageRequest) -> Result<Page<Delivery>> {
        self.own_webhook(user, id).await?;
        let page = self.outgoing.deliveries(id, page).await?;
        let items = page.items.into_iter().map(Delivery::try_from).collect::<Result<_>>()?;
        Ok(Page { items, next: page.next })
    }

    /// The webhook, for its owner: to others who may read its channel it is forbidden, and to the rest it is not there.
    async fn own_webhook(&self, user: Uuid, id: Uuid) -> Result<StoredHook> {
        let missing = || Error::not_found(format!("there is no webhook {id}"));
        let hook = self.outgoing.hook(id).await?.ok_or_else(missing)?;
        if hook.owner_id == user {
            return Ok(hook);
        }
        self.readable(user, hook.channel_id).await.map_err(|_| missing())?;
        Err(Error::forbidden("only its owner may do this with a webhook"))
    }

    async fn shown_to_owner(&self, id: Uuid) -> Result<Webhook> {
        let hook = self.outgoing.hook(id).await?;
        let hook = hook.ok_or_else(|| Error::not_found(format!("there is no webhook {id}")))?;
        let owner = self.accounts.user(hook.owner_id).await?;
        Ok(shown(hook.owner_id, owner, hook))
    }

    async fn disable(&self, id: Uuid, reason: &str) -> Result<()> {
        let tx = self.outgoing.db.begin().await?;
        store::disable(&tx, id, reason, self.clock.now()).await?;
        tx.commit().await
    }
}

fn shown(user: Uuid, owner: User, hook: StoredHook) -> Webhook {
    let events = hook.events();
    let StoredHook { id, channel_id, owner_id, url, created_at, disabled_at, disabled_reason, .. } = hook;
    let url = if owner_id == user { url } else { host_of(&url) };
    Webhook { id, channel_id, owner, url, events, created_at, disabled_at, disabled_reason }
}

/// `https://example.org/…` of a longer address.
fn host_of(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return String::new() };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    format!("{scheme}://{host}/…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_see_the_host_only() {
        assert_eq!(host_of("https://example.org:8443/hook?key=secret"), "https://example.org:8443/…");
        assert_eq!(host_of("http://example.org?key=secret"), "http://example.org/…");
    }
}
