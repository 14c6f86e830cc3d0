//! A waker that knows when it woke: the time between that and the next poll is time in which a task could have run.
//!
//! What is polled borrows it and pays nothing; only who keeps it until later, by a clone, makes a node on the heap. That takes a
//! table of functions of its own, for the safe `Wake` of the standard library always begins on the heap.
//!
//! This file is all of the unsafe code. It uses nothing of the crate but the clock, so that the test under loom takes it as it is.
#![expect(unsafe_code, reason = "a waker that is borrowed until it is cloned needs a RawWakerVTable")]

use super::stamp;
use std::mem::ManuallyDrop;
use std::sync::{Arc, OnceLock};
use std::task::{Context, RawWaker, RawWakerVTable, Wake, Waker};

#[cfg(sarsen_loom)]
use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(sarsen_loom))]
use std::sync::atomic::{AtomicU64, Ordering};

/// A waker that somebody keeps: it wakes the one below it, and remembers when.
#[derive(Debug)]
pub(super) struct Node {
    below: Waker,
    /// When it woke first since the last look; zero when it did not.
    woken: AtomicU64,
}

impl Node {
    pub(super) fn new(below: Waker) -> Arc<Self> {
        Arc::new(Self { below, woken: AtomicU64::new(0) })
    }

    /// When it woke first since the last look.
    #[inline]
    pub(super) fn take(&self) -> u64 {
        // Most looks find something, so there is no look before the swap.
        self.woken.swap(0, Ordering::Acquire)
    }

    fn stamp(&self) {
        // The first one that wakes says when; a look that comes in between begins anew.
        if self.woken.load(Ordering::Relaxed) == 0 {
            let _ = self.woken.compare_exchange(0, stamp(), Ordering::Release, Ordering::Relaxed);
        }
    }
}

impl Wake for Node {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // First the time, then the poll that looks for it.
        self.stamp();
        self.below.wake_by_ref();
    }
}

/// The node of a task, once there is one, and the waker that wakes through it.
#[derive(Debug)]
pub(super) struct Kept {
    node: Arc<Node>,
    waker: Waker,
}

impl Kept {
    fn new(node: Arc<Node>) -> Self {
        Self { waker: Waker::from(node.clone()), node }
    }

    /// When it woke first since the last look; zero when it did not.
    #[inline]
    pub(super) fn take(&self) -> u64 {
        self.node.take()
    }
}

/// Polls with a waker that knows when it woke. `kept` is the same for all polls of a task: its waker stays the same one, so that
/// who compares wakers need not take a new one for each poll.
#[inline]
pub(super) fn poll_with<T>(
    kept: &mut Option<Kept>,
    context: &Context<'_>,
    poll: impl FnOnce(&mut Context<'_>) -> T,
) -> T {
    if let Some(kept) = kept.as_ref().filter(|kept| kept.node.below.will_wake(context.waker())) {
        return poll(&mut Context::from_waker(&kept.waker));
    }
    let lazy = Lazy { below: context.waker(), node: OnceLock::new() };
    let polled = {
        // SAFETY: the functions of the table take the pointer for a `Lazy`, which outlives this block; what leaves it is a clone,
        // and that is a waker of the node, which owns what it needs.
        let waker = unsafe { Waker::new((&raw const lazy).cast(), &LAZY) };
        // It owns nothing, so there is nothing to drop.
        poll(&mut Context::from_waker(&ManuallyDrop::new(waker)))
    };
    if let Some(node) = lazy.node.into_inner() {
        *kept = Some(Kept::new(node));
    }
    polled
}

/// What the borrowed waker points to, on the stack of the poll. Other threads may use it meanwhile: a `&Waker` can be sent.
struct Lazy<'a> {
    below: &'a Waker,
    node: OnceLock<Arc<Node>>,
}

impl Lazy<'_> {
    fn node(&self) -> &Arc<Node> {
        self.node.get_or_init(|| Node::new(self.below.clone()))
    }
}

