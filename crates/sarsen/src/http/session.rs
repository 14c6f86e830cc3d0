//! Sessions: a signed cookie, and a row that can be revoked.

use super::cookie::{CookieJar, Ticket};
use crate::clock::Timestamp;
use crate::config::{HttpSection, Secret};
use crate::data::Db;
use crate::error::{Error, Result};
use crate::lifecycle;
use http::{HeaderMap, HeaderValue};
use schemars::JsonSchema;
use serde::Serialize;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq;
use uuid::Uuid;

/// The module that the framework's own tables belong to.
pub const MODULE: &str = "sarsen";

/// How long the secret before the last rotation is still taken: requests that were under way carry it.
const GRACE: Duration = Duration::from_secs(60);
/// How exactly it is known when a session was last in use; a finer time would cost a write each time.
const SEEN_STEP: Duration = Duration::from_secs(60);
/// Most sessions that are listed.
const MAX_LISTED: i64 = 100;

/// The sessions of an application. Clones are the same.
#[derive(Clone)]
pub struct Sessions(Arc<Inner>);

struct Inner {
    db: Db,
    jar: CookieJar,
    idle: Duration,
    age: Duration,
    rotate: Duration,
}

/// One session of a person, as it is shown to them.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct SessionInfo {
    /// Names the session; not its secret.
    pub id: String,
    /// When they signed in.
    pub created_at: Timestamp,
    /// When it was last in use, to the minute.
    pub seen_at: Timestamp,
    /// The browser, as it calls itself.
    pub user_agent: String,
    /// Whether it is the session that asks.
    pub current: bool,
}

#[derive(crate::FromRow)]
struct Stored {
    subject: Uuid,
    token: Vec<u8>,
    previous: Option<Vec<u8>>,
    created_at: Timestamp,
    seen_at: Timestamp,
    rotated_at: Timestamp,
}

#[derive(crate::FromRow)]
struct Listed {
    id: Uuid,
    created_at: Timestamp,
    seen_at: Timestamp,
    user_agent: String,
}

/// Who a cookie stands for, and the cookie that replaces it, when it is time.
pub(super) struct Recognised {
    pub(super) subject: Uuid,
    pub(super) session: Uuid,
    pub(super) cookie: Option<HeaderValue>,
}

impl Sessions {
    /// Sessions kept in `db`, with cookies signed by a key made from `secret`.
    pub fn new(db: &Db, secret: &Secret, section: &HttpSection) -> Self {
        let https = section.public_url.starts_with("https://");
        let jar = CookieJar::new(secret.expose(), https, section.session_age.0);
        let (idle, age, rotate) = (section.session_idle.0, section.session_age.0, section.session_rotate.0);
        Self(Arc::new(Inner { db: db.for_module(MODULE), jar, idle, age, rotate }))
    }

    pub(super) fn jar(&self) -> &CookieJar {
        &self.0.jar
    }

    /// Who the request's cookie stands for: one read. What is forged, expired or revoked is nobody.
    pub(super) async fn recognise(&self, headers: &HeaderMap) -> Result<Option<Recognised>> {
        let Some((ticket, stored, current)) = self.proven(headers).await? else { return Ok(None) };
        let now = self.0.db.clock().now();
        let due = current && now.since(stored.rotated_at) >= self.0.rotate;
        let cookie = if due { self.rotate(&ticket, now).await } else { None };
        if cookie.is_none() && now.since(stored.seen_at) >= SEEN_STEP {
            self.touch(ticket.session, now);
        }
        Ok(Some(Recognised { subject: stored.subject, session: ticket.session, cookie }))
    }

    /// Like [`Sessions::recognise`], and changes nothing.
    pub(super) async fn subject(&self, headers: &HeaderMap) -> Result<Option<Uuid>> {
        Ok(self.proven(headers).await?.map(|(_, stored, _)| stored.subject))
    }

    /// The session whose secret the request has, and whether it is the present one.
    async fn proven(&self, headers: &HeaderMap) -> Result<Option<(Ticket, Stored, bool)>> {
        let Some(ticket) = self.0.jar.find(headers) else { return Ok(None) };
        let sql = "SELECT subject, token, previous, created_at, seen_at, rotated_at FROM sarsen_sessions WHERE id = ?";
        let Some(stored) = self.0.db.query(sql).bind(ticket.session).optional::<Stored>().await? else {
            return Ok(None);
        };
        let now = self.0.db.clock().now();
        let hash = ticket.hash();
        let current: bool = stored.token.as_slice().ct_eq(&hash).into();
        let previous: bool = stored.previous.as_deref().is_some_and(|previous| previous.ct_eq(&hash).into());
        let proven = current || (previous && now.since(stored.rotated_at) <= GRACE);
        if !proven || now.since(stored.seen_at) > self.0.idle || now.since(stored.created_at) > self.0.age {
            return Ok(None);
        }
        Ok(Some((ticket, stored, current)))
    }

