//! What an operator can do from the pages, and who cannot.

use crate::world::{Charge, OPERATOR, development, production};
use sarsen::jobs::{Filter, State};
use sarsen::testing::TestApp;
use serde_json::Value;
use std::io::Write;
use std::sync::{Arc, Mutex};
use tracing_subscriber::fmt::MakeWriter;
use uuid::Uuid;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Log;
    fn make_writer(&'a self) -> Log {
        self.clone()
    }
}

async fn dead_letters(app: &TestApp) -> usize {
    let filter = Filter { state: Some(State::Discarded), ..Filter::default() };
    app.running().jobs().admin().list(&filter).await.unwrap().jobs.len()
}

async fn fail(app: &TestApp, times: usize) {
    for number in 0..times {
        let job = Charge { card: format!("card-{number}"), works: false };
        app.running().jobs().enqueue(app.db(), job).await.unwrap();
    }
    app.run_jobs().await;
}

pub(crate) async fn an_operator_mends_jobs_queues_and_schedules() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
    let _listening = tracing::subscriber::set_default(subscriber);
    let app = production(|app| app.authorize_ops(|person| async move { Ok(person == OPERATOR) })).await;
    app.post(&format!("/sign-in/{OPERATOR}")).await.expect_status(204);
    fail(&app, 3).await;
    let list: Value = app.get("/ops/api/jobs/list?state=discarded&queue=money").await.expect_status(200).json();
    assert_eq!(list["jobs"].as_array().unwrap().len(), 3);
    let id = list["jobs"][0]["id"].as_str().unwrap();

    let shown: Value = app.get(&format!("/ops/api/jobs/{id}")).await.expect_status(200).json();
    assert_eq!((shown["attempt"].as_u64(), shown["arguments"].is_null()), (Some(1), true), "{shown}");
    app.post(&format!("/ops/api/jobs/{id}/retry")).await.expect_status(200);
    assert_eq!(dead_letters(&app).await, 2);
    app.post(&format!("/ops/api/jobs/{id}/discard")).await.expect_status(200);
    assert_eq!(dead_letters(&app).await, 3);
    app.post(&format!("/ops/api/jobs/{id}/discard")).await.expect_status(200);
    assert_eq!(dead_letters(&app).await, 2);
    app.post(&format!("/ops/api/jobs/{id}/discard")).await.expect_status(404);
    app.post(&format!("/ops/api/jobs/{id}/praise")).await.expect_status(404);
    let retried: Value = app.post("/ops/api/jobs/retry-dead?queue=money").await.expect_status(200).json();
    assert_eq!((retried["retried"].as_u64(), dead_letters(&app).await), (Some(2), 0));

    app.post("/ops/api/queues/money/pause").await.expect_status(200);
    let all: Value = app.get("/ops/api/jobs").await.expect_status(200).json();
    let money = all["queues"].as_array().unwrap().iter().find(|queue| queue["name"] == "money").unwrap();
    assert_eq!((&money["paused"], &money["available"]["count"]), (&true.into(), &2.into()), "{all}");
    app.run_jobs().await;
    assert_eq!(dead_letters(&app).await, 0);
    app.post("/ops/api/queues/money/resume").await.expect_status(200);
    app.run_jobs().await;
    assert_eq!(dead_letters(&app).await, 2);

    app.post("/ops/api/schedules/shop.sweep/fire").await.expect_status(200);
    app.post("/ops/api/schedules/shop.sweep/pause").await.expect_status(200);
    let schedules: Value = app.get("/ops/api/schedules").await.expect_status(200).json();
    assert_eq!(schedules[0]["paused"], true, "{schedules}");
    app.post("/ops/api/schedules/nothing/fire").await.expect_status(404);

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for action in ["retry", "discard", "retry dead letters", "pause", "resume", "fire"] {
        let noted = |line: &str| {
            line.contains("an operator acted")
                && line.contains(&format!("action=\"{action}\""))
                && line.contains(&OPERATOR.to_string())
        };
        assert!(log.lines().any(noted), "{action} is not in the log:\n{log}");
    }
}

