//! What the jobs did: which ran, when, and which ran more than once.

use sarsen::clock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Instant;
use tokio::sync::Notify;

/// Each job does nothing but tell its number here.
#[derive(Debug)]
pub(super) struct Effects {
    /// When each job ran first.
    times: Vec<OnceLock<Instant>>,
    /// When the first, the second … job ran.
    order: Mutex<Vec<Instant>>,
    again: AtomicUsize,
    news: Notify,
}

impl Effects {
    /// For jobs with numbers below this one.
    pub(super) fn new(jobs: usize) -> Self {
        let times = std::iter::repeat_with(OnceLock::new).take(jobs).collect();
        Self { times, order: Mutex::default(), again: AtomicUsize::new(0), news: Notify::new() }
    }

    /// What a job does.
    pub(super) fn run(&self, number: usize) {
        let now = clock::monotonic();
        match self.times.get(number).map(|time| time.set(now)) {
            Some(Ok(())) => self.order.lock().unwrap_or_else(PoisonError::into_inner).push(now),
            _ => drop(self.again.fetch_add(1, Ordering::Relaxed)),
        }
        self.news.notify_one();
    }

    /// How many different jobs ran.
    pub(super) fn ran(&self) -> usize {
        self.order.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// When this many jobs had run.
    pub(super) fn reached(&self, jobs: usize) -> Option<Instant> {
        let order = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        order.get(jobs.checked_sub(1)?).copied()
    }

    /// How often a job ran that had run before.
    pub(super) fn again(&self) -> usize {
        self.again.load(Ordering::Relaxed)
    }

    /// Waits until this job starts; only one may wait at a time.
    pub(super) async fn start(&self, number: usize) -> Instant {
        loop {
            if let Some(time) = self.times.get(number).and_then(OnceLock::get) {
                return *time;
            }
            self.news.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_runs_again_is_not_counted_as_another() {
        let effects = Effects::new(3);
        [2, 0, 2].into_iter().for_each(|number| effects.run(number));
        assert_eq!((effects.ran(), effects.again()), (2, 1));
        assert!(effects.reached(1) <= effects.reached(2));
        assert_eq!((effects.reached(0), effects.reached(3)), (None, None));
    }
}
