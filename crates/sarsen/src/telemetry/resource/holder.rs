//! Who holds what only a few can hold at a time. Those who wait are slowed by those who hold it long, not by the one who
//! happened to release it: the share of held time is what is booked.

use super::ledger::{Known, Ledger};
use super::line::now;
use super::named::Named;
use crate::telemetry::{HolderSpan, Operation, OperationKind, WaitKind};
use pin_project_lite::pin_project;
use std::borrow::Cow;
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

/// Most kinds and labels that are kept apart; holders beyond them are booked together.
const MOST_HOLDERS: usize = 128;
/// Holds at a time that are shown before they end; more are booked when they end.
const SLOTS: usize = 64;

static HOLDERS: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());

/// Something that only so many can hold at a time: a pool, a lock, places for work.
///
/// Holders of the same kind and label are one in what is shown, so a thousand locks may share a label. Clones are the same.
///
/// ```
/// use sarsen::telemetry::{Holder, WaitKind};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let printers = (Holder::new(WaitKind::Named, "printers", 2), tokio::sync::Semaphore::new(2));
/// let place = printers.0.waiting_for(printers.1.acquire()).await;
/// let held = printers.0.hold();
/// // … it prints …
/// drop((held, place));
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Holder(Arc<Part>);

/// What one holder adds to those of its label.
#[derive(Debug)]
struct Part {
    shared: Arc<Shared>,
    capacity: AtomicU64,
}

impl Drop for Part {
    fn drop(&mut self) {
        self.shared.capacity.fetch_sub(*self.capacity.get_mut(), Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct Shared {
    /// Never the same twice in a process.
    id: u64,
    kind: WaitKind,
    label: Cow<'static, str>,
    capacity: AtomicU64,
    in_use: AtomicU64,
    waits: Mutex<Waits>,
    held: Ledger,
    /// Holds that go on, see [`pack`]; 0 is free.
    slots: [AtomicU64; SLOTS],
    free: AtomicUsize,
}

/// Waits that go on count up to now: `ended + now * count - begun`.
#[derive(Debug, Default)]
struct Waits {
    count: u64,
    begun: u128,
    ended: u128,
}

impl Waits {
    fn until(&self, now: u64) -> u64 {
        let sum = self.ended + u128::from(now) * u128::from(self.count);
        u64::try_from(sum.saturating_sub(self.begun)).unwrap_or(u64::MAX)
    }
}

/// A hold as one number: a mark, 14 bits of name, microseconds.
fn pack(name: Named, since: u64) -> u64 {
    (1 << 63) | ((name.index() as u64) << TIME_BITS) | ((since / 1_000) & TIME)
}

const TIME_BITS: u32 = 49;
const TIME: u64 = (1 << TIME_BITS) - 1;

fn unpack(slot: u64) -> (Named, u64) {
    let index = usize::try_from((slot >> TIME_BITS) & 0x3fff).unwrap_or(0);
    (Named::at(index), (slot & TIME) * 1_000)
}

impl Holder {
    /// One that `capacity` can hold at a time; for others it is a wait of `kind` with this label.
    pub fn new(kind: WaitKind, label: impl Into<Cow<'static, str>>, capacity: u64) -> Self {
        let shared = shared(kind, label.into());
        shared.capacity.fetch_add(capacity, Ordering::Relaxed);
        Self(Arc::new(Part { shared, capacity: AtomicU64::new(capacity) }))
    }

    /// Says how many can hold it, where that is known later.
    pub fn set_capacity(&self, capacity: u64) {
        let before = self.0.capacity.swap(capacity, Ordering::Relaxed);
        self.0.shared.capacity.fetch_add(capacity.wrapping_sub(before), Ordering::Relaxed);
    }

    /// Somebody waits for it, until the guard is dropped.
    pub fn waiting(&self) -> Waiting {
        let since = now();
        let mut waits = self.0.shared.waits();
        waits.count += 1;
        waits.begun += u128::from(since);
        drop(waits);
        Waiting { shared: self.0.shared.clone(), since }
    }

    /// Waits for `future`, which gives a place; that counts as waiting only when there is none at once.
    pub fn waiting_for<F: Future>(&self, future: F) -> WaitingFor<'_, F> {
        WaitingFor { future, holder: self, waiting: None }
    }

    /// The Operation at hand holds it, until the guard is dropped.
    pub fn hold(&self) -> Holding {
        self.hold_for(Named::at_hand())
    }

    /// Like [`Holder::hold`] for Operations of another name.
    pub(crate) fn hold_for(&self, name: Named) -> Holding {
        let (shared, since) = (self.0.shared.clone(), now());
        shared.in_use.fetch_add(1, Ordering::Relaxed);
        let slot = shared.take_slot(pack(name, since));
        Holding { shared, name, since, slot, operation: None }
    }

    /// Books a hold that is over, for one who knows how long it was: a few nanoseconds.
    #[inline]
    pub(crate) fn book(&self, held: Duration) {
        let held = u64::try_from(held.as_nanos()).unwrap_or(u64::MAX);
        self.0.shared.held.add(Named::at_hand(), held, 1);
    }
}

/// Those of one kind and label share what is booked.
fn shared(kind: WaitKind, label: Cow<'static, str>) -> Arc<Shared> {
    let mut holders = HOLDERS.lock().unwrap_or_else(PoisonError::into_inner);
    holders.retain(|holder| holder.strong_count() > 0);
    let same = |holder: &Arc<Shared>| holder.kind == kind && holder.label == label;
    if let Some(known) = holders.iter().filter_map(Weak::upgrade).find(same) {
        return known;
    }
    if holders.len() < MOST_HOLDERS {
        let shared = Shared::new(kind, label);
        holders.push(Arc::downgrade(&shared));
        return shared;
    }
    static OTHERS: LazyLock<Arc<Shared>> = LazyLock::new(|| Shared::new(WaitKind::Named, "(others)".into()));
    if !holders.iter().any(|holder| std::ptr::eq(holder.as_ptr(), Arc::as_ptr(&OTHERS))) {
        holders.push(Arc::downgrade(&OTHERS));
    }
    OTHERS.clone()
}

impl Shared {
    fn new(kind: WaitKind, label: Cow<'static, str>) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Arc::new(Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            kind,
            label,
            capacity: AtomicU64::new(0),
            in_use: AtomicU64::new(0),
            waits: Mutex::default(),
            held: Ledger::new(),
            slots: [const { AtomicU64::new(0) }; SLOTS],
            free: AtomicUsize::new(0),
        })
    }

