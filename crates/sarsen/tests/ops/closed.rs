//! Who gets in, and that the others do not learn that there is something to get into.

use crate::world::{ADDRESSES, OPERATOR, SECRET, VISITOR, development, production, seen, start};
use axum::http::Method;
use sarsen::App;
use sarsen::config::{Environment, Secret};
use sarsen::testing::{Client, Request, TestApp};
use std::time::Duration;

const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS];

fn token() -> String {
    let mut config = sarsen::Config::default();
    config.app.secret = Secret::new(SECRET);
    App::new("shop", "1.0.0", config).ops_token().unwrap().expose().to_owned()
}

/// Sends the same request to both addresses; the answers must be the same to the letter.
async fn is_not_there(client: &Client, method: &Method, path: &str, change: impl Fn(Request) -> Request) {
    let other = path.replacen("/ops", "/nix", 1);
    let here = change(client.request(method.clone(), path)).await;
    let there = change(client.request(method.clone(), &other)).await;
    assert_eq!(there.status(), 404, "{there:?}");
    assert_eq!(seen(&here), seen(&there), "{method} {path}");
}

pub(crate) async fn a_stranger_in_production_learns_nothing() {
    let app = production(|app| app.authorize_ops(|person| async move { Ok(person == OPERATOR) })).await;
    let stranger = app.client();
    for path in ADDRESSES.into_iter().chain(["/ops/", "/ops//", "/ops?x", "/ops/api/", "/ops/api/queues/a/pause"]) {
        for method in &METHODS {
            is_not_there(&stranger, method, path, |request| request).await;
        }
    }
    let wrong = "0".repeat(64);
    let another = format!("{}0", token());
    for token in ["", "x", wrong.as_str(), another.as_str()] {
        is_not_there(&stranger, &Method::GET, "/ops/api/why", |request| request.bearer(token)).await;
        is_not_there(&stranger, &Method::GET, &format!("/ops?token={token}"), |request| request).await;
        is_not_there(&stranger, &Method::GET, "/ops", |request| request.header("cookie", &format!("ops={token}")))
            .await;
        is_not_there(&stranger, &Method::GET, "/ops", |request| {
            request.header("cookie", &format!("ops=99999999999999999.{token}"))
        })
        .await;
    }
    let large = "x".repeat(10_000);
    is_not_there(&stranger, &Method::POST, "/ops/api/jobs/retry-dead", |request| request.body(large.clone())).await;
    is_not_there(&stranger, &Method::GET, "/ops/ops.css", |request| {
        request.header("if-none-match", "*").header("accept-encoding", "gzip")
    })
    .await;
    is_not_there(&stranger, &Method::GET, "/ops", |request| request.header("host", "shop.example.org")).await;

    // Somebody who is signed in, and no operator; also on the day on which the session gets a new secret.
    let visitor = signed_in(&app, VISITOR).await;
    is_not_there(&visitor, &Method::GET, "/ops", |request| request).await;
    app.clock().advance(Duration::from_secs(86_400 + 1));
    let here = visitor.get("/ops").await;
    assert_eq!(seen(&here), seen(&stranger.get("/nix").await));
    is_not_listed(&app).await;
}

async fn is_not_listed(app: &TestApp) {
    for path in ["/openapi.json", "/docs"] {
        let text = app.get(path).await.text();
        assert!(!text.contains("/ops"), "{path} names it");
    }
    assert!(!app.running().routes().iter().any(|route| route.pattern.starts_with("/ops")));
}

async fn signed_in(app: &TestApp, person: uuid::Uuid) -> Client {
    let client = app.client();
    client.post(&format!("/sign-in/{person}")).await.expect_status(204);
    client
}

pub(crate) async fn the_token_lets_programs_and_browsers_in() {
    let app = production(|_| ()).await;
    let token = token();
    let program = app.client();
    for path in ADDRESSES.iter().filter(|path| !path.ends_with("nothing")) {
        let response = program.get(path).bearer(&token).await;
        // What copies tables is done for nobody here.
        let expected = if path.contains("indexes") { 403 } else { 200 };
        assert!(response.status() == expected || path.contains("sample"), "{response:?}");
        assert!(
            ["no-store", "private, no-store", "private, no-cache"].contains(&response.header("cache-control").unwrap()),
            "{path}"
        );
        assert_eq!(response.header("referrer-policy"), Some("no-referrer"));
        if response.header("content-type").unwrap().starts_with("text/html") {
            let policy = response.header("content-security-policy").unwrap();
            assert!(policy.starts_with("default-src 'self';") && !policy.contains("unsafe"), "{policy}");
            assert!(!response.text().contains("<script>") && !response.text().contains("style="), "{path}");
        }
    }
    program.get("/ops").await.expect_status(404);

    let browser = app.client();
    let shown = browser.get(&format!("/ops/slow?token={token}")).await.expect_status(200);
    let cookie = shown.header("set-cookie").unwrap();
    for part in ["ops=", "; Path=/ops;", "HttpOnly", "SameSite=Strict"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains(&token) && shown.text().contains("0; url=/ops/slow\"") && !shown.text().contains(&token));
    browser.get("/ops/slow").await.expect_status(200);
    browser.get("/ops/api/why").await.expect_status(200);
    app.clock().advance(Duration::from_secs(7 * 86_400));
    browser.get("/ops").await.expect_status(404);
}

pub(crate) async fn people_are_let_in_by_name() {
    let app = production(|app| app.authorize_ops(|person| async move { Ok(person == OPERATOR) })).await;
    let operator = signed_in(&app, OPERATOR).await;
    operator.get("/ops").await.expect_status(200);
    let about: serde_json::Value = operator.get("/ops/api/about").await.expect_status(200).json();
    assert_eq!(about["visitor"], format!("person {OPERATOR}"));
    signed_in(&app, VISITOR).await.get("/ops").await.expect_status(404);
    app.get("/ops").bearer(&token()).await.expect_status(200);

    let broken =
        production(|app| app.authorize_ops(|_| async { Err(sarsen::Error::internal("the list is lost")) })).await;
    let operator = signed_in(&broken, OPERATOR).await;
    is_not_there(&operator, &Method::GET, "/ops", |request| request).await;
}

pub(crate) async fn development_is_open_to_this_machine_only() {
    let app = development().await;
    for host in ["localhost", "localhost:3000", "127.0.0.1:3000", "[::1]:3000", "shop.localhost"] {
        app.get("/ops").header("host", host).await.expect_status(200);
        app.get("/ops/api/now").header("host", host).await.expect_status(200);
    }
    let refused = app.get("/ops/api/config").header("host", "rebound.example.org").await.expect_status(403);
    assert!(refused.text().contains("http.public_url"), "{refused:?}");

    let off = start(Environment::Development, |config| config.ops.enabled = false, |_| ()).await;
    off.get("/ops").await.expect_status(404);
    off.get("/ops/api/why").await.expect_status(404);
}

pub(crate) async fn a_configured_token_takes_the_place_of_the_derived_one() {
    let own = "a token of one's own, long enough to be one";
    let app = start(Environment::Production, |config| config.ops.token = Secret::new(own), |_| ()).await;
    app.get("/ops").bearer(own).await.expect_status(200);
    app.get("/ops").bearer(&token()).await.expect_status(404);
}
