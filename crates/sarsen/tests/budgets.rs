//! Budgets beside routes and jobs: told to developers, kept by tests.

use sarsen::config::Environment;
use sarsen::http::routing::get_with;
use sarsen::http::{Asset, Assets, Promises, Routes};
use sarsen::jobs::{Job, Policy, Run};
use sarsen::telemetry::{Budget, OperationKind, ms};
use sarsen::testing::{TestApp, assert_within_budget};
use sarsen::{App, Db, Declare, Init, NoApi, Result};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const PAGE: &str = "<!doctype html><html><head></head><body></body></html>";

struct Shop {
    db: Db,
}

#[derive(Debug, Serialize, Deserialize)]
struct Count {
    queries: u64,
}

impl Job for Count {
    const KIND: &'static str = "shop.count";

    fn policy() -> Policy {
        Policy::new().budget(Budget::new().run(ms(60_000)).queries(2).retries(0))
    }
}

impl sarsen::Module for Shop {
    const NAME: &'static str = "shop";
    type Api = NoApi;
    type Config = ();
    type Deps = ();

    async fn init(init: Init<Self>) -> Result<Self> {
        Ok(Self { db: init.db })
    }

    fn declare(declare: &mut Declare<Self>) {
        declare.routes(|shop| {
            let promised = Budget::p99(ms(60_000)).queries(2);
            Routes::new()
                .api_route("/two", get_with(two, move |op| op.budget(promised)))
                .api_route("/three", get_with(three, move |op| op.budget(promised)))
                .with_state(shop)
        });
        declare.job(Shop::count);
    }
}

impl Shop {
    async fn ask(&self, times: u64) -> Result<()> {
        for _ in 0..times {
            self.db.query("SELECT 1").scalar::<i64>().await?;
        }
        Ok(())
    }

    async fn count(self: Arc<Self>, job: Count, _: Run) -> Result<()> {
        self.ask(job.queries).await
    }
}

async fn two(axum::extract::State(shop): axum::extract::State<Arc<Shop>>) -> Result<sarsen::http::NoContent> {
    shop.ask(2).await?;
    Ok(sarsen::http::NoContent)
}

async fn three(axum::extract::State(shop): axum::extract::State<Arc<Shop>>) -> Result<sarsen::http::NoContent> {
    shop.ask(3).await?;
    Ok(sarsen::http::NoContent)
}

async fn shop(environment: Environment) -> TestApp {
    TestApp::start(|mut config| {
        config.app.environment = environment;
        config.app.secret = sarsen::config::Secret::new("only for tests, but long enough for them");
        let mut app = App::new("shop", "1.0.0", config);
        app.mount::<Shop>(());
        let page = Asset::new("index.html", PAGE.as_bytes());
        app.assets(Assets::new(&[page], &[("/", "index.html")]).expect("a page"));
        app
    })
    .await
}

#[tokio::test]
async fn a_developer_is_told_beside_the_answer() {
    let app = shop(Environment::Development).await;
    assert_eq!(app.get("/two").await.header("sarsen-budget"), Some("kept"));
    let answer = app.get("/three").await;
    assert_eq!(answer.header("sarsen-budget"), Some("broken; queries=3/2"));
    let timing = answer.header("server-timing").expect("is told").to_owned();
    assert!(timing.starts_with("total;dur=") && timing.contains("desc=\"3 queries\""), "{timing}");
    app.stop().await;
}

#[tokio::test]
async fn in_development_pages_get_the_script_of_the_banner() {
    let app = shop(Environment::Development).await;
    let page = app.get("/").await.text();
    let (_, from) = page.split_once("<head><script src=\"").expect("a script, and first");
    let script = app.get(from.split('"').next().expect("an address")).await;
    assert_eq!(script.header("content-type"), Some("text/javascript; charset=utf-8"));
    assert!(script.text().contains("sarsen-budget"));
    app.stop().await;
}

#[tokio::test]
async fn in_production_nobody_is_told() {
    let app = shop(Environment::Production).await;
    assert_eq!(app.get("/").await.text(), PAGE);
    let answer = app.get("/three").await;
    assert_eq!((answer.header("sarsen-budget"), answer.header("server-timing")), (None, None));
    app.stop().await;
}

#[tokio::test]
#[should_panic(expected = "`GET /three` is beyond its budget: queries=3/2")]
async fn a_test_fails_of_a_request_beyond_its_budget() {
    let app = shop(Environment::Test).await;
    app.get("/two").await;
    app.get("/three").beyond_budget().await;
    app.get("/three").await;
}

#[tokio::test]
#[should_panic(expected = "`shop.count` is beyond its budget: queries=3/2")]
async fn a_test_fails_of_a_job_beyond_its_budget() {
    let app = shop(Environment::Test).await;
    let budgets = app.running().budgets().clone();
    assert_eq!(budgets.get(OperationKind::Job, Count::KIND).and_then(|budget| budget.queries), Some(2));
    let done = |queries| {
        let app = &app;
        async move {
            app.running().jobs().enqueue(app.db(), Count { queries }).await.expect("is enqueued");
            app.run_jobs().await;
            let mut closed = app.operations().into_iter();
            closed.find(|operation| operation.kind() == OperationKind::Job).expect("ran")
        }
    };
    assert_within_budget(&done(2).await);
    assert_within_budget(&done(3).await);
}
