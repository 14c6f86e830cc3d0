//! The loop of one queue: takes jobs, starts them, and settles what has ended, all in few round trips.

use super::Shared;
use super::execute::{End, Finished, execute};
use crate::clock;
use crate::data::On;
use crate::error::Result;
use crate::jobs::queue::Queue;
use crate::jobs::store::{Claimed, Ending, Exchange, Exchanged, Head, Store};
use crate::lifecycle;
use crate::telemetry::{self, Holder, Holding, WaitKind};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use uuid::Uuid;

/// What has ended is settled at least this often while more work is at hand.
const SETTLE_AFTER: Duration = Duration::from_millis(5);
/// As many that have ended are settled at once.
const SETTLE_MANY: usize = 128;
/// A job that takes longer is not fetched before there is room for it.
const LONG: Duration = Duration::from_millis(20);
/// How often the search for jobs begins at the head of the queue, whatever was taken from there.
const FROM_HEAD: Duration = Duration::from_millis(100);

/// Works on `queue` until the worker stops and all that it began has ended.
pub(super) async fn run(shared: Arc<Shared>, queue: Queue) {
    let (sender, finished) = mpsc::unbounded_channel();
    let listener = shared.store().db.listen(queue.name);
    let section = &shared.jobs.0.section;
    let blocking = if shared.jobs.registry().is_blocking(queue.name) { section.blocking } else { usize::MAX };
    let most = queue.concurrency.unwrap_or(usize::MAX).min(section.concurrency).min(blocking).max(1);
    let mut work = Loop {
        most,
        places: Holder::new(WaitKind::Queue, format!("jobs {}", queue.name), most as u64),
        queue,
        sender,
        buffer: VecDeque::new(),
        suspects: VecDeque::new(),
        running: 0,
        ended: Vec::new(),
        last_settled: clock::monotonic(),
        may_be_more: true,
        again_at: None,
        failures: 0,
        // Until more is known of them they count as long.
        job_time: LONG,
        trip_time: Duration::from_millis(1),
        head: None,
        from_head_at: clock::monotonic(),
        shared,
    };
    work.run(finished, listener).await;
}

struct Loop {
    shared: Arc<Shared>,
    queue: Queue,
    /// Which kinds of jobs take its places, and for how long.
    places: Holder,
    /// Most at work at once.
    most: usize,
    sender: mpsc::UnboundedSender<Finished>,
    /// Taken, and not yet begun.
    buffer: VecDeque<Claimed>,
    /// Of these, those that a process has died of: they run alone among their like, and hold up nobody meanwhile.
    suspects: VecDeque<Claimed>,
    running: usize,
    /// Ended, and not yet settled.
    ended: Vec<Finished>,
    last_settled: Instant,
    may_be_more: bool,
    /// When a limit lets more through.
    again_at: Option<Instant>,
    /// Errors of the database one after another.
    failures: u32,
    /// Moving means of a job's time and of an exchange's.
    job_time: Duration,
    trip_time: Duration,
    /// Where the last claim ended, while more is there.
    head: Option<Head>,
    from_head_at: Instant,
}

/// A moving mean that follows within some ten values.
fn mean(before: Duration, now: Duration) -> Duration {
    (before * 7 + now) / 8
}

impl Loop {
    async fn run(&mut self, mut finished: mpsc::UnboundedReceiver<Finished>, mut listener: crate::data::Listener) {
        let stop = self.shared.stop.clone();
        loop {
            if stop.is_stopping() {
                self.give_back();
                if self.running == 0 && self.ended.is_empty() {
                    return;
                }
            }
            self.start();
            let want = self.want();
            if self.must_settle() || want > 0 {
                self.exchange(want).await;
                self.collect(&mut finished);
                continue;
            }
            let wait = self.wait();
            tokio::select! {
                biased;
                one = finished.recv() => {
                    if let Some(one) = one {
                        self.note(one);
                    }
                    self.collect(&mut finished);
                }
                () = listener.woken() => self.may_be_more = true,
                () = stop.stopping(), if !stop.is_stopping() => {}
                () = clock::pause(wait) => self.may_be_more |= self.ended.is_empty(),
            }
        }
    }

