//! Audit: who did what, when, and to what, kept from the events of the other modules.
//!
//! Everybody sees what they did themselves, and the members of a channel what was done there. An entry is written once for
//! each event, however often it is delivered; what a message says is not in it.

mod entry;
mod http;
mod store;

use crate::accounts::api::{AccountRegistered, Accounts, User};
use crate::channels::api::{ChannelChanged, ChannelCreated, ChannelJoined, ChannelLeft, Channels};
use crate::messages::api::{MessageDeleted, MessageEdited, MessagePosted};
use entry::{Audited, Entry};
use sarsen::config::Span;
use sarsen::data::{Page, PageRequest};
use sarsen::events::Delivery;
use sarsen::jobs::{Job, Run, Schedule};
use sarsen::{Clock, Db, Declare, Error, Init, NoApi, Result};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use store::Store;
use uuid::Uuid;

const DAY: Duration = Duration::from_secs(86_400);

/// The module.
#[derive(Debug)]
pub struct Module {
    db: Db,
    store: Store,
    clock: Clock,
    accounts: Accounts,
    channels: Channels,
    keep: Duration,
}

/// What audit uses.
#[derive(Clone, Debug, sarsen::Deps)]
pub struct Deps {
    /// Who people are.
    pub accounts: Accounts,
    /// Who is in a channel.
    pub channels: Channels,
}

/// Section `[modules.audit.config]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How long an entry is kept.
    pub keep: Span,
}

impl Default for Config {
    fn default() -> Self {
        Self { keep: Span(365 * DAY) }
    }
}

impl sarsen::Module for Module {
    const NAME: &'static str = "audit";
    type Api = NoApi;
    type Deps = Deps;
    type Config = Config;

    fn declare(d: &mut Declare<Self>) {
        d.tables(["audit_entries"])
            .migrations(sarsen::migrations!["migrations/0001_create.sql"])
            .routes(http::routes)
            .subscribe("audit.registered", Module::note::<AccountRegistered>)
            .subscribe("audit.created", Module::note::<ChannelCreated>)
            .subscribe("audit.changed", Module::note::<ChannelChanged>)
            .subscribe("audit.joined", Module::note::<ChannelJoined>)
            .subscribe("audit.left", Module::note::<ChannelLeft>)
            .subscribe("audit.posted", Module::note::<MessagePosted>)
            .subscribe("audit.edited", Module::note::<MessageEdited>)
            .subscribe("audit.deleted", Module::note::<MessageDeleted>)
            .job(forget)
            .schedule(Schedule::cron("audit.forget", "0 3 * * *"), |_| Forget {});
    }

    async fn init(i: Init<Self>) -> Result<Self> {
        let Deps { accounts, channels } = i.deps;
        let store = Store::new(i.db.clone());
        Ok(Module { db: i.db, store, clock: i.clock, accounts, channels, keep: i.config.keep.0 })
    }
}

/// Lets go of the entries whose time is over.
#[derive(Debug, Serialize, Deserialize)]
struct Forget {}

impl Job for Forget {
    const KIND: &'static str = "audit.forget";
}

async fn forget(module: Arc<Module>, _: Forget, _: Run) -> Result<()> {
    module.forget().await
}

impl Module {
    /// Writes down what an event tells, once.
    async fn note<E: Audited>(self: Arc<Self>, event: E, delivery: Delivery) -> Result<()> {
        let tx = self.db.begin().await?;
        if !delivery.once(&tx).await? {
            return tx.rollback().await;
        }
        store::insert(&tx, delivery.id(), E::NAME, event.told()).await?;
        tx.commit().await
    }

    /// What `user` did, newest first.
    async fn own(&self, user: Uuid, page: &PageRequest) -> Result<Page<Entry>> {
        let page = self.store.of_actor(user, page).await?;
        self.shown(page).await
    }

    /// What was done in a channel, newest first; for its members.
    async fn of_channel(&self, user: Uuid, channel: Uuid, page: &PageRequest) -> Result<Page<Entry>> {
        if !self.channels.visible(user, channel).await?.member {
            return Err(Error::forbidden("only members see what was done in a channel").hint("join it first"));
        }
        let page = self.store.of_channel(channel, page).await?;
        self.shown(page).await
    }

    /// Entries with the people who did it: one more query for any number of them.
    async fn shown(&self, page: Page<store::Stored>) -> Result<Page<Entry>> {
        let mut actors: Vec<Uuid> = page.items.iter().map(|stored| stored.actor_id).collect();
        actors.sort_unstable();
        actors.dedup();
        let users = if actors.is_empty() { Vec::new() } else { self.accounts.users(actors).await? };
        let users: HashMap<Uuid, User> = users.into_iter().map(|user| (user.id, user)).collect();
        Ok(page.map(|stored| Entry::new(stored, &users)))
    }

    /// Deletes what is older than it is kept, a part at a time, so that nobody waits for it.
    async fn forget(&self) -> Result<()> {
        let before = self.clock.now() - self.keep;
        while self.store.delete_before(before).await? {}
        Ok(())
    }
}
