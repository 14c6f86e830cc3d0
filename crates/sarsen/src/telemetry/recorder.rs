//! Where closed Operations go: a bounded queue that never holds up the one who closes.

use super::Operation;
use crossbeam_queue::ArrayQueue;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The queue of closed Operations. Clones are the same queue.
#[derive(Clone, Debug)]
pub struct Recorder(Arc<Queue>);

#[derive(Debug)]
struct Queue {
    closed: ArrayQueue<Operation>,
    dropped: AtomicU64,
}

impl Recorder {
    /// A queue of at most `capacity` Operations; what does not fit is dropped and counted.
    pub fn new(capacity: usize) -> Self {
        Self(Arc::new(Queue { closed: ArrayQueue::new(capacity.max(1)), dropped: AtomicU64::new(0) }))
    }

    pub(super) fn push(&self, operation: Operation) {
        if self.0.closed.push(operation).is_err() {
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes what has been closed since the last call, oldest first.
    pub fn drain(&self) -> Vec<Operation> {
        std::iter::from_fn(|| self.0.closed.pop()).take(self.0.closed.capacity()).collect()
    }

    /// How many did not fit, ever.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }
}
