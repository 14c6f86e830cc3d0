//! The HTTP side of messages.

use super::Module;
use super::files;
use super::posting::Draft;
use super::reading::{Changes, History};
use super::view::Message;
use crate::budgets::{read, write};
use crate::path::IdPath;
use crate::text::{FULL_LINE, FULL_LINES, LINES};
use axum::extract::State;
use sarsen::Result;
use sarsen::data::{Page, PageRequest};
use sarsen::http::routing::{get_with, put_with};
use sarsen::http::{Actor, Created, Json, NoContent, Path, Promises, Query, Routes};
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;
use uuid::Uuid;

const TAG: &str = "messages";

type This = State<Arc<Module>>;

pub(super) fn routes(module: Arc<Module>) -> Routes {
    files::http::routes(module.clone()).merge(messages(module))
}

fn messages(module: Arc<Module>) -> Routes {
    Routes::new()
        .api_route(
            "/v1/channels/{id}/messages",
            get_with(history, |op| op.summary("The messages of a channel, newest first").tag(TAG).budget(read(9)))
                .post_with(post, |op| op.summary("Post a message or a reply").tag(TAG).budget(write(13))),
        )
        .api_route(
            "/v1/channels/{id}/changes",
            get_with(changes, |op| op.summary("What changed in a channel since a revision").tag(TAG).budget(read(9))),
        )
        .api_route(
            "/v1/channels/{id}/read",
            put_with(mark_read, |op| op.summary("Note up to where you have read a channel").tag(TAG).budget(write(6))),
        )
        .api_route(
            "/v1/messages/{id}",
            get_with(message, |op| op.summary("One message").tag(TAG).budget(read(8)))
                .patch_with(edit, |op| op.summary("Edit one of your messages").tag(TAG).budget(write(16)))
                .delete_with(delete, |op| op.summary("Delete one of your messages").tag(TAG).budget(write(32))),
        )
        .api_route(
            "/v1/messages/{id}/replies",
            get_with(replies, |op| op.summary("The replies to a message, oldest first").tag(TAG).budget(read(9))),
        )
        .api_route(
            "/v1/messages/{id}/reactions/{emoji}",
            put_with(react, |op| op.summary("React to a message").tag(TAG).budget(write(12)))
                .delete_with(unreact, |op| op.summary("Take a reaction back").tag(TAG).budget(write(11))),
        )
        .api_route(
            "/v1/search",
            get_with(search, |op| op.summary("Find messages by their words, newest first").tag(TAG).budget(read(10))),
        )
        .api_route(
            "/v1/me/mentions",
            get_with(mentions, |op| op.summary("The messages that mention you, newest first").tag(TAG).budget(read(9))),
        )
        .with_state(module)
}

#[derive(Deserialize, JsonSchema)]
struct ReactionPath {
    id: Uuid,
    /// 1 to 32 characters without spaces.
    #[schemars(length(min = 1, max = 32), regex(pattern = r"^[^\s\u0000-\u001f\u007f-\u009f]+$"))]
    emoji: String,
}

#[derive(Deserialize, JsonSchema)]
struct NewMessage {
    /// 1 to 8000 characters; with files it may be left out.
    #[serde(default)]
    #[schemars(length(max = 8_000), regex(pattern = LINES))]
    text: String,
    /// The first message of the thread to reply to.
    thread_id: Option<Uuid>,
    /// 1 to 64 characters; the same one in the same channel gives the same message, so a lost answer is safe to repeat.
    #[schemars(length(min = 1, max = 64), regex(pattern = FULL_LINE))]
    nonce: Option<String>,
    /// What you have uploaded to this channel to be posted with it; at most 10.
    #[serde(default)]
    #[schemars(length(max = 10))]
    files: Vec<Uuid>,
}

#[derive(Deserialize, JsonSchema)]
struct Edited {
    /// 1 to 8000 characters.
    #[schemars(length(min = 1, max = 8_000), regex(pattern = FULL_LINES))]
    text: String,
}

