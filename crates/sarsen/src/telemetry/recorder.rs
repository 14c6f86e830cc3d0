//! Where closed Operations go: added up by the thread that closes them, and whole into a bounded queue for who writes lines.

use super::Operation;
use super::name::{MAX_NAMES, Name, Names};
use super::operation::OperationKind;
use super::reading::{Collected, Reader};
use super::record::Record;
use super::shard::{Local, Moment, Shared};
use super::snapshot::Reason;
use crossbeam_queue::ArrayQueue;
use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
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
    /// Nothing is recorded at all.
    off: bool,
    /// Whether each Operation is kept whole until it is drained, or only one with an error.
    whole: AtomicBool,
    /// Those that are worth keeping whole, for the collector.
    kept: ArrayQueue<(Reason, Operation)>,
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

/// Most Operations that wait for the collector to keep them.
const MAX_KEPT: usize = 1_024;

static NUMBERS: AtomicU64 = AtomicU64::new(1);

thread_local! {
    /// What this thread keeps for each recorder; there is seldom more than one.
    static LOCALS: RefCell<Vec<(u64, Local)>> = const { RefCell::new(Vec::new()) };
}

impl Recorder {
    /// Adds up what is closed, and keeps at most `capacity` Operations whole until [`Recorder::drain`]; what does not fit
    /// there is counted as dropped.
    pub fn new(capacity: usize) -> Self {
        Self::made(capacity, true, false)
    }

    /// Adds nothing up; the queue is there.
    pub fn without_counting(capacity: usize) -> Self {
        Self::made(capacity, false, false)
    }

    /// Records nothing: there are Operations, with their traces and deadlines, and no accounts.
    pub fn off() -> Self {
        Self::made(1, false, true)
    }

    /// Whether nothing is recorded.
    #[inline]
    pub(super) fn is_off(&self) -> bool {
        self.0.off
    }

    /// Whether it is the same recorder.
    #[inline]
    pub(super) fn is(&self, other: &Recorder) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether somebody wants this one whole.
    #[inline]
    pub(super) fn wants(&self, record: &Record) -> bool {
        !self.0.off && (self.0.whole.load(Ordering::Relaxed) || record.error.is_some())
    }

