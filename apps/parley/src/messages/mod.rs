//! Messages: what people say in channels, with files, threads, reactions, mentions, search, and a feed of changes.

pub mod api;
mod config;
mod files;
mod http;
mod import;
mod live;
mod mentions;
mod posting;
mod reacting;
mod reading;
mod rules;
mod search;
mod served;
mod store;
mod view;
mod write;

use crate::accounts::api::Accounts;
use crate::channels::api::{Access, Channels};
use api::Messages;
pub use config::Config;
use files::sweeping::{self, SweepFiles};
use files::thumbnails::MakeThumbnail;
use sarsen::blobs::Blobs;
use sarsen::events::Events;
use sarsen::jobs::Jobs;
use sarsen::realtime::Realtime;
use sarsen::{Clock, Declare, Error, Init, Result};
use store::{Store, Stored};
use uuid::Uuid;

/// The module.
#[derive(Debug)]
pub struct Module {
    store: Store,
    clock: Clock,
    events: Events,
    realtime: Realtime,
    jobs: Jobs,
    blobs: Blobs,
    config: Config,
    accounts: Accounts,
    channels: Channels,
}

/// What messages use.
#[derive(Clone, Debug, sarsen::Deps)]
pub struct Deps {
    /// Who people are.
    pub accounts: Accounts,
    /// Who may read and post where.
    pub channels: Channels,
}

impl sarsen::Module for Module {
    const NAME: &'static str = "messages";
    type Api = Messages;
    type Deps = Deps;
    type Config = Config;

    fn declare(d: &mut Declare<Self>) {
        d.tables(["messages", "heads", "reactions", "mentions", "message_search", "files"])
            .migrations(sarsen::migrations![
                "migrations/0001_create.sql",
                "migrations/0002_search.sqlite.sql",
                "migrations/0002_search.postgres.sql",
                "migrations/0003_activity.sql",
                "migrations/0004_files.sql"
            ])
            .queue_by(Config::queue)
            .job::<MakeThumbnail, _, _>(Module::make_thumbnail)
            .job::<SweepFiles, _, _>(Module::sweep_files)
            .schedule(sweeping::SWEEP, SweepFiles::due)
            .routes(http::routes);
    }

    fn check(config: &Config, _: &sarsen::Config) -> Result<()> {
        config.check()
    }

    async fn init(i: Init<Self>) -> Result<Self> {
        let Deps { accounts, channels } = i.deps;
        let Init { db, clock, events, realtime, jobs, blobs, config, .. } = i;
        Ok(Module { store: Store::new(db), clock, events, realtime, jobs, blobs, config, accounts, channels })
    }
}

impl Module {
    /// A message that `user` may read, and what they may do in its channel.
    async fn readable(&self, user: Uuid, id: Uuid) -> Result<(Stored, Access)> {
        let missing = || Error::not_found(format!("there is no message {id}"));
        let stored = self.store.message(id).await?.ok_or_else(missing)?;
        let access = self.channels.visible(user, stored.channel_id).await.map_err(Error::from);
        let access = access.map_err(|error| match error.kind() {
            // It must not tell that there is a message in a channel of others.
            sarsen::error::Kind::NotFound => missing(),
            _ => error,
        })?;
        if access.may_read { Ok((stored, access)) } else { Err(missing()) }
    }
}

/// Fails unless one may write in the channel.
fn check_may_post(access: &Access) -> Result<()> {
    if access.may_post {
        return Ok(());
    }
    Err(Error::forbidden("only members can write in this channel").hint("join it first"))
}
