//! Places orders, as quickly as they are worked off, and writes down those that were acknowledged.

use super::orders::{Part, follow};
use sarsen::app::Running;
use sarsen::events::Events;
use sarsen::jobs::Jobs;
use sarsen::{Db, Error, Result, clock, lifecycle};
use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How many place orders at once; two of them always for the same customer.
const PLACING: i64 = 4;
const CUSTOMERS: i64 = 2;
/// With more than this waiting nothing is placed.
const MAX_WAITING: i64 = 400;
const PAUSE: Duration = Duration::from_millis(60);
/// How often the projection is built anew.
const REBUILD: Duration = Duration::from_millis(700);

struct Shop {
    db: Db,
    jobs: Jobs,
    events: Events,
    acknowledged: File,
    stopping: AtomicBool,
}

/// Places orders until the process is asked to stop. Errors of the database are passed over: nobody acknowledges these.
pub(crate) async fn place_orders(app: &Running, file: &str) -> Result<()> {
    let acknowledged = File::options().create(true).append(true).open(file)?;
    let (db, jobs, events) = (app.db().clone(), app.jobs().clone(), app.events().clone());
    let shop = Arc::new(Shop { db, jobs, events, acknowledged, stopping: AtomicBool::new(false) });
    let placing = (0..PLACING).map(|number| {
        let shop = shop.clone();
        lifecycle::spawn(async move { shop.place_all(number % CUSTOMERS).await })
    });
    let placing: Vec<_> = placing.collect();
    let rebuilding = lifecycle::spawn(shop.clone().rebuild_all());
    lifecycle::signal().await;
    shop.stopping.store(true, Ordering::SeqCst);
    for task in placing.into_iter().chain([rebuilding]) {
        task.await.map_err(|error| Error::internal("a task of the load ended").source(error))?;
    }
    Ok(())
}

impl Shop {
    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    async fn place_all(&self, customer: i64) {
        while !self.is_stopping() {
            if let Err(error) = self.place_next(customer).await {
                eprintln!("not placed: {}", error.report());
            }
            clock::pause(PAUSE).await;
        }
    }

    async fn place_next(&self, customer: i64) -> Result<()> {
        if self.waiting().await? < MAX_WAITING {
            let number = self.place(customer).await?;
            (&self.acknowledged).write_all(format!("{customer} {number}\n").as_bytes())?;
        }
        Ok(())
    }

    async fn waiting(&self) -> Result<i64> {
        self.db.query("SELECT COUNT(*) FROM (SELECT 1 FROM sarsen_jobs LIMIT 1000) AS waiting").scalar().await
    }

    async fn place(&self, customer: i64) -> Result<i64> {
        let tx = self.db.begin().await?;
        let sql = "INSERT INTO customers (id, last) VALUES (?, 1) ON CONFLICT (id) DO UPDATE SET last = customers.last + 1 \
                   RETURNING last";
        let number: i64 = tx.query(sql).bind(customer).scalar().await?;
        tx.query("INSERT INTO orders (customer, number) VALUES (?, ?)").bind(customer).bind(number).execute().await?;
        follow(&tx, &self.jobs, &self.events, &Part::of(customer, number)).await?;
        tx.commit().await?;
        Ok(number)
    }

    async fn rebuild_all(self: Arc<Self>) {
        while !self.is_stopping() {
            if let Err(error) = self.rebuild().await {
                eprintln!("not built anew: {}", error.report());
            }
            clock::pause(REBUILD).await;
        }
    }

    async fn rebuild(&self) -> Result<()> {
        let states = self.events.projections().await?;
        if states.iter().all(|state| state.building.is_none()) {
            self.events.rebuild("orders.sums").await?;
        }
        Ok(())
    }
}