    fn waits(&self) -> MutexGuard<'_, Waits> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_slot(&self, packed: u64) -> Option<usize> {
        let first = self.free.load(Ordering::Relaxed);
        let mut slots = (first..SLOTS).chain(0..first);
        let take = |slot: &AtomicU64| slot.compare_exchange(0, packed, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        slots.find(|at| self.slots.get(*at).is_some_and(take))
    }

    /// Books what the holds that go on have taken until now.
    fn book_open(&self, now: u64) {
        for slot in &self.slots {
            let seen = slot.load(Ordering::Relaxed);
            if seen == 0 {
                continue;
            }
            let (name, since) = unpack(seen);
            let still = slot.compare_exchange(seen, pack(name, now), Ordering::Relaxed, Ordering::Relaxed).is_ok();
            if still {
                self.held.add(name, (now / 1_000 * 1_000).saturating_sub(since), 0);
            }
        }
    }
}

/// Somebody waits; see [`Holder::waiting`].
#[derive(Debug)]
pub struct Waiting {
    shared: Arc<Shared>,
    since: u64,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let now = now();
        let mut waits = self.shared.waits();
        waits.count -= 1;
        waits.begun -= u128::from(self.since);
        waits.ended += u128::from(now.saturating_sub(self.since));
    }
}

pin_project! {
    /// A future that waits for a place; see [`Holder::waiting_for`].
    #[derive(Debug)]
    pub struct WaitingFor<'a, F> {
        #[pin]
        future: F,
        holder: &'a Holder,
        waiting: Option<Waiting>,
    }
}

impl<F: Future> Future for WaitingFor<'_, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let polled = this.future.poll(context);
        if polled.is_ready() {
            *this.waiting = None;
        } else if this.waiting.is_none() {
            *this.waiting = Some(this.holder.waiting());
        }
        polled
    }
}

/// Somebody holds it; see [`Holder::hold`]. It may be dropped anywhere.
#[derive(Debug)]
#[must_use = "it is held until this is dropped"]
pub struct Holding {
    shared: Arc<Shared>,
    name: Named,
    since: u64,
    slot: Option<usize>,
    /// The Operation that is told, see [`Holding::tell_operation`].
    operation: Option<Operation>,
}

impl Holding {
    /// What the Operation at hand waits for from now on counts as waited for with a connection in its hands.
    pub(crate) fn tell_operation(&mut self) {
        if self.operation.is_none() {
            self.operation = Operation::current();
            self.operation.iter().for_each(Operation::begin_holding);
        }
    }

    /// Books until now, and goes on for Operations of another name: one does the work of many.
    pub(crate) fn hand_to(&mut self, name: Named) {
        if name == self.name {
            return;
        }
        let now = now();
        self.end_at(now);
        (self.name, self.since) = (name, now);
        self.slot = self.shared.take_slot(pack(name, now));
    }

    fn end_at(&mut self, now: u64) {
        let mut since = self.since;
        if let Some(slot) = self.slot.take() {
            // A reader may have booked a part of it already.
            let (_, booked) = unpack(self.shared.slots[slot].swap(0, Ordering::Relaxed));
            since = since.max(booked);
            self.shared.free.store(slot, Ordering::Relaxed);
        }
        self.shared.held.add(self.name, now.saturating_sub(since), 1);
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.end_at(now());
        self.shared.in_use.fetch_sub(1, Ordering::Relaxed);
        if let Some(operation) = self.operation.take() {
            operation.end_holding();
        }
    }
}

