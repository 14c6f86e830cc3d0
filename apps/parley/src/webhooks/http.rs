//! The HTTP side of webhooks.

use super::Module;
use super::call::MAX_URL;
use super::incoming::{IncomingHook, IncomingMessage, NewIncomingHook, PostedByHook, Signature};
use super::outgoing::{Changes, Delivery, HookEvent, NewWebhook, Webhook};
use crate::budgets::{read, write};
use crate::path::IdPath;
use crate::text::{FULL_LINE, LINE};
use axum::extract::State;
use sarsen::Result;
use sarsen::data::{Page, PageRequest};
use sarsen::http::routing::{get_with, patch_with, post_with};
use sarsen::http::{Actor, Created, Headers, Json, NoContent, Path, Promises, Query, Raw, Routes, any_origin};
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;
use uuid::Uuid;

const TAG: &str = "webhooks";

/// Most bytes that a program sends: twice the longest text, if each of its characters is escaped in JSON.
const MAX_BODY: usize = 256 << 10;

type This = State<Arc<Module>>;

pub(super) fn routes(module: Arc<Module>) -> Routes {
    Routes::new()
        .api_route(
            "/v1/channels/{id}/webhooks",
            get_with(webhooks, |op| op.summary("The outgoing webhooks of a channel").tag(TAG).budget(read(5)))
                .post_with(make_webhook, |op| op.summary("Make an outgoing webhook").tag(TAG).budget(write(7))),
        )
        .api_route(
            "/v1/webhooks/{id}",
            patch_with(change_webhook, |op| {
                op.summary("Change one of your outgoing webhooks").tag(TAG).budget(write(8))
            })
            .delete_with(delete_webhook, |op| {
                op.summary("Delete one of your outgoing webhooks").tag(TAG).budget(write(5))
            }),
        )
        .api_route(
            "/v1/webhooks/{id}/test",
            post_with(test_webhook, |op| {
                op.summary("Send one of your webhooks something to see").tag(TAG).budget(write(5))
            }),
        )
        .api_route(
            "/v1/webhooks/{id}/deliveries",
            get_with(deliveries, |op| {
                op.summary("What was sent to one of your webhooks, newest first").tag(TAG).budget(read(4))
            }),
        )
        .api_route(
            "/v1/webhooks/{id}/deliveries/{delivery}/replay",
            post_with(replay, |op| op.summary("Send a delivery that has ended again").tag(TAG).budget(write(7))),
        )
        .api_route(
            "/v1/channels/{id}/hooks",
            get_with(incoming_hooks, |op| op.summary("The incoming webhooks of a channel").tag(TAG).budget(read(5)))
                .post_with(make_incoming, |op| op.summary("Make an incoming webhook").tag(TAG).budget(write(8))),
        )
        .api_route(
            "/v1/hooks/{id}",
            post_with(receive, |op| {
                any_origin(
                    op.summary("Post a message as an incoming webhook").tag(TAG).budget(write(13)).description(RECEIVE),
                )
            })
            .delete_with(revoke, |op| op.summary("Revoke one of your incoming webhooks").tag(TAG).budget(write(5))),
        )
        .with_state(module)
}

const RECEIVE: &str = "For programs: no session and no token, but a signature as Standard Webhooks has it, made with the \
                       secret of the webhook. A message with an id that was posted before is not posted again. At most \
                       60 messages a minute.";

#[derive(Deserialize, JsonSchema)]
struct DeliveryPath {
    id: Uuid,
    delivery: Uuid,
}

#[derive(Deserialize, JsonSchema)]
struct WebhookAddress {
    /// Where to send: `https://` or `http://` on the public internet, at port 80, 443 or one from 1024 on.
    #[schemars(length(min = 1, max = MAX_URL), regex(pattern = LINE))]
    url: String,
    /// What to send: at least one.
    #[schemars(length(min = 1))]
    events: Vec<HookEvent>,
}

#[derive(Deserialize, JsonSchema)]
struct WebhookChanges {
    #[schemars(length(min = 1, max = MAX_URL), regex(pattern = LINE))]
    url: Option<String>,
    #[schemars(length(min = 1))]
    events: Option<Vec<HookEvent>>,
    /// Whether it is called.
    enabled: Option<bool>,
}

#[derive(Deserialize, JsonSchema)]
struct HookName {
    /// Whom its messages are from: 1 to 64 characters.
    #[schemars(length(min = 1, max = 64), regex(pattern = FULL_LINE))]
    name: String,
}

async fn webhooks(State(module): This, actor: Actor, Path(path): Path<IdPath>) -> Result<Json<Page<Webhook>>> {
    Ok(whole(module.webhooks(actor.id, path.id).await?))
}

async fn make_webhook(
    State(module): This,
    actor: Actor,
    Path(path): Path<IdPath>,
    Json(new): Json<WebhookAddress>,
) -> Result<Created<NewWebhook>> {
    Ok(Created(module.make_webhook(actor.id, path.id, new.url, new.events).await?))
}

async fn change_webhook(
    State(module): This,
    actor: Actor,
    Path(path): Path<IdPath>,
    Json(wanted): Json<WebhookChanges>,
) -> Result<Json<Webhook>> {
    let changes = Changes { url: wanted.url, events: wanted.events, enabled: wanted.enabled };
    Ok(Json(module.change_webhook(actor.id, path.id, changes).await?))
}

async fn delete_webhook(State(module): This, actor: Actor, Path(path): Path<IdPath>) -> Result<NoContent> {
    module.delete_webhook(actor.id, path.id).await?;
    Ok(NoContent)
}

async fn test_webhook(State(module): This, actor: Actor, Path(path): Path<IdPath>) -> Result<NoContent> {
    module.test_webhook(actor.id, path.id).await?;
    Ok(NoContent)
}

async fn deliveries(
    State(module): This,
    actor: Actor,
    Path(path): Path<IdPath>,
    Query(page): Query<PageRequest>,
) -> Result<Json<Page<Delivery>>> {
    Ok(Json(module.deliveries(actor.id, path.id, &page).await?))
}

async fn replay(State(module): This, actor: Actor, Path(path): Path<DeliveryPath>) -> Result<Json<Delivery>> {
    Ok(Json(module.replay(actor.id, path.id, path.delivery).await?))
}

async fn incoming_hooks(
    State(module): This,
    actor: Actor,
    Path(path): Path<IdPath>,
) -> Result<Json<Page<IncomingHook>>> {
    Ok(whole(module.incoming_hooks(actor.id, path.id).await?))
}

async fn make_incoming(
    State(module): This,
    actor: Actor,
    Path(path): Path<IdPath>,
    Json(new): Json<HookName>,
) -> Result<Created<NewIncomingHook>> {
    Ok(Created(module.make_incoming(actor.id, path.id, new.name).await?))
}

async fn revoke(State(module): This, actor: Actor, Path(path): Path<IdPath>) -> Result<NoContent> {
    module.revoke(actor.id, path.id).await?;
    Ok(NoContent)
}

async fn receive(
    State(module): This,
    Path(path): Path<IdPath>,
    Headers(headers): Headers<Signature>,
    body: Raw<IncomingMessage, MAX_BODY>,
) -> Result<Created<PostedByHook>> {
    let hook = module.verified(path.id, &headers, body.bytes()).await?;
    Ok(Created(module.receive(hook, &headers.id, body.json()?).await?))
}

/// A list that is always given as a whole.
fn whole<T>(items: Vec<T>) -> Json<Page<T>> {
    Json(Page { items, next: None })
}
