//! Brings projections up to date, builds them anew beside the live ones, and swaps.

use super::event::Recorded;
use super::projection::{Projection, View};
use super::{Events, Registry};
use crate::clock;
use crate::data::Tx;
use crate::error::{Error, Result};
use crate::lifecycle::{self, Lifecycle};
use crate::telemetry::{Operation, OperationKind, Outcome, Recorder, Trace};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Wakes whoever reads the log.
const LOG: &str = crate::data::LOG_CHANNEL;
/// How long a projection that failed rests.
const REST: Duration = Duration::from_secs(5);

/// How long to wait for a transaction that is not committed yet: should it be rolled back, nobody is woken.
const HELD: Duration = Duration::from_millis(20);

/// Whether there is more to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum More {
    Yes,
    /// Once what is written now is committed.
    Held,
    No,
}

/// Where a projection stands.
#[derive(Clone, Debug, Serialize)]
pub struct ProjectionState {
    /// Its name.
    pub name: String,
    /// How often its tables were made.
    pub generation: i64,
    /// Up to which position the live tables have read.
    pub position: i64,
    /// How many positions of the log that is behind.
    pub behind: i64,
    /// Up to which position the tables have read that are being built anew.
    pub building: Option<i64>,
}

/// How often what is kept no longer is deleted.
const SWEEP: Duration = Duration::from_secs(60);
/// Most entries of the log that one statement deletes.
const SWEEP_MANY: u32 = 1_000;

/// Which tables of a projection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Live,
    Building(i64),
}

impl Target {
    fn consumer(self, projection: &Projection) -> String {
        match self {
            Target::Live => format!("projection {}", projection.name),
            Target::Building(generation) => format!("projection {} g{generation}", projection.name),
        }
    }

    fn table(self, table: &str) -> String {
        match self {
            Target::Live => table.to_owned(),
            Target::Building(generation) => Projection::shadow(table, generation),
        }
    }
}

#[derive(crate::FromRow)]
struct Row {
    form: String,
    generation: i64,
    building: Option<i64>,
}

/// The row of a projection, locked until the commit.
async fn locked(tx: &Tx, projection: &Projection) -> Result<Row> {
    let insert =
        "INSERT INTO sarsen_projections (name, form, generation) VALUES (?, '', 0) ON CONFLICT (name) DO NOTHING";
    tx.own(insert).bind(projection.name).execute().await?;
    let sql = "SELECT form, generation, building FROM sarsen_projections WHERE name = ? FOR UPDATE";
    tx.own(sql).bind(projection.name).one().await
}

async fn create(tx: &Tx, projection: &Projection, generation: i64) -> Result<()> {
    for (table, statements) in &projection.tables {
        let named = statements.replace("{table}", &Projection::shadow(table, generation));
        let failed = |error: Error| error.context(format!("table `{table}` of projection `{}`", projection.name));
        tx.define(&named).await.map_err(failed)?;
    }
    Ok(())
}

async fn make_live(tx: &Tx, projection: &Projection, generation: i64) -> Result<()> {
    for (table, _) in &projection.tables {
        let shadow = Projection::shadow(table, generation);
        tx.define(&format!("ALTER TABLE {shadow} RENAME TO {table}")).await?;
    }
    Ok(())
}

async fn drop_tables(tx: &Tx, projection: &Projection, target: Target) -> Result<()> {
    for (table, _) in &projection.tables {
        tx.define(&format!("DROP TABLE IF EXISTS {}", target.table(table))).await?;
    }
    Ok(())
}

impl Events {
    /// Makes the tables of new projections, and begins to build anew those whose form has changed.
    pub(crate) async fn prepare(&self) -> Result<()> {
        for projection in self.0.registry.projections() {
            let tx = self.db().begin().await?;
            let row = locked(&tx, projection).await?;
            if row.generation == 0 {
                create(&tx, projection, 1).await?;
                make_live(&tx, projection, 1).await?;
                let sql = "UPDATE sarsen_projections SET form = ?, generation = 1 WHERE name = ?";
                tx.own(sql).bind(projection.form()).bind(projection.name).execute().await?;
            } else if row.form != projection.form() {
                self.begin_building(&tx, projection, &row).await?;
            }
            tx.commit().await?;
        }
        Ok(())
    }

