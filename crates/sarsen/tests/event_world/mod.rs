//! An application with two subscribers and a projection.

use sarsen::events::{Delivery, Event, Projection, Recorded, Subscription, View};
use sarsen::testing::TestApp;
use sarsen::{App, Config, Db, Declare, Error, Init, Module, NoApi, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

#[derive(Serialize, Deserialize)]
pub(crate) struct Counted {
    pub(crate) key: String,
    pub(crate) n: i64,
}

impl Event for Counted {
    const NAME: &'static str = "test.counted";
    fn key(&self) -> Option<String> {
        Some(self.key.clone())
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Renamed {
    pub(crate) to: String,
}

impl Event for Renamed {
    const NAME: &'static str = "test.renamed_event";
    const VERSION: u32 = 2;
    fn upgrade(_: u32, mut data: Value) -> Result<Value> {
        Ok(serde_json::json!({"to": data["name"].take()}))
    }
}

/// How the module is to behave; tests of one process run at the same time, so each has its own by name.
#[derive(Debug, Default)]
struct Behaviour {
    failures: AtomicI64,
    poison: AtomicI64,
    broken: AtomicBool,
    renamed: Mutex<Vec<String>>,
}

tokio::task_local! {
    static NEXT: Arc<Behaviour>;
}

struct Listening {
    db: Db,
    behaviour: Arc<Behaviour>,
}

impl Module for Listening {
    const NAME: &'static str = "listening";
    type Api = NoApi;
    type Deps = ();
    type Config = ();

    fn declare(d: &mut Declare<Self>) {
        d.tables(["heard"])
            .migrations(&[(
                "0001_heard.sql",
                "CREATE TABLE heard (id SERIAL_KEY, who TEXT NOT NULL, n BIGINT NOT NULL)",
            )])
            .subscribe("test.plain", Listening::plain)
            .subscribe_with(Subscription::new("test.ordered").ordered(), Listening::ordered)
            .subscribe("test.renamed", Listening::on_renamed)
            .projection(
                Projection::new("test.sums").of::<Counted>().table(
                    "sums",
                    "CREATE TABLE {table} (name TEXT PRIMARY KEY, total BIGINT NOT NULL); \
                     CREATE INDEX {table}_total ON {table} (total)",
                ),
                Listening::sum,
            );
    }

    async fn init(i: Init<Self>) -> Result<Self> {
        Ok(Listening { db: i.db, behaviour: NEXT.try_with(Clone::clone).unwrap_or_default() })
    }
}

impl Listening {
    async fn plain(self: Arc<Self>, event: Counted, delivery: Delivery) -> Result<()> {
        if self.behaviour.failures.fetch_sub(1, Ordering::SeqCst) > 0 {
            return Err(Error::unavailable("not now"));
        }
        self.hear("plain", event.n, &delivery).await
    }

    async fn ordered(self: Arc<Self>, event: Counted, delivery: Delivery) -> Result<()> {
        if self.behaviour.poison.load(Ordering::SeqCst) == event.n {
            return Err(Error::unavailable("this one not"));
        }
        self.hear("ordered", event.n, &delivery).await
    }

    async fn hear(&self, who: &str, n: i64, delivery: &Delivery) -> Result<()> {
        let tx = self.db.begin().await?;
        if !delivery.once(&tx).await? {
            return Ok(());
        }
        tx.query("INSERT INTO heard (who, n) VALUES (?, ?)").bind(who).bind(n).execute().await?;
        tx.commit().await
    }

    async fn on_renamed(self: Arc<Self>, event: Renamed, _: Delivery) -> Result<()> {
        self.behaviour.renamed.lock().unwrap().push(event.to);
        Ok(())
    }

    async fn sum(self: Arc<Self>, view: View, events: Vec<Recorded>) -> Result<()> {
        if self.behaviour.broken.load(Ordering::SeqCst) {
            return Err(Error::internal("broken on purpose"));
        }
        for event in events {
            let Some(counted) = event.read::<Counted>()? else { continue };
            let sql = "INSERT INTO {sums} (name, total) VALUES (?, ?) \
                       ON CONFLICT (name) DO UPDATE SET total = {sums}.total + excluded.total";
            view.query(sql).bind(counted.key).bind(counted.n).execute().await?;
        }
        Ok(())
    }
}

/// The application of a test.
pub(crate) struct World {
    pub(crate) app: TestApp,
    behaviour: Arc<Behaviour>,
}

impl World {
    pub(crate) async fn start() -> World {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> World {
        let behaviour = Arc::new(Behaviour::default());
        let build = |mut config| {
            change(&mut config);
            let mut app = App::new("t", "1", config);
            app.mount::<Listening>(());
            app
        };
        let app = NEXT.scope(behaviour.clone(), TestApp::start(build)).await;
        World { app, behaviour }
    }

    pub(crate) async fn publish(&self, events: &[(&str, i64)]) {
        let tx = self.app.db().begin().await.unwrap();
        let counted = events.iter().map(|(key, n)| Counted { key: (*key).to_owned(), n: *n }).collect();
        self.app.running().events().publish_many(&tx, counted).await.unwrap();
        tx.commit().await.unwrap();
    }

    pub(crate) async fn heard(&self, who: &str) -> Vec<i64> {
        let sql = "SELECT n FROM heard WHERE who = ? ORDER BY id LIMIT 1000";
        let rows: Vec<(i64,)> = self.app.db().query(sql).bind(who).all().await.unwrap();
        rows.into_iter().map(|(n,)| n).collect()
    }

    pub(crate) async fn sums(&self) -> Vec<(String, i64)> {
        self.app.db().query("SELECT name, total FROM sums ORDER BY name LIMIT 100").all().await.unwrap()
    }

    pub(crate) fn fail_next(&self, times: i64) {
        self.behaviour.failures.store(times, Ordering::SeqCst);
    }

    pub(crate) fn poison(&self, n: i64) {
        self.behaviour.poison.store(n, Ordering::SeqCst);
    }

    pub(crate) fn break_projection(&self, broken: bool) {
        self.behaviour.broken.store(broken, Ordering::SeqCst);
    }

    pub(crate) fn renamed(&self) -> Vec<String> {
        self.behaviour.renamed.lock().unwrap().clone()
    }

    async fn execute(&self, sql: &'static str) {
        self.app.db().query(sql).execute().await.unwrap();
    }

    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        self.app.db().query(sql).scalar().await.unwrap()
    }

    /// Makes the view wrong.
    pub(crate) async fn spoil(&self) {
        self.execute("DELETE FROM sums WHERE name = 'b'").await;
    }

    /// Takes one event out of an inbox.
    pub(crate) async fn forget_one(&self, subscriber: &str) {
        let first: Option<(uuid::Uuid,)> =
            self.app.db().query("SELECT id FROM sarsen_log ORDER BY pos LIMIT 1").optional().await.unwrap();
        let sql = "DELETE FROM sarsen_inbox WHERE subscriber = ? AND event = ?";
        self.app.db().query(sql).bind(subscriber).bind(first.unwrap().0).execute().await.unwrap();
    }

    pub(crate) async fn set_old_form(&self) {
        self.execute("UPDATE sarsen_log SET version = 1, data = '{\"name\":\"old name\"}'").await;
    }

    pub(crate) async fn set_unreadable(&self) {
        self.execute("UPDATE sarsen_log SET version = 9").await;
    }
}
