//! The way of a request through the stack, and what hostile input comes to.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{Router, get as plain_get};
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use sarsen::clock;
use sarsen::config::{Environment, HttpSection, Size, Span};
use sarsen::error::Kind;
use sarsen::http::routing::{get, get_with, post, post_with};
use sarsen::http::{
    Created, Headers, Health, Json, ModuleRoutes, NoContent, Path, Query, Raw, Routes, Stack, StackParts, any_origin,
};
use sarsen::lifecycle::Lifecycle;
use sarsen::telemetry::{Operation, OperationKind, Outcome, Recorder, WaitKind};
use sarsen::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
struct Item {
    name: String,
    count: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
struct Order {
    items: Vec<Item>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Filter {
    limit: Option<u32>,
    word: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Place {
    shelf: u32,
    id: Uuid,
}

struct Shop;

async fn order(State(_): State<Arc<Shop>>, Json(order): Json<Order>) -> Result<Created<Order>> {
    Ok(Created(order))
}

async fn list(Query(filter): Query<Filter>) -> Result<Json<Value>> {
    Ok(Json(json!({ "limit": filter.limit, "word": filter.word })))
}

async fn shown(Path(id): Path<Uuid>) -> Result<Json<Uuid>> {
    Ok(Json(id))
}

async fn placed(Path(place): Path<Place>) -> Result<Json<String>> {
    Ok(Json(format!("{} {}", place.shelf, place.id)))
}

async fn failing(Path(kind): Path<String>) -> Result<NoContent> {
    let error = match kind.as_str() {
        "conflict" => Error::conflict("the name is taken").field("name", "is taken"),
        "invalid" => Error::invalid_field("text", "is empty").hint("write something"),
        "internal" => Error::internal("the secret key of the vault broke").source(std::io::Error::other("the cause")),
        "timeout" => Error::new(Kind::Timeout, "too slow"),
        "many" => Error::new(Kind::TooMany, "slow down").retry_after(Duration::from_millis(9_001)),
        "unauthenticated" => Error::unauthenticated("who are you?"),
        "unsupported" => Error::new(Kind::Unsupported, "not here"),
        "panic" => panic!("on purpose"),
        "hang" => {
            clock::pause(Duration::from_secs(60)).await;
            return Ok(NoContent);
        }
        _ => return Ok(NoContent),
    };
    Err(error)
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Seal {
    #[serde(rename = "x-seal")]
    seal: String,
}

/// A seal is the length of what is sealed.
async fn sealed(Headers(seal): Headers<Seal>, item: Raw<Item, 64>) -> Result<Json<Item>> {
    if seal.seal != item.bytes().len().to_string() {
        return Err(Error::unauthenticated("the seal is broken"));
    }
    item.json().map(Json)
}

async fn page() -> Response {
    ([("content-type", "text/html; charset=utf-8")], "<p>hello").into_response()
}

async fn streamed() -> Response {
    let parts = futures_util::stream::iter(["one", "two"].map(|part| Ok::<_, std::io::Error>(Bytes::from(part))));
    Response::new(Body::from_stream(parts))
}

fn shop() -> Routes {
    Routes::new()
        .api_route("/v1/orders", post(order).get(list))
        .api_route("/v1/orders/{id}", get(shown))
        .api_route("/v1/shelves/{shelf}/{id}", get(placed))
        .route("/undocumented/{id}", plain_get(page))
        .api_route("/v1/sealed", post_with(sealed, |operation| any_origin(operation.summary("Takes what is sealed"))))
        .api_route("/v1/fail/{kind}", get_with(failing, |operation| operation.summary("Fails")).post(failing))
        .with_state(Arc::new(Shop))
}

struct Setup {
    stack: Stack,
    recorder: Recorder,
}

fn setup(change: impl FnOnce(&mut StackParts)) -> Setup {
    let recorder = Recorder::new(64);
    let lifecycle = Lifecycle::default();
    lifecycle.set_ready();
    let mut parts = StackParts::new(&HttpSection::default(), &recorder, Health::new(lifecycle));
    let plain = Router::new()
        .route("/page", plain_get(page))
        .route("/stream", plain_get(streamed))
        .route("/bytes/{id}", axum::routing::post(|body: Bytes| async move { body.len().to_string() }));
    parts.modules.push(ModuleRoutes::new("shop", shop).plain(plain));
    change(&mut parts);
    Setup { stack: Stack::new(parts).expect("a stack"), recorder }
}

struct Answer {
    status: StatusCode,
    headers: http::HeaderMap,
    body: Bytes,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {:?}", self.body))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}

impl Setup {
    async fn send(&self, request: Request<Body>) -> Answer {
        let (parts, body) = self.stack.call(request).await.into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).expect("a request")).await
    }

    async fn post(&self, content_type: &str, body: impl Into<Body>) -> Answer {
        let request = Request::post("/v1/orders").header("content-type", content_type);
        self.send(request.body(body.into()).expect("a request")).await
    }

    fn only(&self) -> Operation {
        let mut closed = self.recorder.drain();
        assert_eq!(closed.len(), 1);
        closed.remove(0)
    }
}

fn is_problem(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status.as_u16(), status, "{:?}", answer.body);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let problem = answer.json();
    assert_eq!(problem["status"], status);
    assert_eq!(problem["trace_id"], answer.header("x-request-id"));
    problem
}

#[tokio::test]
async fn a_request_is_one_operation_named_after_its_route() {
    let setup = setup(|_| {});
    let id = Uuid::from_u128(7);
    let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let request = Request::get(format!("/v1/orders/{id}")).header("traceparent", parent);
    let answer = setup.send(request.body(Body::empty()).expect("a request")).await;
    assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!(id)));
    assert_eq!(answer.header("x-request-id"), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    let operation = setup.only();
    assert_eq!(operation.kind(), OperationKind::Request);
    assert_eq!(operation.trace().parent_id().as_deref(), Some("b7ad6b7169203331"));
    assert!(operation.deadline().is_some());
    let record = operation.record();
    assert_eq!((&*record.name, record.module()), ("GET /v1/orders/{id}", "shop"));
    assert_eq!(record.outcome, Outcome::Status(200));
}

#[tokio::test]
async fn names_never_hold_a_raw_path() {
    let setup = setup(|_| {});
    let names = [
        (Method::GET, "/page", "GET /page", "shop"),
        (Method::HEAD, "/v1/orders", "GET /v1/orders", "shop"),
        (Method::POST, "/bytes/secret", "POST /bytes/{id}", "shop"),
        (Method::GET, "/undocumented/secret", "GET /undocumented/{id}", "shop"),
        (Method::GET, "/livez", "GET /livez", ""),
        (Method::GET, "/wp-admin/secret", "GET (no route)", ""),
        (Method::DELETE, "/v1/orders", "DELETE /v1/orders", "shop"),
        (Method::from_bytes(b"BREW").expect("a method"), "/v1/orders", "OTHER /v1/orders", "shop"),
        (Method::from_bytes(b"BREW").expect("a method"), "/secret", "OTHER (no route)", ""),
    ];
    for (method, path, name, module) in names {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).expect("a request");
        setup.send(request).await;
        let operation = setup.only();
        let record = operation.record();
        assert_eq!((&*record.name, record.module()), (name, module), "{path}");
    }
}