    /// Builds a projection anew from the whole log, beside the live one, which takes its place when it has caught up. The
    /// role `worker` does it; a second call begins again.
    pub async fn rebuild(&self, projection: &str) -> Result<()> {
        let projection = self.0.registry.projection(projection)?;
        let tx = self.db().begin().await?;
        let row = locked(&tx, projection).await?;
        self.begin_building(&tx, projection, &row).await?;
        tx.wake(LOG);
        tx.commit().await
    }

    async fn begin_building(&self, tx: &Tx, projection: &Projection, row: &Row) -> Result<()> {
        if let Some(before) = row.building {
            self.forget(tx, projection, Target::Building(before)).await?;
        }
        let next = row.building.unwrap_or(row.generation) + 1;
        create(tx, projection, next).await?;
        let sql = "UPDATE sarsen_projections SET form = ?, building = ? WHERE name = ?";
        tx.own(sql).bind(projection.form()).bind(next).bind(projection.name).execute().await?;
        lifecycle::fault("events.rebuilding");
        Ok(())
    }

    async fn forget(&self, tx: &Tx, projection: &Projection, target: Target) -> Result<()> {
        drop_tables(tx, projection, target).await?;
        self.db().log().forget(tx, &target.consumer(projection)).await
    }

    /// Forgets what inboxes and the log are to keep no longer; gives how much that was.
    pub(crate) async fn sweep(&self) -> Result<u64> {
        let (section, now) = (&self.0.section, self.db().clock().now());
        let sql = "DELETE FROM sarsen_inbox WHERE at < ?";
        let mut swept = self.db().query(sql).bind((now - section.keep_inbox.0).as_micros()).execute().await?;
        while !section.keep.0.is_zero() {
            let some = self.db().log().purge(now - section.keep.0, SWEEP_MANY).await?;
            swept += some;
            if some < u64::from(SWEEP_MANY) {
                break;
            }
        }
        Ok(swept)
    }

    /// Where each projection stands.
    pub async fn projections(&self) -> Result<Vec<ProjectionState>> {
        let (log, mark) = (self.db().log(), self.db().log().mark().await?);
        let mut states = Vec::new();
        for projection in self.0.registry.projections() {
            let sql = "SELECT form, generation, building FROM sarsen_projections WHERE name = ?";
            let Some(row) = self.db().query(sql).bind(projection.name).optional::<Row>().await? else { continue };
            let position = log.checkpoint(&Target::Live.consumer(projection)).await?;
            let building = match row.building {
                Some(generation) => Some(log.checkpoint(&Target::Building(generation).consumer(projection)).await?),
                None => None,
            };
            let (name, generation) = (projection.name.to_owned(), row.generation);
            states.push(ProjectionState { name, generation, position, behind: (mark - position).max(0), building });
        }
        Ok(states)
    }

    /// Applies some events to one set of tables; gives how many, and whether there may be more.
    async fn step(&self, projection: &Projection, target: Target) -> Result<(usize, More)> {
        let (log, consumer) = (self.db().log(), target.consumer(projection));
        let from = log.checkpoint(&consumer).await?;
        let tail = log.tail(from, &projection.events, self.0.section.batch.max(1)).await?;
        if tail.mark <= from {
            return Ok((0, if tail.held { More::Held } else { More::No }));
        }
        let tx = self.db().for_module(projection.module).begin().await?;
        if !log.advance(&tx, &consumer, from, tail.mark).await? {
            // Another process was quicker.
            tx.rollback().await?;
            return Ok((0, More::Yes));
        }
        let events = tail.entries.into_iter().map(Recorded::of_entry).collect::<Result<Vec<_>>>()?;
        let count = events.len();
        let tx = if events.is_empty() { tx } else { self.apply(projection, target, tx, events).await? };
        if count > 0 {
            lifecycle::fault("events.projecting");
        }
        tx.commit().await?;
        Ok((count, More::Yes))
    }

    async fn apply(&self, projection: &Projection, target: Target, tx: Tx, events: Vec<Recorded>) -> Result<Tx> {
        let tables = projection.tables.iter().map(|(table, _)| (*table, target.table(table))).collect();
        let view = View { tx: Arc::new(tx), tables: Arc::new(tables) };
        let tx = view.tx.clone();
        self.0.registry.handler(projection.name)?(view, events).await?;
        Arc::into_inner(tx).ok_or_else(|| {
            Error::internal(format!("projection `{}` keeps its view after it has returned", projection.name))
                .hint("await everything that uses the view")
        })
    }

