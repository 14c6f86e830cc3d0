//! One trip to the database: settles what has ended and takes more, while what is at hand runs on.

use super::Shared;
use super::execute::{End, Finished};
use crate::clock;
use crate::data::On;
use crate::error::Result;
use crate::jobs::queue::Queue;
use crate::jobs::store::{Exchange, Exchanged, Head, Store};
use crate::lifecycle;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// What a trip is to do.
pub(super) struct Trip {
    pub(super) shared: Arc<Shared>,
    pub(super) queue: Queue,
    /// Ended, and not yet settled.
    pub(super) ended: Vec<Finished>,
    /// Most jobs to take.
    pub(super) want: usize,
    /// Where the search for them begins.
    pub(super) from: Option<Head>,
}

/// What a trip did.
pub(super) struct Back {
    /// Not settled, because of an error.
    pub(super) left: Vec<Finished>,
    /// How many had ended.
    pub(super) settled: usize,
    pub(super) want: usize,
    pub(super) taken: Result<Exchanged>,
    /// Behind the head there was nothing: the next search begins before it.
    pub(super) from_head_next: bool,
    pub(super) took: Duration,
}

impl Trip {
    pub(super) async fn run(mut self) -> Back {
        let (started, settled) = (clock::monotonic(), self.ended.len());
        if settled > 0 {
            lifecycle::fault("jobs.settling");
        }
        let taken = self.exchange().await;
        if settled > 0 && taken.is_ok() {
            lifecycle::fault("jobs.settled");
        }
        let found_none = taken.as_ref().is_ok_and(|taken| taken.claimed.is_empty());
        Back {
            left: self.ended,
            settled,
            want: self.want,
            from_head_next: found_none && self.from.is_some() && self.want > 0,
            taken,
            took: clock::monotonic() - started,
        }
    }

    async fn exchange(&mut self) -> Result<Exchanged> {
        let worker = self.shared.id();
        self.settle_told(worker).await?;
        let limited = self.queue.is_limited();
        let plain: Vec<Uuid> = self.ended.iter().map(|one| one.job.id).collect();
        let now = if limited { 0 } else { self.want };
        let exchange = Exchange { queue: self.queue.name, worker, completed: &plain, want: now, from: self.from };
        let mut taken = Exchanged::default();
        if !plain.is_empty() || now > 0 {
            taken = self.shared.store().exchange(&exchange).await?;
            self.shared.hold(&taken.claimed);
            self.after_put_away(&plain, taken.put_away, worker).await;
        }
        if limited && self.want > 0 {
            let exchange = Exchange { completed: &[], want: self.want, ..exchange };
            taken = self.shared.store().take_limited(&self.queue, &exchange).await?;
            self.shared.hold(&taken.claimed);
        }
        if !taken.claimed.is_empty() {
            lifecycle::fault("jobs.claimed");
        }
        self.shared.free_unique(&taken.claimed).await;
        Ok(taken)
    }

    /// Settles what concerns others or did not go well; what is left is put away in one statement.
    async fn settle_told(&mut self, worker: Uuid) -> Result<()> {
        let (mut told, mut not, mut settled) = (Vec::new(), Vec::new(), 0);
        for one in &self.ended {
            match &one.end {
                End::Completed if one.is_plain() => {}
                End::Completed => told.push((one.job.id, one.job.lease)),
                End::Settled => settled += 1,
                End::Not(ending) => not.push((&one.job, ending)),
            }
        }
        let store = self.shared.store();
        if !told.is_empty() {
            let done = Store::complete(On::Db(&store.db), worker, &told).await?.len();
            self.shared.count_settled(done, told.len() - done);
        }
        if !not.is_empty() {
            let done = store.settle(worker, &not).await?;
            self.shared.count_settled(done, not.len() - done);
        }
        self.shared.count_settled(settled, 0);
        let shared = &self.shared;
        self.ended.retain(|one| {
            one.is_plain() || {
                shared.let_go(&one.job);
                false
            }
        });
        Ok(())
    }

    /// Some may not have been put away: their end came to concern others while they ran, or they were taken over.
    async fn after_put_away(&mut self, plain: &[Uuid], put_away: u64, worker: Uuid) {
        let put_away = usize::try_from(put_away).unwrap_or(plain.len());
        if put_away == plain.len() {
            self.shared.count_settled(put_away, 0);
            self.let_all_go();
            return;
        }
        let leases: Vec<(Uuid, i64)> = self.ended.iter().map(|one| (one.job.id, one.job.lease)).collect();
        // Those that are gone already are not counted again; after an error they are tried with the next trip.
        if let Ok(left) = Store::complete(On::Db(&self.shared.store().db), worker, &leases).await {
            let settled = put_away + left.len();
            self.shared.count_settled(settled, plain.len().saturating_sub(settled));
            self.let_all_go();
        }
    }

    fn let_all_go(&mut self) {
        let shared = &self.shared;
        self.ended.drain(..).for_each(|one| shared.let_go(&one.job));
    }
}
