//! The loop of one queue: starts jobs, and meanwhile sends one trip after another to the database for more.

use super::Shared;
use super::execute::{End, Finished, execute};
use super::trip::{Back, Trip};
use crate::clock;
use crate::jobs::queue::Queue;
use crate::jobs::store::{Claimed, Ending, Exchanged, Head, Taking};
use crate::lifecycle;
use crate::telemetry::{self, Holder, Holding, WaitKind};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinHandle;

/// What has ended is settled at least this often while more work is at hand.
const SETTLE_AFTER: Duration = Duration::from_millis(5);
/// As many that have ended are settled at once.
const SETTLE_MANY: usize = 128;
/// A job that takes longer is not fetched before there is room for it.
const LONG: Duration = Duration::from_millis(20);
/// Most bytes of arguments that are fetched before there is room for their jobs, as far as those before tell.
const AHEAD_BYTES: usize = 64 << 20;
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
        trip: None,
        last_settled: clock::monotonic(),
        may_be_more: true,
        again_at: None,
        failures: 0,
        // Until more is known of them they count as long.
        job_time: LONG,
        trip_time: Duration::from_millis(1),
        args_bytes: 0,
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
    /// Ended, and not yet on their way to be settled.
    ended: Vec<Finished>,
    /// The trip that is on its way; there is one at most.
    trip: Option<JoinHandle<Back>>,
    last_settled: Instant,
    may_be_more: bool,
    /// When a limit lets more through.
    again_at: Option<Instant>,
    /// Errors of the database one after another.
    failures: u32,
    /// Moving means of a job's time and of an exchange's.
    job_time: Duration,
    trip_time: Duration,
    /// And of the bytes of a job's arguments.
    args_bytes: usize,
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
                if self.running == 0 && self.ended.is_empty() && self.trip.is_none() {
                    return;
                }
            }
            self.start();
            self.depart();
            let wait = self.wait();
            tokio::select! {
                biased;
                back = returned(&mut self.trip) => self.arrived(back),
                one = finished.recv() => {
                    if let Some(one) = one {
                        self.note(one);
                    }
                }
                () = listener.woken() => self.may_be_more = true,
                () = stop.stopping(), if !stop.is_stopping() => {}
                () = clock::pause(wait) => self.may_be_more |= self.ended.is_empty(),
            }
            self.collect(&mut finished);
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
        // While more is about to be taken, what has ended goes along.
        let many = self.ended.len() >= SETTLE_MANY && !self.may_be_more;
        self.buffer.is_empty() || many || late
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
        let most = self.shared.jobs.0.section.prefetch.min(AHEAD_BYTES / self.args_bytes.max(1));
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

    /// Sends a trip that settles what has ended and takes more, when that is worth it and none is on its way: what is at
    /// hand runs on meanwhile.
    fn depart(&mut self) {
        if self.trip.is_some() {
            return;
        }
        let want = self.want();
        if !self.must_settle() && want == 0 {
            return;
        }
        // Whoever says that there is more while it is on its way is heard.
        self.may_be_more &= want == 0;
        let (ended, from) = (std::mem::take(&mut self.ended), self.from());
        let trip =
            Trip { shared: self.shared.clone(), queue: self.queue, ended, want, taking: self.taking(want), from };
        self.trip = Some(lifecycle::spawn(trip.run()));
    }

    /// Few jobs are taken each by its row, and so are those that may be at work for long; unless one is a bundle already.
    fn taking(&self, want: usize) -> Taking {
        let fewest = self.shared.jobs.0.section.bundle;
        let are_short = want >= fewest && self.job_time < LONG;
        if fewest == 1 || (fewest > 0 && are_short) { Taking::Bundle } else { Taking::Each }
    }

    /// Takes in what a trip brings. After an error what has ended is there again, for the next one.
    fn arrived(&mut self, back: Back) {
        self.last_settled = clock::monotonic();
        let settled = back.settled;
        self.ended.splice(0..0, back.left);
        match back.taken {
            Ok(taken) => {
                self.failures = 0;
                self.trip_time = mean(self.trip_time, back.took);
                self.took(taken, back.want);
                if back.from_head_next {
                    self.from_head_at = clock::monotonic() - FROM_HEAD;
                    self.may_be_more = true;
                }
                self.tell_of_places(settled);
            }
            Err(error) => {
                self.failures += 1;
                self.may_be_more |= back.want > 0;
                let queue = self.queue.name;
                tracing::warn!(queue, failures = self.failures, "the tables of jobs: {}", error.report());
            }
        }
    }

    /// Where a limit held jobs back, each that ended lets another begin: here, or in another process.
    fn tell_of_places(&mut self, settled: usize) {
        if settled > 0 && self.queue.is_limited() {
            self.may_be_more = true;
            self.shared.store().db.wake(self.queue.name);
        }
    }

    fn took(&mut self, taken: Exchanged, want: usize) {
        if want == 0 {
            return;
        }
        let full = taken.claimed.len() >= want;
        self.may_be_more |= full || taken.again_in.is_some();
        self.again_at = taken.again_in.map(|wait| clock::monotonic() + wait);
        self.head =
            taken.claimed.last().filter(|_| full).map(|job| Head { priority: job.priority, run_at: job.run_at });
        let (count, bytes) = (taken.claimed.len(), taken.claimed.iter().map(|job| job.args.len()).sum::<usize>());
        if let Some(mean) = bytes.checked_div(count) {
            self.args_bytes = (self.args_bytes * 7 + mean) / 8;
        }
        self.buffer.extend(taken.claimed);
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

/// What the trip that is on its way brings; without one it never comes.
async fn returned(trip: &mut Option<JoinHandle<Back>>) -> Back {
    let Some(on_its_way) = trip else { return std::future::pending().await };
    let back = on_its_way.await;
    *trip = None;
    // Nothing cancels a trip, so what it ends of other than well is a panic.
    back.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
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
