//! An application with things in it, somebody who attacks it, and what came of it.

use crate::document::{self, Operation};
use crate::judge;
use crate::request::{Attack, Credentials, Surface};
use crate::schema::Schemas;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sarsen::testing::TestApp;
use sarsen::{App, Config};
use serde_json::{Value, json};
use sha2::Sha256;
use std::sync::atomic::{AtomicU32, Ordering};

/// Most failures that are shown.
const SHOWN: usize = 60;

/// What exists, as the attacker knows it.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    pub(crate) channel: String,
    pub(crate) message: String,
    pub(crate) other: String,
    pub(crate) username: String,
    pub(crate) token: String,
    pub(crate) session: String,
    pub(crate) webhook: String,
    pub(crate) delivery: String,
    pub(crate) hook: String,
    /// What signs messages to the incoming webhook.
    pub(crate) secret: String,
    pub(crate) report: String,
    pub(crate) file: String,
    /// What signs the attacker in.
    pub(crate) bearer: String,
    pub(crate) cookie: String,
    /// What signs somebody else in.
    pub(crate) other_cookie: String,
    /// Genuine ones, of several lists.
    pub(crate) cursors: Vec<String>,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A name that nothing has.
pub(crate) fn unique_name() -> String {
    format!("name{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// An answer, with what the application itself noted about it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The error of the Operation, if it had one.
    pub(crate) fault: Option<String>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// The application, and its document.
#[derive(Debug)]
pub(crate) struct Stage {
    app: TestApp,
    pub(crate) operations: Vec<Operation>,
    schemas: Schemas,
    failures: Vec<String>,
}

impl Stage {
    pub(crate) async fn start() -> Self {
        let app = TestApp::start(parley).await;
        let mut stage = Self { app, operations: Vec::new(), schemas: Schemas::new(&Value::Null), failures: Vec::new() };
        let document = stage.call(Method::GET, "/openapi.json", "", None).await.1.json();
        stage.operations = document::operations(&document);
        stage.schemas = Schemas::new(&document);
        assert!(stage.operations.len() > 30, "the document has only {} operations", stage.operations.len());
        stage
    }

    /// Makes all the attacks on every operation, each operation with things of its own.
    pub(crate) async fn attack(mut self, attacks: fn(&Surface<'_>) -> Vec<Attack>) {
        let mut count = 0;
        for operation in self.operations.clone() {
            let ids = self.populate().await;
            let made = attacks(&Surface { operation: &operation, schemas: &self.schemas, ids: &ids });
            for attack in &made {
                self.make(attack, &operation, &ids).await;
            }
            count += made.len();
        }
        println!("{count} requests to {} operations", self.operations.len());
        self.finish().await;
    }

    /// Makes one attack and keeps what was wrong with the answer.
    pub(crate) async fn make(&mut self, attack: &Attack, operation: &Operation, ids: &Ids) {
        let Some(answer) = self.send(attack, ids).await else { return };
        if let Err(failure) = judge::judge(attack, operation, &self.schemas, &answer) {
            let cut = |text: &str| text.chars().take(300).collect::<String>();
            let Attack { what, method, target, .. } = attack;
            let (body, target) = (String::from_utf8_lossy(&answer.body), cut(target));
            self.failures.push(format!("{method} {target}: {what}: {failure}\n  {} {}", answer.status, cut(&body)));
        }
    }

    pub(crate) async fn finish(self) {
        let shown = self.failures.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("\n");
        assert!(self.failures.is_empty(), "{} answers were wrong:\n{shown}", self.failures.len());
        self.app.stop().await;
    }

    /// Sends it; nothing when it cannot even be written as a request.
    async fn send(&self, attack: &Attack, ids: &Ids) -> Option<Answer> {
        let mut request =
            Request::builder().method(attack.method.clone()).uri(&attack.target).header("host", "localhost");
        if let Some(content_type) = attack.content_type {
            request = request.header("content-type", content_type);
        }
        let own = || vec![("authorization", format!("Bearer {}", ids.bearer).into_bytes())];
        let headers = match &attack.credentials {
            Credentials::Own => own(),
            Credentials::Headers(headers) => headers.clone(),
        };
        for (name, value) in headers.into_iter().chain(self.signature(attack, ids)) {
            request = request.header(name, HeaderValue::from_bytes(&value).ok()?);
        }
        Some(self.answer(request.body(Body::from(attack.body.clone())).ok()?).await)
    }

    /// What is sent to an incoming webhook is signed, so that it is read.
    fn signature(&self, attack: &Attack, ids: &Ids) -> Vec<(&'static str, Vec<u8>)> {
        if attack.method != Method::POST || !attack.target.starts_with("/v1/hooks/") || ids.secret.is_empty() {
            return Vec::new();
        }
        let (id, at) = (unique_name(), self.app.clock().now().as_micros() / 1_000_000);
        let signature = sign(&ids.secret, &[format!("{id}.{at}.").as_bytes(), &attack.body].concat());
        let headers = [("webhook-id", id), ("webhook-timestamp", at.to_string()), ("webhook-signature", signature)];
        headers.map(|(name, value)| (name, value.into_bytes())).to_vec()
    }

    async fn answer(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.app.running().stack().call(request).await.into_parts();
        let body = to_bytes(body, usize::MAX).await.expect("the whole answer");
        let faults = self.app.operations().into_iter().filter_map(|operation| operation.record().error.clone());
        let faults: Vec<String> = faults.collect();
        let fault = (!faults.is_empty()).then(|| faults.join("; "));
        Answer { status: parts.status, headers: parts.headers, body, fault }
    }

    async fn call(&self, method: Method, path: &str, cookie: &str, body: Option<Value>) -> (u16, Answer) {
        let request = Request::builder().method(method).uri(path).header("host", "localhost").header("cookie", cookie);
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let request = request.header("content-type", "application/json").body(body).expect("a request");
        let answer = self.answer(request).await;
        (answer.status.as_u16(), answer)
    }

    async fn made(&self, path: &str, cookie: &str, body: Value) -> Value {
        let (status, answer) = self.call(Method::POST, path, cookie, Some(body)).await;
        assert!(status < 300, "{path}: {status} {:?}", answer.body);
        answer.json()
    }

    async fn signed_up(&self, username: &str) -> (String, String) {
        let new = json!({"username": username, "password": "correct horse"});
        let (status, answer) = self.call(Method::POST, "/v1/accounts", "", Some(new)).await;
        assert_eq!(status, 201, "{:?}", answer.body);
        let cookie = answer.header("set-cookie").split(';').next().unwrap_or_default().to_owned();
        (text(&answer.json()["id"]), cookie)
    }

    /// Two people, what they made, and what they know.
    async fn populate(&self) -> Ids {
        let mut ids = Ids { username: unique_name(), ..Ids::default() };
        (_, ids.cookie) = self.signed_up(&ids.username).await;
        (ids.other, ids.other_cookie) = self.signed_up(&unique_name()).await;
        for _ in 0..2 {
            let channel = json!({"name": unique_name(), "kind": "public"});
            ids.channel = text(&self.made("/v1/channels", &ids.cookie, channel).await["id"]);
        }
        let post = format!("/v1/channels/{}/messages", ids.channel);
        for words in ["hello there", "hello again"] {
            let message = json!({"text": format!("{words} @{}", ids.username)});
            ids.message = text(&self.made(&post, &ids.cookie, message).await["id"]);
        }
        let token = self.made("/v1/me/tokens", &ids.cookie, json!({"name": "attacks"})).await;
        ids.bearer = text(&token["token"]);
        ids.token = text(&self.made("/v1/me/tokens", &ids.cookie, json!({"name": "to delete"})).await["id"]);
        let new = json!({"url": "https://example.org/hook", "events": ["messages.posted"]});
        let path = format!("/v1/channels/{}/webhooks", ids.channel);
        ids.webhook = text(&self.made(&path, &ids.cookie, new).await["webhook"]["id"]);
        self.made(&format!("/v1/webhooks/{}/test", ids.webhook), &ids.cookie, json!({})).await;
        let path = format!("/v1/webhooks/{}/deliveries", ids.webhook);
        let deliveries = self.call(Method::GET, &path, &ids.cookie, None).await.1.json();
        ids.delivery = text(&deliveries["items"][0]["id"]);
        let path = format!("/v1/channels/{}/hooks", ids.channel);
        let hook = self.made(&path, &ids.cookie, json!({"name": "a program"})).await;
        (ids.hook, ids.secret) = (text(&hook["hook"]["id"]), text(&hook["secret"]));
        ids.report = text(&self.made("/v1/reports", &ids.cookie, json!({})).await["id"]);
        let path = format!("/v1/channels/{}/files?name=a.txt", ids.channel);
        ids.file = text(&self.made(&path, &ids.cookie, json!({"what": "it says"})).await["id"]);
        let sessions = self.call(Method::GET, "/v1/me/sessions", &ids.cookie, None).await.1.json();
        ids.session = text(&sessions["items"][0]["id"]);
        for list in ["/v1/channels?", "/v1/me/mentions?", "/v1/search?q=hello&", &format!("{post}?")] {
            let page = self.call(Method::GET, &format!("{list}limit=1"), &ids.cookie, None).await.1.json();
            ids.cursors.push(text(&page["next"]));
        }
        ids
    }
}

/// HMAC-SHA256, as the sender of a webhook has it.
fn sign(secret: &str, signed: &[u8]) -> String {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap_or_default()).expect("base64");
    let code = Hmac::<Sha256>::new_from_slice(&key).expect("a key").chain_update(signed).finalize();
    format!("v1,{}", STANDARD.encode(code.into_bytes()))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

fn parley(mut config: Config) -> App {
    let cheap = json!({"config": {"password_memory_kib": 64, "password_iterations": 1}});
    config.modules.insert("accounts".to_owned(), serde_json::from_value(cheap).unwrap());
    let mut app = App::new("parley", "0.0.0", config);
    parley::mount(&mut app);
    app.assets(parley::client::assets().unwrap());
    app
}
