//! Incoming webhooks: addresses at which programs post messages, each signed with the secret of its webhook.

mod store;

pub(super) use store::Store;

use super::{Module, signature};
use crate::accounts::api::User;
use crate::messages::api::{MAX_TEXT, ProgramPost};
use crate::text::{FULL_LINES, check_line, check_lines, check_present, hex};
use sarsen::error::Kind;
use sarsen::{Error, Result, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::time::Duration;
use store::StoredHook;
use uuid::Uuid;

/// Most incoming webhooks of one channel.
const MAX_HOOKS: usize = 20;

/// Most requests to one webhook in a [`WINDOW`]; repeated ones count too.
const MAX_REQUESTS: i64 = 60;

/// How long requests count.
const WINDOW: Duration = Duration::from_secs(60);

/// Most characters of the id of a message.
const MAX_ID: usize = 256;

/// An incoming webhook, as members of its channel see it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct IncomingHook {
    id: Uuid,
    channel_id: Uuid,
    /// Whom its messages are from.
    name: String,
    /// Who made it, and may revoke it.
    owner: User,
    created_at: Timestamp,
    /// When something last came.
    used_at: Option<Timestamp>,
}

/// An incoming webhook that was just made, with its secret.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct NewIncomingHook {
    hook: IncomingHook,
    /// Where to post: a path of this server.
    path: String,
    /// What signs each message, as Standard Webhooks has it; it is not shown again.
    secret: String,
}

/// What a program posts.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct IncomingMessage {
    /// 1 to 8000 characters.
    #[schemars(length(min = 1, max = 8_000), regex(pattern = FULL_LINES))]
    text: String,
}

/// The message that was posted.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct PostedByHook {
    /// The same for a message that is sent again.
    message_id: Uuid,
}

/// What the headers of a signed message say.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Signature {
    /// Names the message: one that comes again with the same id is posted once. Up to 256 characters.
    #[serde(rename = "webhook-id")]
    #[schemars(length(min = 1, max = 256))]
    pub(super) id: String,
    /// When it was sent, in seconds since 1970: at most five minutes ago.
    #[serde(rename = "webhook-timestamp")]
    pub(super) timestamp: i64,
    /// `v1,` and the base64 of HMAC-SHA256 over `ID.TIMESTAMP.BODY`; several with spaces between them.
    #[serde(rename = "webhook-signature")]
    pub(super) signature: String,
}

impl Module {
    /// The incoming webhooks of a channel, oldest first, for its members.
    pub(super) async fn incoming_hooks(&self, user: Uuid, channel: Uuid) -> Result<Vec<IncomingHook>> {
        self.member(user, channel).await?;
        let stored = self.incoming.of_channel(channel).await?;
        let mut owners = self.people(stored.iter().map(|hook| hook.owner_id).collect()).await?;
        let shown = |hook: StoredHook| Some(shown(owners.get_mut(&hook.owner_id)?.clone(), &hook));
        Ok(stored.into_iter().filter_map(shown).collect())
    }

    /// Makes an incoming webhook; its bot posts as `name`.
    pub(super) async fn make_incoming(&self, owner: Uuid, channel: Uuid, name: String) -> Result<NewIncomingHook> {
        check_present("name", &name)?;
        check_line("name", &name, 64)?;
        self.member(owner, channel).await?;
        if self.incoming.of_channel(channel).await?.len() >= MAX_HOOKS {
            let full = format!("the channel has {MAX_HOOKS} incoming webhooks already");
            return Err(Error::conflict(full).hint("revoke one first"));
        }
        let (id, created_at, secret) = (self.clock.id(), self.clock.now(), signature::new_secret()?);
        let bot = self.accounts.ensure_bot(self.clock.id(), name).await?;
        let (channel_id, owner_id, name) = (channel, owner, bot.display_name);
        let stored = StoredHook { id, channel_id, owner_id, bot_id: bot.id, name, secret, created_at, used_at: None };
        self.incoming.insert(&stored).await?;
        let owner = self.accounts.user(owner).await?;
        Ok(NewIncomingHook { hook: shown(owner, &stored), path: format!("/v1/hooks/{id}"), secret: stored.secret })
    }

    /// Revokes an incoming webhook: it stops working at once. What it posted stays.
    pub(super) async fn revoke(&self, user: Uuid, id: Uuid) -> Result<()> {
        let hook = self.incoming.hook(id).await?.ok_or_else(|| missing(id))?;
        self.readable(user, hook.channel_id).await.map_err(|_| missing(id))?;
        if hook.owner_id != user {
            return Err(Error::forbidden("only its owner can revoke a webhook"));
        }
        self.incoming.delete(id).await
    }

    /// Fails unless what came is signed, and recent.
    pub(super) async fn verified(&self, id: Uuid, headers: &Signature, body: &[u8]) -> Result<StoredHook> {
        let hook = self.incoming.hook(id).await?.ok_or_else(|| missing(id))?;
        let Signature { id, timestamp, signature } = headers;
        check_present("webhook-id", id)?;
        check_line("webhook-id", id, MAX_ID)?;
        if !signature::is_signed(&hook.secret, id, *timestamp, body, signature)? {
            return Err(Error::unauthenticated("the signature is wrong").hint(
                "sign ID.TIMESTAMP.BODY, the body as it is sent, with the secret's bytes: base64 after `whsec_`",
            ));
        }
        if !signature::is_recent(*timestamp, self.clock.now()) {
            let minutes = signature::TOLERANCE.as_secs() / 60;
            return Err(Error::unauthenticated(format!("the timestamp is more than {minutes} minutes away from now"))
                .hint("set the sender's clock, and sign a message again when it is sent again"));
        }
        Ok(hook)
    }

    /// Posts what a program sent, in the name of its webhook; a message with the same id was posted before.
    pub(super) async fn receive(&self, hook: StoredHook, id: &str, message: IncomingMessage) -> Result<PostedByHook> {
        check_present("text", &message.text)?;
        check_lines("text", &message.text, MAX_TEXT)?;
        self.admit(hook.id).await?;
        self.member(hook.owner_id, hook.channel_id).await.map_err(orphaned)?;
        // A nonce is short, and an id may be long.
        let nonce = hex(&Sha256::digest(id));
        let post = ProgramPost { channel: hook.channel_id, author: hook.bot_id, text: message.text, nonce };
        Ok(PostedByHook { message_id: self.messages.post_for_program(post).await? })
    }

    /// Fails when the webhook has had too many requests.
    async fn admit(&self, id: Uuid) -> Result<()> {
        let now = self.clock.now();
        let Some((since, count)) = self.incoming.count(id, now, WINDOW).await? else { return Err(missing(id)) };
        if count <= MAX_REQUESTS {
            return Ok(());
        }
        let wait = WINDOW.saturating_sub(now.since(since));
        let error = Error::new(Kind::TooMany, format!("a webhook takes {MAX_REQUESTS} messages a minute"));
        Err(error.retry_after(wait))
    }
}

fn shown(owner: User, hook: &StoredHook) -> IncomingHook {
    let StoredHook { id, channel_id, name, created_at, used_at, .. } = hook.clone();
    IncomingHook { id, channel_id, name, owner, created_at, used_at }
}

fn missing(id: Uuid) -> Error {
    Error::not_found(format!("there is no webhook {id}"))
}

/// A webhook acts for its owner, so it cannot do what its owner cannot do any more.
fn orphaned(error: Error) -> Error {
    match error.kind() {
        Kind::NotFound | Kind::Forbidden => Error::forbidden("the owner of this webhook is no member of its channel"),
        _ => error,
    }
}
