//! The stack of another thread: a signal asks it, its handler walks, and whoever asked reads the addresses.
//!
//! Unsafe because a handler is installed by a pointer, and because the walk runs wherever the signal found the thread. What
//! the handler does there: a system call, atomic stores into a table that is always there, and the unwinder. That allocates
//! nothing, and finds its tables without a lock since glibc 2.35; before, by the lock of the loader, which the same thread
//! may take again. It leaves `errno` as it was. The addresses become lines elsewhere, on another thread.
#![expect(unsafe_code, reason = "a signal handler is a C function pointer, and the stack is walked inside of it")]

use crate::clock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// Frames of one stack; the application's are near its top.
const MOST_FRAMES: usize = 96;
/// How long a thread may take to answer; one that the kernel does not let run answers late.
const PATIENCE: u32 = 200;
const PAUSE: Duration = Duration::from_micros(100);

/// The thread that is asked, and above its 32 bits how far it is: nothing, [`WRITING`], [`WRITTEN`]. 0 is nobody.
static ASKED: AtomicU64 = AtomicU64::new(0);
const WRITING: u64 = 1 << 32;
const WRITTEN: u64 = 2 << 32;

static FRAMES: [AtomicUsize; MOST_FRAMES] = [const { AtomicUsize::new(0) }; MOST_FRAMES];
static COUNT: AtomicUsize = AtomicUsize::new(0);
/// One asks at a time.
static ASKING: Mutex<()> = Mutex::new(());

/// Runs on the thread that was asked, in the middle of whatever it does.
extern "C" fn answer(_: libc::c_int) {
    // SAFETY: it always points to this thread's own `errno`.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: the pointer is good, as above.
    let before = unsafe { *errno };
    // SAFETY: a system call without arguments that cannot fail.
    let thread = u64::from(unsafe { libc::gettid() }.unsigned_abs());
    if ASKED.compare_exchange(thread, WRITING | thread, Ordering::Acquire, Ordering::Relaxed).is_ok() {
        let mut count = 0;
        // SAFETY: only Windows needs the lock that is left out here. The closure stores numbers into a static table, and
        // the compare-exchange above lets one handler at a time come here.
        unsafe {
            backtrace::trace_unsynchronized(|frame| {
                FRAMES[count].store(frame.ip().addr(), Ordering::Relaxed);
                count += 1;
                count < MOST_FRAMES
            });
        }
        COUNT.store(count, Ordering::Relaxed);
        ASKED.store(WRITTEN | thread, Ordering::Release);
    }
    // SAFETY: as above.
    unsafe { *errno = before };
}

/// Installs the handler, once; false where the program uses the signal itself.
pub(super) fn install() -> bool {
    static INSTALLED: OnceLock<bool> = OnceLock::new();
    *INSTALLED.get_or_init(|| {
        // The unwinder prepares itself at its first use: not in a handler.
        backtrace::trace(|_| false);
        let handler = answer as extern "C" fn(libc::c_int);
        // SAFETY: both structures are plain data for which zeroes are good, and they live during the calls. The handler is
        // a function of the right type; on the thread's own stack, because the one for signals is small.
        unsafe {
            let mut before: libc::sigaction = std::mem::zeroed();
            let known = libc::sigaction(libc::SIGURG, std::ptr::null(), &raw mut before) == 0;
            if !known || (before.sa_sigaction != libc::SIG_DFL && before.sa_sigaction != libc::SIG_IGN) {
                return false;
            }
            let mut mine: libc::sigaction = std::mem::zeroed();
            mine.sa_sigaction = handler as libc::sighandler_t;
            mine.sa_flags = libc::SA_RESTART;
            libc::sigaction(libc::SIGURG, &raw const mine, std::ptr::null_mut()) == 0
        }
    })
}

/// The return addresses of a thread of this process, innermost first; `None` when it does not answer.
pub(super) fn of_thread(thread: u32) -> Option<Vec<usize>> {
    let _alone = ASKING.lock().unwrap_or_else(PoisonError::into_inner);
    let asked = u64::from(thread);
    ASKED.compare_exchange(0, asked, Ordering::Relaxed, Ordering::Relaxed).ok()?;
    // SAFETY: the call touches no memory; a thread that is gone is an error. It must be one of this process, in which
    // the handler is installed: `tgkill` refuses others.
    let sent =
        unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), i64::from(thread), libc::c_long::from(libc::SIGURG)) };
    let written = || ASKED.load(Ordering::Acquire) == WRITTEN | asked;
    let mut left = if sent == 0 { PATIENCE } else { 0 };
    while left > 0 && !written() {
        clock::pause_thread(PAUSE);
        left -= 1;
    }
    let nobody = ASKED.compare_exchange(asked, 0, Ordering::Relaxed, Ordering::Relaxed).is_ok();
    if nobody || !written() {
        // Or it is at it still: then the table stays its own, and nobody is asked any more until it is done.
        return None;
    }
    let count = COUNT.load(Ordering::Relaxed).min(MOST_FRAMES);
    let frames = FRAMES.iter().take(count).map(|frame| frame.load(Ordering::Relaxed)).collect();
    ASKED.store(0, Ordering::Release);
    Some(frames)
}

/// CPU nanoseconds of a thread of this process, to the nanosecond; `schedstat` lags by up to one tick of the kernel.
pub(super) fn cpu_of(thread: u32) -> Option<u64> {
    // How the kernel numbers the clock of a thread: its complement, "of a thread" (4), "by the scheduler" (2).
    let id = libc::clockid_t::try_from(thread).ok()?;
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is written to during the call only; a thread that is gone is an error.
    let read = unsafe { libc::clock_gettime((!id << 3) | 6, &raw mut time) };
    let nanoseconds =
        u64::try_from(time.tv_sec).ok()?.checked_mul(1_000_000_000)? + u64::try_from(time.tv_nsec).ok()?;
    (read == 0).then_some(nanoseconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_thread_is_asked_for_its_stack_and_goes_on() {
        assert!(install());
        let (tell, told) = mpsc::channel();
        let (end, until) = mpsc::channel::<()>();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let thread = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
                tell.send(thread).expect("heard");
                until.recv()
            });
            let thread = told.recv().expect("told");
            for _ in 0..100 {
                assert!(of_thread(thread).expect("it answers").len() > 3);
            }
            assert!(cpu_of(thread).is_some());
            end.send(()).expect("it waits still");
        });
        assert!(of_thread(1).is_none() && cpu_of(1).is_none(), "another process");
    }

    #[test]
    fn a_thread_that_allocates_and_unwinds_is_not_hurt() {
        assert!(install());
        let (tell, told) = mpsc::channel();
        let done = AtomicU64::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                tell.send(rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs()).expect("heard");
                while done.load(Ordering::Relaxed) == 0 {
                    let texts: Vec<String> = (0..50).map(|number| format!("{number:>100}")).collect();
                    let unwound = std::panic::catch_unwind(|| std::panic::resume_unwind(Box::new(texts.len())));
                    assert_eq!(unwound.err().and_then(|count| count.downcast::<usize>().ok()), Some(Box::new(50)));
                }
            });
            let thread = told.recv().expect("told");
            let answered = (0..1_000).filter(|_| of_thread(thread).is_some()).count();
            done.store(1, Ordering::Relaxed);
            assert!(answered > 500, "{answered}");
        });
    }
}
