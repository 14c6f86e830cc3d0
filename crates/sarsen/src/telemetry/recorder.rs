//! Where closed Operations go: added up by the thread that closes them, and whole into a bounded queue for who writes lines.

use super::Operation;
use super::closing::{Closing, Leaf};
use super::name::{MAX_NAMES, Name, Names};
use super::operation::OperationKind;
use super::reading::{Collected, Reader};
use super::shard::{Local, Moment, Shared};
use crossbeam_queue::ArrayQueue;
use std::cell::RefCell;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What was closed: added up by name, and the last ones whole. Clones are the same recorder.
#[derive(Clone, Debug)]
pub struct Recorder(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Which recorder of the process it is.
    number: u64,
    closed: ArrayQueue<Operation>,
    dropped: AtomicU64,
    counting: bool,
    names: Names,
    /// One above is slow, in nanoseconds, by the index of the name: the collector writes it, whoever closes reads it.
    slow_after: Box<[AtomicU64]>,
    /// One for each thread that ever closed an Operation and lives.
    threads: Mutex<Vec<Arc<Shared>>>,
    /// Which look of the collector comes next.
    tick: AtomicU32,
    /// Causes of all threads.
    cells: Arc<AtomicUsize>,
    reader: Mutex<Reader>,
}

static NUMBERS: AtomicU64 = AtomicU64::new(1);

thread_local! {
    /// What this thread keeps for each recorder; there is seldom more than one.
    static LOCALS: RefCell<Vec<(u64, Local)>> = const { RefCell::new(Vec::new()) };
}

impl Recorder {
    /// Adds up what is closed, and keeps at most `capacity` Operations whole until [`Recorder::drain`]; what does not fit
    /// there is counted as dropped.
    pub fn new(capacity: usize) -> Self {
        Self::made(capacity, true)
    }

    /// Adds nothing up; the queue is there.
    pub fn without_counting(capacity: usize) -> Self {
        Self::made(capacity, false)
    }

    fn made(capacity: usize, counting: bool) -> Self {
        Self(Arc::new(Inner {
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            closed: ArrayQueue::new(capacity.max(1)),
            dropped: AtomicU64::new(0),
            counting,
            names: Names::new(),
            slow_after: (0..MAX_NAMES + 8).map(|_| AtomicU64::new(u64::MAX)).collect(),
            threads: Mutex::default(),
            tick: AtomicU32::new(1),
            cells: Arc::default(),
            reader: Mutex::default(),
        }))
    }

    /// The name of Operations, made when it is new; their number is bounded.
    pub fn name(&self, kind: OperationKind, module: &'static str, text: &str) -> Name {
        self.0.names.get(kind, module, text)
    }

    /// All names, in the order of their places.
    pub fn names(&self) -> Vec<Name> {
        self.0.names.all()
    }

    /// One above is slow, in nanoseconds.
    fn slow_after(&self, name: Name) -> u64 {
        self.0.slow_after.get(name.index()).map_or(u64::MAX, |limit| limit.load(Ordering::Relaxed))
    }

    /// Says from where on one is slow.
    pub(crate) fn set_slow_after(&self, name: Name, nanoseconds: u64) {
        if let Some(limit) = self.0.slow_after.get(name.index()) {
            limit.store(nanoseconds, Ordering::Relaxed);
        }
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

    /// Whether it adds up.
    pub(super) fn counts(&self) -> bool {
        self.0.counting
    }

    /// Adds an Operation up, on the thread that closes it.
    #[inline]
    pub(super) fn book<'a>(&self, closing: &Closing<'_>, leaves: impl Iterator<Item = Leaf<'a>>) {
        let tick = self.0.tick.load(Ordering::Relaxed);
        let slow = closing.account.wall > self.slow_after(closing.name);
        // A thread that ends has no place any more; nothing closes there but what it drops last.
        let _ = LOCALS.try_with(|locals| {
            let Ok(mut locals) = locals.try_borrow_mut() else { return };
            let at = match locals.iter().position(|(number, _)| *number == self.0.number) {
                Some(at) => at,
                None => self.add_thread(&mut locals),
            };
            locals[at].1.book(closing, leaves, Moment { slow, tick });
        });
    }

    #[cold]
    fn add_thread(&self, locals: &mut Vec<(u64, Local)>) -> usize {
        // Those of recorders that are gone: nobody else holds what they share.
        locals.retain(|(_, local)| Arc::strong_count(local.shared()) > 1);
        let local = Local::new(&self.0.cells);
        self.0.threads.lock().unwrap_or_else(PoisonError::into_inner).push(local.shared().clone());
        locals.push((self.0.number, local));
        locals.len() - 1
    }

    /// What was added up since the last call; for one collector.
    pub(crate) fn collect(&self) -> Collected {
        let mut reader = self.0.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let threads = self.0.threads.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let tick = self.0.tick.fetch_add(1, Ordering::Relaxed);
        let (mut collected, ended) = reader.read(&threads, &self.0.names.all(), tick, &self.0.cells);
        for delta in &mut collected.names {
            let limit = self.slow_after(delta.name);
            delta.slow_after = if limit == u64::MAX { 0 } else { limit };
        }
        if !ended.is_empty() {
            let mut all = self.0.threads.lock().unwrap_or_else(PoisonError::into_inner);
            all.retain(|thread| !ended.iter().any(|gone| Arc::ptr_eq(gone, thread)));
        }
        collected
    }
}
