//! One process: single loads, errors, old values, limits.

use crate::stage::{Stage, TTL, keep, row_key, until};
use futures_util::future::join_all;
use sarsen::cache::{FamilyState, Keep, key};
use sarsen::config::{Environment, Size, Url};
use sarsen::error::Kind;
use sarsen::telemetry::{Operation, OperationKind, WaitKind};
use sarsen::{App, Config, Error, clock, lifecycle};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

const SECOND: Duration = Duration::from_secs(1);

fn family(stage: &Stage, name: &str) -> FamilyState {
    stage.cache().state().families.get(name).cloned().unwrap_or_default()
}

sarsen::each_profile! {
    async fn a_thousand_callers_are_one_load() {
        let stage = Stage::start().await;
        let calls: Vec<_> = (0..1_000)
            .map(|_| {
                let (cache, load) = (stage.cache().clone(), stage.load(1));
                lifecycle::spawn(async move { cache.fetch(row_key(1), keep(1), load).await.map(|value| *value) })
            })
            .collect();
        for call in join_all(calls).await {
            assert_eq!(call.expect("ends").expect("is loaded"), 0);
        }
        assert_eq!(stage.loads(), 1);
        assert_eq!(stage.row(1).await, 0);
        assert_eq!(stage.loads(), 1, "and is kept");
        println!("1,000 callers, {} load: {:?}", stage.loads(), family(&stage, "row"));
    }

    async fn an_error_is_told_to_all_and_kept_for_nobody() {
        let stage = Stage::start().await;
        let fails = || async { Err::<i64, _>(Error::unavailable("the shop is closed").hint("come tomorrow")) };
        let calls = (0..5).map(|_| stage.cache().fetch(row_key(1), keep(1), fails));
        for told in join_all(calls).await {
            let error = told.expect_err("fails");
            assert_eq!((error.kind(), error.hint_text()), (Kind::Unavailable, Some("come tomorrow")));
        }
        assert_eq!(stage.row(1).await, 0, "the next one loads");
    }

    async fn a_panic_is_an_error_for_all_who_wait() {
        let stage = Stage::start().await;
        let calls = (0..3).map(|_| {
            stage.cache().fetch(row_key(1), keep(1), || async { if true { panic!("on purpose") } else { Ok(1_i64) } })
        });
        assert!(join_all(calls).await.iter().all(Result::is_err));
        assert_eq!(stage.row(1).await, 0, "and stands in nobody's way");
    }

    async fn a_caller_that_goes_stops_no_load() {
        let stage = Stage::start().await;
        let (go, load) = (Arc::new(Notify::new()), stage.load(1));
        let waits = go.clone();
        let call = stage.cache().fetch(row_key(1), keep(1), move || async move {
            waits.notified().await;
            load().await
        });
        assert!(clock::until(clock::monotonic() + Duration::from_millis(20), call).await.is_err());
        go.notify_one();
        until("it is kept", async || stage.cache().state().entries == 1).await;
        assert_eq!((stage.row(1).await, stage.loads()), (0, 1));
    }

    async fn that_there_is_nothing_is_kept_for_a_time_of_its_own() {
        let (stage, loads) = (Stage::start().await, Arc::new(AtomicUsize::new(0)));
        let fetch = || {
            let loads = loads.clone();
            let keep = Keep::new(TTL).nothing_for(SECOND).without_jitter();
            stage.cache().fetch_optional(key("maybe").with("x"), keep, || async move {
                let count = loads.fetch_add(1, Ordering::SeqCst);
                Ok((count > 0).then_some(7_i64))
            })
        };
        assert_eq!((fetch().await.expect("nothing"), fetch().await.expect("nothing")), (None, None));
        assert_eq!(loads.load(Ordering::SeqCst), 1);
        stage.app.clock().advance(SECOND);
        assert_eq!(fetch().await.expect("something").as_deref(), Some(&7));
        assert_eq!(fetch().await.expect("something").as_deref(), Some(&7));
        assert_eq!(loads.load(Ordering::SeqCst), 2);
    }

    async fn an_old_value_serves_where_loading_fails_and_not_for_ever() {
        let stage = Stage::start().await;
        let keep = || keep(1).stale_for(TTL * 3);
        let fails = || async { Err::<i64, _>(Error::unavailable("not now")) };
        assert_eq!(*stage.cache().fetch(row_key(1), keep(), stage.load(1)).await.expect("is loaded"), 0);
        stage.app.clock().advance(TTL);
        assert_eq!(*stage.cache().fetch(row_key(1), keep(), fails).await.expect("the old one"), 0);
        assert_eq!(*stage.cache().fetch(row_key(1), keep(), stage.load(1)).await.expect("the old one"), 0);
        assert_eq!(stage.loads(), 1, "it is not tried again at once");
        stage.app.clock().advance(SECOND);
        assert_eq!(*stage.cache().fetch(row_key(1), keep(), stage.load(1)).await.expect("is loaded"), 0);
        assert_eq!((stage.loads(), family(&stage, "row").stale), (2, 2));
        stage.app.clock().advance(TTL * 3);
        assert_eq!(stage.cache().fetch(row_key(1), keep(), fails).await.expect_err("too old").kind(), Kind::Unavailable);
    }

    async fn who_does_not_want_to_wait_gets_the_old_value_and_the_load_goes_on() {
        let stage = Stage::start().await;
        let keep = || keep(1).stale_for(TTL * 100).stale_after(SECOND).load_within(TTL * 100);
        assert_eq!(*stage.cache().fetch(row_key(1), keep(), stage.load(1)).await.expect("is loaded"), 0);
        stage.write(1, 1).await.rollback().await.expect("is undone");
        let sql = "UPDATE counted SET value = 5 WHERE id = 1";
        stage.app.db().query(sql).execute().await.expect("behind the back of the cache");
        stage.app.clock().advance(TTL);
        let (go, begun, load) = (Arc::new(Notify::new()), Arc::new(Notify::new()), stage.load(1));
        let (waits, says) = (go.clone(), begun.clone());
        let slow = stage.cache().fetch(row_key(1), keep(), move || async move {
            says.notify_one();
            waits.notified().await;
            load().await
        });
        let time = async {
            begun.notified().await;
            until("the caller has waited enough", async || {
                stage.app.clock().advance(SECOND);
                family(&stage, "row").stale > 0
            })
            .await;
        };
        let (given, ()) = tokio::join!(slow, time);
        assert_eq!(*given.expect("the old one"), 0);
        go.notify_one();
        until("the load is kept", async || family(&stage, "row").loads == 2).await;
        assert_eq!(stage.row(1).await, 5);
    }

    async fn a_load_that_hangs_is_given_up() {
        let stage = Stage::start().await;
        let began = Arc::new(Notify::new());
        let says = began.clone();
        let call = stage.cache().fetch(row_key(1), keep(1).load_within(SECOND), || async move {
            says.notify_one();
            std::future::pending::<sarsen::Result<i64>>().await
        });
        let time = async {
            began.notified().await;
            until("it is given up", async || {
                stage.app.clock().advance(SECOND);
                family(&stage, "row").failed > 0
            })
            .await;
        };
        let (given, ()) = tokio::join!(call, time);
        let error = given.expect_err("took too long");
        assert_eq!(error.kind(), Kind::Timeout);
        assert!(error.message().contains("`row`"), "{error}");
        assert_eq!(stage.row(1).await, 0);
    }

    async fn a_value_in_use_is_loaded_anew_before_it_is_old() {
        let stage = Stage::start().await;
        let fetch = || stage.cache().fetch(row_key(1), keep(1).refresh_at(0.5), stage.load(1));
        assert_eq!(*fetch().await.expect("is loaded"), 0);
        stage.app.db().query("UPDATE counted SET value = 9 WHERE id = 1").execute().await.expect("is written");
        stage.app.clock().advance(TTL / 2);
        assert_eq!(*fetch().await.expect("is there"), 0, "nobody waits");
        until("it is loaded in the background", async || family(&stage, "row").refreshed == 1 && stage.loads() == 2).await;
        until("it is kept", async || *fetch().await.expect("is there") == 9).await;
        assert_eq!(stage.loads(), 2);
        let is_refresh = |operation: &Operation| operation.record().name.as_str() == "refresh row";
        until("it is an Operation", async || stage.app.operations().iter().any(is_refresh)).await;
    }

    async fn the_limit_of_bytes_holds() {
        let stage = Stage::start_with(|section| section.max_bytes = Size(256 << 10)).await;
        for number in 0..2_000_i64 {
            let load = || async { Ok("x".repeat(1_000)) };
            stage.cache().fetch::<String, _>(key("text").with(number), TTL, load).await.expect("is loaded");
        }
        let (state, texts) = (stage.cache().state(), family(&stage, "text"));
        assert!(state.bytes <= 256 << 10 && state.bytes > 100 << 10, "{state:?}");
        assert_eq!((texts.bytes, texts.entries), (state.bytes, state.entries as u64));
        assert_eq!(texts.evicted + texts.entries, 2_000);
        let whale = || async { Ok("x".repeat(1 << 20)) };
        let given = stage.cache().fetch::<String, _>(key("text").with("whale"), TTL, whale).await.expect("is loaded");
        assert_eq!(given.len(), 1 << 20, "what does not fit is given, and not kept");
        assert!(stage.cache().state().bytes <= 256 << 10);
    }

    async fn modules_have_their_own_keys_and_families_one_type() {
        let stage = Stage::start().await;
        let (a, b) = (stage.cache().for_module("a"), stage.cache().for_module("b"));
        let of = |value: i64| move || async move { Ok(value) };
        assert_eq!(*a.fetch(key("k").with(1_i64), TTL, of(1)).await.expect("is loaded"), 1);
        assert_eq!(*b.fetch(key("k").with(1_i64), TTL, of(2)).await.expect("is loaded"), 2);
        let wrong = a.fetch::<String, _>(key("k").with(1_i64), TTL, || async { Ok(String::new()) }).await;
        assert!(wrong.expect_err("another type").message().contains("`a.k`"));
        assert_eq!(stage.cache().state().families.len(), 2);
    }

    async fn a_memo_sees_each_value_once() {
        let stage = Stage::start().await;
        let memo = stage.cache().memo();
        assert_eq!(*memo.fetch(row_key(1), keep(1), stage.load(1)).await.expect("is loaded"), 0);
        stage.write(1, 3).await.commit().await.expect("is committed");
        assert_eq!(*memo.fetch(row_key(1), keep(1), stage.load(1)).await.expect("is remembered"), 0);
        assert_eq!(stage.row(1).await, 3);
    }

    async fn what_a_call_waits_for_is_on_its_operation() {
        let stage = Stage::start().await;
        stage.row(2).await;
        stage.app.operations();
        let (first, second) = (stage.load(1), stage.load(1));
        let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (says, waits) = (begun.clone(), go.clone());
        let leads = stage.app.running().command("leads", async {
            let load = || async move {
                says.notify_one();
                waits.notified().await;
                first().await
            };
            stage.cache().fetch(row_key(1), keep(1), load).await
        });
        let joins = stage.app.running().command("joins", async {
            begun.notified().await;
            let call = stage.cache().fetch(row_key(1), keep(1), second);
            let release = async {
                until("it has joined", async || family(&stage, "row").joined == 1).await;
                go.notify_one();
            };
            Ok(tokio::join!(call, release).0)
        });
        let (leads, joins) = tokio::join!(leads, joins);
        assert_eq!((*leads.expect("is loaded"), *joins.expect("ends").expect("is loaded")), (0, 0));
        let operations = stage.app.operations();
        let of = |name: &str| {
            let found = operations.iter().find(|operation| operation.record().name.as_str() == name);
            found.unwrap_or_else(|| panic!("no operation {name}"))
        };
        let cache = |name: &str| of(name).record().waits().iter().any(|wait| wait.kind == WaitKind::Cache && wait.label == "row");
        assert!(cache("joins"), "{:?}", of("joins").record().waits());
        assert_eq!(of("leads").kind(), OperationKind::Command);
        // One after another: a record is locked while it is looked at, and finding one looks at all.
        let queries = |name: &str| of(name).record().queries().count();
        let (leads, joins) = (queries("leads"), queries("joins"));
        assert_eq!((leads, joins), (1, 0));
    }
}

#[tokio::test]
async fn a_url_that_no_driver_knows_stops_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = Config::default();
    config.app.environment = Environment::Test;
    config.database.url = Url::new(format!("sqlite:{}", folder.path().join("app.db").display()));
    config.cache.url = Url::new("redis://localhost");
    let error = App::new("rows", "0.0.0", config).start().await.expect_err("there is no such driver");
    assert!(error.message().contains("cache.url"), "{error}");
    assert!(error.hint_text().is_some_and(|hint| hint.contains("memory:")), "{error:?}");
}
