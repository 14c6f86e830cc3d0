//! Tests of an application through its own front door: a database of its own, a clock that stands still, and clients.
//!
//! [`each_profile!`](crate::each_profile) runs a test once on each database, in the same `cargo test`.
//!
//! ```
//! use sarsen::testing::{TestApp, assert_queries};
//! use sarsen::App;
//!
//! sarsen::each_profile! {
//!     async fn answers_with_its_document() {
//!         let app = TestApp::start(|config| App::new("hello", "1.0.0", config)).await;
//!         let response = app.get("/openapi.json").await;
//!         assert_eq!(response.status(), 200);
//!         assert_queries(&app.operations()[0], 0);
//!     }
//! }
//! ```

mod client;
mod profile;
mod queries;

pub use client::{Client, Request, Response};
pub use profile::{Profile, run};
pub use queries::{assert_queries, assert_within_budget};

use crate::app::{App, Running};
use crate::clock::{Clock, Timestamp};
use crate::config::{Config, Environment, Url};
use crate::data::Db;
use crate::http;
use crate::jobs::{Job, Ran};
use crate::lifecycle;
use crate::ops;
use crate::telemetry::Operation;
use profile::Database;
use std::net::SocketAddr;
use std::sync::Arc;
use tempfile::TempDir;
use tokio::net::TcpListener;

/// 2026-01-01: where the clock of a test stands at first.
const START: i64 = 1_767_225_600_000_000;

/// Where an application of a test, and those beside it, keep what they keep.
#[derive(Debug)]
struct Place {
    database: Database,
    files: TempDir,
}

/// An application that is up, in a test: nothing listens, and time passes when the test says so.
#[derive(Debug)]
pub struct TestApp {
    running: Option<Running>,
    client: Client,
    // Dropped last: it throws the database and the files away.
    place: Arc<Place>,
}

impl TestApp {
    /// Starts what `build` puts together, on a new database of the profile at hand.
    ///
    /// The profile is that of [`each_profile!`](crate::each_profile) around the test, else that which
    /// `SARSEN_TEST_PROFILE` names, else the embedded one.
    #[expect(clippy::expect_used, reason = "a test without a folder cannot begin")]
    pub async fn start(build: impl FnOnce(Config) -> App) -> TestApp {
        let database = Database::create(Profile::at_hand()).await;
        let place = Place { database, files: tempfile::tempdir().expect("a temporary folder") };
        Self::on(Arc::new(place), Clock::simulated(Timestamp::from_micros(START)), build).await
    }

    /// Starts one more process on the same database: the same application, or another build of it. Its clock is its own,
    /// and stands where this one stands.
    pub async fn beside(&self, build: impl FnOnce(Config) -> App) -> TestApp {
        Self::on(self.place.clone(), Clock::simulated(self.clock().now()), build).await
    }

    #[expect(clippy::panic, reason = "a test that cannot begin says why")]
    async fn on(place: Arc<Place>, clock: Clock, build: impl FnOnce(Config) -> App) -> TestApp {
        let mut config = Config { database: place.database.section(), ..Config::default() };
        config.blobs.url = Url::new(format!("file:{}", place.files.path().display()));
        config.app.environment = Environment::Test;
        let mut app = build(config).with_clock(clock);
        ops::mount(&mut app);
        let running = match app.start().await {
            Ok(running) => running,
            Err(error) => panic!("the application did not start: {}", error.report()),
        };
        if let Err(error) = running.scheduler().prepare().await {
            panic!("the schedules cannot be written down: {}", error.report());
        }
        running.recorder().drain();
        let client = Client::new(running.stack().clone());
        TestApp { running: Some(running), client, place }
    }

    /// Listens on a free port until the application stops, for what needs a real connection.
    #[expect(clippy::panic, reason = "a test without a port says why")]
    pub async fn listen(&self) -> SocketAddr {
        let bound = TcpListener::bind("127.0.0.1:0").await.and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, listener) = bound.unwrap_or_else(|error| panic!("there is no port to listen on: {error}"));
        let (stack, section) = (self.running().stack().clone(), self.running().config().http.clone());
        let lifecycle = self.running().lifecycle().clone();
        lifecycle::spawn_background(async move { http::serve(listener, stack, &section, &lifecycle).await });
        address
    }

    /// The application itself.
    #[expect(clippy::expect_used, reason = "only `stop` takes it, and `stop` consumes the test application")]
    pub fn running(&self) -> &Running {
        self.running.as_ref().expect("is running until it is stopped")
    }

    /// Its clock: `app.clock().advance(…)`.
    pub fn clock(&self) -> &Clock {
        self.running().clock()
    }

    /// Its database.
    pub fn db(&self) -> &Db {
        self.running().db()
    }

    /// One more user: a client with cookies of its own.
    pub fn client(&self) -> Client {
        Client::new(self.running().stack().clone())
    }

    /// A `GET` request of the application's first client.
    pub fn get(&self, path: &str) -> Request {
        self.client.get(path)
    }

    /// A `POST` request of the first client.
    pub fn post(&self, path: &str) -> Request {
        self.client.post(path)
    }

    /// A `PUT` request of the first client.
    pub fn put(&self, path: &str) -> Request {
        self.client.put(path)
    }

    /// A `PATCH` request of the first client.
    pub fn patch(&self, path: &str) -> Request {
        self.client.patch(path)
    }

    /// A `DELETE` request of the first client.
    pub fn delete(&self, path: &str) -> Request {
        self.client.delete(path)
    }

    /// Does the jobs that are due at the clock's time, and those that they enqueue, until none is left; at most 10,000.
    ///
    /// A test has no worker in the background: `app.clock().advance(…)` and this are how time passes for jobs.
    #[expect(clippy::panic, reason = "a test whose jobs cannot run says why")]
    pub async fn run_jobs(&self) -> Ran {
        match self.running().run_jobs().await {
            Ok(ran) => ran,
            Err(error) => panic!("the jobs did not run: {}", error.report()),
        }
    }

    /// The live jobs of a kind, those that are due first.
    #[expect(clippy::panic, reason = "a test whose jobs cannot be read says why")]
    pub async fn enqueued<J: Job>(&self) -> Vec<J> {
        match self.running().jobs().enqueued::<J>().await {
            Ok(jobs) => jobs,
            Err(error) => panic!("the jobs cannot be read: {}", error.report()),
        }
    }

    /// The Operations that were closed since the last call, oldest first.
    pub fn operations(&self) -> Vec<Operation> {
        self.running().recorder().drain()
    }

    /// Stops the application as a signal would.
    pub async fn stop(mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
    }
}
