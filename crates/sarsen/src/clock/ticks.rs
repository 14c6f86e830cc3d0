//! Nanoseconds for measuring: the processor's own counter where it is steady, which is read in 10 ns.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A moment of this process, in nanoseconds since an earlier one. It is never simulated, and it drifts from other clocks by some
/// millionths: good for measuring, not for telling the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticks(u64);

impl Ticks {
    /// This moment.
    #[inline]
    pub fn now() -> Self {
        Self(counter::read())
    }

    /// From nanoseconds since the first moment of the process.
    #[inline]
    pub fn from_nanos(nanoseconds: u64) -> Self {
        Self(nanoseconds)
    }

    /// Nanoseconds since the first moment of the process.
    #[inline]
    pub fn as_nanos(self) -> u64 {
        self.0
    }

    /// Nanoseconds from `earlier` to this; zero when it is not earlier.
    #[inline]
    pub fn since(self, earlier: Ticks) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The same moment on the clock that timers use.
    pub fn instant(self) -> Instant {
        let (now, instant) = (Ticks::now(), super::monotonic());
        let back = || instant.checked_sub(Duration::from_nanos(now.since(self))).unwrap_or(instant);
        if self > now { instant + Duration::from_nanos(self.since(now)) } else { back() }
    }

    /// The time until this; zero when it is past.
    pub fn left(self) -> Duration {
        self - Self::now()
    }
}

impl From<Instant> for Ticks {
    /// The same moment, as exactly as two clocks are read one after the other.
    fn from(instant: Instant) -> Self {
        let (now, at) = (Ticks::now(), super::monotonic());
        match instant.checked_duration_since(at) {
            Some(ahead) => now + ahead,
            None => Self(now.0.saturating_sub(nanoseconds(at - instant))),
        }
    }
}

impl std::ops::Add<Duration> for Ticks {
    type Output = Ticks;

    #[inline]
    fn add(self, duration: Duration) -> Ticks {
        Ticks(self.0.saturating_add(nanoseconds(duration)))
    }
}

impl std::ops::Sub for Ticks {
    type Output = Duration;

    /// The time from the other one to this; zero when it is not earlier.
    #[inline]
    fn sub(self, earlier: Ticks) -> Duration {
        Duration::from_nanos(self.since(earlier))
    }
}

impl From<Ticks> for Instant {
    fn from(ticks: Ticks) -> Instant {
        ticks.instant()
    }
}

#[inline]
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(not(miri))]
mod counter {
    use super::OnceLock;

    /// The counter with its scale, which is found once within a millisecond, and where it stood then.
    static COUNTER: OnceLock<(quanta::Clock, u64)> = OnceLock::new();

    #[inline]
    pub(super) fn read() -> u64 {
        let (clock, first) = COUNTER.get_or_init(start);
        clock.delta_as_nanos(*first, clock.raw())
    }

    #[cold]
    fn start() -> (quanta::Clock, u64) {
        let clock = quanta::Clock::new();
        let first = clock.raw();
        (clock, first)
    }
}

#[cfg(miri)]
mod counter {
    use super::{Instant, OnceLock};

    static FIRST: OnceLock<Instant> = OnceLock::new();

    pub(super) fn read() -> u64 {
        let now = crate::clock::monotonic();
        super::nanoseconds(now.saturating_duration_since(*FIRST.get_or_init(|| now)))
    }
}

/// CPU time of this thread in nanoseconds by the kernel, which takes about half a microsecond; zero where it is not known.
pub(crate) fn thread_cpu() -> u64 {
    #[cfg(all(unix, not(miri)))]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
    }
    #[cfg(not(all(unix, not(miri))))]
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_go_on_like_the_clock_of_timers() {
        let (ticks, instant) = (Ticks::now(), crate::clock::monotonic());
        crate::clock::pause_thread(Duration::from_millis(20));
        let (counted, passed) = (Ticks::now().since(ticks), nanoseconds(crate::clock::monotonic() - instant));
        assert!(counted.abs_diff(passed) < 2_000_000, "{counted} of {passed}");
    }

    #[test]
    fn a_moment_is_the_same_on_both_clocks() {
        for away in [Duration::ZERO, Duration::from_millis(50)] {
            let there = Ticks::now() + away;
            let again = Ticks::from(there.instant());
            assert!(again.as_nanos().abs_diff(there.as_nanos()) < 1_000_000, "{again:?} of {there:?}");
        }
    }

    #[test]
    fn work_is_cpu_time_and_a_pause_is_not() {
        let before = thread_cpu();
        crate::clock::pause_thread(Duration::from_millis(20));
        assert!(thread_cpu() - before < 15_000_000);
    }
}