#[derive(Deserialize, JsonSchema)]
struct LastRead {
    /// The last message that you have read; an earlier one than before changes nothing.
    message_id: Uuid,
}

#[derive(Deserialize, JsonSchema)]
struct Since {
    /// The revision that the last answer gave.
    #[serde(default)]
    since: i64,
    /// 1 to 100; 50 when it is left out.
    #[schemars(range(min = 1, max = 100))]
    limit: Option<u32>,
}

#[derive(Deserialize, JsonSchema)]
struct SearchQuery {
    /// Words that must all occur.
    #[schemars(length(min = 1, max = 200), regex(pattern = FULL_LINE))]
    q: String,
    /// Only in this channel; without it, in up to 200 channels you may read, those you joined first.
    channel: Option<Uuid>,
    /// Where the last page ended.
    cursor: Option<String>,
    /// 1 to 100; 50 when it is left out.
    #[schemars(range(min = 1, max = 100))]
    limit: Option<u32>,
}

async fn history(
    State(module): This,
    actor: Actor,
    Path(path): Path<IdPath>,
    Query(page): Query<PageRequest>,
) -> Result<Json<History>> {
    Ok(Json(module.history(actor.id, path.id, &page).await?))
}

async fn post(
    State(module): This,
    actor: Actor,
    Path(path): Path<IdPath>,
    Json(new): Json<NewMessage>,
) -> Result<Created<Message>> {
    let draft = Draft { text: new.text, thread: new.thread_id, nonce: new.nonce, files: new.files };
    Ok(Created(module.post(actor.id, path.id, draft).await?))
}

async fn changes(
    State(module): This,
    actor: Actor,
    Path(path): Path<IdPath>,
    Query(wanted): Query<Since>,
) -> Result<Json<Changes>> {
    let limit = PageRequest { cursor: None, limit: wanted.limit }.limit()?;
    Ok(Json(module.changes(actor.id, path.id, wanted.since, limit).await?))
}

async fn mark_read(
    State(module): This,
    actor: Actor,
    Path(path): Path<IdPath>,
    Json(last): Json<LastRead>,
) -> Result<NoContent> {
    module.mark_read(actor.id, path.id, last.message_id).await?;
    Ok(NoContent)
}

async fn message(State(module): This, actor: Actor, Path(path): Path<IdPath>) -> Result<Json<Message>> {
    Ok(Json(module.message(actor.id, path.id).await?))
}

async fn edit(
    State(module): This,
    actor: Actor,
    Path(path): Path<IdPath>,
    Json(edited): Json<Edited>,
) -> Result<Json<Message>> {
    Ok(Json(module.edit(actor.id, path.id, edited.text).await?))
}

async fn delete(State(module): This, actor: Actor, Path(path): Path<IdPath>) -> Result<NoContent> {
    module.delete(actor.id, path.id).await?;
    Ok(NoContent)
}

async fn replies(
    State(module): This,
    actor: Actor,
    Path(path): Path<IdPath>,
    Query(page): Query<PageRequest>,
) -> Result<Json<Page<Message>>> {
    Ok(Json(module.replies(actor.id, path.id, &page).await?))
}

async fn react(State(module): This, actor: Actor, Path(path): Path<ReactionPath>) -> Result<Json<Message>> {
    Ok(Json(module.react(actor.id, path.id, &path.emoji).await?))
}

async fn unreact(State(module): This, actor: Actor, Path(path): Path<ReactionPath>) -> Result<Json<Message>> {
    Ok(Json(module.unreact(actor.id, path.id, &path.emoji).await?))
}

async fn search(State(module): This, actor: Actor, Query(query): Query<SearchQuery>) -> Result<Json<Page<Message>>> {
    let page = PageRequest { cursor: query.cursor, limit: query.limit };
    Ok(Json(module.search(actor.id, &query.q, query.channel, &page).await?))
}

async fn mentions(State(module): This, actor: Actor, Query(page): Query<PageRequest>) -> Result<Json<Page<Message>>> {
    Ok(Json(module.mentions(actor.id, &page).await?))
}
