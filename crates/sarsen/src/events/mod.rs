//! TEMPORARY stand-in until events are there: the contract's types, working well enough for tests of their users.
#![expect(missing_docs, reason = "temporary")]

use crate::clock::Timestamp;
use crate::data::{Db, Query, Tx};
use crate::error::{Error, Result};
use crate::jobs::{Jobs, Options, Run};
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use uuid::Uuid;

pub trait Event: Serialize + DeserializeOwned + Send + 'static {
    const NAME: &'static str;
    const VERSION: u32 = 1;
    fn key(&self) -> Option<String> {
        None
    }
}

#[derive(Clone, Debug)]
pub struct Delivery {
    pub(crate) id: Uuid,
    pub(crate) at: Timestamp,
    pub(crate) run: Run,
}

impl Delivery {
    pub fn id(&self) -> Uuid {
        self.id
    }
    pub fn at(&self) -> Timestamp {
        self.at
    }
    pub fn run(&self) -> &Run {
        &self.run
    }
    pub async fn once(&self, tx: &Tx) -> Result<bool> {
        self.run.complete_in(tx).await.map(|()| true)
    }
}

#[derive(Clone, Debug)]
pub struct Recorded {
    name: String,
    data: String,
}

impl Recorded {
    pub fn read<E: Event>(&self) -> Result<Option<E>> {
        if self.name != E::NAME {
            return Ok(None);
        }
        serde_json::from_str(&self.data).map(Some).map_err(|error| Error::internal(error.to_string()))
    }
}

#[derive(Debug)]
pub struct View {
    pub(crate) tx: Arc<Tx>,
    pub(crate) tables: Vec<(&'static str, String)>,
}

impl View {
    pub fn query(&self, sql: &str) -> Query<'_> {
        let named = |sql: String, (name, now): &(&'static str, String)| sql.replace(&format!("{{{name}}}"), now);
        self.tx.query(self.tables.iter().fold(sql.to_owned(), named))
    }
}

#[derive(Clone, Debug)]
pub struct Projection {
    pub(crate) name: &'static str,
    pub(crate) events: Vec<&'static str>,
    pub(crate) tables: Vec<(&'static str, &'static str)>,
}

impl Projection {
    pub fn new(name: &'static str) -> Self {
        Self { name, events: Vec::new(), tables: Vec::new() }
    }
    #[must_use]
    pub fn of<E: Event>(mut self) -> Self {
        self.events.push(E::NAME);
        self
    }
    #[must_use]
    pub fn table(mut self, name: &'static str, ddl: &'static str) -> Self {
        self.tables.push((name, ddl));
        self
    }
}

pub(crate) type Apply = Arc<dyn Fn(View, Vec<Recorded>) -> BoxFuture<'static, Result<()>> + Send + Sync>;

#[derive(Clone, Default)]
pub struct Events(Arc<Inner>);

#[derive(Default)]
struct Inner {
    jobs: Option<Jobs>,
    subscribers: BTreeMap<&'static str, Vec<&'static str>>,
    projections: Mutex<Vec<(Projection, Apply)>>,
    reached: Mutex<BTreeMap<&'static str, i64>>,
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Events")
    }
}

impl Events {
    pub(crate) fn new(jobs: Jobs, subscribers: BTreeMap<&'static str, Vec<&'static str>>) -> Self {
        Self(Arc::new(Inner { jobs: Some(jobs), subscribers, ..Inner::default() }))
    }

    pub(crate) async fn add(&self, db: &Db, projection: Projection, apply: Apply) -> Result<()> {
        make_tables(db, &projection).await?;
        self.0.projections.lock().expect("stub").push((projection, apply));
        Ok(())
    }

    pub async fn publish<E: Event>(&self, tx: &Tx, event: E) -> Result<Uuid> {
        let (id, at) = (tx.clock().id(), tx.clock().now());
        let data = serde_json::to_string(&event).map_err(|error| Error::internal(error.to_string()))?;
        let sql = "INSERT INTO stub_events (id, name, data) VALUES (?, ?, ?)";
        tx.query(sql).bind(id).bind(E::NAME).bind(data.clone()).execute().await?;
        let jobs = self.0.jobs.as_ref().expect("stub");
        for kind in self.0.subscribers.get(E::NAME).into_iter().flatten() {
            let arguments = serde_json::to_vec(&(id, at, &data)).map_err(|error| Error::internal(error.to_string()))?;
            jobs.enqueue_raw(tx, kind, arguments, Options::new()).await?;
        }
        Ok(id)
    }

    pub async fn publish_many<E: Event>(&self, tx: &Tx, events: Vec<E>) -> Result<Vec<Uuid>> {
        let mut ids = Vec::new();
        for event in events {
            ids.push(self.publish(tx, event).await?);
        }
        Ok(ids)
    }

    pub(crate) async fn catch_up(&self, db: &Db) -> Result<()> {
        let projections = self.0.projections.lock().expect("stub").clone();
        for (projection, apply) in projections {
            let from = self.0.reached.lock().expect("stub").get(projection.name).copied().unwrap_or(0);
            let sql = "SELECT seq, name, data FROM stub_events WHERE seq > ? ORDER BY seq LIMIT 100000";
            let rows: Vec<(i64, String, String)> = db.query(sql).bind(from).all().await?;
            let last = rows.last().map_or(from, |row| row.0);
            let wanted = |(_, name, data): (i64, String, String)| {
                projection.events.contains(&name.as_str()).then_some(Recorded { name, data })
            };
            let recorded: Vec<Recorded> = rows.into_iter().filter_map(wanted).collect();
            let tx = Arc::new(db.begin().await?);
            let tables = projection.tables.iter().map(|(name, _)| (*name, (*name).to_owned())).collect();
            apply(View { tx: tx.clone(), tables }, recorded).await?;
            Arc::try_unwrap(tx).expect("stub").commit().await?;
            self.0.reached.lock().expect("stub").insert(projection.name, last);
        }
        Ok(())
    }

    pub(crate) async fn rebuild(&self, db: &Db, name: &str) -> Result<()> {
        let projections = self.0.projections.lock().expect("stub").clone();
        for (projection, _) in projections.iter().filter(|(projection, _)| projection.name == name) {
            for (table, _) in &projection.tables {
                db.query(format!("DROP TABLE {table}")).execute().await?;
            }
            make_tables(db, projection).await?;
            self.0.reached.lock().expect("stub").remove(projection.name);
        }
        self.catch_up(db).await
    }
}

async fn make_tables(db: &Db, projection: &Projection) -> Result<()> {
    for (table, ddl) in &projection.tables {
        db.stub_script(&ddl.replace("{table}", table)).await?;
    }
    Ok(())
}