    fn made(capacity: usize, counting: bool, off: bool) -> Self {
        Self(Arc::new(Inner {
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            closed: ArrayQueue::new(capacity.max(1)),
            dropped: AtomicU64::new(0),
            counting,
            off,
            whole: AtomicBool::new(true),
            kept: ArrayQueue::new(MAX_KEPT),
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

    /// From now on only Operations with an error are kept whole until [`Recorder::drain`]: for who writes no other lines.
    pub fn keep_failures_only(&self) {
        self.0.whole.store(false, Ordering::Relaxed);
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

    /// Adds an Operation up, on the thread that closes it.
    #[inline]
    pub(super) fn book(&self, operation: &Operation, record: &Record) {
        if !self.0.counting {
            return;
        }
        let tick = self.0.tick.load(Ordering::Relaxed);
        let slow = record.account.wall > self.slow_after(record.name);
        // A thread that ends has no place any more; nothing closes there but what it drops last.
        let _ = LOCALS.try_with(|locals| {
            let Ok(mut locals) = locals.try_borrow_mut() else { return };
            let at = match locals.iter().position(|(number, _)| *number == self.0.number) {
                Some(at) => at,
                None => self.add_thread(&mut locals),
            };
            if let Some(reason) = locals[at].1.book(record, Moment { slow, tick }) {
                // Where the queue is full, others like it are in it.
                let _ = self.0.kept.push((reason, operation.clone()));
            }
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
        collected.kept = std::iter::from_fn(|| self.0.kept.pop()).take(MAX_KEPT).collect();
        if !ended.is_empty() {
            let mut all = self.0.threads.lock().unwrap_or_else(PoisonError::into_inner);
            all.retain(|thread| !ended.iter().any(|gone| Arc::ptr_eq(gone, thread)));
        }
        collected
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::counters::{part, sum};
    use crate::telemetry::shard::{MAX_ALL_CAUSES, MAX_CAUSES};
    use crate::telemetry::{Leaf, Outcome, QueryRecord, Statement, WaitKind};
    use std::panic::Location;

    fn leaf(kind: WaitKind, label: &str, from: u64, to: u64) -> Leaf {
        Leaf { kind, label: Arc::<str>::from(label).into(), from, to, ..Leaf::default() }
    }

    #[track_caller]
    fn query(text: &str, parameters: u64, from: u64, to: u64) -> Leaf {
        let fingerprint = text.bytes().fold(7, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
        let statement = Statement {
            fingerprint,
            normalised: text.to_owned(),
            runs: AtomicU64::new(0),
            nanoseconds: AtomicU64::new(0),
            writes: false,
            tables: Vec::new(),
        };
        let query = QueryRecord {
            statement: Arc::new(statement),
            site: Location::caller(),
            pool_wait: std::time::Duration::ZERO,
            execution: std::time::Duration::ZERO,
            rows: 2,
            parameters,
            failed: false,
            offloaded: false,
        };
        Leaf { query: Some(query), ..leaf(WaitKind::Database, "", from, to) }
    }

    fn close(recorder: &Recorder, name: &str, leaves: Vec<Leaf>) {
        let operation = Operation::open(OperationKind::Request, name, recorder);
        operation.record().leaves = leaves;
        operation.close(Outcome::Status(200));
    }

    /// Sums of all names and calls of all causes, over several looks.
    fn total(looks: &[Collected]) -> (u64, u64, u64) {
        let names = looks.iter().flat_map(|look| &look.names);
        let (count, counted) = names.fold((0, 0), |(count, counted), delta| {
            (count + delta.all.0[sum::COUNT], counted + delta.histogram.total())
        });
        let calls = looks.iter().flat_map(|look| &look.causes).map(|delta| delta.values.0[part::CALLS]).sum();
        (count, counted, calls)
    }

    #[test]
    fn many_threads_add_up_exactly_while_the_collector_looks() {
        let recorder = Recorder::new(1);
        let mut looks = Vec::new();
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        for number in 0..5_000_u64 {
                            let one = query("SELECT 1", number % 10, 0, 10);
                            close(&recorder, "GET /a", vec![one, leaf(WaitKind::Http, "host", 10, 20)]);
                            close(&recorder, "GET /b", Vec::new());
                        }
                    })
                })
                .collect();
            while !threads.iter().all(std::thread::ScopedJoinHandle::is_finished) {
                looks.push(recorder.collect());
            }
        });
        looks.push(recorder.collect());
        assert_eq!(total(&looks), (40_000, 40_000, 40_000));
        // A look that catches a thread that has lost its core in the middle may be torn; added up, nothing is.
        let mut sums = crate::telemetry::SumValues::default();
        looks.iter().flat_map(|look| &look.names).for_each(|delta| sums.add(&delta.all));
        let parts = sums.sums(0).account;
        assert_eq!(parts.booked(), parts.wall);
        // The threads are gone, and what they held with them.
        assert!(recorder.0.threads.lock().expect("no panic").is_empty());
        assert_eq!(recorder.0.cells.load(Ordering::Relaxed), 0);
        close(&recorder, "GET /a", Vec::new());
        assert_eq!(total(&[recorder.collect()]), (1, 1, 0));
        assert_eq!(total(&[recorder.collect()]), (0, 0, 0));
    }

    #[test]
    fn causes_tell_repetitions_copies_and_different_parameters() {
        let recorder = Recorder::new(64);
        for _ in 0..10 {
            let one_after_another = (0..6).map(|at| query("SELECT * FROM a", at % 3, at * 10, at * 10 + 8));
            close(&recorder, "GET /a", one_after_another.collect());
        }
        let at_once = (0..6).map(|_| query("SELECT * FROM b", 1, 0, 50));
        close(&recorder, "GET /b", at_once.collect());
        let causes = recorder.collect().causes;
        let of = |name: &str| causes.iter().find(|cause| &*cause.name == name).expect("is there");
        let a = of("GET /a");
        let read = |place: usize| a.values.0[place];
        assert_eq!((read(part::CALLS), read(part::OPERATIONS), a.most), (60, 10, 6));
        assert_eq!((read(part::REPEATED), read(part::IDENTICAL), read(part::ROWS)), (10, 30, 120));
        assert!((2.5..3.5).contains(&crate::telemetry::estimate_distinct(&a.registers)));
        assert_eq!(of("GET /b").values.0[part::REPEATED], 0, "those that ran at once follow nobody");
        assert_eq!(of("GET /b").values.0[part::WALL], 300);
    }

    #[test]
    fn what_could_have_run_at_once_is_the_shorter_one() {
        let recorder = Recorder::new(8);
        let (one, two) = (leaf(WaitKind::Http, "x", 0, 30_000), leaf(WaitKind::Http, "y", 30_100, 50_100));
        let late = leaf(WaitKind::Http, "z", 9_000_000, 9_100_000);
        close(&recorder, "GET /a", vec![one, two, late]);
        let found = recorder.collect().causes;
        let saved = |label: &str| {
            found.iter().find(|delta| &*delta.cause.label == label).map(|delta| delta.values.0[part::AFTER_ANOTHER])
        };
        assert_eq!((saved("x"), saved("y"), saved("z")), (Some(0), Some(20_000), Some(0)));
    }

    #[test]
    fn a_flood_of_names_and_causes_stays_bounded_and_is_counted() {
        crate::telemetry::resource::FULL.set(true);
        let recorder = Recorder::new(1);
        let (mut looks, mut largest) = (Vec::new(), 0);
        for number in 0..12_000 {
            let name = format!("GET /{}", number % 4_000);
            close(&recorder, &name, vec![query(&format!("SELECT {number}"), 0, 0, 1)]);
            close(&recorder, "GET /one", vec![leaf(WaitKind::Http, &format!("host {number}"), 0, 1)]);
            if number % 500 == 0 {
                looks.push(recorder.collect());
                largest = largest.max(recorder.0.cells.load(Ordering::Relaxed));
            }
        }
        looks.push(recorder.collect());
        assert_eq!(total(&looks), (24_000, 24_000, 24_000));
        assert!(largest <= MAX_ALL_CAUSES, "{largest}");
        let one = recorder.name(OperationKind::Request, "", "GET /one");
        let last = looks.last().expect("one").causes.iter().filter(|delta| delta.name == one).count();
        assert!(last <= 2 * MAX_CAUSES + 1, "{last}");
        assert!(recorder.names().len() <= MAX_NAMES + 4);
    }

    #[test]
    fn slow_ones_are_added_up_apart() {
        let recorder = Recorder::new(8);
        let name = recorder.name(OperationKind::Request, "", "GET /a");
        close(&recorder, "GET /a", Vec::new());
        recorder.set_slow_after(name, 0);
        close(&recorder, "GET /a", Vec::new());
        let delta = recorder.collect().names.remove(0);
        assert_eq!((delta.all.0[sum::COUNT], delta.tail.0[sum::COUNT]), (2, 1));
        assert!(delta.longest[0] >= delta.tail.0[sum::WALL]);
    }

    #[test]
    fn one_that_adds_nothing_up_still_keeps_operations_whole() {
        let recorder = Recorder::without_counting(8);
        close(&recorder, "GET /a", Vec::new());
        assert_eq!((recorder.drain().len(), total(&[recorder.collect()])), (1, (0, 0, 0)));
    }

    #[test]
    fn who_writes_no_lines_gets_what_failed() {
        let recorder = Recorder::new(8);
        recorder.keep_failures_only();
        close(&recorder, "GET /a", Vec::new());
        let failed = Operation::open(OperationKind::Job, "send", &recorder);
        failed.set_error(&crate::error::Error::internal("fault"));
        failed.close(Outcome::Failed);
        let kept: Vec<_> = recorder.drain().iter().map(|operation| operation.record().name.as_str()).collect();
        assert_eq!(kept, ["send"]);
        assert_eq!(total(&[recorder.collect()]), (2, 2, 0));
    }

    #[test]
    #[ignore = "prints times: cargo test -p sarsen --lib --features testing -- --ignored what_it_costs --nocapture"]
    fn what_it_costs() {
        let recorder = Recorder::new(1);
        recorder.keep_failures_only();
        for leaves in [0_usize, 1, 2, 5, 10] {
            let operation = Operation::open(OperationKind::Request, "GET /a", &recorder);
            let mut record = operation.record();
            let texts = ["SELECT a", "SELECT b", "SELECT c", "SELECT d", "SELECT e"];
            let make = |at: usize| query(texts[at % 5], at as u64, at as u64 * 1_000, at as u64 * 1_000 + 900);
            record.leaves = (0..leaves).map(make).collect();
            (record.outcome, record.account.wall, record.account.on_cpu) = (Outcome::Status(200), 12_345, 12_345);
            let mut least = u128::MAX;
            for _ in 0..200 {
                let from = crate::clock::monotonic();
                (0..1_000).for_each(|_| recorder.book(&operation, &record));
                least = least.min((crate::clock::monotonic() - from).as_nanos());
            }
            println!("{leaves} leaves: {} ns", least / 1_000);
        }
    }
}
