//! A handler answers the same, whether a router finds it or the stack calls it itself.

use axum::body::Body;
use axum::extract::{MatchedPath, State};
use axum::routing::{Router, get as plain_get};
use http::{HeaderName, HeaderValue, Request, StatusCode};
use http_body_util::BodyExt;
use sarsen::config::HttpSection;
use sarsen::http::routing::{get, get_with, head, post};
use sarsen::http::{Health, Json, ModuleRoutes, NoContent, Path, Query, Routes, Stack, StackParts};
use sarsen::lifecycle::Lifecycle;
use sarsen::telemetry::Recorder;
use sarsen::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use uuid::Uuid;

struct Shop;

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
struct Filter {
    limit: Option<u32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Place {
    shelf: u32,
    id: Uuid,
}

async fn list(Query(filter): Query<Filter>) -> Json<Filter> {
    Json(filter)
}

async fn order(State(_): State<Arc<Shop>>, Json(order): Json<Filter>) -> Json<Filter> {
    Json(order)
}

async fn shown(Path(id): Path<Uuid>) -> Json<Uuid> {
    Json(id)
}

async fn placed(State(_): State<Arc<Shop>>, Path(place): Path<Place>) -> String {
    format!("{} {}", place.shelf, place.id)
}

async fn failing(Path((kind, count)): Path<(String, u8)>) -> Result<NoContent> {
    match kind.as_str() {
        "conflict" => Err(Error::conflict("the name is taken").field("name", "is taken")),
        "unauthenticated" => Err(Error::unauthenticated("who are you?")),
        "panic" if count == 1 => panic!("on purpose"),
        _ => Ok(NoContent),
    }
}

async fn page() -> &'static str {
    "a page"
}

fn shop() -> Routes {
    Routes::new()
        .api_route("/orders", post(order).get(list))
        .api_route("/orders/{id}", get(shown))
        .api_route("/shelves/{shelf}/{id}", get(placed))
        .api_route("/fail/{kind}/{count}", get(failing).post(failing))
        .api_route("/asked", head(page))
        .route("/undocumented/{id}", plain_get(page))
        .with_state(Arc::new(Shop))
}

struct Setup {
    stack: Stack,
    recorder: Recorder,
}

fn setup(module: ModuleRoutes) -> Setup {
    let (recorder, lifecycle) = (Recorder::new(64), Lifecycle::default());
    lifecycle.set_ready();
    let mut parts = StackParts::new(&HttpSection::default(), &recorder, Health::new(lifecycle));
    parts.modules = vec![module];
    Setup { stack: Stack::new(parts).expect("a stack"), recorder }
}

/// What is the same for the same request: status, headers, body, and the name of its Operation.
#[derive(Debug, PartialEq)]
struct Answer {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: String,
    name: String,
}

impl Setup {
    async fn send(&self, method: &str, path: &str) -> Answer {
        let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        let request = request.body(Body::from("{\"limit\": 5}")).expect("a request");
        let (mut parts, body) = self.stack.call(request).await.into_parts();
        let trace = parts.headers.remove("x-request-id").expect("an id");
        let body = body.collect().await.expect("a body").to_bytes();
        let body = String::from_utf8_lossy(&body).replace(trace.to_str().expect("text"), "the trace");
        let mut headers: Vec<_> = parts.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        headers.sort_by(|one, other| one.0.as_str().cmp(other.0.as_str()));
        let closed = self.recorder.drain().pop().expect("closed");
        let name = closed.record().name.to_string();
        Answer { status: parts.status, headers, body, name }
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let answer = self.send("GET", path).await;
        (answer.status.as_u16(), answer.body)
    }
}

