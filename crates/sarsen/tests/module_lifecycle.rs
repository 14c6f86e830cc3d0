//! How an application is put together, checked, started in order and stopped in reverse.

use sarsen::clock::Clock;
use sarsen::config::{Config, DatabaseSection, Environment, Secret, Url};
use sarsen::jobs::Queue;
use sarsen::telemetry::Operation;
use sarsen::{App, CallError, CallFailure, Declare, Error, Init, Module, NoApi, Result};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[sarsen::api(name = "first", handle = First)]
trait FirstApi {
    async fn hello(&self) -> Result<String, String>;
}

/// What happened, in order; one list for each test, found by the name in the configuration.
static HAPPENED: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());

fn note(test: &str, what: impl Into<String>) {
    HAPPENED.lock().expect("not poisoned").push((test.to_owned(), what.into()));
}

fn happened(test: &str) -> Vec<String> {
    let all = HAPPENED.lock().expect("not poisoned");
    all.iter().filter(|(of, _)| of == test).map(|(_, what)| what.clone()).collect()
}

#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Settings {
    test: String,
    fail: bool,
    panic: bool,
    relay: Url,
    at_once: u32,
}

struct FirstModule(Settings);

impl FirstApi for FirstModule {
    async fn hello(&self) -> Result<String, String> {
        Ok("hello".into())
    }
}

impl Module for FirstModule {
    const NAME: &'static str = "first";
    type Api = First;
    type Deps = ();
    type Config = Settings;

    fn declare(declare: &mut Declare<Self>) {
        declare.tables(["first_things"]).queue_by(|config| Queue::new("relay").limit(config.at_once));
    }
    fn check(config: &Settings, app: &Config) -> Result<()> {
        if config.relay.expose() == "none:" && app.app.environment == Environment::Production {
            return Err(Error::invalid("relay is none").hint("name a relay"));
        }
        Ok(())
    }
    async fn init(init: Init<Self>) -> Result<Self> {
        let operation = Operation::current().expect("an Operation is at hand");
        note(&init.config.test, operation.record().name.to_string());
        assert_eq!(init.db.query("SELECT CAST(1 AS BIGINT) LIMIT 1").scalar::<i64>().await?, 1);
        Ok(Self(init.config))
    }
    async fn start(self: &Arc<Self>) -> Result<()> {
        note(&self.0.test, "start first");
        Ok(())
    }
    async fn drain(self: &Arc<Self>) {
        note(&self.0.test, "drain first");
    }
    async fn stop(self: &Arc<Self>) {
        note(&self.0.test, "stop first");
    }
}

#[derive(sarsen::Deps)]
struct SecondDeps {
    first: First,
}

struct SecondModule(Settings, First);

impl Module for SecondModule {
    const NAME: &'static str = "second";
    type Api = NoApi;
    type Deps = SecondDeps;
    type Config = Settings;

    fn declare(declare: &mut Declare<Self>) {
        declare.tables(["second_things", "more_things"]);
    }
    async fn init(init: Init<Self>) -> Result<Self> {
        let first = init.deps.first;
        note(&init.config.test, format!("init second, first says {}", first.hello().await.expect("answers")));
        assert!(!init.config.panic, "on purpose");
        if init.config.fail {
            return Err(Error::unavailable("cannot reach the mail server smtp://x"));
        }
        Ok(Self(init.config, first))
    }
    async fn start(self: &Arc<Self>) -> Result<()> {
        note(&self.0.test, "start second");
        Ok(())
    }
    async fn drain(self: &Arc<Self>) {
        note(&self.0.test, format!("drain second, first says {}", self.1.hello().await.expect("answers")));
    }
    async fn stop(self: &Arc<Self>) {
        note(&self.0.test, "stop second");
    }
}

fn config(folder: &tempfile::TempDir, text: &str) -> Config {
    let mut config = Config::parse(text, "test.toml", &Vec::new(), &Config::default()).expect("parses");
    config.app.environment = Environment::Test;
    config.database.url = Url::new(format!("sqlite:{}", folder.path().join("app.db").display()));
    config
}

