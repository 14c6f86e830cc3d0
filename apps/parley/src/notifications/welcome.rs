//! The mail after a sign-up.

use super::Module;
use super::jobs::SendWelcome;
use super::letters;
use super::outbox::Stamp;
use crate::accounts::api::AccountRegistered;
use sarsen::Result;
use sarsen::events::Delivery;
use std::sync::Arc;
use uuid::Uuid;

impl Module {
    /// Somebody signed up: in the same commit this was enqueued, and what it enqueues sends the mail.
    pub(super) async fn on_registered(self: Arc<Self>, event: AccountRegistered, delivery: Delivery) -> Result<()> {
        let Some(mailbox) = self.mailbox(event.user).await? else { return Ok(()) };
        let tx = self.db.begin().await?;
        if !delivery.once(&tx).await? {
            return tx.rollback().await;
        }
        self.jobs.enqueue(&tx, SendWelcome::new(&mailbox)).await?;
        tx.commit().await
    }

    /// Sends the welcome, if there still is an address.
    pub(super) async fn welcome(&self, to: Uuid, stamp: Stamp) -> Result<()> {
        let Some(mailbox) = self.mailbox(to).await? else { return Ok(()) };
        let letter = letters::welcome(&mailbox.display_name, &self.public_url);
        self.outbox.send(&mailbox, letter, stamp).await
    }
}
