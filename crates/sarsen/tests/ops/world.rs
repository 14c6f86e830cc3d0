//! A small application with jobs that fail, people who sign in, and requests with secrets in them.

use axum::extract::State;
use sarsen::config::{Environment, Secret};
use sarsen::http::routing::{get_with, post_with};
use sarsen::http::{Json, NoContent, Path, Query, Routes, Session};
use sarsen::jobs::{Firing, Job, Policy, Run, Schedule};
use sarsen::testing::{Response, TestApp};
use sarsen::{App, Config, Db, Declare, Error, Init, Module, NoApi, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

pub(crate) const SECRET: &str = "a secret of the application that nobody may see";
pub(crate) const OPERATOR: Uuid = Uuid::from_u128(0xa);
pub(crate) const VISITOR: Uuid = Uuid::from_u128(0xb);

/// All that can be asked for, with examples of what stands in `{}`.
pub(crate) const ADDRESSES: [&str; 34] = [
    "/ops",
    "/ops/budgets",
    "/ops/slow",
    "/ops/operation",
    "/ops/sample/x",
    "/ops/queries",
    "/ops/jobs",
    "/ops/job/0190a1b2-0000-7000-8000-000000000000",
    "/ops/modules",
    "/ops/live",
    "/ops/cache",
    "/ops/dependencies",
    "/ops/errors",
    "/ops/process",
    "/ops/ops.js",
    "/ops/ops.css",
    "/ops/api/about",
    "/ops/api/now",
    "/ops/api/snapshot?span=60",
    "/ops/api/why",
    "/ops/api/history?span=60",
    "/ops/api/histogram?kind=request&name=GET%20%2Fcards%2F%7Bnumber%7D",
    "/ops/api/samples?kind=request&name=GET%20%2Fcards%2F%7Bnumber%7D",
    "/ops/api/indexes?span=60",
    "/ops/api/jobs",
    "/ops/api/jobs/list?state=discarded",
    "/ops/api/schedules",
    "/ops/api/modules",
    "/ops/api/realtime",
    "/ops/api/blobs",
    "/ops/files",
    "/ops/api/cache",
    "/ops/api/config",
    "/ops/api/nothing",
];

/// Things on shelves, which nobody has put in order.
const SHELVES: &str = "CREATE TABLE things (id UUID PRIMARY KEY, shelf BIGINT NOT NULL, name TEXT NOT NULL);";

pub(crate) struct Shop {
    db: Db,
}

/// Fails, and its error holds what it was given.
#[derive(Serialize, Deserialize)]
pub(crate) struct Charge {
    pub(crate) card: String,
    pub(crate) works: bool,
}

impl Job for Charge {
    const KIND: &'static str = "shop.charge";
    fn policy() -> Policy {
        Policy::new().queue("money").attempts(1)
    }
    fn key(&self) -> Option<String> {
        Some(self.card.clone())
    }
}

#[derive(Default, Serialize, Deserialize)]
pub(crate) struct ShopConfig {
    mail_password: String,
    server: String,
}

#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct Note {
    text: String,
}

#[derive(Deserialize, JsonSchema)]
pub(crate) struct Coupon {
    code: Option<String>,
}

impl Module for Shop {
    const NAME: &'static str = "shop";
    type Api = NoApi;
    type Deps = ();
    type Config = ShopConfig;

    fn declare(declare: &mut Declare<Self>) {
        declare.tables(["things"]).migrations(&[("migrations/0001_things.sql", SHELVES)]);
        declare.job(Self::charge).routes(Self::routes).schedule(
            Schedule::every("shop.sweep", Duration::from_secs(3600)),
            |_: Firing| Charge { card: "none".into(), works: true },
        );
    }
    async fn init(init: Init<Self>) -> Result<Self> {
        Ok(Shop { db: init.db })
    }
}

impl Shop {
    fn routes(shop: Arc<Self>) -> Routes {
        Routes::new()
            .api_route("/sign-in/{id}", post_with(sign_in, |op| op))
            .api_route("/cards/{number}", get_with(card, |op| op))
            .api_route("/notes", post_with(note, |op| op))
            .api_route("/shelves/{number}", get_with(shelf, |op| op))
            .with_state(shop)
    }

    async fn charge(self: Arc<Self>, job: Charge, _: Run) -> Result<()> {
        if job.works {
            Ok(())
        } else {
            Err(Error::invalid(format!("the card \"{}\" was refused: {}", job.card, job.card)))
        }
    }
}

async fn sign_in(session: Session, Path(id): Path<Uuid>) -> Result<NoContent> {
    session.sign_in(id).await.map(|()| NoContent)
}

async fn card(Path(number): Path<String>, Query(coupon): Query<Coupon>) -> Result<NoContent> {
    Err(Error::internal(format!("the card {number} with the coupon {:?} cannot be read", coupon.code)))
}

async fn shelf(State(shop): State<Arc<Shop>>, Path(number): Path<i64>) -> Result<Json<Vec<String>>> {
    let things: Vec<(String,)> = shop.db.query("SELECT name FROM things WHERE shelf = ?").bind(number).all().await?;
    Ok(Json(things.into_iter().map(|(name,)| name).collect()))
}

async fn note(Json(note): Json<Note>) -> Result<NoContent> {
    Err(Error::unavailable(format!("the note '{}' cannot be kept", note.text)))
}

/// The application in production, as `more` changes it.
pub(crate) async fn production(more: impl FnOnce(&mut App)) -> TestApp {
    start(Environment::Production, |_| (), more).await
}

/// The application on a developer's machine.
pub(crate) async fn development() -> TestApp {
    start(Environment::Development, |_| (), |_| ()).await
}

pub(crate) async fn start(
    environment: Environment,
    configure: impl FnOnce(&mut Config),
    more: impl FnOnce(&mut App),
) -> TestApp {
    TestApp::start(|mut config: Config| {
        (config.app.environment, config.app.secret) = (environment, Secret::new(SECRET));
        configure(&mut config);
        let mut app = App::new("shop", "1.0.0", config);
        app.mount::<Shop>(());
        more(&mut app);
        app
    })
    .await
}

/// What a stranger can see of an answer: all of it but what differs from request to request.
pub(crate) fn seen(response: &Response) -> String {
    let headers = response.headers().iter().filter(|(name, _)| *name != "x-request-id");
    let mut headers: Vec<String> =
        headers.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    headers.sort();
    let body = response.text();
    let id = response.header("x-request-id").unwrap();
    format!("{}\n{}\n{}", response.status(), headers.join("\n"), body.replace(id, "ID"))
}
