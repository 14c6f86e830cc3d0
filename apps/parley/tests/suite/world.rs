//! An application of its own for a test, and people who use it over HTTP.

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode, header};
use parley::Handles;
use sarsen::app::Running;
use sarsen::http::Stack;
use sarsen::telemetry::Recorder;
use sarsen::{App, Clock, Config, Db};
use serde_json::{Value, json};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

/// A stage of growth.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Profile {
    /// The embedded database.
    Embedded,
    /// The server that `cargo xtask services` starts.
    Server,
}

/// A running application with an empty database.
pub(crate) struct World {
    running: Running,
    handles: Handles,
    _folder: tempfile::TempDir,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

impl World {
    /// Starts it; nothing when this machine has no such server.
    pub(crate) async fn start(profile: Profile) -> Option<World> {
        let folder = tempfile::tempdir().expect("a folder");
        let url = match profile {
            Profile::Embedded => format!("sqlite:{}", folder.path().join("parley.db").display()),
            Profile::Server => {
                let Ok(server) = std::env::var("SARSEN_TEST_POSTGRES") else {
                    eprintln!("skipped: there is no SARSEN_TEST_POSTGRES; `cargo xtask services` starts one");
                    return None;
                };
                fresh_database(&server).await
            }
        };
        let mut app = App::new("parley", "0.0.0", config(&url)).with_clock(Clock::real());
        let handles = parley::mount(&mut app);
        let running = app.start().await.expect("starts");
        Some(World { running, handles, _folder: folder })
    }

    pub(crate) fn handles(&self) -> &Handles {
        &self.handles
    }

    /// Somebody who is not signed in.
    pub(crate) fn anonymous(&self) -> Person {
        let (stack, recorder) = (self.running.stack().clone(), self.running.recorder().clone());
        Person { stack, recorder, cookie: Mutex::default(), token: None, user: Value::Null }
    }

    /// A program with a token.
    pub(crate) fn bearer(&self, token: &str) -> Person {
        Person { token: Some(token.to_owned()), ..self.anonymous() }
    }

    /// Somebody with a new account, signed in.
    pub(crate) async fn sign_up(&self, username: &str) -> Person {
        let mut person = self.anonymous();
        let new = json!({"username": username, "password": "correct horse"});
        person.user = person.post("/v1/accounts", new).await.expect(201);
        person
    }
}

fn config(url: &str) -> Config {
    let config = json!({
        "app": {"environment": "test", "secret": "only for tests, but long enough for them"},
        "database": {"url": url, "connections": 4},
        "modules": {"accounts": {"config": {"password_memory_kib": 64, "password_iterations": 1}}},
    });
    serde_json::from_value(config).expect("a configuration")
}

async fn fresh_database(server: &str) -> String {
    let name = format!("parley_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let db = Db::connect(&config(server).database, &Clock::real()).await.expect("connects");
    db.query(format!("CREATE DATABASE {name}")).execute().await.expect("makes a database");
    db.close().await;
    let (before, _) = server.rsplit_once('/').expect("a database in the URL");
    format!("{before}/{name}")
}

/// Somebody who uses the application.
pub(crate) struct Person {
    stack: Stack,
    recorder: Recorder,
    cookie: Mutex<Option<String>>,
    token: Option<String>,
    user: Value,
}

/// What was answered.
pub(crate) struct Answer {
    what: String,
    status: StatusCode,
    body: Value,
    queries: u64,
}

impl Person {
    pub(crate) fn user_id(&self) -> String {
        self.user["id"].as_str().expect("signed up").to_owned()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PATCH, path, Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str) -> Answer {
        self.call(Method::PUT, path, None).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, None).await
    }

    /// The items of a list.
    pub(crate) async fn items(&self, path: &str) -> Vec<Value> {
        self.get(path).await.expect(200)["items"].as_array().expect("items").clone()
    }

    /// The items of all pages of a list.
    pub(crate) async fn pages(&self, path: &str) -> Vec<Value> {
        let (mut items, mut next) = (Vec::new(), String::new());
        loop {
            let sign = if path.contains('?') { '&' } else { '?' };
            let page = self.get(&format!("{path}{}", next.replace('?', &sign.to_string()))).await.expect(200);
            items.extend(page["items"].as_array().expect("items").iter().cloned());
            let Some(cursor) = page["next"].as_str() else { return items };
            next = format!("?cursor={cursor}");
        }
    }

    /// Makes a channel and gives its id.
    pub(crate) async fn channel(&self, name: &str, kind: &str) -> String {
        let made = self.post("/v1/channels", json!({"name": name, "kind": kind})).await.expect(201);
        made["id"].as_str().expect("an id").to_owned()
    }

    /// Posts a message.
    pub(crate) async fn say(&self, channel: &str, text: &str) -> Value {
        self.post(&format!("/v1/channels/{channel}/messages"), json!({"text": text})).await.expect(201)
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let what = format!("{method} {path}");
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, "localhost");
        if let Some(cookie) = self.cookie.lock().expect("a cookie").clone() {
            request = request.header(header::COOKIE, cookie);
        }
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let content = body.as_ref().map_or(Body::empty(), |body| Body::from(body.to_string()));
        let request = request.header(header::CONTENT_TYPE, "application/json").body(content).expect("a request");
        self.recorder.drain();
        let response = self.stack.call(request).await;
        if let Some(cookie) = response.headers().get(header::SET_COOKIE) {
            let pair = cookie.to_str().expect("text").split(';').next().unwrap_or_default().to_owned();
            *self.cookie.lock().expect("a cookie") = Some(pair);
        }
        let status = response.status();
        let bytes = to_bytes(response.into_body(), usize::MAX).await.expect("a body");
        let queries = self.recorder.drain().iter().map(|operation| operation.record().query_count).sum();
        Answer { what, status, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null), queries }
    }
}

impl Answer {
    /// How many queries it took.
    pub(crate) fn queries(&self) -> u64 {
        self.queries
    }

    /// The body; fails when the status is another one.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}: {}", self.what, self.body);
        self.body
    }

    /// The body of an answer that says what is wrong with the request.
    #[track_caller]
    pub(crate) fn expect_problem(self) -> Value {
        assert!([400, 422].contains(&self.status.as_u16()), "{}: {} {}", self.what, self.status, self.body);
        self.body
    }
}
