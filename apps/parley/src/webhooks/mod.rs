//! Webhooks: programs elsewhere hear of what happens in a channel, and post into it; both ways are signed.

mod call;
mod http;
mod incoming;
mod jobs;
mod outgoing;
mod signature;

use crate::accounts::api::{Accounts, User};
use crate::channels::api::{Access, Channels};
use crate::messages::api::{MessageDeleted, MessageEdited, MessagePosted, Messages};
use call::{Caller, Reach};
use jobs::{Deliver, Prune};
use sarsen::config::{Environment, Span};
use sarsen::jobs::Jobs;
use sarsen::{Clock, Declare, Error, Init, NoApi, Result};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::time::Duration;
use uuid::Uuid;

/// Longest limit of a call that can be configured.
const MAX_TIMEOUT: Duration = Duration::from_secs(60);

/// The module.
#[derive(Debug)]
pub struct Module {
    outgoing: outgoing::Store,
    incoming: incoming::Store,
    caller: Caller,
    config: Config,
    clock: Clock,
    jobs: Jobs,
    accounts: Accounts,
    channels: Channels,
    messages: Messages,
}

/// What webhooks use.
#[derive(Clone, Debug, sarsen::Deps)]
pub struct Deps {
    /// Who people are, and who posts for a program.
    pub accounts: Accounts,
    /// Who is a member where.
    pub channels: Channels,
    /// What is told, and what is posted.
    pub messages: Messages,
}

/// Section `[modules.webhooks.config]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Lets webhooks lead to this machine and to private networks: for tests and development. Production refuses it.
    pub allow_private: bool,
    /// How long one attempt may take, from looking the host up to the end of the answer; at most a minute.
    pub timeout: Span,
    /// After so many deliveries in a row that failed for good, a webhook is disabled.
    pub disable_after: u32,
    /// How long deliveries are kept.
    pub keep_deliveries: Span,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            allow_private: false,
            timeout: Span::seconds(10),
            disable_after: 10,
            keep_deliveries: Span::seconds(7 * 86_400),
        }
    }
}

impl Config {
    fn check(&self, environment: Environment) -> Result<()> {
        let wrong = |problem: &'static str| Error::invalid(problem);
        if self.allow_private && environment == Environment::Production {
            let error =
                wrong("allow_private = true in production: everybody could make this server call its neighbours");
            return Err(error.hint("take it out, or set app.environment to what this is"));
        }
        if self.timeout.0.is_zero() || self.timeout.0 > MAX_TIMEOUT {
            return Err(wrong("timeout is not between 1ms and 1m"));
        }
        if self.disable_after == 0 {
            return Err(wrong("disable_after is 0, which would disable every webhook"));
        }
        Ok(())
    }

    fn reach(&self) -> Reach {
        if self.allow_private { Reach::Anywhere } else { Reach::Public }
    }
}

impl sarsen::Module for Module {
    const NAME: &'static str = "webhooks";
    type Api = NoApi;
    type Deps = Deps;
    type Config = Config;

    fn declare(d: &mut Declare<Self>) {
        d.tables(["webhooks", "webhook_deliveries", "incoming_hooks"])
            .migrations(sarsen::migrations!["migrations/0001_create.sql"])
            .queue(jobs::QUEUE)
            .job::<Deliver, _, _>(Module::deliver)
            .job::<Prune, _, _>(Module::prune_deliveries)
            .schedule(jobs::PRUNE, Prune::due)
            .subscribe::<MessagePosted, _, _>("webhooks.posted", Module::on_posted)
            .subscribe::<MessageEdited, _, _>("webhooks.edited", Module::on_edited)
            .subscribe::<MessageDeleted, _, _>("webhooks.deleted", Module::on_deleted)
            .routes(http::routes);
    }

    fn check(config: &Config, app: &sarsen::Config) -> Result<()> {
        config.check(app.app.environment)
    }

    async fn init(i: Init<Self>) -> Result<Self> {
        let Deps { accounts, channels, messages } = i.deps;
        Ok(Module {
            outgoing: outgoing::Store::new(i.db.clone()),
            incoming: incoming::Store::new(i.db),
            caller: Caller::new(i.clock.clone(), i.config.reach(), i.config.timeout.0),
            config: i.config,
            clock: i.clock,
            jobs: i.jobs,
            accounts,
            channels,
            messages,
        })
    }
}

impl Module {
    /// What a member may do in the channel; to others it is forbidden, or not there.
    async fn member(&self, user: Uuid, channel: Uuid) -> Result<Access> {
        let access = self.channels.visible(user, channel).await?;
        if access.member {
            return Ok(access);
        }
        Err(Error::forbidden("only members of a channel have to do with its webhooks").hint("join it first"))
    }

    /// Fails unless `user` may know of the channel.
    async fn readable(&self, user: Uuid, channel: Uuid) -> Result<Access> {
        Ok(self.channels.visible(user, channel).await?)
    }

    async fn people(&self, mut ids: Vec<Uuid>) -> Result<HashMap<Uuid, User>> {
        ids.sort_unstable();
        ids.dedup();
        let users = self.accounts.users(ids).await?;
        Ok(users.into_iter().map(|user| (user.id, user)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn production_refuses_private_addresses() {
        let open = Config { allow_private: true, ..Config::default() };
        assert!(open.check(Environment::Development).is_ok());
        assert!(open.check(Environment::Test).is_ok());
        let error = open.check(Environment::Production).expect_err("refused");
        assert!(error.message().starts_with("allow_private = true"), "{error}");
        assert!(Config::default().check(Environment::Production).is_ok());
    }

    #[test]
    fn limits_are_such_as_can_work() {
        for wrong in [
            Config { timeout: Span::seconds(0), ..Config::default() },
            Config { timeout: Span::seconds(61), ..Config::default() },
            Config { disable_after: 0, ..Config::default() },
        ] {
            assert!(wrong.check(Environment::Development).is_err(), "{wrong:?}");
        }
    }
}
