//! The HTTP side of channels.

use super::Module;
use super::api::ChannelKind;
use super::view::Channel;
use crate::accounts::api::User;
use crate::budgets::{read, write};
use crate::path::IdPath;
use crate::text::LINE;
use axum::extract::State;
use sarsen::Result;
use sarsen::data::{Page, PageRequest};
use sarsen::http::routing::{get_with, post_with};
use sarsen::http::{Actor, Created, Json, NoContent, Path, Promises, Query, Routes};
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;
use uuid::Uuid;

const TAG: &str = "channels";

type This = State<Arc<Module>>;

pub(super) fn routes(module: Arc<Module>) -> Routes {
    Routes::new()
        .api_route(
            "/v1/channels",
            get_with(list, |op| {
                op.summary("The channels you have joined, or all you may read").tag(TAG).budget(read(7))
            })
            .post_with(create, |op| op.summary("Make a channel").tag(TAG).budget(write(10))),
        )
        .api_route(
            "/v1/channels/{id}",
            get_with(channel, |op| op.summary("One channel").tag(TAG).budget(read(7))).patch_with(update, |op| {
                op.summary("Change the name or topic of a channel").tag(TAG).budget(write(10))
            }),
        )
        .api_route(
            "/v1/channels/{id}/join",
            post_with(join, |op| op.summary("Join a public channel").tag(TAG).budget(write(10))),
        )
        .api_route(
            "/v1/channels/{id}/leave",
            post_with(leave, |op| op.summary("Leave a channel").tag(TAG).budget(write(9))),
        )
        .api_route(
            "/v1/channels/{id}/members",
            get_with(members, |op| op.summary("The members of a channel").tag(TAG).budget(read(5)))
                .post_with(add_member, |op| op.summary("Add somebody to a channel").tag(TAG).budget(write(8))),
        )
        .api_route(
            "/v1/direct",
            post_with(direct, |op| op.summary("Find or make a direct conversation").tag(TAG).budget(write(22))),
        )
        .with_state(module)
}

#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Scope {
    /// Those you have joined, private and direct ones too.
    #[default]
    Joined,
    /// Those, and every public one.
    All,
}

#[derive(Deserialize, JsonSchema)]
struct Listing {
    #[serde(default)]
    scope: Scope,
    /// Where the last page ended.
    cursor: Option<String>,
    /// 1 to 100; 50 when it is left out.
    #[schemars(range(min = 1, max = 100))]
    limit: Option<u32>,
}

/// The form of a channel's name.
const NAME: &str = r"^[a-z0-9._-]+$";

/// The kinds of channel that are made by name.
#[derive(JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "it only stands in the document of the API")]
enum OpenKind {
    /// Everybody finds it, reads it and may join.
    Public,
    /// Only members know of it.
    Private,
}

#[derive(Deserialize, JsonSchema)]
struct NewChannel {
    /// 1 to 64 lowercase letters, digits, `-`, `_` and `.`.
    #[schemars(length(min = 1, max = 64), regex(pattern = NAME))]
    name: String,
    /// Up to 250 characters.
    #[serde(default)]
    #[schemars(length(max = 250), regex(pattern = LINE))]
    topic: String,
    /// `public` or `private`.
    #[schemars(with = "OpenKind")]
    kind: ChannelKind,
}

#[derive(Deserialize, JsonSchema)]
struct Changes {
    #[schemars(length(min = 1, max = 64), regex(pattern = NAME))]
    name: Option<String>,
    #[schemars(length(max = 250), regex(pattern = LINE))]
    topic: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
struct Member {
    user_id: Uuid,
}

#[derive(Deserialize, JsonSchema)]
struct People {
    /// One to eight others.
    #[schemars(length(min = 1))]
    user_ids: Vec<Uuid>,
}

async fn list(State(module): This, actor: Actor, Query(wanted): Query<Listing>) -> Result<Json<Page<Channel>>> {
    let page = PageRequest { cursor: wanted.cursor, limit: wanted.limit };
    Ok(Json(match wanted.scope {
        Scope::Joined => module.joined(actor.id, &page).await?,
        Scope::All => module.readable(actor.id, &page).await?,
    }))
}

async fn create(State(module): This, actor: Actor, Json(new): Json<NewChannel>) -> Result<Created<Channel>> {
    Ok(Created(module.create(actor.id, new.name, new.topic, new.kind).await?))
}

async fn channel(State(module): This, actor: Actor, Path(path): Path<IdPath>) -> Result<Json<Channel>> {
    Ok(Json(module.channel(actor.id, path.id).await?))
}

async fn update(
    State(module): This,
    actor: Actor,
    Path(path): Path<IdPath>,
    Json(changes): Json<Changes>,
) -> Result<Json<Channel>> {
    Ok(Json(module.update(actor.id, path.id, changes.name, changes.topic).await?))
}

async fn join(State(module): This, actor: Actor, Path(path): Path<IdPath>) -> Result<Json<Channel>> {
    Ok(Json(module.join(actor.id, path.id).await?))
}

async fn leave(State(module): This, actor: Actor, Path(path): Path<IdPath>) -> Result<NoContent> {
    module.leave(actor.id, path.id).await?;
    Ok(NoContent)
}

async fn members(
    State(module): This,
    actor: Actor,
    Path(path): Path<IdPath>,
    Query(page): Query<PageRequest>,
) -> Result<Json<Page<User>>> {
    Ok(Json(module.members(actor.id, path.id, &page).await?))
}

async fn add_member(
    State(module): This,
    actor: Actor,
    Path(path): Path<IdPath>,
    Json(member): Json<Member>,
) -> Result<NoContent> {
    module.add_member(actor.id, path.id, member.user_id).await?;
    Ok(NoContent)
}

async fn direct(State(module): This, actor: Actor, Json(people): Json<People>) -> Result<Json<Channel>> {
    Ok(Json(module.direct(actor.id, people.user_ids).await?))
}
