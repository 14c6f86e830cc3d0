//! Hears of invalidations in the order of the log, those of other processes too.

use super::node::Node;
use crate::clock::{self, Ticks, Timestamp};
use crate::data::{Db, Tail};
use crate::error::{Error, Result};
use crate::lifecycle::{self, Lifecycle};
use crate::telemetry::{Operation, OperationKind, Outcome, Trace};
use std::sync::Arc;
use std::time::Duration;

/// The name of an invalidation in the log; its data are the tags.
pub(crate) const INVALIDATED: &str = "cache.invalidated";
/// The channel that is woken by them: what else is written into the log wakes nobody here.
pub(super) const CHANNEL: &str = "cache";
/// Most entries of one reading.
const BATCH: u32 = 500;
/// How often is looked without having been woken.
const POLL: Duration = Duration::from_secs(1);
/// While a transaction is not committed yet: should it be rolled back, nobody is woken.
const HELD: Duration = Duration::from_millis(20);
/// After a failure.
const REST: Duration = Duration::from_millis(500);
/// How long invalidations stay in the log.
const KEEP: Duration = Duration::from_secs(120);
/// Who has not read for this long may find some gone.
const GAP: Duration = Duration::from_secs(60);
/// Most entries that one step of the sweep removes.
const SWEEP_MANY: u32 = 1_000;

/// Begins at the present end of the log, and follows it until the application stops.
pub(super) async fn start(node: &Arc<Node>, db: &Db, lifecycle: &Lifecycle) -> Result<()> {
    let follower = Follower { node: node.clone(), db: db.primary(), lifecycle: lifecycle.clone() };
    // In an Operation of its own: it is not the caller's work, who is only the first.
    let begun = lifecycle::spawn(async move {
        let name = follower.node.recorder.name(OperationKind::Job, "", "cache begin");
        let operation = Operation::open_in(name, Trace::new(), &follower.node.recorder);
        let begun = operation.scope(follower.begin()).await;
        operation.close(if begun.is_ok() { Outcome::Done } else { Outcome::Failed });
        begun.map(|at| drop(lifecycle::spawn_background(follower.follow(at))))
    });
    begun.await.map_err(|error| Error::internal(format!("the log could not be followed: {error}")))?
}

struct Follower {
    node: Arc<Node>,
    db: Db,
    lifecycle: Lifecycle,
}

/// A moment on both clocks: one stands still while a machine sleeps, the other can be set.
#[derive(Clone, Copy)]
struct Moment(Ticks, Timestamp);

impl Moment {
    fn now(node: &Node) -> Self {
        Self(node.real.ticks(), node.real.now())
    }

    fn since(self, earlier: Moment) -> Duration {
        (self.0 - earlier.0).max(self.1.since(earlier.1))
    }
}

impl Follower {
    async fn begin(&self) -> Result<Moment> {
        let moment = Moment::now(&self.node);
        self.node.begin_at(moment.0, self.db.log().mark().await?);
        Ok(moment)
    }

    async fn follow(self, begun: Moment) {
        let mut listener = self.db.listen(CHANNEL);
        let name = self.node.recorder.name(OperationKind::Job, "", "cache hear");
        let (mut read_at, mut swept_at, mut woken) = (begun, begun, false);
        while !self.lifecycle.is_stopping() {
            let operation = Operation::open_in(name, Trace::new(), &self.node.recorder);
            let moment = Moment::now(&self.node);
            let wait = match operation.scope(self.step(moment, read_at)).await {
                Ok(heard) => {
                    read_at = moment;
                    if heard.count > 0 {
                        operation.close(Outcome::Done);
                    }
                    woken &= !heard.all;
                    heard.pause(woken)
                }
                Err(error) => {
                    self.node.lost();
                    operation.set_error(&error);
                    operation.close(Outcome::Failed);
                    REST
                }
            };
            if moment.since(swept_at) > GAP {
                swept_at = moment;
                self.sweep().await;
            }
            if wait.is_zero() {
                continue;
            }
            tokio::select! {
                () = clock::pause(wait) => {}
                () = listener.woken(), if wait != REST => woken = true,
                () = self.lifecycle.stopping() => {}
            }
        }
    }

    async fn step(&self, moment: Moment, read_at: Moment) -> Result<Heard> {
        let (log, deadline) = (self.db.log(), clock::monotonic() + self.node.section.max_silence.0);
        let tail = clock::until(deadline, log.tail(self.node.position(), &[INVALIDATED], BATCH)).await??;
        if moment.since(read_at) > GAP {
            self.node.versions.missed_some();
        }
        Ok(Heard { count: tail.entries.len(), all: hear(&self.node, moment.0, &tail)? })
    }

    async fn sweep(&self) {
        self.node.sweep();
        let name = self.node.recorder.name(OperationKind::Job, "", "cache sweep");
        let operation = Operation::open_in(name, Trace::new(), &self.node.recorder);
        if let Err(error) = operation.scope(sweep_log(&self.db)).await {
            tracing::warn!("old invalidations could not be removed: {}", error.report());
        }
    }
}

/// What one reading gave.
struct Heard {
    count: usize,
    /// Whether all that was committed before is heard.
    all: bool,
}

impl Heard {
    /// How long to wait for more.
    fn pause(&self, woken: bool) -> Duration {
        match self.count {
            count if count >= BATCH as usize => Duration::ZERO,
            _ if woken => HELD,
            _ => POLL,
        }
    }
}

/// Gives what was read at `moment` to the cache; says whether that is all which was committed before.
pub(super) fn hear(node: &Node, moment: Ticks, tail: &Tail) -> Result<bool> {
    let mut entries = Vec::with_capacity(tail.entries.len());
    for entry in &tail.entries {
        let tags: Vec<&str> = serde_json::from_str(&entry.data)
            .map_err(|error| Error::internal("an invalidation cannot be read").source(error))?;
        entries.push((entry.pos, tags));
    }
    Ok(node.read(moment, (tail.mark, tail.last), entries))
}

async fn sweep_log(db: &Db) -> Result<()> {
    let before = db.clock().now() - KEEP;
    let sql = "DELETE FROM sarsen_log WHERE pos IN (SELECT pos FROM sarsen_log \
               WHERE name = 'cache.invalidated' AND at < ? ORDER BY pos LIMIT ?)";
    loop {
        let query = db.query(sql).of_framework().bind(before.as_micros()).bind(SWEEP_MANY);
        if query.execute().await? < u64::from(SWEEP_MANY) {
            return Ok(());
        }
    }
}
