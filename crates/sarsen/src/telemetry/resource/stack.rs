//! The stack of another thread: a signal asks it, its handler copies registers and stack, and whoever asked reads the copy.
//!
//! Unsafe because a handler is installed by a pointer and looks at raw memory. It runs wherever the signal found the thread,
//! so it does next to nothing: one system call, and stores into tables that are always there. It calls no unwinder: one that
//! follows a live stack ends the program when it meets a frame that is being unwound at that moment. The copy is followed
//! elsewhere (`frames.rs`), on another thread, where a frame that leads nowhere is only the end of the walk.
#![expect(
    unsafe_code,
    reason = "a signal handler is a C function pointer, and reads the registers and the stack it is given"
)]

use super::site::Copied;
use crate::clock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// Words of a stack that are copied, from its top: the line that is looked for is near it.
const MOST_WORDS: usize = 8_192;
/// How long a thread may take to answer; one that the kernel does not let run answers late.
const PATIENCE: u32 = 400;
const PAUSE: Duration = Duration::from_micros(100);

/// The thread that is asked, and above its 32 bits how far it is: nothing, [`WRITING`], [`WRITTEN`]. 0 is nobody.
static ASKED: AtomicU64 = AtomicU64::new(0);
const WRITING: u64 = 1 << 32;
const WRITTEN: u64 = 2 << 32;

/// Where the stack of the thread that is asked begins and ends.
static BOUNDS: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];
static REGISTERS: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];
static WORDS: [AtomicU64; MOST_WORDS] = [const { AtomicU64::new(0) }; MOST_WORDS];
static COUNT: AtomicUsize = AtomicUsize::new(0);
/// One asks at a time.
static ASKING: Mutex<()> = Mutex::new(());

/// Runs on the thread that was asked, in the middle of whatever it does.
extern "C" fn answer(_: libc::c_int, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: a system call without arguments that cannot fail, and so leaves `errno` alone.
    let thread = u64::from(unsafe { libc::gettid() }.unsigned_abs());
    if ASKED.compare_exchange(thread, WRITING | thread, Ordering::Acquire, Ordering::Relaxed).is_err() {
        return;
    }
    // SAFETY: the kernel gives a context that is good while the handler runs, because of `SA_SIGINFO`.
    let registers = registers(unsafe { &*context.cast::<libc::ucontext_t>() });
    REGISTERS.iter().zip(registers).for_each(|(place, register)| place.store(register, Ordering::Relaxed));
    let (start, end) = (BOUNDS[0].load(Ordering::Relaxed), BOUNDS[1].load(Ordering::Relaxed));
    let top = usize::try_from(registers[1]).unwrap_or(0);
    let mut count = 0;
    // On a stack of another kind (for signals, of a coroutine) it is not known what may be read: nothing is.
    if start <= top && top < end && top % 8 == 0 {
        count = ((end - top) / 8).min(MOST_WORDS);
        for (at, place) in WORDS.iter().enumerate().take(count) {
            // SAFETY: aligned, and between the top and the end of this thread's own stack, which is mapped as long as the
            // thread runs; nobody else writes there while its handler is at work.
            let word = unsafe { std::ptr::with_exposed_provenance::<u64>(top + at * 8).read_volatile() };
            place.store(word, Ordering::Relaxed);
        }
    }
    COUNT.store(count, Ordering::Relaxed);
    ASKED.store(WRITTEN | thread, Ordering::Release);
}

/// Where it was, the top of its stack, its frame, and where it returns to if that is in a register.
#[cfg(target_arch = "x86_64")]
fn registers(context: &libc::ucontext_t) -> [u64; 4] {
    let register = |which: libc::c_int| {
        let value = usize::try_from(which).ok().and_then(|at| context.uc_mcontext.gregs.get(at));
        value.map_or(0, |value| value.cast_unsigned())
    };
    [register(libc::REG_RIP), register(libc::REG_RSP), register(libc::REG_RBP), 0]
}

#[cfg(target_arch = "aarch64")]
fn registers(context: &libc::ucontext_t) -> [u64; 4] {
    let machine = &context.uc_mcontext;
    [machine.pc, machine.sp, machine.regs[29], machine.regs[30]]
}