    /// One step of the live tables and one of those that are built anew, which take their place once they have caught up.
    async fn advance(&self, projection: &Projection) -> Result<(usize, More)> {
        let (mut applied, mut more) = self.step(projection, Target::Live).await?;
        let sql = "SELECT building FROM sarsen_projections WHERE name = ?";
        let building: Option<i64> = self.db().query(sql).bind(projection.name).scalar().await?;
        if let Some(generation) = building {
            let (some, behind) = self.step(projection, Target::Building(generation)).await?;
            if behind == More::No {
                self.swap(projection, generation).await?;
            }
            // What is held is waited for, as in the live tables, and not asked for again and again.
            more = if behind == More::Held { More::Held } else { More::Yes };
            applied += some;
        }
        Ok((applied, more))
    }

    async fn swap(&self, projection: &Projection, generation: i64) -> Result<()> {
        let (log, building) = (self.db().log(), Target::Building(generation));
        let tx = self.db().begin().await?;
        if locked(&tx, projection).await?.building != Some(generation) {
            return tx.rollback().await;
        }
        // Another process may be about to apply more to these tables: it is done first, or finds its checkpoint gone.
        let position = log.lock_checkpoint(&tx, &building.consumer(projection)).await?;
        // Before the tables, because a step of the live tables holds it until its commit.
        log.set_checkpoint(&tx, &Target::Live.consumer(projection), position).await?;
        drop_tables(&tx, projection, Target::Live).await?;
        make_live(&tx, projection, generation).await?;
        log.forget(&tx, &building.consumer(projection)).await?;
        let sql = "UPDATE sarsen_projections SET generation = ?, building = NULL WHERE name = ?";
        tx.own(sql).bind(generation).bind(projection.name).execute().await?;
        lifecycle::fault("events.swapping");
        tx.commit().await?;
        tracing::info!(projection = projection.name, generation, "a projection was built anew");
        Ok(())
    }
}

/// Brings every projection up to date; gives how many events were applied.
pub(crate) async fn catch_up(events: &Events) -> Result<usize> {
    let mut all = 0;
    for projection in events.0.registry.projections() {
        loop {
            let (applied, more) = events.advance(projection).await?;
            all += applied;
            if more != More::Yes {
                break;
            }
        }
    }
    Ok(all)
}

/// Keeps every projection up to date until the application stops: a task each.
pub(crate) fn run_projections(events: &Events, recorder: &Recorder, lifecycle: &Lifecycle) -> Vec<JoinHandle<()>> {
    let registry: &Registry = &events.0.registry;
    let run = |projection: &Projection| {
        let (events, projection) = (events.clone(), projection.clone());
        lifecycle::spawn_background(keep(events, projection, recorder.clone(), lifecycle.clone()))
    };
    let mut running: Vec<JoinHandle<()>> = registry.projections().map(run).collect();
    running.push(lifecycle::spawn_background(sweep(events.clone(), lifecycle.clone())));
    running
}

/// Deletes what is kept no longer, until the application stops.
async fn sweep(events: Events, lifecycle: Lifecycle) {
    while !lifecycle.is_stopping() {
        if let Err(error) = events.sweep().await {
            tracing::warn!("old events cannot be swept: {}", error.report());
        }
        tokio::select! {
            () = clock::pause(SWEEP) => {}
            () = lifecycle.stopping() => {}
        }
    }
}

async fn keep(events: Events, projection: Projection, recorder: Recorder, lifecycle: Lifecycle) {
    let mut listener = events.db().listen(LOG);
    let poll = events.jobs().0.section.poll.0;
    let name = recorder.name(OperationKind::Job, projection.module, &format!("projection {}", projection.name));
    while !lifecycle.is_stopping() {
        let operation = Operation::open_in(name, Trace::new(), &recorder);
        let wait = match operation.scope(events.advance(&projection)).await {
            Ok((applied, more)) => {
                if applied > 0 {
                    operation.close(Outcome::Done);
                }
                match more {
                    More::Yes => Duration::ZERO,
                    More::Held => HELD,
                    More::No => poll,
                }
            }
            Err(error) => {
                operation.set_error(&error);
                operation.close(Outcome::Failed);
                REST
            }
        };
        if wait.is_zero() {
            continue;
        }
        let failed = wait == REST;
        tokio::select! {
            () = clock::pause(wait) => {}
            () = listener.woken(), if !failed => {}
            () = lifecycle.stopping() => {}
        }
    }
}
