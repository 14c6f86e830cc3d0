//! An application with a table of rows, which are read through the cache.

use sarsen::cache::{Cache, Keep, Key, key, tag};
use sarsen::config::{CacheSection, Url};
use sarsen::testing::TestApp;
use sarsen::{App, Config, Db, Result, Tx, clock};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
pub(crate) const TTL: Duration = Duration::from_secs(60);

/// A process.
pub(crate) struct Stage {
    pub(crate) app: TestApp,
    pub(crate) loads: Arc<AtomicUsize>,
}

fn build(mut config: Config, change: impl FnOnce(&mut CacheSection)) -> App {
    config.cache.url = Url::new("memory:");
    change(&mut config.cache);
    App::new("rows", "0.0.0", config)
}

impl Stage {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut CacheSection)) -> Self {
        let app = TestApp::start(|config| build(config, change)).await;
        let create = "CREATE TABLE counted (id BIGINT PRIMARY KEY, value BIGINT NOT NULL)";
        app.db().query(create).execute().await.expect("a table");
        let insert = app.db().query("INSERT INTO counted (id, value) VALUES (?, 0), (?, 0), (?, 0)");
        insert.bind(0_i64).bind(1_i64).bind(2_i64).execute().await.expect("rows");
        Self { app, loads: Arc::default() }
    }

    /// One more on the same database.
    pub(crate) async fn beside(&self) -> Self {
        Self { app: self.app.beside(|config| build(config, |_| {})).await, loads: Arc::default() }
    }

    pub(crate) fn cache(&self) -> &Cache {
        self.app.running().cache()
    }

    pub(crate) fn loads(&self) -> usize {
        self.loads.load(Ordering::SeqCst)
    }

    /// Loads a row.
    pub(crate) fn load(
        &self,
        id: i64,
    ) -> impl FnOnce() -> futures_util::future::BoxFuture<'static, Result<i64>> + use<> {
        let (db, loads) = (self.app.db().clone(), self.loads.clone());
        move || {
            Box::pin(async move {
                loads.fetch_add(1, Ordering::SeqCst);
                read(&db, id).await
            })
        }
    }

    /// A row through the cache.
    pub(crate) async fn row(&self, id: i64) -> i64 {
        *self.cache().fetch(row_key(id), keep(id), self.load(id)).await.expect("is loaded")
    }

    /// Writes a row and invalidates it, in a transaction that is still open.
    pub(crate) async fn write(&self, id: i64, value: i64) -> Tx {
        let tx = self.app.db().begin().await.expect("a transaction");
        tx.query("UPDATE counted SET value = ? WHERE id = ?").bind(value).bind(id).execute().await.expect("is written");
        self.cache().invalidate(&tx, [tag("row", id)]).await.expect("is invalidated");
        tx
    }
}

pub(crate) async fn read(db: &Db, id: i64) -> Result<i64> {
    db.query("SELECT value FROM counted WHERE id = ?").bind(id).scalar().await
}

pub(crate) fn row_key(id: i64) -> Key {
    key("row").with(id)
}

pub(crate) fn keep(id: i64) -> Keep {
    Keep::new(TTL).without_jitter().tag(tag("row", id))
}

/// Waits until `check` holds.
pub(crate) async fn until(what: &str, mut check: impl AsyncFnMut() -> bool) {
    let deadline = clock::monotonic() + PATIENCE;
    while !check().await {
        assert!(clock::monotonic() < deadline, "{what}: not within {PATIENCE:?}");
        clock::pause(Duration::from_millis(2)).await;
    }
}
