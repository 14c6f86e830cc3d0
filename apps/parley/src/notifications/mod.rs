//! Notifications: mail to people who gave an address, for a welcome and when somebody mentions them.
//!
//! A mail is a job of its own: whoever signs up or posts waits for no mail server, and what cannot be sent now is sent
//! later. A mail that the server has accepted is sent once, unless the process dies, or loses the job, before that is
//! written down: then it is sent again, with the same Message-ID, by which servers and readers recognise it.

mod jobs;
mod letters;
mod mention;
mod outbox;
mod smtp;
mod welcome;

use crate::accounts::api::{Accounts, Mailbox};
use crate::channels::api::Channels;
use crate::messages::api::Messages;
use outbox::Outbox;
use sarsen::config::{Config as AppConfig, Environment, Span, Url};
use sarsen::jobs::{Jobs, Queue};
use sarsen::{Db, Declare, Error, Init, NoApi, Result};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use uuid::Uuid;

/// Longest time that one mail may take to be sent.
const MAX_TIMEOUT: Duration = Duration::from_secs(120);

const MINUTE: Duration = Duration::from_secs(60);

/// The module.
#[derive(Debug)]
pub struct Module {
    db: Db,
    jobs: Jobs,
    accounts: Accounts,
    channels: Channels,
    messages: Messages,
    outbox: Outbox,
    /// What links begin with.
    public_url: String,
}

/// What notifications use.
#[derive(Clone, Debug, sarsen::Deps)]
pub struct Deps {
    /// Who people are, and where their mail goes.
    pub accounts: Accounts,
    /// Who may read what.
    pub channels: Channels,
    /// What was said.
    pub messages: Messages,
}

/// Section `[modules.notifications.config]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The mail server: `smtp://user:password@host:587` with STARTTLS, or `smtps://…:465`. Empty: mails go to the log.
    pub smtp: Url,
    /// Who mails are from: `Parley <parley@example.org>`.
    pub from: String,
    /// Most mails in a minute, of all processes.
    pub rate_per_minute: u32,
    /// Most mails in a minute to the addresses of one domain.
    pub rate_per_domain: u32,
    /// How long the mail server may take for one mail.
    pub timeout: Span,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            smtp: Url::default(),
            from: "Parley <parley@localhost>".to_owned(),
            rate_per_minute: 300,
            rate_per_domain: 60,
            timeout: Span::seconds(60),
        }
    }
}

impl Config {
    fn queue(&self) -> Queue {
        Queue::new(jobs::QUEUE).rate(self.rate_per_minute, MINUTE).rate_per_key(self.rate_per_domain, MINUTE)
    }
}

impl sarsen::Module for Module {
    const NAME: &'static str = "notifications";
    type Api = NoApi;
    type Deps = Deps;
    type Config = Config;

    fn declare(d: &mut Declare<Self>) {
        d.queue_by(Config::queue)
            .job(jobs::send_welcome)
            .job(jobs::send_mention)
            .subscribe("notifications.welcome", Module::on_registered)
            .subscribe("notifications.mentions", Module::on_posted);
    }

    fn check(config: &Config, app: &AppConfig) -> Result<()> {
        let sends = app.process.roles.iter().any(|role| role == "worker");
        if config.smtp.expose().is_empty() && sends && app.app.environment == Environment::Production {
            return Err(Error::invalid("smtp is empty, and production does not write mails to the log").hint(
                "set SARSEN_MODULES__NOTIFICATIONS__CONFIG__SMTP to smtp://user:password@host:587, or leave `worker` \
                 out of process.roles",
            ));
        }
        if config.rate_per_minute == 0 || config.rate_per_domain == 0 {
            return Err(Error::invalid("rate_per_minute and rate_per_domain are at least 1"));
        }
        if config.timeout.0.is_zero() || config.timeout.0 > MAX_TIMEOUT {
            return Err(Error::invalid(format!("timeout is not between 1ms and {}s", MAX_TIMEOUT.as_secs())));
        }
        Outbox::new(config, "localhost").map(drop)
    }

    async fn init(i: Init<Self>) -> Result<Self> {
        let Deps { accounts, channels, messages } = i.deps;
        let outbox = Outbox::new(&i.config, host(&i.public_url))?;
        let Init { db, jobs, public_url, .. } = i;
        Ok(Module { db, jobs, accounts, channels, messages, outbox, public_url })
    }
}

/// The host of an address such as `https://chat.example.org:8443`: how this server calls itself to the mail server.
fn host(address: &str) -> &str {
    let place = address.split_once("://").map_or(address, |(_, place)| place);
    let end = place.find(['/', ':']).unwrap_or(place.len());
    if end == 0 { "localhost" } else { &place[..end] }
}

impl Module {
    /// Where the mail of `user` goes; nothing when they gave no address, or took it back.
    async fn mailbox(&self, user: Uuid) -> Result<Option<Mailbox>> {
        Ok(self.accounts.mailboxes(vec![user]).await?.pop())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sarsen::Module as _;

    fn check(environment: Environment, roles: &[&str], config: &Config) -> Result<()> {
        let mut app = AppConfig::default();
        app.app.environment = environment;
        app.process.roles = roles.iter().map(|role| (*role).to_owned()).collect();
        Module::check(config, &app)
    }

    #[test]
    fn production_needs_a_mail_server_where_it_sends() {
        let none = Config::default();
        let error = check(Environment::Production, &["web", "worker"], &none).expect_err("nowhere to send");
        assert!(error.message().starts_with("smtp is empty"), "{error}");
        assert!(error.hint_text().is_some_and(|hint| hint.contains("SARSEN_MODULES__NOTIFICATIONS__CONFIG__SMTP")));
        check(Environment::Production, &["web"], &none).expect("another process sends");
        check(Environment::Development, &["web", "worker"], &none).expect("the log will do");
        let some = Config { smtp: Url::new("smtp://127.0.0.1:25"), ..none };
        check(Environment::Production, &["worker"], &some).expect("has one");
    }

    #[test]
    fn limits_that_let_nothing_through_are_refused() {
        for wrong in [
            Config { rate_per_minute: 0, ..Config::default() },
            Config { rate_per_domain: 0, ..Config::default() },
            Config { timeout: Span::seconds(0), ..Config::default() },
            Config { timeout: Span::seconds(121), ..Config::default() },
        ] {
            assert!(check(Environment::Test, &["worker"], &wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_host_is_that_of_the_public_address() {
        for (address, expected) in [
            ("https://chat.example.org", "chat.example.org"),
            ("http://127.0.0.1:3000", "127.0.0.1"),
            ("https://example.org:8443/chat", "example.org"),
            ("", "localhost"),
        ] {
            assert_eq!(host(address), expected);
        }
    }
}
