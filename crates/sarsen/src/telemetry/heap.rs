//! What is taken from the heap, counted by thread: an allocator that a program may install.
#![expect(unsafe_code, reason = "an allocator is an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, which counts. With it Operations know what they took from the heap; without it they say zero.
///
/// ```
/// #[global_allocator]
/// static HEAP: sarsen::telemetry::Heap = sarsen::telemetry::Heap;
/// # fn main() {}
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Heap;

/// What a thread has taken and given back, ever. What one thread takes another may give back.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    taken: u64,
    given: u64,
}

impl Counts {
    /// Bytes taken and given back since `earlier`.
    #[inline]
    pub(super) fn since(self, earlier: Counts) -> (u64, u64) {
        (self.taken.wrapping_sub(earlier.taken), self.given.wrapping_sub(earlier.given))
    }
}

thread_local! {
    // Of constants and without a destructor: to reach it never allocates, and it is there until the thread is gone.
    static COUNTS: Cell<Counts> = const { Cell::new(Counts { taken: 0, given: 0 }) };
}

/// What this thread has taken and given back.
#[inline]
pub(super) fn counts() -> Counts {
    COUNTS.get()
}

#[inline]
fn count(taken: usize, given: usize) {
    COUNTS.with(|counts| {
        let Counts { taken: before, given: back } = counts.get();
        counts.set(Counts { taken: before.wrapping_add(taken as u64), given: back.wrapping_add(given as u64) });
    });
}

// SAFETY: all work is the system's, whose contract is the same; counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Heap {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        unsafe { System.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        unsafe { System.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, layout.size());
        unsafe { System.dealloc(pointer, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_and_given_back_is_counted_on_this_thread() {
        let before = counts();
        let layout = Layout::from_size_align(100, 8).expect("a layout");
        // SAFETY: the layout is not empty, and what is freed is what was taken, with its layout.
        unsafe {
            let pointer = Heap.alloc(layout);
            let pointer = Heap.realloc(pointer, layout, 300);
            let layout = Layout::from_size_align(300, 8).expect("a layout");
            Heap.dealloc(pointer, layout);
            let zeroed = Heap.alloc_zeroed(layout);
            assert_eq!(*zeroed, 0);
            Heap.dealloc(zeroed, layout);
        }
        assert_eq!(counts().since(before), (700, 700));
    }
}