/// Installs the handler, once; false where the program uses the signal itself.
pub(super) fn install() -> bool {
    static INSTALLED: OnceLock<bool> = OnceLock::new();
    *INSTALLED.get_or_init(|| {
        let handler = answer as extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);
        // SAFETY: both structures are plain data for which zeroes are good, and they live during the calls. The handler is
        // a function of the type that `SA_SIGINFO` asks for.
        unsafe {
            let mut before: libc::sigaction = std::mem::zeroed();
            let known = libc::sigaction(libc::SIGURG, std::ptr::null(), &raw mut before) == 0;
            if !known || (before.sa_sigaction != libc::SIG_DFL && before.sa_sigaction != libc::SIG_IGN) {
                return false;
            }
            let mut mine: libc::sigaction = std::mem::zeroed();
            mine.sa_sigaction = handler as libc::sighandler_t;
            mine.sa_flags = libc::SA_RESTART | libc::SA_SIGINFO;
            libc::sigaction(libc::SIGURG, &raw const mine, std::ptr::null_mut()) == 0
        }
    })
}

/// Where the stack of the calling thread begins and ends; nothing where that is not known.
pub(super) fn bounds_of_mine() -> (usize, usize) {
    let (mut start, mut size) = (std::ptr::null_mut::<libc::c_void>(), 0_usize);
    // SAFETY: `pthread_getattr_np` fills what it is given when it gives 0; only then it is read, and given back.
    unsafe {
        let mut attributes = std::mem::MaybeUninit::<libc::pthread_attr_t>::uninit();
        if libc::pthread_getattr_np(libc::pthread_self(), attributes.as_mut_ptr()) != 0 {
            return (0, 0);
        }
        let found = libc::pthread_attr_getstack(attributes.as_ptr(), &raw mut start, &raw mut size) == 0;
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
        if found { (start.expose_provenance(), start.addr() + size) } else { (0, 0) }
    }
}

/// A copy of the stack of a thread of this process, which lies within `bounds`; `None` when it does not answer.
pub(super) fn of_thread(thread: u32, bounds: (usize, usize)) -> Option<Copied> {
    let _alone = ASKING.lock().unwrap_or_else(PoisonError::into_inner);
    let asked = u64::from(thread);
    if !matches!(ASKED.load(Ordering::Acquire), 0) {
        // The one before is at it still.
        return None;
    }
    BOUNDS[0].store(bounds.0, Ordering::Relaxed);
    BOUNDS[1].store(bounds.1, Ordering::Relaxed);
    ASKED.store(asked, Ordering::Release);
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
        // Or it writes at this moment: then nobody is asked until it is done.
        return None;
    }
    let count = COUNT.load(Ordering::Relaxed).min(MOST_WORDS);
    let words = WORDS.iter().take(count).map(|word| word.load(Ordering::Relaxed)).collect();
    let registers = [0, 1, 2, 3].map(|at: usize| REGISTERS[at].load(Ordering::Relaxed));
    ASKED.store(0, Ordering::Release);
    Some(Copied { registers, words })
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
    use crate::telemetry::resource::frames::Frames;
    use std::sync::mpsc;

    type Asked = (u32, (usize, usize));

    /// Asks a thread `times` times for its stack while it does `work`.
    fn asked(times: usize, work: fn()) -> Vec<Copied> {
        assert!(install());
        let (tell, told) = mpsc::channel::<Asked>();
        let done = AtomicU64::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let thread = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
                tell.send((thread, bounds_of_mine())).expect("heard");
                while done.load(Ordering::Relaxed) == 0 {
                    work();
                }
            });
            let (thread, bounds) = told.recv().expect("told");
            assert!(cpu_of(thread).is_some());
            let copied = (0..times).filter_map(|_| of_thread(thread, bounds)).collect();
            done.store(1, Ordering::Relaxed);
            copied
        })
    }

    #[test]
    fn a_thread_is_asked_for_its_stack_and_goes_on() {
        let copied = asked(50, || clock::pause_thread(Duration::from_millis(1)));
        assert!(copied.len() > 40, "{}", copied.len());
        let mut frames = Frames::default();
        let long = copied.iter().filter(|copied| frames.of(copied).len() > 3).count();
        assert!(long * 10 > copied.len() * 9, "{long} of {}", copied.len());
        assert!(of_thread(1, (0, 0)).is_none() && cpu_of(1).is_none(), "another process");
    }

    /// A live unwinder dies of this: a frame that is being unwound leads anywhere.
    #[test]
    fn a_thread_that_allocates_and_unwinds_is_not_hurt() {
        let copied = asked(1_000, || {
            let texts: Vec<String> = (0..50).map(|number| format!("{number:>100}")).collect();
            let unwound = std::panic::catch_unwind(|| std::panic::resume_unwind(Box::new(texts.len())));
            assert_eq!(unwound.err().and_then(|count| count.downcast::<usize>().ok()), Some(Box::new(50)));
        });
        let mut frames = Frames::default();
        let walked = copied.iter().filter(|copied| frames.of(copied).len() > 3).count();
        assert!(copied.len() > 500 && walked * 2 > copied.len(), "{walked} of {}", copied.len());
    }
}
