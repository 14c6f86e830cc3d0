//! The one place of xtask that reads the time and sleeps.
#![expect(
    clippy::disallowed_methods,
    reason = "xtask has no runtime and no clock to simulate; it waits for real processes"
)]

use std::thread;
use std::time::{Duration, Instant};

/// How often a wait looks again.
const INTERVAL: Duration = Duration::from_millis(20);

/// Measures from its making on.
#[derive(Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Stopwatch(Instant::now())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Asks `look` until it answers something, at most for `limit`; `None` when it never did.
pub(crate) fn until<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let watch = Stopwatch::start();
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if watch.elapsed() >= limit {
            return None;
        }
        thread::sleep(INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_until_there_is_an_answer() {
        let mut looks = 0;
        let found = until(Duration::from_secs(10), || {
            looks += 1;
            (looks == 3).then_some("here")
        });
        assert_eq!((found, looks), (Some("here"), 3));
    }

    #[test]
    fn gives_up_at_the_limit() {
        assert_eq!(until(Duration::ZERO, || None::<()>), None);
    }
}
