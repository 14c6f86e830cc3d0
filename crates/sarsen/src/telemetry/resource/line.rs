//! What each thread of the runtime polls at this moment, written by the thread itself and read by the watchdog.
//!
//! A line has a sequence number: odd while something is polled, another one for each poll. Who reads the rest between two
//! equal odd numbers has read one poll, never a half of its neighbour.

use super::ledger::Ledger;
use super::named::Named;
use super::stack;
use crate::clock::Ticks;
use crate::lifecycle;
use crossbeam_queue::ArrayQueue;
use std::cell::Cell;
#[cfg(test)]
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{LazyLock, Mutex, PoisonError};

/// Most threads that are watched; those of a thread that has ended are used again.
const MOST_LINES: usize = 256;
/// Polls that took longer are written down when they end, whether or not the watchdog saw them.
const LOG_AFTER: u64 = 5_000_000;
/// Most ended polls that wait for the watchdog.
const MOST_ENDED: usize = 1_024;

static LINES: Mutex<Vec<&'static Line>> = Mutex::new(Vec::new());
static ENDED: LazyLock<ArrayQueue<Ended>> = LazyLock::new(|| ArrayQueue::new(MOST_ENDED));

/// One thread.
#[derive(Debug)]
pub(super) struct Line {
    /// Its place among the lines.
    number: usize,
    taken: AtomicBool,
    /// The kernel's number of the thread; 0 where there is none.
    thread: AtomicU32,
    /// Where its stack begins and ends.
    stack: [AtomicUsize; 2],
    sequence: AtomicU64,
    since: AtomicU64,
    name: AtomicUsize,
    polled: Ledger,
}

/// A poll that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) sequence: u64,
    pub(super) since: u64,
    pub(super) name: Named,
}

/// A long poll that is over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    pub(super) line: usize,
    pub(super) sequence: u64,
    pub(super) name: Named,
    pub(super) took: u64,
}

impl Line {
    fn new(number: usize) -> Self {
        Self {
            number,
            taken: AtomicBool::new(true),
            thread: AtomicU32::new(0),
            stack: [const { AtomicUsize::new(0) }; 2],
            sequence: AtomicU64::new(0),
            since: AtomicU64::new(0),
            name: AtomicUsize::new(0),
            polled: Ledger::new(),
        }
    }

    #[inline]
    fn is_polling(&self) -> bool {
        self.sequence.load(Ordering::Relaxed) % 2 == 1
    }

