//! The HTTP side of accounts.

use super::Module;
use super::account::{Account, Changes};
use super::api::{AccountsApi, NewAccount, User};
use super::emails;
use super::tokens::{NewToken, Token};
use crate::budgets::{password, read, write};
use crate::path::IdPath;
use crate::text::{FULL_LINE, LINE, LINES};
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use sarsen::Result;
use sarsen::data::{Page, PageRequest};
use sarsen::http::routing::{delete_with, get_with, post_with};
use sarsen::http::{
    Actor, Created, Etag, IfChanged, Json, MaybeActor, NoContent, Path, Promises, Query, Routes, Session, SessionInfo,
    Version, Versioned,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const TAG: &str = "accounts";

type This = State<Arc<Module>>;

pub(super) fn routes(module: Arc<Module>) -> Routes {
    Routes::new()
        .api_route(
            "/v1/accounts",
            post_with(sign_up, |op| op.summary("Sign up, and sign in").tag(TAG).budget(password(6))),
        )
        .api_route(
            "/v1/session",
            post_with(sign_in, |op| op.summary("Sign in").tag(TAG).budget(password(6)))
                .get_with(session, |op| op.summary("Who is signed in").tag(TAG).budget(read(3)))
                .delete_with(sign_out, |op| op.summary("Sign out").tag(TAG).budget(write(3))),
        )
        .api_route(
            "/v1/me",
            get_with(me, |op| op.summary("Your account").tag(TAG).budget(read(4))).patch_with(update_me, |op| {
                op.summary("Change how others see you, and where your mail goes").tag(TAG).budget(write(5))
            }),
        )
        .api_route(
            "/v1/me/password",
            post_with(change_password, |op| {
                op.summary("Change your password and end your other sessions").tag(TAG).budget(password(5))
            }),
        )
        .api_route(
            "/v1/me/sessions",
            get_with(sessions, |op| op.summary("Where you are signed in").tag(TAG).budget(read(3))),
        )
        .api_route(
            "/v1/me/sessions/{id}",
            delete_with(revoke_session, |op| op.summary("End one of your sessions").tag(TAG).budget(write(3))),
        )
        .api_route(
            "/v1/me/tokens",
            get_with(tokens, |op| op.summary("Your tokens").tag(TAG).budget(read(3)))
                .post_with(make_token, |op| op.summary("Make a token for a program").tag(TAG).budget(write(4))),
        )
        .api_route(
            "/v1/me/tokens/{id}",
            delete_with(delete_token, |op| op.summary("Delete one of your tokens").tag(TAG).budget(write(3))),
        )
        .api_route("/v1/users", get_with(search, |op| op.summary("Find people by name").tag(TAG).budget(read(3))))
        .api_route("/v1/users/{id}", get_with(user, |op| op.summary("One user").tag(TAG).budget(read(3))))
        .with_state(module)
}

#[derive(Deserialize, JsonSchema)]
struct SignUp {
    /// 2 to 32 letters, digits, `.`, `_` and `-`; starts with a letter or a digit.
    #[schemars(length(min = 2, max = 32), regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"))]
    username: String,
    /// 8 to 256 characters.
    #[schemars(length(min = 8, max = 256))]
    password: String,
    /// The username when it is left out.
    #[schemars(length(max = 64), regex(pattern = LINE))]
    display_name: Option<String>,
    /// Where your mail goes; nobody else sees it.
    #[schemars(length(max = 254), regex(pattern = emails::FORM))]
    email: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
struct SignIn {
    username: String,
    password: String,
}

#[derive(Serialize, JsonSchema)]
struct SignedIn {
    user: Account,
}

#[derive(Deserialize, JsonSchema)]
struct Profile {
    #[schemars(length(max = 64), regex(pattern = LINE))]
    display_name: Option<String>,
    #[schemars(length(max = 500), regex(pattern = LINES))]
    about: Option<String>,
    /// Where your mail goes; an empty one takes it away.
    #[schemars(length(max = 254), regex(pattern = emails::FORM))]
    email: Option<String>,
    /// Whether you get a mail when somebody mentions you.
    mention_mails: Option<bool>,
}

#[derive(Deserialize, JsonSchema)]
struct NewPassword {
    current: String,
    /// 8 to 256 characters.
    #[schemars(length(min = 8, max = 256))]
    new: String,
}

#[derive(Deserialize, JsonSchema)]
struct TokenName {
    /// What the token is for.
    #[schemars(length(min = 1, max = 64), regex(pattern = FULL_LINE))]
    name: String,
}

#[derive(Deserialize, JsonSchema)]
struct SessionPath {
    id: String,
}

#[derive(Deserialize, JsonSchema)]
struct UserSearch {
    /// A part of a username or of a display name.
    #[serde(default)]
    #[schemars(length(max = 64), regex(pattern = LINE))]
    query: String,
    /// 1 to 100; 50 when it is left out.
    #[schemars(range(min = 1, max = 100))]
    limit: Option<u32>,
}

async fn sign_up(State(module): This, session: Session, Json(new): Json<SignUp>) -> Result<Created<Account>> {
    let SignUp { username, password, display_name, email } = new;
    let account = module.sign_up(NewAccount { username, password, display_name, email }).await?;
    session.sign_in(account.id).await?;
    Ok(Created(account))
}

async fn sign_in(State(module): This, session: Session, Json(given): Json<SignIn>) -> Result<Json<Account>> {
    let account = module.sign_in(&given.username, given.password).await?;
    session.sign_in(account.id).await?;
    Ok(Json(account))
}

async fn session(State(module): This, actor: Actor) -> Result<Json<SignedIn>> {
    let user = module.account(actor.id).await?;
    Ok(Json(SignedIn { user }))
}

async fn sign_out(State(module): This, actor: MaybeActor, session: Session) -> Result<NoContent> {
    session.sign_out().await?;
    if let MaybeActor(Some(actor)) = actor {
        module.end_connections(actor.id).await?;
    }
    Ok(NoContent)
}

async fn me(State(module): This, actor: Actor) -> Result<Json<Account>> {
    Ok(Json(module.account(actor.id).await?))
}

async fn update_me(State(module): This, actor: Actor, Json(new): Json<Profile>) -> Result<Json<Account>> {
    let Profile { display_name, about, email, mention_mails } = new;
    Ok(Json(module.update(actor.id, Changes { display_name, about, email, mention_mails }).await?))
}

async fn change_password(
    State(module): This,
    actor: Actor,
    session: Session,
    Json(wanted): Json<NewPassword>,
) -> Result<NoContent> {
    module.change_password(actor.id, wanted.current, wanted.new).await?;
    session.revoke_others(actor.id).await?;
    module.end_connections(actor.id).await?;
    Ok(NoContent)
}

async fn sessions(actor: Actor, session: Session) -> Result<Json<Page<SessionInfo>>> {
    Ok(whole(session.list(actor.id).await?))
}

async fn revoke_session(
    State(module): This,
    actor: Actor,
    session: Session,
    Path(path): Path<SessionPath>,
) -> Result<NoContent> {
    session.revoke(actor.id, &path.id).await?;
    module.end_connections(actor.id).await?;
    Ok(NoContent)
}

async fn tokens(State(module): This, actor: Actor) -> Result<Json<Page<Token>>> {
    Ok(whole(module.tokens(actor.id).await?))
}

async fn make_token(State(module): This, actor: Actor, Json(new): Json<TokenName>) -> Result<Created<NewToken>> {
    Ok(Created(module.make_token(actor.id, new.name).await?))
}

async fn delete_token(State(module): This, actor: Actor, Path(path): Path<IdPath>) -> Result<NoContent> {
    module.delete_token(actor.id, path.id).await?;
    Ok(NoContent)
}

async fn search(State(module): This, _: Actor, Query(wanted): Query<UserSearch>) -> Result<Json<Page<User>>> {
    let limit = PageRequest { cursor: None, limit: wanted.limit }.limit()?;
    Ok(whole(module.search(wanted.query, limit).await?))
}

/// A user as they are now: who has seen them so before is not sent them again.
struct AsNow;

impl Version<Arc<Module>> for AsNow {
    async fn version(parts: &mut Parts, module: &Arc<Module>) -> Result<Etag> {
        let Path(path) = Path::<IdPath>::from_request_parts(parts, module).await?;
        Etag::of(&module.user(path.id).await?)
    }
}

async fn user(
    State(module): This,
    _: Actor,
    changed: IfChanged<AsNow>,
    Path(path): Path<IdPath>,
) -> Result<Versioned<Json<User>>> {
    Ok(changed.with(Json(module.user(path.id).await?)))
}

/// A list that is always given as a whole.
fn whole<T>(items: Vec<T>) -> Json<Page<T>> {
    Json(Page { items, next: None })
}
