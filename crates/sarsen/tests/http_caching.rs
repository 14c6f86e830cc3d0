//! Answers that may be kept: who may keep them, versions, and tags for networks of caches.

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use sarsen::cache::{Cache, Keep, key, tag};
use sarsen::http::routing::get;
use sarsen::http::{CacheControl, CdnTags, Etag, IfChanged, Json, MaybeActor, Path, Routes, Version, Versioned};
use sarsen::testing::TestApp;
use sarsen::{App, Config, Declare, Init, Module, NoApi, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use uuid::Uuid;

const MINUTE: Duration = Duration::from_secs(60);

/// Pages with a version, and answers that are kept in ways that are right and wrong.
struct Pages {
    version: AtomicU64,
    drawn: AtomicUsize,
    cache: Cache,
}

struct OfPage;

impl Version<Arc<Pages>> for OfPage {
    const KEEP: CacheControl = CacheControl::public(MINUTE);

    async fn version(parts: &mut Parts, pages: &Arc<Pages>) -> Result<Etag> {
        let Path(name) = Path::<String>::from_request_parts(parts, pages).await?;
        Ok(Etag::version(format!("{name} {}", pages.version.load(Ordering::SeqCst))))
    }
}

async fn page(
    State(pages): State<Arc<Pages>>,
    changed: IfChanged<OfPage>,
    Path(name): Path<String>,
) -> Versioned<Json<String>> {
    pages.drawn.fetch_add(1, Ordering::SeqCst);
    changed.with(Json(format!("page {name}")))
}

async fn exposed(MaybeActor(_): MaybeActor) -> (CacheControl, &'static str) {
    (CacheControl::public(MINUTE), "yours")
}

async fn agreed(MaybeActor(_): MaybeActor) -> (CacheControl, &'static str) {
    (CacheControl::public(MINUTE).whoever_asks(), "everybody's")
}

async fn own(MaybeActor(_): MaybeActor) -> &'static str {
    "yours"
}

async fn tagged(State(pages): State<Arc<Pages>>) -> Result<(CacheControl, CdnTags, Json<Vec<i64>>)> {
    let memo = pages.cache.memo();
    let mut read = Vec::new();
    for id in [1_i64, 2, 1] {
        let keep = Keep::new(MINUTE).tag(tag("page", id));
        read.push(*memo.fetch(key("page").with(id), keep, move || async move { Ok(id * 10) }).await?);
    }
    Ok((CacheControl::public(MINUTE), CdnTags::new(memo.tags())?, Json(read)))
}

impl Module for Pages {
    const NAME: &'static str = "pages";
    type Api = NoApi;
    type Deps = ();
    type Config = ();

    fn declare(declare: &mut Declare<Self>) {
        declare.authenticate(|_, token| async move { Ok(token.parse::<Uuid>().ok()) }).routes(|pages| {
            Routes::new()
                .api_route("/pages/{name}", get(page))
                .api_route("/exposed", get(exposed))
                .api_route("/agreed", get(agreed))
                .api_route("/own", get(own))
                .api_route("/tagged", get(tagged))
                .with_state(pages)
        });
    }

    async fn init(init: Init<Self>) -> Result<Self> {
        Ok(Pages { version: AtomicU64::new(1), drawn: AtomicUsize::new(0), cache: init.cache })
    }
}

async fn start() -> TestApp {
    TestApp::start(|config: Config| {
        let mut app = App::new("pages", "0.0.0", config);
        app.mount::<Pages>(());
        app
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_has_the_version_is_not_sent_it_again() {
    let app = start().await;
    let first = app.get("/pages/a").await.expect_status(200);
    let etag = first.header("etag").expect("a version").to_owned();
    assert_eq!(first.header("cache-control"), Some("public, max-age=60"));
    let second = app.get("/pages/a").header("if-none-match", &etag).await.expect_status(304);
    assert_eq!(
        (second.header("cache-control"), second.header("etag")),
        (Some("public, max-age=60"), Some(etag.as_str()))
    );
    assert!(second.bytes().is_empty());
    let other = app.get("/pages/b").header("if-none-match", &etag).await.expect_status(200);
    assert_ne!(other.header("etag"), Some(etag.as_str()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_keeps_an_answer_from_others() {
    let app = start().await;
    let token = Uuid::from_u128(1).to_string();
    assert_eq!(
        app.get("/own").bearer(&token).await.expect_status(200).header("cache-control"),
        Some("private, no-store")
    );
    let shown = app.get("/agreed").bearer(&token).await.expect_status(200);
    assert_eq!(shown.header("cache-control"), Some("public, max-age=60"));
    let caught = app.get("/exposed").bearer(&token).await.expect_status(500);
    assert_eq!(caught.header("cache-control"), Some("private, no-store"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_names_the_tags_of_what_it_read() {
    let app = start().await;
    let answer = app.get("/tagged").await.expect_status(200);
    assert_eq!(answer.json::<Vec<i64>>(), [10, 20, 10]);
    let mut tags = [tag("page", 1_i64).digits(), tag("page", 2_i64).digits()];
    tags.sort();
    assert_eq!(answer.header("cache-tag"), Some(tags.join(",").as_str()));
    assert_eq!(answer.header("surrogate-key"), Some(tags.join(" ").as_str()));
}
