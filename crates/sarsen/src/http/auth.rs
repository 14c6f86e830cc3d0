//! Who is there: the extractors [`Actor`], [`MaybeActor`] and [`Session`].

use super::beside::Beside;
use super::caching;
use super::describe::problem_once;
use super::openapi::describe_auth;
use super::session::{SessionInfo, Sessions};
use crate::error::{Error, Result};
use crate::telemetry::Operation;
use aide::generate::GenContext;
use aide::openapi::{Operation as ApiOperation, Response as ApiResponse};
use aide::operation::OperationInput;
use axum::extract::FromRequestParts;
use axum::response::Response;
use futures_util::future::BoxFuture;
use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderValue, SET_COOKIE, USER_AGENT};
use http::request::Parts;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;
use uuid::Uuid;

/// Finds out whose a bearer token is; nothing when it is not one of its own.
pub type Authenticate = Arc<dyn Fn(String) -> BoxFuture<'static, Result<Option<Uuid>>> + Send + Sync>;

/// Most characters of a browser's name that a session keeps.
const MAX_USER_AGENT: usize = 200;

/// Who is signed in. A request of nobody is answered 401.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The one who is signed in.
    pub id: Uuid,
    /// The public id of the session; none when a bearer token was sent.
    pub session: Option<String>,
}

/// Who is signed in, if anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaybeActor(pub Option<Actor>);

/// Who is signed in, if anybody, found out without a trace in the answer: no header, no new cookie. For what hides that it
/// exists from those who may not see it.
pub(crate) async fn unseen(parts: &Parts) -> Result<Option<Uuid>> {
    let (auth, headers) = (of(parts)?, &parts.headers);
    match (bearer(headers), &auth.identities.sessions) {
        (Some(token), _) => Ok(auth.by_token(token).await?.map(|actor| actor.id)),
        (None, Some(sessions)) => sessions.subject(headers).await,
        (None, None) => Ok(None),
    }
}

/// The sessions, as the request at hand may change them: signing in and out, listing and revoking.
#[derive(Clone)]
pub struct Session {
    auth: Arc<Auth>,
    sessions: Sessions,
    current: Option<Uuid>,
    user_agent: String,
}

/// How an application knows its people.
#[derive(Clone, Default)]
pub(super) struct Identities {
    pub(super) sessions: Option<Sessions>,
    pub(super) tokens: Arc<[Authenticate]>,
    /// Whether an answer that others could be given by mistake is an error.
    pub(super) strict: bool,
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identities").field("sessions", &self.sessions).field("tokens", &self.tokens.len()).finish()
    }
}

/// What one request knows of who is there; found out once, when somebody asks.
pub(super) struct Auth {
    identities: Identities,
    found: OnceCell<Option<Actor>>,
    cookie: Mutex<Option<HeaderValue>>,
}

impl Auth {
    pub(super) fn new(identities: &Identities) -> Arc<Self> {
        Arc::new(Self { identities: identities.clone(), found: OnceCell::new(), cookie: Mutex::default() })
    }

    async fn actor(&self, headers: &HeaderMap) -> Result<Option<Actor>> {
        let found = self.found.get_or_try_init(|| self.find(headers)).await?;
        Ok(found.clone())
    }

    async fn find(&self, headers: &HeaderMap) -> Result<Option<Actor>> {
        let actor = match bearer(headers) {
            Some(token) => self.by_token(token).await?,
            None => self.by_cookie(headers).await?,
        };
        if let Some(actor) = &actor {
            Operation::with_current(|operation| operation.set_actor(actor.id));
        }
        Ok(actor)
    }

    async fn by_token(&self, token: &str) -> Result<Option<Actor>> {
        for authenticate in self.identities.tokens.iter() {
            if let Some(id) = authenticate(token.to_owned()).await? {
                return Ok(Some(Actor { id, session: None }));
            }
        }
        Ok(None)
    }

