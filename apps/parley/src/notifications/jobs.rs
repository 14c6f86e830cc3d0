//! The jobs of notifications: one for each mail.

use super::Module;
use super::outbox::Stamp;
use crate::accounts::api::Mailbox;
use sarsen::Result;
use sarsen::jobs::{Job, Policy, Run};
use sarsen::telemetry::{Budget, ms};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Where mails wait. Its limits go by the domain of the address: what one provider takes is no other's business.
pub(super) const QUEUE: &str = "mail";

/// A mail server may be away for hours: half of 40 waits, of which all but ten are up to an hour, is some 15 hours. What is
/// three days old is no news.
const POLICY: Policy = Policy::new()
    .queue(QUEUE)
    .attempts(40)
    .backoff(Duration::from_secs(5), Duration::from_secs(3600))
    .timeout(Duration::from_secs(150))
    .deadline(Duration::from_secs(3 * 86_400))
    .budget(Budget::new().wait(ms(60_000)).run(ms(10_000)).queries(5));

/// Welcomes somebody who signed up.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SendWelcome {
    pub(super) to: Uuid,
    domain: String,
}

impl SendWelcome {
    pub(super) fn new(to: &Mailbox) -> Self {
        Self { to: to.id, domain: domain(to) }
    }
}

impl Job for SendWelcome {
    const KIND: &'static str = "notifications.send_welcome";

    fn policy() -> Policy {
        POLICY
    }

    fn key(&self) -> Option<String> {
        Some(self.domain.clone())
    }
}

/// Tells somebody that a message mentions them.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SendMention {
    pub(super) to: Uuid,
    pub(super) message: Uuid,
    domain: String,
}

impl SendMention {
    pub(super) fn new(to: &Mailbox, message: Uuid) -> Self {
        Self { to: to.id, message, domain: domain(to) }
    }
}

impl Job for SendMention {
    const KIND: &'static str = "notifications.send_mention";

    fn policy() -> Policy {
        POLICY
    }

    fn key(&self) -> Option<String> {
        Some(self.domain.clone())
    }
}

pub(super) async fn send_welcome(module: Arc<Module>, job: SendWelcome, run: Run) -> Result<()> {
    module.welcome(job.to, stamp(&run)).await
}

pub(super) async fn send_mention(module: Arc<Module>, job: SendMention, run: Run) -> Result<()> {
    module.tell_of_mention(job.to, job.message, stamp(&run)).await
}

/// The same at each attempt, so that a repeated mail is known for what it is.
fn stamp(run: &Run) -> Stamp {
    Stamp { id: run.id(), at: run.enqueued_at() }
}

/// The part of the address that names the provider.
fn domain(to: &Mailbox) -> String {
    let domain = to.email.rsplit_once('@').map_or("", |(_, domain)| domain);
    domain.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_the_domain_of_the_address() {
        let (id, display_name, email) = (Uuid::nil(), "Ada".to_owned(), "ada@Example.ORG".to_owned());
        let to = Mailbox { id, display_name, email, mention_mails: true };
        assert_eq!(SendWelcome::new(&to).key().as_deref(), Some("example.org"));
        assert_eq!(SendMention::new(&to, id).key().as_deref(), Some("example.org"));
    }
}