#[tokio::test]
async fn unknown_routes_and_methods_are_problems() {
    let setup = setup(|_| {});
    let problem = is_problem(&setup.get("/nowhere").await, 404);
    assert_eq!(problem["type"], "urn:sarsen:problem:not-found");
    let answer = setup.send(Request::put("/v1/orders").body(Body::empty()).expect("a request")).await;
    let problem = is_problem(&answer, 405);
    assert_eq!(problem["type"], "urn:sarsen:problem:method-not-allowed");
    assert_eq!(problem["title"], "The method is not known here");
    let mut allow: Vec<&str> = answer.header("allow").split(',').collect();
    allow.sort_unstable();
    assert_eq!(allow, ["GET", "HEAD", "POST"]);
}

#[tokio::test]
async fn the_kind_of_an_error_decides_its_status() {
    let setup = setup(|_| {});
    let expected = [
        ("conflict", 409),
        ("invalid", 422),
        ("timeout", 504),
        ("many", 429),
        ("unauthenticated", 401),
        ("unsupported", 501),
    ];
    for (kind, status) in expected {
        is_problem(&setup.get(&format!("/v1/fail/{kind}")).await, status);
    }
    let answer = setup.get("/v1/fail/conflict").await;
    assert_eq!(answer.json()["errors"], json!([{ "field": "name", "message": "is taken" }]));
    assert_eq!(setup.get("/v1/fail/invalid").await.json()["hint"], "write something");
    assert_eq!(setup.get("/v1/fail/unauthenticated").await.header("www-authenticate"), "Bearer");
    assert_eq!(setup.get("/v1/fail/many").await.header("retry-after"), "10");
    assert_eq!(setup.get("/v1/fail/none").await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_fault_of_ours_is_told_to_the_log_and_not_to_the_client() {
    let production = setup(|_| {});
    let answer = production.get("/v1/fail/internal").await;
    is_problem(&answer, 500);
    assert!(!String::from_utf8_lossy(&answer.body).contains("vault"));
    let logged = production.only().record().error.clone().expect("noted");
    assert!(logged.contains("vault") && logged.contains("the cause"), "{logged}");
    let development = setup(|parts| parts.environment = Environment::Development);
    let detail = is_problem(&development.get("/v1/fail/internal").await, 500)["detail"].clone();
    assert!(detail.as_str().is_some_and(|text| text.contains("the cause")), "{detail}");
}

#[tokio::test]
async fn a_panic_is_caught_and_noted_once() {
    let setup = setup(|_| {});
    is_problem(&setup.get("/v1/fail/panic").await, 500);
    let operation = setup.only();
    assert_eq!(operation.record().error.as_deref(), Some("panic: on purpose"));
    assert_eq!(operation.record().outcome, Outcome::Status(500));
    assert!(Operation::current().is_none());
}

#[tokio::test]
async fn what_takes_too_long_ends_at_the_deadline() {
    let setup = setup(|parts| parts.section.request_timeout = Span(Duration::from_millis(20)));
    is_problem(&setup.get("/v1/fail/hang").await, 504);
    assert_eq!(setup.only().record().outcome, Outcome::Status(504));
}

#[tokio::test]
async fn too_many_requests_at_work_are_shed_but_health_answers() {
    let setup = setup(|parts| {
        parts.section.max_in_flight = 1;
        parts.section.request_timeout = Span(Duration::from_millis(50));
    });
    let both = async {
        let answer = setup.get("/v1/orders").await;
        is_problem(&answer, 503);
        assert_eq!(answer.header("retry-after"), "1");
        assert_eq!(setup.get("/readyz").await.status, StatusCode::OK);
    };
    let (hung, ()) = tokio::join!(setup.get("/v1/fail/hang"), both);
    is_problem(&hung, 504);
    assert_eq!(setup.get("/v1/orders").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_client_that_hangs_up_cancels_its_operation() {
    let setup = setup(|_| {});
    let request = Request::get("/v1/fail/hang").body(Body::empty()).expect("a request");
    let _ = clock::until(clock::monotonic() + Duration::from_millis(5), setup.stack.call(request)).await;
    assert_eq!(setup.only().record().outcome, Outcome::Cancelled);
}

#[tokio::test]
async fn an_operation_with_a_streamed_answer_closes_at_its_end() {
    let setup = setup(|_| {});
    let mut response = setup.stack.call(Request::get("/stream").body(Body::empty()).expect("a request")).await;
    assert!(response.body_mut().frame().await.is_some());
    assert!(setup.recorder.drain().is_empty());
    while response.body_mut().frame().await.is_some() {}
    let operation = setup.only();
    assert_eq!(operation.record().outcome, Outcome::Status(200));
    assert!(operation.record().waits().iter().any(|wait| wait.kind == WaitKind::BodyOut));
    drop(setup.stack.call(Request::get("/stream").body(Body::empty()).expect("a request")).await);
    assert_eq!(setup.only().record().outcome, Outcome::Cancelled);
}

#[tokio::test]
async fn bodies_are_limited_whether_they_say_their_length_or_not() {
    let setup = setup(|parts| parts.section.max_body = Size(1024));
    let large = format!("{{\"items\": [\"{}\"]}}", "x".repeat(2000));
    is_problem(&setup.post("application/json", large.clone()).await, 413);
    let chunked = || {
        let chunks: Vec<Bytes> = large.as_bytes().chunks(100).map(Bytes::copy_from_slice).collect();
        Body::from_stream(futures_util::stream::iter(chunks.into_iter().map(Ok::<_, std::io::Error>)))
    };
    is_problem(&setup.post("application/json", chunked()).await, 413);
    let request = Request::post("/bytes/1").body(chunked());
    assert_eq!(setup.send(request.expect("a request")).await.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_body_that_pauses_is_refused_and_the_wait_is_booked() {
    let setup = setup(|parts| parts.section.body_pause = Span(Duration::from_millis(15)));
    let slow = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
    let answer = setup.post("application/json", slow).await;
    is_problem(&answer, 408);
    assert_eq!(answer.header("connection"), "close");
    let operation = setup.only();
    let waits = operation.record().waits();
    assert!(waits.iter().any(|wait| wait.kind == WaitKind::BodyIn && wait.total >= Duration::from_millis(10)));
}

#[tokio::test]
async fn a_body_that_dribbles_to_the_deadline_is_the_clients_fault() {
    let setup = setup(|parts| parts.section.request_timeout = Span(Duration::from_millis(40)));
    let slow = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
    is_problem(&setup.post("application/json", slow).await, 408);
}

#[tokio::test]
async fn wrong_json_names_the_field() {
    let setup = setup(|_| {});
    let cases = [
        (r#"{"items": [{"name": "a", "count": 1}, {"name": "b", "count": "two"}]}"#, "items[1].count"),
        (r#"{"items": [{"name": "a"}]}"#, "items[0].count"),
        (r#"{}"#, "items"),
        (r#"{"items": [{"name": 5, "count": 1}]}"#, "items[0].name"),
        (r#"{"items": [{"name": "a", "count": -1}]}"#, "items[0].count"),
        (r#"{"items": [], "items": []}"#, "items"),
        (r#"[1, 2]"#, ""),
        (r#" [[{"name": "a", "count": 1}]]"#, ""),
        ("null", ""),
    ];
    for (body, field) in cases {
        let problem = is_problem(&setup.post("application/json", body).await, 422);
        if !field.is_empty() {
            assert_eq!(problem["errors"][0]["field"], field, "{body}: {problem}");
        }
    }
    for body in
        [&b"{\"items\": [{\"name\": \"\xff\", \"count\": 1}]}"[..], br#"{"items": [{"name": "\ud800", "count": 1}]}"#]
    {
        let problem = is_problem(&setup.post("application/json", body).await, 400);
        assert_eq!(problem["errors"][0]["field"], "items[0].name", "{problem}");
    }
    let answer = setup.post("application/json; charset=utf-8", r#"{"items": [{"name": "a", "count": 1}]}"#).await;
    assert_eq!((answer.status, answer.json()["items"][0]["name"].clone()), (StatusCode::CREATED, json!("a")));
}

#[tokio::test]
async fn hostile_bodies_are_the_clients_fault() {
    let setup = setup(|_| {});
    let deep = "[".repeat(10_000);
    let nested = format!("{{\"items\": {}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let bodies: [&[u8]; 9] = [
        b"",
        b"{",
        b"{\"items\": [}",
        b"\xff\xfe{\"items\": []}",
        b"{\"items\": [{\"name\": \"\xc3\x28\", \"count\": 1}]}",
        b"{\"items\": []} trailing",
        b"{\"items\": [{\"name\": \"\\ud800\", \"count\": 1}]}",
        deep.as_bytes(),
        nested.as_bytes(),
    ];
    for body in bodies {
        let answer = setup.post("application/json", body.to_vec()).await;
        let status = answer.status.as_u16();
        assert!(status == 400 || status == 422, "{status}: {:?}", &body[..body.len().min(40)]);
        is_problem(&answer, status);
    }
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "", "json", "application/jsonx"] {
        is_problem(&setup.post(content_type, "{}").await, 415);
    }
}

#[tokio::test]
async fn wrong_parameters_name_the_field() {
    let setup = setup(|_| {});
    let cases = [
        ("/v1/orders?limit=many", "limit"),
        ("/v1/orders?limit=-1", "limit"),
        ("/v1/orders?limit=1&limit=2", "limit"),
        ("/v1/orders?limit=1&word=a%c3%28", "word"),
        ("/v1/shelves/x/00000000-0000-0000-0000-000000000007", "shelf"),
        ("/v1/shelves/1/nobody", "id"),
        ("/v1/shelves/99999999999/00000000-0000-0000-0000-000000000007", "shelf"),
    ];
    for (path, field) in cases {
        let problem = is_problem(&setup.get(path).await, 400);
        assert_eq!(problem["errors"][0]["field"], field, "{path}: {problem}");
    }
    for path in ["/v1/orders/nobody", "/v1/orders/%ff%fe", "/v1/orders?word=%ff", "/v1/orders?word=a%c3%28"] {
        is_problem(&setup.get(path).await, 400);
    }
    assert_eq!(setup.get("/v1/orders?word=%C3%BC%20%zz&other=1").await.json()["word"], "ü %zz");
}

#[tokio::test]
async fn what_is_signed_is_checked_before_it_is_read_and_from_any_origin() {
    let setup = setup(|_| ());
    let send = |seal: Option<&str>, body: &'static str| {
        let mut request = Request::post("/v1/sealed").header("content-type", "application/json");
        request = request.header("sec-fetch-site", "cross-site").header("origin", "https://elsewhere.test");
        if let Some(seal) = seal {
            request = request.header("x-seal", seal);
        }
        setup.send(request.body(Body::from(body)).expect("a request"))
    };
    assert_eq!(send(Some("24"), r#"{"name":"a", "count": 1}"#).await.status, StatusCode::OK);
    is_problem(&send(Some("23"), "{").await, 401);
    let problem = is_problem(&send(Some("12"), r#"{"name":"a"}"#).await, 422);
    assert_eq!(problem["errors"][0]["field"], "count");
    let problem = is_problem(&send(None, "{}").await, 400);
    assert_eq!(problem["errors"][0]["field"], "x-seal");
    let long = r#"{"name":"a name that is so long that the route will not have it", "count": 1}"#;
    is_problem(&send(Some("1"), long).await, 413);
    let document = setup.send(Request::get("/openapi.json").body(Body::empty()).expect("a request")).await.json();
    let operation = &document["paths"]["/v1/sealed"]["post"];
    assert_eq!(operation["x-any-origin"], true);
    assert_eq!(operation["parameters"][0]["in"], "header");
}

#[tokio::test]
async fn another_origin_may_not_change_anything() {
    let setup = setup(|_| {});
    let request = |site: &str| {
        let request = Request::post("/v1/fail/none").header("host", "app.test").header("sec-fetch-site", site);
        request.body(Body::empty()).expect("a request")
    };
    is_problem(&setup.send(request("cross-site")).await, 403);
    assert_eq!(setup.send(request("same-origin")).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn pages_are_strict_and_https_is_pinned() {
    let setup = setup(|parts| parts.section.public_url = "https://app.test".into());
    let answer = setup.get("/page").await;
    assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"));
    assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin");
    assert!(!answer.header("referrer-policy").is_empty());
    assert!(answer.header("strict-transport-security").starts_with("max-age="));
    let answer = setup.get("/v1/orders").await;
    assert_eq!(answer.header("content-security-policy"), "");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
}

#[tokio::test]
async fn health_tells_life_from_readiness() {
    let lifecycle = Lifecycle::default();
    let life = lifecycle.clone();
    let setup = setup(move |parts| {
        parts.health = Health::new(life)
            .check("database", || async { Ok(()) })
            .check("vault", || async { Err(Error::unavailable("the vault at 10.0.0.7 is closed")) });
    });
    assert_eq!(setup.get("/livez").await.status, StatusCode::OK);
    let answer = setup.get("/readyz").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    let checks = answer.json()["checks"].clone();
    let expected = json!([
        { "name": "lifecycle", "error": "unavailable" },
        { "name": "database" },
        { "name": "vault", "error": "unavailable" },
    ]);
    assert_eq!(checks, expected);
    lifecycle.set_ready();
    assert_eq!(setup.get("/readyz").await.json()["checks"][0], json!({ "name": "lifecycle" }));
}

#[tokio::test]
async fn the_document_follows_from_the_types() {
    let setup = setup(|parts| parts.about.title = "Shop".into());
    let answer = setup.get("/openapi.json").await;
    let document = answer.json();
    assert_eq!(document["openapi"].as_str().map(|version| &version[..3]), Some("3.1"));
    assert_eq!(document["info"]["title"], "Shop");
    let post = &document["paths"]["/v1/orders"]["post"];
    assert_eq!(post["tags"], json!(["shop"]));
    assert_eq!(post["requestBody"]["content"]["application/json"]["schema"]["$ref"], "#/components/schemas/Order");
    assert!(post["responses"]["201"].is_object(), "{post}");
    let problem = &post["responses"]["default"]["content"]["application/problem+json"]["schema"]["$ref"];
    assert_eq!(problem, "#/components/schemas/Problem");
    assert!(document["components"]["schemas"]["Item"]["properties"]["count"].is_object());
    assert!(document["components"]["schemas"]["Problem"].is_object());
    let parameter = &document["paths"]["/v1/orders/{id}"]["get"]["parameters"][0];
    assert_eq!((&parameter["name"], &parameter["schema"]["format"]), (&json!("id"), &json!("uuid")));
    assert!(document["components"]["securitySchemes"]["bearer"].is_object());
    let text = document.to_string();
    assert!(!text.contains("x-sarsen"), "{text}");
    let request = Request::get("/openapi.json").header("if-none-match", answer.header("etag"));
    let again = setup.send(request.body(Body::empty()).expect("a request")).await;
    assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
    assert_eq!(setup.get("/docs").await.status, StatusCode::OK);
}

#[tokio::test]
async fn two_types_of_one_name_stay_apart_in_the_document() {
    #[derive(Serialize, JsonSchema)]
    struct Item {
        weight: f64,
    }
    #[derive(Serialize, JsonSchema)]
    struct Cart {
        items: Vec<Item>,
    }
    async fn cart() -> Json<Cart> {
        Json(Cart { items: vec![Item { weight: 1.0 }] })
    }
    let routes = || Routes::new().api_route("/v1/cart", get(cart));
    let setup = setup(|parts| parts.modules.push(ModuleRoutes::new("market", routes)));
    let document = setup.get("/openapi.json").await.json();
    let schemas = &document["components"]["schemas"];
    assert!(schemas["Item"]["properties"]["count"].is_object());
    assert!(schemas["MarketItem"]["properties"]["weight"].is_object());
    assert_eq!(schemas["Cart"]["properties"]["items"]["items"]["$ref"], "#/components/schemas/MarketItem");
}

#[tokio::test]
async fn two_modules_cannot_serve_the_same_route() {
    let recorder = Recorder::new(1);
    let mut parts = StackParts::new(&HttpSection::default(), &recorder, Health::new(Lifecycle::default()));
    let routes = || Routes::new().api_route("/v1/orders", get(list));
    parts.modules = vec![ModuleRoutes::new("shop", routes), ModuleRoutes::new("market", routes)];
    let error = Stack::new(parts).expect_err("a conflict");
    assert_eq!(error.message(), "GET /v1/orders is served by `shop` and by `market`");
}