    async fn by_cookie(&self, headers: &HeaderMap) -> Result<Option<Actor>> {
        let Some(sessions) = &self.identities.sessions else { return Ok(None) };
        let Some(recognised) = sessions.recognise(headers).await? else { return Ok(None) };
        if let Some(cookie) = recognised.cookie {
            self.set_cookie(cookie);
        }
        Ok(Some(Actor { id: recognised.subject, session: Some(recognised.session.to_string()) }))
    }

    fn set_cookie(&self, cookie: HeaderValue) {
        *self.cookie.lock().unwrap_or_else(PoisonError::into_inner) = Some(cookie);
    }

    /// Puts the cookie that the request brought about into its answer. Such an answer, and one that asked who is there
    /// and says nothing else about it, nobody may keep for others.
    pub(super) fn answer(&self, response: &mut Response) {
        if let Some(cookie) = self.cookie.lock().unwrap_or_else(PoisonError::into_inner).take() {
            response.headers_mut().append(SET_COOKIE, cookie);
        } else if !self.found.initialized() && !response.headers().contains_key(SET_COOKIE) {
            return;
        }
        caching::keep_private(response, self.identities.strict);
    }
}

pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn of(parts: &Parts) -> Result<Arc<Auth>> {
    let auth = Beside::look(parts, |beside| beside.auth.clone());
    auth.ok_or_else(|| Error::internal("who is there is only known behind the Stack"))
}

impl<S: Send + Sync> FromRequestParts<S> for MaybeActor {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        of(parts)?.actor(&parts.headers).await.map(MaybeActor)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Actor {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let actor = of(parts)?.actor(&parts.headers).await?;
        actor.ok_or_else(|| Error::unauthenticated("nobody is signed in"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Session {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let auth = of(parts)?;
        let Some(sessions) = auth.identities.sessions.clone() else {
            return Err(Error::internal("the application has no sessions"));
        };
        let current = sessions.jar().find(&parts.headers).map(|ticket| ticket.session);
        let agent = parts.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        let user_agent = agent.chars().take(MAX_USER_AGENT).collect();
        Ok(Self { auth, sessions, current, user_agent })
    }
}

impl Session {
    /// Signs `subject` in: a new session with a new secret, whatever the browser had before.
    pub async fn sign_in(&self, subject: Uuid) -> Result<()> {
        let (_, cookie) = self.sessions.begin(subject, self.current, &self.user_agent).await?;
        self.auth.set_cookie(cookie);
        Operation::with_current(|operation| operation.set_actor(subject));
        Ok(())
    }

    /// Ends the session and takes the cookie away.
    pub async fn sign_out(&self) -> Result<()> {
        if let Some(session) = self.current {
            self.sessions.end(session).await?;
        }
        self.auth.set_cookie(self.sessions.jar().unset());
        Ok(())
    }

    /// Ends all sessions of `subject` but this one, and says how many.
    pub async fn revoke_others(&self, subject: Uuid) -> Result<u64> {
        match self.current {
            Some(current) => self.sessions.revoke_others(subject, current).await,
            None => self.sessions.revoke_all(subject).await,
        }
    }

    /// The sessions of `subject`, the one last in use first; at most 100.
    pub async fn list(&self, subject: Uuid) -> Result<Vec<SessionInfo>> {
        self.sessions.list(subject, self.current).await
    }

    /// Ends one session of `subject`; not found when it is somebody else's.
    pub async fn revoke(&self, subject: Uuid, id: &str) -> Result<()> {
        self.sessions.revoke(subject, id).await
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("current", &self.current).finish_non_exhaustive()
    }
}

macro_rules! describes {
    ($($extractor:ty => $required:expr),*) => {$(
        impl OperationInput for $extractor {
            fn operation_input(_: &mut GenContext, operation: &mut ApiOperation) {
                describe_auth(operation, $required);
            }

            fn inferred_early_responses(
                context: &mut GenContext,
                operation: &mut ApiOperation,
            ) -> Vec<(Option<u16>, ApiResponse)> {
                problem_once(context, operation)
            }
        }
    )*};
}

describes!(Actor => true, MaybeActor => false, Session => false);