    #[inline]
    fn begin(&self, name: Named, now: u64) {
        // Whoever sees what follows sees the end of the poll before, too.
        fence(Ordering::Release);
        self.name.store(name.index(), Ordering::Relaxed);
        self.since.store(now, Ordering::Relaxed);
        self.sequence.store(self.sequence.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    #[inline]
    fn end(&self, now: u64) {
        let sequence = self.sequence.load(Ordering::Relaxed);
        let name = Named::at(self.name.load(Ordering::Relaxed));
        let took = now.saturating_sub(self.since.load(Ordering::Relaxed));
        self.sequence.store(sequence + 1, Ordering::Release);
        self.polled.add_alone(name, took);
        if took > LOG_AFTER {
            let _ = ENDED.push(Ended { line: self.number, sequence, name, took });
        }
    }

    pub(super) fn thread(&self) -> u32 {
        self.thread.load(Ordering::Relaxed)
    }

    pub(super) fn stack(&self) -> (usize, usize) {
        (self.stack[0].load(Ordering::Relaxed), self.stack[1].load(Ordering::Relaxed))
    }

    /// What is polled now, if anything.
    pub(super) fn look(&self) -> Option<Look> {
        let sequence = self.sequence.load(Ordering::Acquire);
        let (since, name) = (self.since.load(Ordering::Relaxed), self.name.load(Ordering::Relaxed));
        fence(Ordering::Acquire);
        let same = self.sequence.load(Ordering::Relaxed) == sequence;
        (same && sequence % 2 == 1).then(|| Look { sequence, since, name: Named::at(name) })
    }

    /// Whether the poll that was seen goes on.
    pub(super) fn is_still(&self, seen: &Look) -> bool {
        fence(Ordering::Acquire);
        self.sequence.load(Ordering::Acquire) == seen.sequence
    }
}

/// The lines of all threads.
pub(super) fn all() -> Vec<&'static Line> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// The next long poll that has ended.
pub(super) fn next_ended() -> Option<Ended> {
    ENDED.pop()
}

/// Time of polls by name, all threads together.
pub(super) fn add_polled_to(sums: &mut Vec<(u64, u64)>) {
    all().iter().for_each(|line| line.polled.add_to(sums));
}

/// How many threads poll an Operation now.
pub(super) fn polling() -> u64 {
    all().iter().filter(|line| line.is_polling()).count() as u64
}

/// This thread's line: not looked for yet, none, or one.
#[derive(Clone, Copy)]
enum Mine {
    Unknown,
    None,
    Line(&'static Line),
}

struct Place(Cell<Mine>);

impl Drop for Place {
    fn drop(&mut self) {
        if let Mine::Line(line) = self.0.get() {
            line.thread.store(0, Ordering::Relaxed);
            line.taken.store(false, Ordering::Release);
        }
    }
}

thread_local! {
    static PLACE: Place = const { Place(Cell::new(Mine::Unknown)) };
}

impl Place {
    #[inline]
    fn line(&self) -> Option<&'static Line> {
        match self.0.get() {
            Mine::Line(line) => Some(line),
            Mine::None => None,
            Mine::Unknown => self.find(),
        }
    }

    #[cold]
    fn find(&self) -> Option<&'static Line> {
        let line = if is_of_runtime() { take_line() } else { None };
        self.0.set(line.map_or(Mine::None, Mine::Line));
        line
    }
}

/// Whether tasks run on this thread. One that only waits for the runtime (`block_on`) holds up nobody.
fn is_of_runtime() -> bool {
    use tokio::runtime::{Handle, RuntimeFlavor};
    let alone = || Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::CurrentThread);
    tokio::task::try_id().is_some() || alone()
}

/// A line that nobody has any more, or a new one. They live as long as the process: at most [`MOST_LINES`].
fn take_line() -> Option<&'static Line> {
    let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    let free = lines.iter().copied().find(|line| !line.taken.swap(true, Ordering::AcqRel));
    let line = match free {
        Some(line) => line,
        None if lines.len() >= MOST_LINES => return None,
        None => {
            let line: &'static Line = Box::leak(Box::new(Line::new(lines.len())));
            lines.push(line);
            line
        }
    };
    let (start, end) = stack::bounds_of_mine();
    line.stack[0].store(start, Ordering::Relaxed);
    line.stack[1].store(end, Ordering::Relaxed);
    line.thread.store(thread_id(), Ordering::Relaxed);
    Some(line)
}

#[cfg(target_os = "linux")]
fn thread_id() -> u32 {
    rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs()
}

#[cfg(not(target_os = "linux"))]
fn thread_id() -> u32 {
    0
}

/// Nanoseconds since a moment near the start of the process: the time of lines and holders.
#[inline]
pub(super) fn now() -> u64 {
    Ticks::now().as_nanos()
}

/// This thread begins to poll an Operation of this name at `now` ([`Ticks`]).
///
/// False when it is not to be booked, and [`leave_at`] must not be called: the thread may block (it is none of the
/// runtime's), or it polls one already, which counts.
#[inline]
pub(crate) fn enter_at(name: Named, now: u64) -> bool {
    if lifecycle::may_block() {
        return false;
    }
    let line = PLACE.try_with(Place::line).ok().flatten();
    match line {
        Some(line) if !line.is_polling() => {
            line.begin(name, now);
            true
        }
        _ => false,
    }
}

