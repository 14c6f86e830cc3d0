//! The example is measured: its Operations, what repeats in them, the metrics, and requests that nobody waits for.

#[path = "../examples/adopt.rs"]
#[expect(dead_code, unreachable_pub, reason = "its `main` is for people")]
mod example;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use axum::routing::get;
use http_body_util::BodyExt;
use sarsen::advisor::judge;
use sarsen::config::Url;
use sarsen::telemetry::{OperationSpan, Snapshot};
use sarsen::{Adopted, Config, adopt};
use std::time::Duration;
use tower::ServiceExt;

/// The example on a database with a few orders.
async fn shop(folder: &tempfile::TempDir) -> (Adopted, Router) {
    let mut config = Config::default();
    config.database.url = Url::new(format!("sqlite:{}", folder.path().join("shop.db").display()));
    config.app.secret_file = folder.path().join("secret.key").display().to_string();
    let adopted = adopt("shop", "1.0.0", config).await.expect("starts");
    let db = adopted.db();
    for sql in [
        "CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL)",
        "CREATE TABLE orders (id INTEGER PRIMARY KEY)",
        "WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < 12) INSERT INTO customers SELECT id, 'c' || id FROM n",
        "INSERT INTO orders SELECT id FROM customers",
    ] {
        db.query(sql).execute().await.expect("is done");
    }
    let slow = get(async || {
        std::future::pending::<()>().await;
        "never"
    });
    let router = example::router(db.clone()).route("/slow", slow);
    let router = adopted.wrap(router);
    (adopted, router)
}

async fn ask(router: &Router, path: &str) -> Response<Body> {
    let request = Request::get(path).header("host", "localhost").body(Body::empty()).expect("a request");
    router.clone().oneshot(request).await.expect("never fails")
}

async fn text(response: Response<Body>) -> String {
    let bytes = response.into_body().collect().await.expect("a body").to_bytes();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn lately(adopted: &Adopted) -> Snapshot {
    adopted.insight().collect();
    adopted.insight().snapshot(Duration::from_secs(60))
}

fn named<'a>(snapshot: &'a Snapshot, name: &str) -> &'a OperationSpan {
    let names: Vec<&str> = snapshot.operations.iter().map(|span| span.name.as_str()).collect();
    snapshot.operations.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("{name} is not in {names:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_axum_application_gets_operations_and_what_repeats_in_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let (adopted, router) = shop(&folder).await;
    for _ in 0..40 {
        let answer = ask(&router, "/orders").await;
        assert_eq!(answer.status(), StatusCode::OK);
        let timing = answer.headers()["server-timing"].to_str().expect("text").to_owned();
        assert!(timing.starts_with("total;dur=") && timing.contains("13 queries"), "{timing}");
        assert!(text(answer).await.contains("c12"));
    }
    for id in 0..3 {
        assert_eq!(text(ask(&router, &format!("/orders/{id}")).await).await, format!("order {id}"));
    }
    assert_eq!(ask(&router, "/nothing").await.status(), StatusCode::NOT_FOUND);

    let snapshot = lately(&adopted);
    let orders = named(&snapshot, "GET /orders");
    assert_eq!((orders.all.count, orders.all.queries), (40, 40 * 13));
    assert_eq!(orders.all.account.booked(), orders.all.account.wall);
    assert_eq!(named(&snapshot, "GET /orders/{id}").all.count, 3);
    assert_eq!(named(&snapshot, "(no route)").all.count, 1);
    let judgement = judge(&snapshot);
    let mut all = [&judgement.process].into_iter().chain(&judgement.verdicts).chain(&judgement.findings);
    let repeats = all.find(|finding| finding.rule == "n_plus_one");
    let repeats = repeats.unwrap_or_else(|| panic!("{judgement:?}"));
    let told = format!("{repeats:?}");
    assert!(told.contains("SELECT name FROM customers") && told.contains("adopt.rs"), "{told}");
    let why = text(ask(&router, "/ops/api/why?span=60").await).await;
    assert!(why.contains("n_plus_one") && why.contains("GET /orders"), "{why}");
    let page = ask(&router, "/ops/slow").await;
    assert_eq!(page.status(), StatusCode::OK);
    assert!(text(page).await.starts_with("<!doctype html>"));
    assert!(text(ask(&router, "/ops/api/snapshot?span=60").await).await.contains("GET /orders/{id}"));
    adopted.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_hangs_up_is_seen_and_metrics_are_beside_the_routes() {
    let folder = tempfile::tempdir().expect("a folder");
    let (adopted, router) = shop(&folder).await;
    let soon = sarsen::clock::monotonic() + Duration::from_millis(20);
    assert!(sarsen::clock::until(soon, ask(&router, "/slow")).await.is_err(), "it never answers");
    let snapshot = lately(&adopted);
    assert_eq!(named(&snapshot, "GET /slow").all.cancelled, 1);
    let mut metrics = String::new();
    while !metrics.contains("operation=\"GET /slow\"") {
        assert!(sarsen::clock::monotonic() < soon + Duration::from_secs(20), "{metrics}");
        sarsen::clock::pause(Duration::from_millis(10)).await;
        metrics = text(ask(&router, "/metrics").await).await;
    }
    assert!(
        metrics.contains("sarsen_operations_cancelled_total{kind=\"request\",module=\"\",operation=\"GET /slow\"} 1")
    );
    adopted.stop().await;
}
