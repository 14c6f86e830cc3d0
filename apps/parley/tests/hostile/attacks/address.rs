//! Paths that are wrong, routes that are not there, and methods that are not known.

use crate::document::Operation;
use crate::request::{Attack, Credentials, Expect, Surface, encode, put};
use crate::stage::{Ids, Stage};
use crate::values::{RAW, TEXTS};
use axum::http::Method;
use serde_json::Value;
use std::collections::BTreeMap;

pub(crate) fn address(surface: &Surface<'_>) -> Vec<Attack> {
    let mut attacks = Vec::new();
    for parameter in &surface.operation.path {
        let mut with = |value: &str, expect| {
            let mut sample = surface.sample();
            put(&mut sample.path, &parameter.name, value.to_owned());
            let shown: String = value.chars().take(60).collect();
            attacks.push(surface.attack(format!("{} in the path: {shown}", parameter.name), &sample, expect));
        };
        let named = || Expect::Named(parameter.name.clone());
        let in_field = || Expect::Field(parameter.name.clone());
        for text in TEXTS.iter().filter(|text| !text.is_empty()) {
            let fits = surface.schemas.check(&parameter.schema, &Value::from(text.as_str())).is_ok();
            with(&encode(text), if fits { in_field() } else { named() });
        }
        RAW.iter().for_each(|raw| with(raw, in_field()));
        // Another route, or none.
        for raw in ["", "a/b", "//", "./.", "a?b=c", "a#b"] {
            with(raw, Expect::Anything);
        }
        with(&encode(&surface.ids.other), in_field());
    }
    attacks
}

/// Every method on every path, and paths that lead nowhere.
pub(crate) async fn routes(mut stage: Stage) {
    let mut known: BTreeMap<String, Vec<Method>> = BTreeMap::new();
    for operation in &stage.operations {
        known.entry(operation.pattern.clone()).or_default().push(operation.method.clone());
    }
    let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "BREW", "get"];
    for (pattern, allowed) in &known {
        for method in methods.map(|name| Method::from_bytes(name.as_bytes()).unwrap()) {
            let answers = allowed.contains(&method) || (method == Method::HEAD && allowed.contains(&Method::GET));
            // Nobody is signed in: what exists says so, what does not exist says that.
            let expect = if answers { Expect::Anything } else { Expect::Status(405) };
            let nothing = "00000000-0000-0000-0000-000000000000";
            let path = pattern.replace("{id}", nothing).replace("{delivery}", nothing).replace("{emoji}", "x");
            send(&mut stage, method, path, expect).await;
        }
    }
    let long = format!("/v1/{}", "x/".repeat(20_000));
    let nowhere = [
        "/v1",
        "/v1/",
        "/v2/me",
        "/V1/me",
        "/v1/me/",
        "//v1/me",
        "/v1//me",
        "/v1/me%2Ftokens",
        "/v1/%6De",
        "/v1/me/tokens/a/b",
        "/.env",
        "/wp-login.php",
        "/v1/../v1/me",
        "/v1/me;a=b",
        "/assets/../profile.toml",
        "/assets/%2e%2e/%2e%2e/etc/passwd",
        "/assets//etc/passwd",
        "/assets/app.js",
        "/assets/%00",
        "/%",
        "/%ff",
        "/%00",
        "/💣",
        "/openapi.json/",
        "/livez/x",
        "*",
        &long,
    ];
    for path in nowhere {
        send(&mut stage, Method::GET, path.to_owned(), Expect::Status(404)).await;
        send(&mut stage, Method::POST, path.to_owned(), Expect::Refused).await;
    }
    send(&mut stage, Method::GET, "/assets/%ff".to_owned(), Expect::Status(400)).await;
    for path in ["/livez", "/readyz", "/openapi.json", "/"] {
        send(&mut stage, Method::DELETE, path.to_owned(), Expect::Status(405)).await;
    }
    stage.finish().await;
}

async fn send(stage: &mut Stage, method: Method, target: String, expect: Expect) {
    let attack = Attack {
        what: "a route".to_owned(),
        method,
        target,
        content_type: None,
        body: Vec::new(),
        credentials: Credentials::Headers(Vec::new()),
        expect,
    };
    let undocumented = Operation {
        method: Method::CONNECT,
        pattern: String::new(),
        path: Vec::new(),
        query: Vec::new(),
        body: None,
        responses: Value::Null,
        secured: false,
        any_origin: false,
    };
    stage.make(&attack, &undocumented, &Ids::default()).await;
}
