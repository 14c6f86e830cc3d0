//! One trip to the database: settles what has ended and takes more, while what is at hand runs on.

use super::Shared;
use super::execute::{End, Finished};
use crate::clock;
use crate::data::On;
use crate::error::Result;
use crate::jobs::queue::Queue;
use crate::jobs::store::{Exchange, Exchanged, Head, Own, Part, Store, Taking};
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
    pub(super) taking: Taking,
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
        let plain = self.ended.iter().filter(|one| one.job.bundle.is_none()).map(|one| one.job.id).collect::<Vec<_>>();
        let (parts, done) = (self.parts(), self.shared.done_bundles());
        let now = if limited { 0 } else { self.want };
        let exchange = Exchange {
            queue: self.queue.name,
            worker,
            completed: &plain,
            parts: &parts,
            done: &done,
            want: now,
            taking: self.taking,
            from: self.from,
        };
        let mut taken = Exchanged::default();
        if !self.ended.is_empty() || now > 0 {
            taken = self.shared.store().exchange(&exchange).await?;
            self.shared.hold(&taken.claimed);
            self.after_put_away(taken.put_away, &parts, worker).await;
        }
        if limited && self.want > 0 {
            let exchange = Exchange { completed: &[], parts: &[], done: &[], want: self.want, ..exchange };
            taken = self.shared.store().take_limited(&self.queue, &exchange).await?;
            self.shared.hold(&taken.claimed);
        }
        if !taken.claimed.is_empty() {
            lifecycle::fault("jobs.claimed");
        }
        self.shared.free_unique(&taken.claimed).await;
        Ok(taken)
    }

    /// What has ended, by the bundle in which it was taken.
    fn parts(&self) -> Vec<Part> {
        let mut parts: Vec<Part> = Vec::new();
        for job in self.ended.iter().map(|one| &one.job) {
            let Some(bundle) = job.bundle else { continue };
            match parts.iter_mut().find(|part| part.bundle == bundle) {
                Some(part) => part.jobs.push(job.id),
                None => {
                    let claimed_at = job.claimed_at;
                    parts.push(Part { bundle, claimed_at, jobs: vec![job.id], is_last: false });
                }
            }
        }
        for part in &mut parts {
            part.is_last = self.shared.are_the_last(part.bundle, part.jobs.len());
        }
        parts
    }

    /// Settles what concerns others or did not go well; what is left is put away in one statement.
    async fn settle_told(&mut self, worker: Uuid) -> Result<()> {
        let (mut told, mut not, mut settled) = (Vec::new(), Vec::new(), 0);
        for one in &self.ended {
            match &one.end {
                End::Completed if one.is_plain() => {}
                End::Completed => told.push(one.job.own()),
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
    async fn after_put_away(&mut self, put_away: u64, parts: &[Part], worker: Uuid) {
        let all = self.ended.len();
        let put_away = usize::try_from(put_away).unwrap_or(all);
        if put_away == all {
            self.shared.count_settled(put_away, 0);
            self.let_all_go();
            return;
        }
        let own: Vec<Own> = self.ended.iter().map(|one| one.job.own()).collect();
        // Those that are gone already are not counted again; after an error they are tried with the next trip.
        if let Ok(left) = Store::complete(On::Db(&self.shared.store().db), worker, &own).await {
            let settled = put_away + left.len();
            self.shared.count_settled(settled, all.saturating_sub(settled));
            self.shared.are_done(parts.iter().map(|part| part.bundle));
            self.let_all_go();
        }
    }

    fn let_all_go(&mut self) {
        let shared = &self.shared;
        self.ended.drain(..).for_each(|one| shared.let_go(&one.job));
    }
}
