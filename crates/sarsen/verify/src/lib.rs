//! The files of Sarsen with unsafe code, as they are, with nothing around them. Miri runs their own tests, loom the ones below.

#[cfg(not(sarsen_loom))]
#[path = "../../src/telemetry/heap.rs"]
mod heap;
#[path = "../../src/telemetry/waker.rs"]
mod waker;

/// In the place of the clock: moments that rise.
#[cfg(not(sarsen_loom))]
fn stamp() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Under loom a moment is no event of its own.
#[cfg(sarsen_loom)]
fn stamp() -> u64 {
    7
}

#[cfg(all(test, sarsen_loom))]
mod tests {
    use super::waker::{Kept, Node, poll_with};
    use loom::sync::atomic::{AtomicUsize, Ordering};
    use loom::thread;
    use std::sync::Arc;
    use std::task::{Context, Wake, Waker};

    /// The task below: it is polled again when this is not zero.
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Release);
        }
    }

    fn task() -> (Arc<Task>, Waker) {
        let task = Arc::new(Task(AtomicUsize::new(0)));
        // A clone of a clone has the same table of functions, so it is known for the same waker.
        (task.clone(), Waker::from(task).clone())
    }

    #[test]
    fn a_task_that_was_woken_finds_the_stamp() {
        loom::model(|| {
            let (task, below) = task();
            let node = Node::new(below);
            let waker = Waker::from(node.clone());
            let other = thread::spawn(move || waker.wake());
            // The task sees that it was woken, so the poll that follows sees when.
            if task.0.load(Ordering::Acquire) > 0 {
                assert_eq!(node.take(), 7);
            } else {
                let early = node.take();
                other.join().unwrap();
                assert_eq!(early + node.take(), 7, "seen by this look or by the next one, once");
                return;
            }
            other.join().unwrap();
            assert_eq!(node.take(), 0);
        });
    }

    #[test]
    fn two_that_wake_at_once_leave_a_stamp_until_it_is_taken() {
        loom::model(|| {
            let (task, below) = task();
            let node = Node::new(below);
            let threads = [0, 1].map(|_| {
                let waker = Waker::from(node.clone());
                thread::spawn(move || waker.wake())
            });
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            assert_eq!(task.0.load(Ordering::Acquire), 2, "no wake is lost");
            assert_eq!((node.take(), node.take()), (7, 0));
        });
    }

    #[test]
    fn a_waker_that_was_cloned_in_a_poll_wakes_while_the_next_poll_begins() {
        loom::model(|| {
            let (task, below) = task();
            let mut kept: Option<Kept> = None;
            let waker = poll_with(&mut kept, &Context::from_waker(&below), |context| context.waker().clone());
            let other = thread::spawn(move || waker.wake());
            let early = kept.as_ref().unwrap().take();
            poll_with(&mut kept, &Context::from_waker(&below), |context| drop(context.waker().clone()));
            other.join().unwrap();
            assert_eq!(early + kept.unwrap().take(), 7);
            assert_eq!(task.0.load(Ordering::Acquire), 1);
        });
    }
}
