//! An application of its own for a test, and people who use it over HTTP.

use crate::sink::Sink;
use axum::body::Bytes;
use parley::Handles;
use sarsen::http::Stack;
use sarsen::jobs::{Jobs, Ran};
use sarsen::telemetry::{OperationKind, WaitKind};
use sarsen::testing::{Client, Request, Response, TestApp};
use sarsen::{App, Clock, Config};
use serde_json::{Value, json};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Most mails in a minute to the addresses of one domain.
pub(crate) const DOMAIN_RATE: u32 = 4;

/// A running application with an empty database, and a mail server for it.
pub(crate) struct World {
    app: Arc<TestApp>,
    handles: Handles,
    sink: Sink,
    sections: Value,
}

fn build(mut config: Config, sections: &Value, handles: &OnceLock<Handles>) -> App {
    for (name, keys) in sections.as_object().expect("sections") {
        let section = serde_json::from_value(json!({"config": keys})).expect("a section");
        config.modules.insert(name.clone(), section);
    }
    let mut app = App::new("parley", "0.0.0", config);
    handles.set(parley::mount(&mut app)).expect("mounted once");
    app
}

impl World {
    /// Starts it on the database of the profile at hand. Webhooks may lead to this machine, where receivers listen; so does
    /// the mail server.
    pub(crate) async fn start() -> World {
        Self::start_in(json!({})).await
    }

    /// Starts it with these keys in the sections of modules.
    pub(crate) async fn start_in(sections: Value) -> World {
        let sink = Sink::open().await;
        let mut all = json!({
            "accounts": {"password_memory_kib": 64, "password_iterations": 1},
            "notifications": {"smtp": sink.url(), "rate_per_domain": DOMAIN_RATE, "timeout": "2s"},
            "webhooks": {"allow_private": true, "timeout": "500ms", "disable_after": 3},
        });
        for (name, keys) in sections.as_object().expect("sections") {
            all[name] = keys.clone();
        }
        let handles = OnceLock::new();
        let app = TestApp::start(|config| build(config, &all, &handles)).await;
        World { app: Arc::new(app), handles: handles.into_inner().expect("mounted"), sink, sections: all }
    }

    /// One more process on the same database.
    pub(crate) async fn beside(&self) -> World {
        let (sink, sections, handles) = (Sink::open().await, self.sections.clone(), OnceLock::new());
        let app = self.app.beside(|config| build(config, &sections, &handles)).await;
        World { app: Arc::new(app), handles: handles.into_inner().expect("mounted"), sink, sections }
    }

    /// Whether something that closed lately waited for this.
    pub(crate) fn waited(&self, kind: WaitKind) -> bool {
        self.app.operations().iter().any(|operation| operation.record().waits().iter().any(|wait| wait.kind == kind))
    }

    /// Builds a projection anew from the log of events.
    pub(crate) async fn rebuild(&self, projection: &str) {
        self.app.running().events().rebuild(projection).await.expect("begins to build");
        self.run_jobs().await;
    }

    /// The mail server.
    pub(crate) fn sink(&self) -> &Sink {
        &self.sink
    }

    pub(crate) fn handles(&self) -> &Handles {
        &self.handles
    }

    pub(crate) fn clock(&self) -> &Clock {
        self.app.clock()
    }

    /// The whole way of a request, for what a client cannot send.
    pub(crate) fn stack(&self) -> &Stack {
        self.app.running().stack()
    }

    /// How many blobs are kept, and how many wait for a transaction: of the rows, for `usage` counts now and then only.
    pub(crate) async fn blobs(&self) -> (i64, i64) {
        let count = async |state: i64| {
            let sql = "SELECT CAST(COUNT(*) AS BIGINT) FROM sarsen_blobs WHERE state = ?";
            self.app.db().query(sql).bind(state).scalar::<i64>().await.expect("counts")
        };
        (count(1).await, count(0).await)
    }

    /// The jobs of the application.
    pub(crate) fn jobs(&self) -> &Jobs {
        self.app.running().jobs()
    }

    /// Does what is due.
    pub(crate) async fn run_jobs(&self) -> Ran {
        self.app.run_jobs().await
    }

    /// Somebody who is not signed in.
    pub(crate) fn anonymous(&self) -> Person {
        Person { app: self.app.clone(), client: self.app.client(), token: None, user: Value::Null }
    }

    /// A program with a token.
    pub(crate) fn bearer(&self, token: &str) -> Person {
        Person { token: Some(token.to_owned()), ..self.anonymous() }
    }

    /// Somebody with a new account, signed in.
    pub(crate) async fn sign_up(&self, username: &str) -> Person {
        self.register(json!({"username": username, "password": "correct horse"})).await
    }

