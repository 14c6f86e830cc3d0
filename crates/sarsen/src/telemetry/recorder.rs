//! Where closed Operations go: a bounded queue that never holds up the one who closes.

use super::name::Names;
use super::{Name, Operation, OperationKind};
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
    names: Names,
}

impl Recorder {
    /// A queue of at most `capacity` Operations; what does not fit is dropped and counted.
    pub fn new(capacity: usize) -> Self {
        let closed = ArrayQueue::new(capacity.max(1));
        Self(Arc::new(Queue { closed, dropped: AtomicU64::new(0), names: Names::new() }))
    }

    /// The name of Operations, made when it is new; their number is bounded.
    pub fn name(&self, kind: OperationKind, module: &'static str, text: &str) -> Name {
        self.0.names.get(kind, module, text)
    }

    /// All names, in the order of their places.
    pub fn names(&self) -> Vec<Name> {
        self.0.names.all()
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