fn app(config: Config) -> (App, First) {
    let mut app = App::new("test", "1.0.0", config);
    let first = app.mount::<FirstModule>(());
    app.mount::<SecondModule>(SecondDeps { first: first.clone() });
    (app, first)
}

fn settings(test: &str, rest: &str) -> String {
    format!("[modules.first.config]\ntest = \"{test}\"\n[modules.second.config]\ntest = \"{test}\"\n{rest}")
}

#[tokio::test]
async fn modules_start_in_order_and_stop_in_reverse() {
    let folder = tempfile::tempdir().expect("a folder");
    let (app, first) = app(config(&folder, &settings("order", "")));
    assert_eq!(first.hello().await, Err(CallError::Failed(CallFailure::NotReady("first"))));
    let running = app.start().await.expect("starts");
    assert_eq!(first.hello().await, Ok("hello".into()));
    running.stop().await;
    let expected = [
        "init first",
        "init second, first says hello",
        "start first",
        "start second",
        "drain second, first says hello",
        "drain first",
        "stop second",
        "stop first",
    ];
    assert_eq!(happened("order"), expected);
}

#[tokio::test]
async fn what_was_started_is_stopped_when_a_later_module_fails() {
    for (test, how, why) in [
        ("fails", "fail = true", "module `second` did not start: cannot reach the mail server smtp://x"),
        ("panics", "panic = true", "module `second` did not start: panic: on purpose"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let error = app(config(&folder, &settings(test, how))).0.start().await.expect_err("does not start");
        assert_eq!(error.message(), why);
        assert_eq!(happened(test), ["init first", "init second, first says hello", "stop first"]);
    }
}

#[tokio::test]
async fn starts_and_stops_are_operations() {
    let folder = tempfile::tempdir().expect("a folder");
    let running = app(config(&folder, &settings("operations", ""))).0.start().await.expect("starts");
    let recorder = running.recorder().clone();
    running.command("greet", async { Ok(()) }).await.expect("runs");
    running.stop().await;
    let names: Vec<String> = recorder.drain().iter().map(|operation| operation.record().name.to_string()).collect();
    let expected = [
        "migrate",
        "prepare projections",
        "init first",
        "init second",
        "start first",
        "start second",
        "greet",
        "drain second",
        "drain first",
        "stop second",
        "stop first",
    ];
    assert_eq!(names, expected);
}

#[tokio::test]
async fn a_module_may_not_touch_the_tables_of_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let running = app(config(&folder, "")).0.start().await.expect("starts");
    let db = running.db().for_module("second");
    let error = db.query("SELECT 1 FROM first_things LIMIT 1").scalar::<i64>().await.expect_err("is not its own");
    assert!(error.message().contains("belongs to module `first`"), "{error:?}");
    running.stop().await;
}

#[tokio::test]
async fn time_is_that_of_the_clock_given() {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Clock::simulated("2030-01-01T00:00:00Z".parse().expect("a time"));
    let running = app(config(&folder, "")).0.with_clock(clock.clone()).start().await.expect("starts");
    clock.advance(Duration::from_secs(60));
    assert_eq!(running.clock().now().to_string(), "2030-01-01T00:01:00.000000Z");
    running.stop().await;
}

struct Rival;

impl Module for Rival {
    const NAME: &'static str = "first";
    type Api = NoApi;
    type Deps = ();
    type Config = ();
    fn declare(declare: &mut Declare<Self>) {
        declare.tables(["first_things"]).authenticate(|_, _| async { Ok(None) });
    }
    async fn init(_: Init<Self>) -> Result<Self> {
        Ok(Rival)
    }
}

struct Third;

impl Module for Third {
    const NAME: &'static str = "third";
    type Api = NoApi;
    type Deps = ();
    type Config = ();
    fn declare(declare: &mut Declare<Self>) {
        declare.tables(["First_Things"]).authenticate(|_, _| async { Ok(None) });
    }
    async fn init(_: Init<Self>) -> Result<Self> {
        Ok(Third)
    }
}