    fn collect(&mut self, finished: &mut mpsc::UnboundedReceiver<Finished>) {
        while let Ok(one) = finished.try_recv() {
            self.note(one);
        }
    }

    fn note(&mut self, one: Finished) {
        self.running -= 1;
        self.job_time = mean(self.job_time, one.took);
        self.ended.push(one);
    }

    /// Until when nothing need be looked at.
    fn wait(&self) -> Duration {
        let poll = self.shared.jobs.0.section.poll.0;
        if !self.ended.is_empty() {
            return if self.failures > 0 { SETTLE_AFTER * 10 } else { SETTLE_AFTER };
        }
        match self.again_at {
            Some(at) => poll.min(at.saturating_duration_since(clock::monotonic())),
            None => poll,
        }
    }

    fn must_settle(&self) -> bool {
        if self.ended.is_empty() || (self.failures > 0 && !self.has_waited()) {
            return false;
        }
        let late = clock::monotonic() - self.last_settled > SETTLE_AFTER;
        self.buffer.is_empty() || self.ended.len() >= SETTLE_MANY || late
    }

    /// After errors of the database the next try waits, ever longer.
    fn has_waited(&self) -> bool {
        let wait = Duration::from_millis(50) * 2_u32.saturating_pow(self.failures.min(6));
        clock::monotonic() - self.last_settled > wait.min(self.shared.jobs.0.section.poll.0)
    }

    /// How many to take now.
    fn want(&self) -> usize {
        let may = self.may_be_more && self.shared.may_claim() && !self.shared.is_paused(self.queue.name);
        let limited = self.again_at.is_some_and(|at| at > clock::monotonic());
        if !may || limited || (self.failures > 0 && !self.has_waited()) {
            return 0;
        }
        let room = (self.most - self.running.min(self.most)).min(self.shared.slots.available_permits());
        // Without a place of its own at work it does not take them from other processes.
        let ahead = if self.queue.is_limited() || (room == 0 && self.running == 0) { 0 } else { self.ahead() };
        // Half of what is wanted is not worth a round trip.
        let want = (room + ahead).saturating_sub(self.buffer.len());
        if self.buffer.is_empty() || want > ahead / 2 { want } else { 0 }
    }

    /// How many short jobs to have at hand beside those at work: as many as end within two round trips.
    fn ahead(&self) -> usize {
        let most = self.shared.jobs.0.section.prefetch;
        if self.job_time >= LONG {
            return 0;
        }
        let per_trip = 2.0 * self.trip_time.as_secs_f64() / self.job_time.as_secs_f64().max(1e-6);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is held within a usize")]
        let ahead = (per_trip.min(1e6) as usize).saturating_mul(self.most);
        ahead.clamp(0, most)
    }

    /// Begins what is at hand, as far as there is room.
    fn start(&mut self) {
        while self.running < self.most {
            let Ok(slot) = self.shared.slots.clone().try_acquire_owned() else { return };
            let Some((job, alone)) = self.next() else { return };
            self.running += 1;
            let held = self.places.hold_for(telemetry::job(&job.kind));
            lifecycle::spawn(execute_one(self.shared.clone(), job, (slot, alone, held), self.sender.clone()));
        }
    }

    /// The next job that may begin, and what lets a suspect run alone.
    fn next(&mut self) -> Option<(Claimed, Option<OwnedSemaphorePermit>)> {
        let alone = || self.shared.suspects.clone().try_acquire_owned().ok();
        if !self.suspects.is_empty()
            && let Some(alone) = alone()
        {
            return self.suspects.pop_front().map(|job| (job, Some(alone)));
        }
        while let Some(job) = self.buffer.pop_front() {
            if !self.shared.holds(&job) {
                // Others held this process to be dead, and have it now.
                continue;
            }
            if job.crashes == 0 {
                return Some((job, None));
            }
            match alone() {
                Some(alone) => return Some((job, Some(alone))),
                None => self.suspects.push_back(job),
            }
        }
        None
    }