pub(crate) async fn a_page_of_another_origin_changes_nothing() {
    let app = development().await;
    fail(&app, 1).await;
    for site in ["cross-site", "same-site"] {
        let request = app.post("/ops/api/jobs/retry-dead").header("sec-fetch-site", site);
        request.await.expect_status(403);
    }
    let old = app.post("/ops/api/jobs/retry-dead").without_header("sec-fetch-site");
    old.header("origin", "https://elsewhere.example.org").await.expect_status(403);
    app.get("/ops/api/jobs/retry-dead").await.expect_status(405);
    assert_eq!(dead_letters(&app).await, 1);
    app.post("/ops/api/jobs/retry-dead").await.expect_status(200);
    assert_eq!(dead_letters(&app).await, 0);
}

pub(crate) async fn plans_are_shown_in_development_only() {
    let app = development().await;
    fail(&app, 2).await;
    app.running().insight().collect();
    let snapshot: Value = app.get("/ops/api/snapshot").await.expect_status(200).json();
    let causes = snapshot["causes"].as_array().unwrap().iter();
    let reads: Vec<&Value> = causes.filter(|cause| cause["query"] == true && cause["writes"] == false).collect();
    assert!(!reads.is_empty(), "{snapshot}");
    for read in reads {
        let path = format!("/ops/api/explain?fingerprint={}", read["label"].as_str().unwrap());
        let plan: Value = app.get(&path).await.expect_status(200).json();
        assert!(plan["plan"].as_str().is_some_and(|plan| plan.len() > 10), "{read} {plan}");
    }
    app.get("/ops/api/explain?fingerprint=1").await.expect_status(404);
    app.get("/ops/api/explain?fingerprint=x").await.expect_status(422);

    let closed = production(|app| app.authorize_ops(|person| async move { Ok(person == OPERATOR) })).await;
    closed.post(&format!("/sign-in/{OPERATOR}")).await.expect_status(204);
    closed.get("/ops/api/explain?fingerprint=1").await.expect_status(403);
}

pub(crate) async fn an_index_is_proposed_beside_the_query_that_needs_it() {
    let app = development().await;
    let things = (0..600_i64).map(|number| (Uuid::from_u128(number as u128), number % 200, format!("thing {number}")));
    for (id, shelf, name) in things {
        let insert = app.db().query("INSERT INTO things (id, shelf, name) VALUES (?, ?, ?)");
        insert.bind(id).bind(shelf).bind(name).execute().await.unwrap();
    }
    let names: Vec<String> = app.get("/shelves/7").await.expect_status(200).json();
    assert_eq!(names.len(), 3);
    app.running().insight().collect();
    let snapshot: Value = app.get("/ops/api/snapshot").await.expect_status(200).json();
    let mut causes = snapshot["causes"].as_array().unwrap().iter();
    let reads = causes.find(|cause| cause["text"].as_str().unwrap_or("").contains("FROM things")).unwrap();
    let path = format!("/ops/api/indexes?fingerprint={}", reads["label"].as_str().unwrap());
    let advice: Value = app.get(&path).await.expect_status(200).json();
    assert_eq!(advice["proposals"][0]["sql"], "CREATE INDEX things_shelf ON things (shelf)", "{advice}");
    let tried = &advice["proposals"][0]["queries"][0];
    assert!(tried["after"]["rows"].as_f64().unwrap() * 10.0 < tried["before"]["rows"].as_f64().unwrap(), "{tried}");
    app.get("/ops/api/indexes?fingerprint=1").await.expect_status(404);

    let closed = production(|app| app.authorize_ops(|person| async move { Ok(person == OPERATOR) })).await;
    closed.post(&format!("/sign-in/{OPERATOR}")).await.expect_status(204);
    closed.get("/ops/api/indexes").await.expect_status(403);
}