#[test]
fn the_check_names_all_problems_at_once_with_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "[modules.frist.config]\n[modules.second.config]\nfial = true\n[modules.third.config]\na = 1\n\
                [process]\nroles = [\"web\", \"wroker\"]\n[http]\nlisten = \"localhost\"\n";
    let mut config = config(&folder, text);
    config.app.environment = Environment::Production;
    let (_, foreign) = app(Config::default());
    let mut app = App::new("test", "1.0.0", config);
    app.mount::<Rival>(());
    app.mount::<Rival>(());
    app.mount::<Third>(());
    app.mount::<SecondModule>(SecondDeps { first: foreign });
    let error = app.check().expect_err("is put together wrongly");
    assert_eq!(error.message(), include_str!("module_check.txt").trim_end());
}

#[test]
fn a_short_secret_is_refused_everywhere() {
    let mut config = Config::default();
    config.app.secret = Secret::new("short");
    let error = app(config).0.check().expect_err("is too short");
    assert!(error.message().contains("app.secret has 5 characters, and needs 32"), "{error}");
}

#[test]
fn a_module_says_what_it_needs_of_the_rest_of_the_configuration() {
    let text = "[modules.first.config]\nrelay = \"none:\"\n";
    let mut config = Config::parse(text, "test.toml", &Vec::new(), &Config::default()).expect("parses");
    app(config.clone()).0.check().expect("needs none");
    config.app.environment = Environment::Production;
    let error = app(config).0.check().expect_err("has no relay");
    assert!(error.message().contains("- [modules.first.config]: relay is none\n  name a relay"), "{error}");
}

#[test]
fn a_queue_is_limited_as_the_section_says() {
    let text = "[modules.first.config]\nat_once = 3\n";
    let config = Config::parse(text, "test.toml", &Vec::new(), &Config::default()).expect("parses");
    let queues = app(config).0.modules().flat_map(|module| module.queues.clone()).collect::<Vec<_>>();
    assert_eq!(queues, [Queue::new("relay").limit(3)]);
}

#[test]
fn sections_of_modules_are_shown_whole_and_without_secrets() {
    let text = "[modules.first.config]\nrelay = \"smtp://me:hush@relay\"\n";
    let config = Config::parse(text, "test.toml", &Vec::new(), &Config::default()).expect("parses");
    let shown = app(config).0.shown_config().expect("can be shown");
    assert!(shown.contains("relay = \"smtp://me:[redacted]@relay\"") && !shown.contains("hush"), "{shown}");
    assert!(shown.contains("[modules.second.config]\nat_once = 0"), "{shown}");
}

#[test]
fn a_fake_stands_in_for_a_module_that_is_not_mounted() {
    struct Fake;
    impl FirstApi for Fake {
        async fn hello(&self) -> Result<String, String> {
            Ok("fake".into())
        }
    }
    let mut app = App::new("test", "1.0.0", Config::default());
    app.mount::<SecondModule>(SecondDeps { first: First::local(Fake) });
    app.check().expect("is complete");
}

#[test]
fn the_graph_shows_who_calls_whom() {
    let expected = "graph LR\n  \
        first[\"first<br/><small>1 table</small>\"]\n  \
        second[\"second<br/><small>2 tables</small>\"]\n  \
        second -->|calls| first\n";
    assert_eq!(app(Config::default()).0.mermaid(), expected);
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let mut config = config(&folder, "");
    config.http.listen = taken.local_addr().expect("is bound").to_string();
    let error = app(config).0.serve().await.expect_err("is taken");
    assert!(error.message().contains("cannot be listened on"), "{error}");
    assert!(!folder.path().join("app.db").exists(), "nothing was started");
}

#[test]
fn the_default_database_is_embedded() {
    assert!(!DatabaseSection::default().url.expose().contains("//"));
}