/// This thread has ended the poll that [`enter_at`] began.
#[inline]
pub(crate) fn leave_at(now: u64) {
    if let Some(line) = PLACE.try_with(Place::line).ok().flatten().filter(|line| line.is_polling()) {
        line.end(now);
    }
}

/// A poll that is booked until this is dropped, also by a panic.
#[cfg(test)]
#[derive(Debug)]
pub(crate) struct Polled(PhantomData<*const ()>);

/// Like [`enter_at`] for one who has not read the clock.
#[cfg(test)]
pub(crate) fn enter(name: Named) -> Option<Polled> {
    enter_at(name, now()).then_some(Polled(PhantomData))
}

#[cfg(test)]
impl Drop for Polled {
    fn drop(&mut self) {
        leave_at(now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::OperationKind;

    fn mine() -> Option<&'static Line> {
        PLACE.with(Place::line)
    }

    #[tokio::test]
    async fn a_poll_is_seen_while_it_goes_on_and_counted_when_it_ends() {
        let name = Named::of(OperationKind::Request, "GET /line");
        let polled = enter(name).expect("a thread of the runtime");
        let line = mine().expect("has a line");
        let look = line.look().expect("something is polled");
        assert_eq!((look.name, line.is_still(&look)), (name, true));
        assert!(enter(Named::OTHERS).is_none(), "the outer one counts");
        drop(polled);
        assert!(!line.is_still(&look) && line.look().is_none());
        let next = enter(name);
        assert_ne!(line.look().expect("another").sequence, look.sequence);
        drop(next);
        let mut sums = Vec::new();
        line.polled.add_to(&mut sums);
        assert_eq!(sums[name.index()].1, 2);
    }

    #[test]
    fn a_thread_outside_of_the_runtime_has_no_line() {
        assert!(enter(Named::NOBODY).is_none());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("runs");
        runtime.block_on(async { assert!(enter(Named::NOBODY).is_none()) });
        let on_worker =
            runtime.block_on(async { lifecycle::spawn_background(async { enter(Named::NOBODY).is_some() }).await });
        assert!(on_worker.expect("runs"));
        let may_block = runtime.block_on(async { lifecycle::spawn_blocking(|| enter(Named::NOBODY).is_none()).await });
        assert!(may_block.expect("runs"));
    }

    #[test]
    fn a_reader_never_mixes_two_polls() {
        let line: &'static Line = Box::leak(Box::new(Line::new(0)));
        let done: &'static AtomicBool = Box::leak(Box::new(AtomicBool::new(false)));
        // Poll number n is of name n and began at n.
        let writer = std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for number in 2..200_000_u64 {
                    let name = usize::try_from(number % 1000).expect("fits");
                    line.begin(Named::at(name), number);
                    line.end(number);
                }
                done.store(true, Ordering::Release);
            });
            let mut seen = 0;
            while !done.load(Ordering::Acquire) {
                if let Some(look) = line.look() {
                    assert_eq!(look.name.index() as u64, look.since % 1000);
                    assert_eq!(look.sequence, (look.since - 2) * 2 + 1);
                    seen += 1;
                }
            }
            writer.join().map(|()| seen)
        });
        assert!(writer.is_ok());
    }

    /// `--config profile.dev.package.sarsen.opt-level=3` and `--nocapture` show what it is in a release.
    #[tokio::test]
    async fn a_poll_is_booked_by_a_few_stores() {
        let (name, rounds) = (Named::of(OperationKind::Request, "GET /cost"), 10_000_u32);
        let quickest = (0..20).map(|_| {
            let started = Ticks::now();
            for round in 0..u64::from(rounds) {
                let entered = enter_at(std::hint::black_box(name), round);
                assert!(entered);
                leave_at(round + 1);
            }
            (Ticks::now() - started).as_nanos() / u128::from(rounds)
        });
        let quickest = quickest.min().unwrap_or_default();
        println!("a poll is booked in {quickest} ns");
        assert!(quickest < 2_000, "{quickest}");
    }
}