#[tokio::test]
async fn a_handler_answers_the_same_with_a_router_before_it_and_without() {
    let nothing = || axum::middleware::map_request(async |request: Request<Body>| request);
    let straight = setup(ModuleRoutes::new("shop", shop));
    let routed = setup(ModuleRoutes::new("shop", || shop().layer(nothing())));
    let id = "00000000-0000-0000-0000-000000000007";
    let (shown, placed) = (format!("/orders/{id}"), format!("/shelves/3/{id}"));
    let requests = [
        ("GET", "/orders?limit=3", 200),
        ("GET", "/orders?limit=x", 400),
        ("HEAD", "/orders", 200),
        ("POST", "/orders", 200),
        ("PUT", "/orders", 405),
        ("OPTIONS", "/orders", 405),
        ("BREW", "/orders", 405),
        ("GET", "/orders/", 404),
        ("GET", &shown, 200),
        ("HEAD", &shown, 200),
        ("HEAD", "/asked", 200),
        ("GET", "/asked", 405),
        ("GET", "/orders/%30%30000000-0000-0000-0000-000000000007", 200),
        ("GET", "/orders/nobody", 400),
        ("GET", "/orders/%ff", 400),
        ("GET", &placed, 200),
        ("GET", "/shelves/3/nobody", 400),
        ("GET", "/shelves/x/nobody", 400),
        ("GET", "/fail/conflict/2", 409),
        ("GET", "/fail/unauthenticated/2", 401),
        ("GET", "/fail/none/2", 204),
        ("POST", "/fail/a%2Fb/2", 204),
        ("GET", "/fail/panic/1", 500),
        ("GET", "/undocumented/1", 200),
        ("GET", "/nowhere", 404),
    ];
    for (method, path, status) in requests {
        let answers = (straight.send(method, path).await, routed.send(method, path).await);
        assert_eq!(answers.0, answers.1, "{method} {path}");
        assert_eq!(answers.0.status, status, "{method} {path}");
    }
}

#[tokio::test]
async fn a_part_of_a_tuple_that_is_wrong_is_named() {
    let (status, body) = setup(ModuleRoutes::new("shop", shop)).get("/fail/none/many").await;
    assert!(status == 400 && body.contains(r#""errors":[{"field":"count","message":"is not a u8"}]"#), "{body}");
}

#[tokio::test]
async fn a_route_that_no_table_lists_is_nearer_than_a_parameter() {
    let plain = || Router::new().route("/orders/special", plain_get(page));
    let inside = || Routes::new().route("/special", plain_get(page));
    let all = [
        ModuleRoutes::new("shop", || shop().route("/orders/special", plain_get(page))),
        ModuleRoutes::new("shop", shop).plain(plain()),
        ModuleRoutes::new("shop", || shop().nest("/orders", inside())),
        ModuleRoutes::new("shop", || shop().merge(Routes::new().route("/orders/special", plain_get(page)))),
        ModuleRoutes::new("shop", || shop().api_route("/orders/special", get_with(page, |op| op.hidden(true)))),
    ];
    let id = Uuid::from_u128(9);
    for module in all {
        let setup = setup(module);
        assert_eq!(setup.get("/orders/special").await, (200, "a page".to_owned()));
        assert_eq!(setup.get(&format!("/orders/{id}")).await, (200, format!("\"{id}\"")));
    }
}

#[tokio::test]
async fn a_layer_is_passed_by_all_that_it_is_around() {
    let marked = || {
        axum::middleware::map_response(async |mut response: axum::response::Response| {
            response.headers_mut().insert("x-layer", HeaderValue::from_static("passed"));
            response
        })
    };
    let routes = move || {
        let around = Routes::new().api_route("/inside", get(page)).layer(marked());
        let method = get(page).layer(marked()).post(page);
        Routes::new().merge(around).api_route("/method", method).api_route("/outside", get(page))
    };
    let setup = setup(ModuleRoutes::new("shop", routes));
    for (method, path, passed) in
        [("GET", "/inside", true), ("GET", "/method", true), ("POST", "/method", false), ("GET", "/outside", false)]
    {
        let answer = setup.send(method, path).await;
        assert_eq!(answer.headers.iter().any(|(name, _)| name == "x-layer"), passed, "{method} {path}");
    }
}

#[tokio::test]
async fn what_a_router_leaves_beside_a_request_is_there_for_who_asks() {
    async fn asks(axum::extract::Path(id): axum::extract::Path<u32>) -> String {
        id.to_string()
    }
    async fn matched(matched: MatchedPath) -> String {
        matched.as_str().to_owned()
    }
    let routes = || Routes::new().api_route("/asks/{id}", get(asks)).route("/matched/{id}", plain_get(matched));
    let setup = setup(ModuleRoutes::new("shop", routes));
    assert_eq!(setup.get("/asks/7").await, (200, "7".to_owned()));
    assert_eq!(setup.get("/matched/7").await, (200, "/matched/{id}".to_owned()));
}
