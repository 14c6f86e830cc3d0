//! What a new request waits unseen: a thread writes the time into a socket, and a task of the runtime says when it read it.
//!
//! Before a request's first poll somebody must ask the kernel for events and come to its task. No account sees that time,
//! because there is nothing yet to account for; a byte that takes the same way does.

use super::line::now;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Most delays that are kept between two looks.
const MOST_DELAYS: usize = 4_096;

/// The delays since the last look.
#[derive(Debug, Default)]
pub(super) struct Canary(Mutex<Flown>);

#[derive(Debug, Default)]
struct Flown {
    delays: Vec<u64>,
    /// Sent, and not yet seen: when.
    out: std::collections::VecDeque<u64>,
}

impl Canary {
    fn flown(&self) -> MutexGuard<'_, Flown> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The median and the 99th percentile in nanoseconds; those that are still on their way count with their age.
    pub(super) fn read(&self) -> (u64, u64) {
        let (mut delays, now) = {
            let mut flown = self.flown();
            let now = now();
            let mut delays = std::mem::take(&mut flown.delays);
            delays.extend(flown.out.iter().map(|sent| now.saturating_sub(*sent)));
            (delays, now)
        };
        debug_assert!(delays.iter().all(|delay| *delay <= now));
        delays.sort_unstable();
        (quantile(&delays, 50), quantile(&delays, 99))
    }

    fn sent(&self, at: u64) {
        let mut flown = self.flown();
        if flown.out.len() < MOST_DELAYS {
            flown.out.push_back(at);
        }
    }

    fn seen(&self, count: usize) {
        let (mut flown, now) = (self.flown(), now());
        for _ in 0..count {
            let Some(sent) = flown.out.pop_front() else { return };
            if flown.delays.len() < MOST_DELAYS {
                flown.delays.push(now.saturating_sub(sent));
            }
        }
    }
}

fn quantile(sorted: &[u64], percent: usize) -> u64 {
    sorted.get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1))).copied().unwrap_or(0)
}

/// The end from which a thread lets canaries fly.
#[derive(Debug)]
pub(super) struct Cage {
    #[cfg(unix)]
    socket: std::os::unix::net::UnixStream,
    canary: Arc<Canary>,
    every: Duration,
    last: u64,
}

impl Cage {
    /// A pair of sockets, and a task that reads; `None` outside of a runtime, where `every` is zero, or without sockets.
    #[cfg(unix)]
    pub(super) fn open(canary: &Arc<Canary>, every: Duration) -> Option<Self> {
        tokio::runtime::Handle::try_current().ok().filter(|_| !every.is_zero())?;
        let (socket, far) = std::os::unix::net::UnixStream::pair().ok()?;
        socket.set_nonblocking(true).ok()?;
        far.set_nonblocking(true).ok()?;
        let far = tokio::net::UnixStream::from_std(far).ok()?;
        drop(crate::lifecycle::spawn_background(watch(far, canary.clone())));
        Some(Self { socket, canary: canary.clone(), every, last: 0 })
    }

    #[cfg(not(unix))]
    pub(super) fn open(_: &Arc<Canary>, _: Duration) -> Option<Self> {
        None
    }

    pub(super) fn every(&self) -> Duration {
        self.every
    }

    /// Lets one fly when it is time.
    pub(super) fn fly(&mut self) {
        let now = now();
        // A little early is better than a whole turn late.
        if u128::from(now.saturating_sub(self.last)) + 500_000 < self.every.as_nanos() {
            return;
        }
        self.last = now;
        self.canary.sent(now);
        self.write();
    }

    /// A byte that finds no room was not sent: the task is behind by thousands, and its age is counted by those before it.
    #[cfg(unix)]
    fn write(&mut self) {
        use std::io::Write;
        if self.socket.write(&[1]).is_err() {
            self.canary.flown().out.pop_back();
        }
    }

    #[cfg(not(unix))]
    fn write(&mut self) {}
}

/// Ends when the other end is closed.
#[cfg(unix)]
async fn watch(mut socket: tokio::net::UnixStream, canary: Arc<Canary>) {
    use tokio::io::AsyncReadExt;
    let mut bytes = [0_u8; 64];
    while let Ok(count @ 1..) = socket.read(&mut bytes).await {
        canary.seen(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_few_and_of_none() {
        assert_eq!(quantile(&[], 50), 0);
        assert_eq!((quantile(&[7], 50), quantile(&[7], 99)), (7, 7));
        let hundred: Vec<u64> = (1..=100).collect();
        assert_eq!((quantile(&hundred, 50), quantile(&hundred, 99)), (51, 100));
    }

    #[test]
    fn those_on_their_way_count_with_their_age() {
        let canary = Canary::default();
        let _ = now();
        canary.sent(0);
        crate::clock::pause_thread(Duration::from_millis(2));
        assert!(canary.read().0 >= 2_000_000);
        canary.seen(1);
        assert!(canary.read().1 >= 2_000_000);
        assert_eq!(canary.read(), (0, 0));
    }
}