    /// Gives back what has not begun.
    fn give_back(&mut self) {
        for job in self.buffer.drain(..).chain(self.suspects.drain(..)) {
            self.ended.push(Finished { job, end: End::Not(Ending::GiveBack), took: Duration::ZERO });
        }
    }

    /// Settles what has ended and takes more. After an error what has ended stays, for the next time.
    async fn exchange(&mut self, want: usize) {
        let (started, ended) = (clock::monotonic(), self.ended.len());
        if ended > 0 {
            lifecycle::fault("jobs.settling");
        }
        let done = self.try_exchange(want).await;
        self.last_settled = clock::monotonic();
        match done {
            Ok(taken) => {
                if ended > 0 {
                    lifecycle::fault("jobs.settled");
                }
                self.failures = 0;
                self.trip_time = mean(self.trip_time, self.last_settled - started);
                self.took(taken, want);
                self.tell_of_places(ended);
            }
            Err(error) => {
                self.failures += 1;
                let queue = self.queue.name;
                tracing::warn!(queue, failures = self.failures, "the tables of jobs: {}", error.report());
            }
        }
    }

    /// Where a limit held jobs back, each that ended lets another begin: here, or in another process.
    fn tell_of_places(&mut self, ended: usize) {
        if ended > 0 && self.queue.is_limited() {
            self.may_be_more = true;
            self.shared.store().db.wake(self.queue.name);
        }
    }

    fn took(&mut self, taken: Exchanged, want: usize) {
        if want == 0 {
            return;
        }
        let full = taken.claimed.len() >= want;
        self.may_be_more = full || taken.again_in.is_some();
        self.again_at = taken.again_in.map(|wait| clock::monotonic() + wait);
        self.head =
            taken.claimed.last().filter(|_| full).map(|job| Head { priority: job.priority, run_at: job.run_at });
        self.buffer.extend(taken.claimed);
    }

    async fn try_exchange(&mut self, want: usize) -> Result<Exchanged> {
        let worker = self.shared.id();
        self.settle_told(worker).await?;
        let from = self.from();
        let limited = self.queue.is_limited();
        let plain: Vec<Uuid> = self.ended.iter().map(|one| one.job.id).collect();
        let now = if limited { 0 } else { want };
        let exchange = Exchange { queue: self.queue.name, worker, completed: &plain, want: now, from };
        let mut taken = Exchanged::default();
        if !plain.is_empty() || now > 0 {
            taken = self.shared.store().exchange(&exchange).await?;
            self.shared.hold(&taken.claimed);
            self.after_put_away(&plain, taken.put_away, worker).await;
        }
        if limited && want > 0 {
            let exchange = Exchange { completed: &[], want, ..exchange };
            taken = self.shared.store().take_limited(&self.queue, &exchange).await?;
            self.shared.hold(&taken.claimed);
        }
        if taken.claimed.is_empty() && from.is_some() {
            // Behind the head there is nothing; perhaps before it.
            self.from_head_at = clock::monotonic() - FROM_HEAD;
            taken.again_in = Some(Duration::ZERO);
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
        // Those that are gone already are not counted again; after an error they are tried with the next exchange.
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

    /// Where the search begins. What was taken a moment ago still lies at the head of the index, and passing over it would
    /// cost more with every job; but whatever came in before it must not wait for long.
    fn from(&mut self) -> Option<Head> {
        let now = clock::monotonic();
        if now - self.from_head_at >= FROM_HEAD {
            self.from_head_at = now;
            return None;
        }
        self.head
    }
}

/// Runs one job, and tells the loop.
async fn execute_one(
    shared: Arc<Shared>,
    job: Claimed,
    places: (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>, Holding),
    sender: mpsc::UnboundedSender<Finished>,
) {
    let finished = execute(&shared, job).await;
    drop(places);
    // The loop lives until all that it began has ended.
    let _ = sender.send(finished);
}
