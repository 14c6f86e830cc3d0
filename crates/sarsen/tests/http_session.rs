//! Sessions: signing in and out, rotation, expiry and revocation, and bearer tokens.

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use bytes::Bytes;
use http_body_util::BodyExt;
use sarsen::clock::Timestamp;
use sarsen::config::{DatabaseSection, HttpSection, Secret, Url};
use sarsen::http::routing::{get, post};
use sarsen::http::{
    Actor, Authenticate, Health, Json, MaybeActor, ModuleRoutes, NoContent, Path, Routes, Session, SessionInfo,
    Sessions, Stack, StackParts,
};
use sarsen::lifecycle::{self, Lifecycle};
use sarsen::telemetry::{Operation, Recorder};
use sarsen::{Clock, Db, Result, clock};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
const ANNA: Uuid = Uuid::from_u128(0xa);

async fn me(actor: Actor) -> Result<Json<Uuid>> {
    Ok(Json(actor.id))
}

async fn whoever(MaybeActor(actor): MaybeActor, again: MaybeActor) -> Result<Json<Option<String>>> {
    assert_eq!(again, MaybeActor(actor.clone()));
    Ok(Json(actor.and_then(|actor| actor.session)))
}

async fn sign_in(session: Session, Path(id): Path<Uuid>) -> Result<NoContent> {
    session.sign_in(id).await.map(|()| NoContent)
}

async fn sign_out(session: Session) -> Result<NoContent> {
    session.sign_out().await.map(|()| NoContent)
}

async fn list(actor: Actor, session: Session) -> Result<Json<Vec<SessionInfo>>> {
    session.list(actor.id).await.map(Json)
}

async fn revoke(actor: Actor, session: Session, Path(id): Path<String>) -> Result<NoContent> {
    match id.as_str() {
        "others" => session.revoke_others(actor.id).await.map(|_| NoContent),
        id => session.revoke(actor.id, id).await.map(|()| NoContent),
    }
}

async fn hello() -> &'static str {
    "hello"
}

struct App {
    stack: Stack,
    recorder: Recorder,
    clock: Clock,
    db: Db,
    folder: PathBuf,
}