/// Reads all holders of the process, each time what came since the last.
#[derive(Debug, Default)]
pub(super) struct Holders(HashMap<u64, Before>);

#[derive(Debug, Default)]
struct Before {
    waited: u64,
    held: Known,
}

impl Holders {
    pub(super) fn read(&mut self) -> Vec<HolderSpan> {
        let holders = HOLDERS.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let live: Vec<Arc<Shared>> = holders.iter().filter_map(Weak::upgrade).collect();
        self.0.retain(|id, _| live.iter().any(|holder| holder.id == *id));
        live.iter().map(|holder| self.of(holder)).collect()
    }

    fn of(&mut self, holder: &Shared) -> HolderSpan {
        let now = now();
        let before = self.0.entry(holder.id).or_default();
        holder.book_open(now);
        let mut sums = Vec::new();
        holder.held.add_to(&mut sums);
        let (waiting, waited) = {
            let waits = holder.waits();
            (waits.count, waits.until(now))
        };
        HolderSpan {
            kind: holder.kind,
            label: holder.label.to_string(),
            capacity: holder.capacity.load(Ordering::Relaxed),
            in_use: holder.in_use.load(Ordering::Relaxed),
            waiting,
            waited: waited.saturating_sub(std::mem::replace(&mut before.waited, waited)),
            held: before.held.since(sums),
        }
    }
}

/// The number of a job's kind, for holding its place.
pub(crate) fn job(kind: &str) -> Named {
    Named::of(OperationKind::Job, kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::telemetry::Recorder;

    fn of<'a>(spans: &'a [HolderSpan], label: &str) -> &'a HolderSpan {
        spans.iter().find(|span| span.label == label).expect("registered")
    }

    fn held(span: &HolderSpan, name: &str) -> u64 {
        span.held.iter().find(|held| held.operation.1 == name).map_or(0, |held| held.time)
    }

    #[test]
    fn holders_of_a_label_are_one_and_what_goes_on_is_shown_once() {
        let (one, two) = (Holder::new(WaitKind::Lock, "shared", 1), Holder::new(WaitKind::Lock, "shared", 2));
        let mut reader = Holders::default();
        let first = one.hold_for(job("long"));
        let waits = two.waiting();
        clock::pause_thread(Duration::from_millis(20));
        let spans = reader.read();
        let span = of(&spans, "shared");
        assert_eq!((span.capacity, span.in_use, span.waiting), (3, 1, 1));
        assert!(held(span, "long") >= 19_000_000 && span.waited >= 19_000_000, "{span:?}");
        drop((first, waits));
        let spans = reader.read();
        let span = of(&spans, "shared");
        assert_eq!((span.in_use, span.waiting, span.held[0].times), (0, 0, 1));
        assert!(held(span, "long") < 15_000_000, "not counted twice: {span:?}");
        drop(two);
        assert_eq!(of(&reader.read(), "shared").capacity, 1);
    }

    #[test]
    fn one_who_does_the_work_of_many_books_on_each() {
        let holder = Holder::new(WaitKind::DatabasePool, "handed on", 1);
        let mut reader = Holders::default();
        let mut mine = holder.hold_for(job("leads"));
        mine.hand_to(job("follows"));
        clock::pause_thread(Duration::from_millis(5));
        mine.hand_to(job("leads"));
        drop(mine);
        let spans = reader.read();
        let span = of(&spans, "handed on");
        assert!(held(span, "follows") >= 5_000_000 && held(span, "leads") < held(span, "follows"), "{span:?}");
        assert_eq!(span.in_use, 0);
    }

    #[test]
    fn an_operation_is_told_that_it_holds_a_connection() {
        let holder = Holder::new(WaitKind::DatabasePool, "told", 1);
        let operation = Operation::open(OperationKind::Command, "told", &Recorder::new(1));
        operation.enter(|| {
            let mut held = holder.hold();
            assert!(!operation.holds_connection());
            held.tell_operation();
            assert!(operation.holds_connection());
        });
        assert!(!operation.holds_connection());
    }

    /// `--config profile.dev.package.sarsen.opt-level=3` and `--nocapture` show what it is in a release.
    #[test]
    fn a_hold_costs_little() {
        let holder = Holder::new(WaitKind::Lock, "cost", 1);
        let quickest = (0..20).map(|_| {
            let started = clock::monotonic();
            (0..1_000).for_each(|_| drop(holder.hold_for(Named::NOBODY)));
            (clock::monotonic() - started) / 1_000
        });
        let booked = (0..20).map(|_| {
            let started = clock::monotonic();
            (0..1_000).for_each(|_| holder.book(Duration::from_nanos(5)));
            (clock::monotonic() - started) / 1_000
        });
        let (held, booked) = (quickest.min().unwrap_or_default(), booked.min().unwrap_or_default());
        println!("a hold {held:?}, one that is booked {booked:?}");
        assert!(held < Duration::from_micros(5), "{held:?}");
    }
}