static LAZY: RawWakerVTable = RawWakerVTable::new(clone, wake_by_ref, wake_by_ref, |_| {});

/// SAFETY: `lazy` is that of [`poll_with`], whose poll has not returned: the waker is only lent to it.
unsafe fn clone(lazy: *const ()) -> RawWaker {
    let lazy = unsafe { &*lazy.cast::<Lazy<'_>>() };
    let waker = ManuallyDrop::new(Waker::from(lazy.node().clone()));
    RawWaker::new(waker.data(), waker.vtable())
}

/// SAFETY: as above. Nobody owns this waker, so nobody can wake it by value; if one could, there would be nothing to drop.
unsafe fn wake_by_ref(lazy: *const ()) {
    let lazy = unsafe { &*lazy.cast::<Lazy<'_>>() };
    lazy.node().wake_by_ref();
}

#[cfg(all(test, not(sarsen_loom)))]
mod tests {
    use super::*;
    use std::sync::{Mutex, PoisonError};

    #[derive(Default)]
    struct Count(Mutex<u32>);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        }
    }

    fn counting() -> (Arc<Count>, Waker) {
        let count = Arc::new(Count::default());
        (count.clone(), Waker::from(count))
    }

    #[test]
    fn a_poll_that_keeps_nothing_makes_no_node() {
        let (count, below) = counting();
        let mut kept = None;
        poll_with(&mut kept, &Context::from_waker(&below), |context| {
            assert!(context.waker().will_wake(context.waker()))
        });
        assert!(kept.is_none());
        assert_eq!(Arc::strong_count(&count), 2);
    }

    #[test]
    fn a_clone_outlives_the_poll_and_wakes_with_a_stamp() {
        let (count, below) = counting();
        let mut kept = None;
        let waker = poll_with(&mut kept, &Context::from_waker(&below), |context| context.waker().clone());
        let node = kept.as_ref().expect("made by the clone");
        assert_eq!(node.take(), 0);
        waker.wake_by_ref();
        let first = node.take();
        assert!(first > 0);
        assert_eq!(node.take(), 0, "one look takes it");
        std::thread::scope(|threads| {
            threads.spawn(|| waker.wake_by_ref());
            threads.spawn(|| waker.wake_by_ref());
        });
        assert!(node.take() >= first);
        assert_eq!(*count.0.lock().unwrap(), 3);
    }

    #[test]
    fn polls_of_a_task_see_one_waker_until_the_task_has_another() {
        let (_, below) = counting();
        let mut kept = None;
        let first = poll_with(&mut kept, &Context::from_waker(&below), |context| context.waker().clone());
        poll_with(&mut kept, &Context::from_waker(&below), |context| {
            // Miri gives the table of the standard library another address each time; compilers do not.
            assert!(cfg!(miri) || context.waker().will_wake(&first));
        });
        let (count, other) = counting();
        let moved = poll_with(&mut kept, &Context::from_waker(&other), |context| context.waker().clone());
        assert!(!moved.will_wake(&first));
        moved.wake();
        assert_eq!(*count.0.lock().unwrap(), 1);
    }

    #[test]
    fn a_wake_within_the_poll_is_stamped_from_any_thread() {
        let (count, below) = counting();
        let mut kept = None;
        poll_with(&mut kept, &Context::from_waker(&below), |context| {
            let waker = context.waker();
            std::thread::scope(|threads| {
                threads.spawn(|| waker.wake_by_ref());
                threads.spawn(|| drop(waker.clone()));
            });
        });
        assert!(kept.expect("made by the wake").take() > 0);
        assert_eq!(*count.0.lock().unwrap(), 1);
    }

    #[test]
    fn all_is_given_back() {
        let (count, below) = counting();
        let mut kept = None;
        let waker = poll_with(&mut kept, &Context::from_waker(&below), |context| context.waker().clone());
        drop((waker, kept, below));
        assert_eq!(Arc::strong_count(&count), 1);
    }
}