    /// Gives the session a new secret. Of parallel requests one does it; a failure leaves the old secret in force.
    async fn rotate(&self, old: &Ticket, now: Timestamp) -> Option<HeaderValue> {
        let new = Ticket::new(old.session).ok()?;
        let (token, previous) = (new.hash().to_vec(), old.hash().to_vec());
        let sql = "UPDATE sarsen_sessions SET token = ?, previous = ?, rotated_at = ?, seen_at = ? WHERE id = ? AND token = ?";
        let update = self.0.db.query(sql).bind(token).bind(previous.clone()).bind(now).bind(now);
        match update.bind(old.session).bind(previous).execute().await {
            Ok(changed) => (changed > 0).then(|| self.0.jar.set(&new)),
            Err(error) => {
                tracing::warn!(%error, "a session could not be given a new secret");
                None
            }
        }
    }

    /// Notes that the session is in use, without keeping the request waiting.
    fn touch(&self, session: Uuid, now: Timestamp) {
        let db = self.0.db.clone();
        lifecycle::spawn(async move {
            let sql = "UPDATE sarsen_sessions SET seen_at = ? WHERE id = ? AND seen_at < ?";
            if let Err(error) = db.query(sql).bind(now).bind(session).bind(now).execute().await {
                tracing::warn!(%error, "it could not be noted that a session is in use");
            }
        });
    }

    /// Signs `subject` in with a session of its own; `old`, which the browser had before, ends.
    pub(super) async fn begin(
        &self,
        subject: Uuid,
        old: Option<Uuid>,
        user_agent: &str,
    ) -> Result<(Uuid, HeaderValue)> {
        let now = self.0.db.clock().now();
        let ticket = Ticket::new(self.0.db.clock().id())?;
        let tx = self.0.db.begin().await?;
        if let Some(old) = old {
            tx.query("DELETE FROM sarsen_sessions WHERE id = ?").bind(old).execute().await?;
        }
        let expired = now - self.0.idle;
        tx.query("DELETE FROM sarsen_sessions WHERE seen_at < ?").bind(expired).execute().await?;
        let sql = "INSERT INTO sarsen_sessions (id, subject, token, user_agent, created_at, seen_at, rotated_at) \
                   VALUES (?, ?, ?, ?, ?, ?, ?)";
        let insert = tx.query(sql).bind(ticket.session).bind(subject).bind(ticket.hash().to_vec()).bind(user_agent);
        insert.bind(now).bind(now).bind(now).execute().await?;
        tx.commit().await?;
        Ok((ticket.session, self.0.jar.set(&ticket)))
    }

    pub(super) async fn end(&self, session: Uuid) -> Result<()> {
        self.0.db.query("DELETE FROM sarsen_sessions WHERE id = ?").bind(session).execute().await.map(drop)
    }

    /// Ends all sessions of `subject`: after a change of password, say.
    pub async fn revoke_all(&self, subject: Uuid) -> Result<u64> {
        self.0.db.query("DELETE FROM sarsen_sessions WHERE subject = ?").bind(subject).execute().await
    }

    pub(super) async fn revoke_others(&self, subject: Uuid, current: Uuid) -> Result<u64> {
        let sql = "DELETE FROM sarsen_sessions WHERE subject = ? AND id <> ?";
        self.0.db.query(sql).bind(subject).bind(current).execute().await
    }

    pub(super) async fn revoke(&self, subject: Uuid, id: &str) -> Result<()> {
        let missing = || Error::not_found("there is no such session");
        let id: Uuid = id.parse().map_err(|_| missing())?;
        let sql = "DELETE FROM sarsen_sessions WHERE subject = ? AND id = ?";
        let gone = self.0.db.query(sql).bind(subject).bind(id).execute().await?;
        if gone == 0 { Err(missing()) } else { Ok(()) }
    }

    pub(super) async fn list(&self, subject: Uuid, current: Option<Uuid>) -> Result<Vec<SessionInfo>> {
        let now = self.0.db.clock().now();
        let sql = "SELECT id, created_at, seen_at, user_agent FROM sarsen_sessions \
                   WHERE subject = ? AND seen_at >= ? AND created_at >= ? ORDER BY seen_at DESC, id LIMIT ?";
        let query = self.0.db.query(sql).bind(subject).bind(now - self.0.idle).bind(now - self.0.age);
        let rows: Vec<Listed> = query.bind(MAX_LISTED).all().await?;
        let shown = |row: Listed| SessionInfo {
            current: Some(row.id) == current,
            id: row.id.to_string(),
            created_at: row.created_at,
            seen_at: row.seen_at,
            user_agent: row.user_agent,
        };
        Ok(rows.into_iter().map(shown).collect())
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("cookie", &self.0.jar.name()).finish()
    }
}
