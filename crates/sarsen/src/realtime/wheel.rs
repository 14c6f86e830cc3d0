//! The connections of this process, in a wheel: each second one spoke is looked at, so no connection has a timer of its own.

use super::driver::Passing;
use super::history;
use super::hub::Hub;
use super::link::Link;
use super::presence::TELL_EVERY;
use super::protocol;
use super::queue::End;
use crate::clock;
use crate::lifecycle;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

const TICK: Duration = Duration::from_secs(1);
/// How often the log is swept of what is kept no longer.
const SWEEP: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Debug)]
pub(super) struct Wheel {
    spokes: Vec<Mutex<HashMap<u64, Arc<Link>>>>,
    next: AtomicU64,
    count: AtomicUsize,
    /// Notes for the other processes.
    outbox: Mutex<Vec<Passing>>,
    pub(super) something: Notify,
}

impl Wheel {
    /// Each connection is looked at once in `every`.
    pub(super) fn new(every: Duration) -> Self {
        let spokes = usize::try_from(every.as_secs()).unwrap_or(usize::MAX).clamp(1, 300);
        Self {
            spokes: std::iter::repeat_with(Mutex::default).take(spokes).collect(),
            next: AtomicU64::new(0),
            count: AtomicUsize::new(0),
            outbox: Mutex::default(),
            something: Notify::new(),
        }
    }

    /// The next number, which decides the spoke.
    pub(super) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Takes a place, if there is one.
    pub(super) fn enter(&self, most: usize) -> bool {
        let entered = self.count.fetch_add(1, Ordering::SeqCst) < most;
        if !entered {
            self.count.fetch_sub(1, Ordering::SeqCst);
        }
        entered
    }

    pub(super) fn add(&self, link: Arc<Link>) {
        self.spoke(link.id).insert(link.id, link);
    }

    pub(super) fn remove(&self, link: &Link) {
        if self.spoke(link.id).remove(&link.id).is_some() {
            self.count.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// All of them.
    pub(super) fn links(&self) -> Vec<Arc<Link>> {
        let of = |spoke: &Mutex<HashMap<u64, Arc<Link>>>| {
            spoke.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect::<Vec<_>>()
        };
        self.spokes.iter().flat_map(of).collect()
    }

    pub(super) fn outbox(&self) -> MutexGuard<'_, Vec<Passing>> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spoke(&self, id: u64) -> MutexGuard<'_, HashMap<u64, Arc<Link>>> {
        let at = usize::try_from(id % self.spokes.len() as u64).unwrap_or(0);
        self.spokes[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts to turn, until the application stops.
pub(super) fn start(hub: &Arc<Hub>) {
    lifecycle::spawn_background(turn(hub.clone()));
    lifecycle::spawn_background(send(hub.clone()));
    lifecycle::spawn_background(sweep(hub.clone()));
}

async fn turn(hub: Arc<Hub>) {
    let (mut tick, mut told) = (0, clock::monotonic());
    while !hub.lifecycle.is_stopping() {
        tokio::select! {
            () = clock::pause(TICK) => {}
            () = hub.lifecycle.stopping() => break,
        }
        let now = clock::monotonic();
        hub.look(tick, now);
        tick += 1;
        {
            let mut presence = hub.presence();
            let settled = presence.settle(now);
            settled.iter().for_each(|(change, _)| hub.tell_change(change));
            presence.expire(now).iter().for_each(|change| hub.tell_change(change));
            hub.send_presence(settled.into_iter().map(|(_, note)| note).collect());
            if now - told >= TELL_EVERY {
                told = now;
                hub.send_presence(vec![presence.told()]);
            }
        }
        hub.expire();
    }
    hub.send_everybody_away();
}

/// Sends the notes for other processes, in their order.
async fn send(hub: Arc<Hub>) {
    while !hub.lifecycle.is_stopping() {
        tokio::select! {
            () = hub.wheel.something.notified() => {}
            () = hub.lifecycle.stopping() => return,
        }
        let notes = std::mem::take(&mut *hub.wheel.outbox());
        for note in notes {
            if let Err(error) = hub.driver().send(&hub, note).await {
                // Who is there is told again before long.
                tracing::warn!("other processes were not told who is here: {}", error.report());
            }
        }
    }
}

async fn sweep(hub: Arc<Hub>) {
    while !hub.lifecycle.is_stopping() {
        if let Err(error) = history::sweep(&hub.db, hub.section.keep.0).await {
            tracing::warn!("old messages cannot be swept: {}", error.report());
        }
        tokio::select! {
            () = clock::pause(SWEEP) => {}
            () = hub.lifecycle.stopping() => {}
        }
    }
}

impl Hub {
    /// Looks at one spoke: who is silent, who may not any more, who is there for too long.
    fn look(&self, tick: u64, now: Instant) {
        let links: Vec<Arc<Link>> = self.wheel.spoke(tick).values().cloned().collect();
        let by = now + self.section.ping.0;
        for link in links {
            if now - link.since > self.section.max_age.0 {
                self.push(&link, protocol::reconnect(self.spread()));
                link.end(End::Expired);
            } else if link.heard.swap(false, Ordering::Relaxed) {
                // It spoke since the last turn.
            } else if link.asked.swap(true, Ordering::Relaxed) {
                self.counts.silent.fetch_add(1, Ordering::Relaxed);
                link.end(End::Silent);
            } else {
                link.queue.ping();
            }
            if link.is_due(by) {
                link.queue.recheck();
            }
        }
    }

    /// Tells everybody to come back, each after a time of its own, and ends their connections.
    pub(super) fn send_everybody_away(&self) {
        for link in self.wheel.links() {
            self.push(&link, protocol::reconnect(self.spread()));
            link.end(End::Restart);
        }
    }

    fn spread(&self) -> Duration {
        self.section.spread.0.mul_f64(fastrand::f64())
    }
}
