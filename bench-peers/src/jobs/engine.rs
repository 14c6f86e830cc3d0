//! What every queue of the comparison can do.

use super::{Effects, Variant};
use crate::Outcome;
use clap::ValueEnum;
use std::future::Future;
use std::sync::Arc;

/// Connections to a server: as many as there are clients at most, for everybody.
pub(super) const CLIENTS: usize = 50;

/// Where a queue is, and how it is set up.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// Without its options.
    pub(super) url: String,
    pub(super) variant: Variant,
    pub(super) synchronous: Synchronous,
    /// Jobs at once.
    pub(super) concurrency: usize,
}

/// When SQLite waits for the disk; the log of PostgreSQL is always on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Synchronous {
    /// At a checkpoint.
    Normal,
    /// At every commit.
    Full,
}

/// A queue of jobs that do nothing but tell their number to the effects.
pub(super) trait Engine: Clone + Send + Sync + 'static {
    /// What runs the jobs until it is stopped.
    type Worker: Worker;

    /// Enqueues one job in a commit of its own.
    fn enqueue(&self, number: usize) -> impl Future<Output = Outcome<()>> + Send;

    /// Enqueues jobs with the call that the queue has for many.
    fn enqueue_many(&self, numbers: Vec<usize>) -> impl Future<Output = Outcome<()>> + Send;

    /// How many jobs the store does not know to be done.
    fn unfinished(&self) -> impl Future<Output = Outcome<usize>> + Send;

    /// Starts a worker that runs so many jobs at once.
    fn work(&self, concurrency: usize, effects: Arc<Effects>) -> impl Future<Output = Outcome<Self::Worker>> + Send;
}

/// A running worker.
pub(super) trait Worker: Send {
    /// Why it has ended by itself, if it has.
    fn ended(&mut self) -> impl Future<Output = Option<String>> + Send;

    /// Stops it in order.
    fn stop(self) -> impl Future<Output = Outcome<()>> + Send;
}