    /// Somebody who gave an address.
    pub(crate) async fn sign_up_with(&self, username: &str, email: &str) -> Person {
        self.register(json!({"username": username, "password": "correct horse", "email": email})).await
    }

    async fn register(&self, new: Value) -> Person {
        let mut person = self.anonymous();
        person.user = person.post("/v1/accounts", new).await.expect(201);
        person
    }
}

/// Somebody who uses the application.
pub(crate) struct Person {
    app: Arc<TestApp>,
    pub(crate) client: Client,
    token: Option<String>,
    pub(crate) user: Value,
}

/// What was answered.
pub(crate) struct Answer {
    what: String,
    status: u16,
    body: Value,
    queries: u64,
}

impl Person {
    /// After so long a time that the session is over.
    pub(crate) async fn sign_in_again(&self) {
        let known = json!({"username": self.user["username"], "password": "correct horse"});
        self.post("/v1/session", known).await.expect(200);
    }

    /// The same person at another process, signed in there too.
    pub(crate) async fn at(&self, world: &World) -> Person {
        let person = Person { user: self.user.clone(), ..world.anonymous() };
        person.sign_in_again().await;
        person
    }

    pub(crate) fn user_id(&self) -> String {
        self.user["id"].as_str().expect("signed up").to_owned()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(path, self.client.get(path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(path, self.client.post(path).json(&body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(path, self.client.patch(path).json(&body)).await
    }

    pub(crate) async fn put(&self, path: &str) -> Answer {
        self.send(path, self.client.put(path)).await
    }

    pub(crate) async fn put_json(&self, path: &str, body: Value) -> Answer {
        self.send(path, self.client.put(path).json(&body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(path, self.client.delete(path)).await
    }

    /// A request with a body and headers of its own, and nothing that a browser adds.
    pub(crate) async fn send_raw(&self, path: &str, headers: &[(&str, &str)], body: String) -> Answer {
        let request = self.client.post(path).without_header("sec-fetch-site").body(body);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
        self.send(path, request).await
    }

    /// Uploads a file, as a browser does.
    pub(crate) async fn upload(&self, channel: &str, name: &str, bytes: impl Into<Bytes>) -> Answer {
        self.upload_as(channel, name, "application/octet-stream", bytes).await
    }

    /// Uploads a file and says that it is something.
    pub(crate) async fn upload_as(
        &self,
        channel: &str,
        name: &str,
        content_type: &str,
        bytes: impl Into<Bytes>,
    ) -> Answer {
        let name: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let path = format!("/v1/channels/{channel}/files?name={name}");
        self.send(&path, self.client.post(&path).header("content-type", content_type).body(bytes)).await
    }

    /// What is in a file, with the headers of the answer.
    pub(crate) async fn load(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        let request = self.client.get(path);
        headers.iter().fold(request, |request, (name, value)| request.header(name, value)).await
    }

    /// What signs them in.
    pub(crate) fn cookie(&self) -> String {
        format!("session={}", self.client.cookie("session").expect("signed in"))
    }

    /// The body of an answer as text.
    pub(crate) async fn text(&self, path: &str) -> String {
        self.client.get(path).await.expect_status(200).text()
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

    /// A millisecond passes before each request, so that what is done one after another has times one after another.
    async fn send(&self, path: &str, request: Request) -> Answer {
        self.app.clock().advance(Duration::from_millis(1));
        self.app.operations();
        let request = match &self.token {
            Some(token) => request.bearer(token),
            None => request,
        };
        let response = request.await;
        // What goes on in the background, as hearing of the log, is not the work of the request.
        let operations = self.app.operations();
        let own = operations.iter().filter(|operation| operation.kind() == OperationKind::Request);
        let queries = own.map(|operation| operation.record().query_count).sum();
        let body = serde_json::from_slice(response.bytes()).unwrap_or(Value::Null);
        Answer { what: path.to_owned(), status: response.status().as_u16(), body, queries }
    }
}

impl Answer {
    /// How many queries it took.
    pub(crate) fn queries(&self) -> u64 {
        self.queries
    }

    /// The status.
    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    /// The body; fails when the status is another one.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}: {}", self.what, self.body);
        self.body
    }

    /// Fails unless the request was refused because of this field.
    #[track_caller]
    pub(crate) fn expect_field(self, status: u16, field: &str) {
        let what = self.what.clone();
        let body = self.expect(status);
        assert_eq!(body["errors"][0]["field"], field, "{what}: {body}");
    }

    /// The body of an answer that says what is wrong with the request.
    #[track_caller]
    pub(crate) fn expect_problem(self) -> Value {
        assert!([400, 422].contains(&self.status), "{}: {} {}", self.what, self.status, self.body);
        self.body
    }
}