impl Drop for App {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

async fn start() -> App {
    let folder = std::env::temp_dir().join(format!("sarsen-http-{}", Clock::real().id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let section = DatabaseSection {
        url: Url::new(format!("sqlite:{}", folder.join("app.db").display())),
        ..DatabaseSection::default()
    };
    let clock = Clock::simulated(Timestamp::from_micros(1_800_000_000_000_000));
    let db = Db::connect(&section, &clock).await.expect("a database");
    db.migrate(&[sarsen::app::own_migrations()]).await.expect("migrates");
    let (recorder, section) = (Recorder::new(64), HttpSection::default());
    let mut parts = StackParts::new(&section, &recorder, Health::new(Lifecycle::default()));
    parts.sessions = Some(Sessions::new(&db, &Secret::new("0123456789abcdef0123456789abcdef"), &section));
    let token: Authenticate =
        Arc::new(|token| Box::pin(async move { Ok((token == "robot-token").then_some(Uuid::from_u128(0xb))) }));
    parts.authenticate.push(token);
    let routes = || {
        Routes::new()
            .api_route("/me", get(me))
            .api_route("/whoever", get(whoever))
            .api_route("/sign-in/{id}", post(sign_in))
            .api_route("/sign-out", post(sign_out))
            .api_route("/sessions", get(list))
            .api_route("/sessions/{id}/revoke", post(revoke))
            .api_route("/hello", get(hello))
    };
    parts.modules.push(ModuleRoutes::new("accounts", routes));
    App { stack: Stack::new(parts).expect("a stack"), recorder, clock, db, folder }
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// What a browser keeps: `session=…`.
    fn cookie(&self) -> Option<String> {
        let set = self.headers.get("set-cookie")?.to_str().expect("text");
        Some(set.split(';').next().expect("a pair").to_owned())
    }
}

impl App {
    async fn send(&self, method: &str, path: &str, cookie: &str) -> Answer {
        let request = Request::builder().method(method).uri(path).header("cookie", cookie).header("user-agent", "test");
        self.send_request(request.body(Body::empty()).expect("a request")).await
    }

    async fn send_request(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.stack.call(request).await.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    async fn sign_in(&self, id: Uuid, cookie: &str) -> String {
        let answer = self.send("POST", &format!("/sign-in/{id}"), cookie).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{:?}", answer.body);
        answer.cookie().expect("a cookie")
    }

    async fn is_anna(&self, cookie: &str) -> bool {
        let answer = self.send("GET", "/me", cookie).await;
        match answer.status {
            StatusCode::OK => answer.json() == json!(ANNA),
            StatusCode::UNAUTHORIZED => false,
            status => panic!("{status}: {:?}", answer.body),
        }
    }

    fn last(&self) -> Operation {
        self.recorder.drain().pop().expect("an operation")
    }

    /// Waits for what goes on after an answer.
    async fn settle(&self) {
        let deadline = clock::monotonic() + Duration::from_secs(5);
        let idle = async {
            while lifecycle::running() > 0 {
                clock::pause(Duration::from_millis(1)).await;
            }
        };
        // Tests run side by side and share the count of tasks, so this only has to be long enough.
        let _ = clock::until(deadline, idle).await;
    }
}

#[tokio::test]
async fn signs_in_and_out_with_one_read_a_request() {
    let app = start().await;
    let answer = app.send("POST", &format!("/sign-in/{ANNA}"), "").await;
    let set = answer.headers["set-cookie"].to_str().expect("text").to_owned();
    assert!(set.contains("; Path=/; HttpOnly; SameSite=Lax; Max-Age="), "{set}");
    assert_eq!(answer.headers["cache-control"], "private, no-store");
    let cookie = answer.cookie().expect("a cookie");
    assert!(app.is_anna(&cookie).await);
    let operation = app.last();
    assert_eq!(operation.record().query_count, 1);
    assert_eq!(operation.record().actor, Some(ANNA));
    assert_ne!(app.send("GET", "/whoever", &cookie).await.json(), Value::Null);
    assert_eq!(app.last().record().query_count, 1);
    let mine = app.send("GET", "/me", &cookie).await;
    assert_eq!(mine.headers["cache-control"], "private, no-store", "what is for one person is kept for nobody");
    app.last();
    let hello = app.send("GET", "/hello", &cookie).await;
    assert!(hello.headers.get("cache-control").is_none());
    assert_eq!(app.last().record().query_count, 0);
    let out = app.send("POST", "/sign-out", &cookie).await;
    assert_eq!(out.cookie().as_deref(), Some("session="));
    assert!(!app.is_anna(&cookie).await);
}

#[tokio::test]
async fn what_is_forged_is_nobody_and_costs_no_query() {
    let app = start().await;
    let cookie = app.sign_in(ANNA, "").await;
    app.recorder.drain();
    let mut flipped = cookie.clone().into_bytes();
    let last = flipped.len() - 10;
    flipped[last] = if flipped[last] == b'A' { b'B' } else { b'A' };
    let flipped = String::from_utf8(flipped).expect("text");
    for forged in [flipped.as_str(), "session=x", "session=", "session=\"; DROP TABLE", "=", &cookie[..40]] {
        assert!(!app.is_anna(forged).await, "{forged}");
        assert_eq!(app.last().record().query_count, 0);
    }
    assert!(app.is_anna(&format!("session=forged; {cookie}")).await);
    assert_eq!(app.send("GET", "/whoever", "session=x").await.json(), Value::Null);
}

#[tokio::test]
async fn a_new_sign_in_ends_the_session_before() {
    let app = start().await;
    let first = app.sign_in(ANNA, "").await;
    let second = app.sign_in(ANNA, &first).await;
    assert_ne!(first, second);
    assert!(!app.is_anna(&first).await && app.is_anna(&second).await);
}

#[tokio::test]
async fn an_old_session_gets_a_new_secret_and_the_one_before_is_good_for_a_minute() {
    let app = start().await;
    let first = app.sign_in(ANNA, "").await;
    app.clock.advance(DAY);
    let second = app.send("GET", "/me", &first).await.cookie().expect("rotated");
    assert_ne!(first, second);
    let parallel = app.send("GET", "/me", &first).await;
    assert_eq!((parallel.status, parallel.cookie()), (StatusCode::OK, None));
    app.clock.advance(MINUTE + Duration::from_secs(1));
    assert!(!app.is_anna(&first).await && app.is_anna(&second).await);
}

#[tokio::test]
async fn a_session_ends_unused_or_old() {
    let app = start().await;
    let idle = app.sign_in(ANNA, "").await;
    app.clock.advance(14 * DAY + MINUTE);
    assert!(!app.is_anna(&idle).await);
    let mut used = app.sign_in(ANNA, "").await;
    for _ in 0..9 {
        app.clock.advance(10 * DAY);
        let answer = app.send("GET", "/me", &used).await;
        assert_eq!(answer.status, StatusCode::OK);
        used = answer.cookie().unwrap_or(used);
    }
    app.clock.advance(MINUTE);
    assert!(!app.is_anna(&used).await);
    let left: i64 = app
        .db
        .query("SELECT CAST(COUNT(*) AS BIGINT) FROM sarsen_sessions WHERE subject = ?")
        .bind(ANNA)
        .scalar()
        .await
        .expect("counts");
    assert_eq!(left, 1, "the idle one was cleared away by the next sign-in");
}

#[tokio::test]
async fn use_is_noted_once_a_minute() {
    let app = start().await;
    let cookie = app.sign_in(ANNA, "").await;
    let seen = async || {
        app.settle().await;
        app.db.query("SELECT seen_at FROM sarsen_sessions LIMIT 1").scalar::<Timestamp>().await.expect("a time")
    };
    let start = seen().await;
    app.clock.advance(MINUTE / 2);
    assert!(app.is_anna(&cookie).await);
    assert_eq!(seen().await, start);
    app.clock.advance(MINUTE / 2);
    assert!(app.is_anna(&cookie).await);
    assert_eq!(seen().await, start + MINUTE);
}

#[tokio::test]
async fn sessions_are_listed_and_revoked_by_their_owner_only() {
    let app = start().await;
    let (one, two, three) = (app.sign_in(ANNA, "").await, app.sign_in(ANNA, "").await, app.sign_in(ANNA, "").await);
    let stranger = app.sign_in(Uuid::from_u128(0xc), "").await;
    let list = app.send("GET", "/sessions", &one).await.json();
    let list = list.as_array().expect("a list");
    assert_eq!((list.len(), list.iter().filter(|session| session["current"] == true).count()), (3, 1));
    assert!(list.iter().all(|session| session["user_agent"] == "test"));
    let id = app.send("GET", "/whoever", &two).await.json();
    let path = format!("/sessions/{}/revoke", id.as_str().expect("an id"));
    assert_eq!(app.send("POST", &path, &stranger).await.status, StatusCode::NOT_FOUND);
    assert_eq!(app.send("POST", "/sessions/nonsense/revoke", &one).await.status, StatusCode::NOT_FOUND);
    assert_eq!(app.send("POST", &path, &one).await.status, StatusCode::NO_CONTENT);
    assert!(!app.is_anna(&two).await && app.is_anna(&three).await);
    app.send("POST", "/sessions/others/revoke", &one).await;
    assert!(!app.is_anna(&three).await && app.is_anna(&one).await);
    assert_eq!(app.send("GET", "/me", &stranger).await.status, StatusCode::OK);
}

#[tokio::test]
async fn bearer_tokens_are_known_by_those_who_registered() {
    let app = start().await;
    let cookie = app.sign_in(ANNA, "").await;
    let with = |token: &str| {
        let request = Request::get("/me").header("authorization", token).header("cookie", &cookie);
        app.send_request(request.body(Body::empty()).expect("a request"))
    };
    let answer = with("Bearer robot-token").await;
    assert_eq!(answer.json(), json!(Uuid::from_u128(0xb)));
    let answer = with("Bearer wrong").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.headers["www-authenticate"], "Bearer");
    assert_eq!(with("Basic abc").await.json(), json!(ANNA));
}

#[tokio::test]
async fn a_database_that_fails_is_our_fault_not_a_sign_out() {
    let app = start().await;
    let cookie = app.sign_in(ANNA, "").await;
    app.db.query("DROP TABLE sarsen_sessions").execute().await.expect("drops");
    assert_eq!(app.send("GET", "/me", &cookie).await.status, StatusCode::INTERNAL_SERVER_ERROR);
}
