//! How much a client may send: a steady rate, and some at once.

use std::time::{Duration, Instant};

/// The generic cell rate algorithm: one moment in time is all it keeps.
#[derive(Debug)]
pub(super) struct Rate {
    every: Duration,
    ahead: Duration,
    /// When the client will be even again.
    even: Option<Instant>,
}

impl Rate {
    /// `rate` a second, and `burst` at once.
    pub(super) fn new(rate: u32, burst: u32) -> Self {
        let every = Duration::from_secs(1) / rate.max(1);
        Self { every, ahead: every * burst.max(1), even: None }
    }

    /// Whether one more may come now.
    pub(super) fn allows(&mut self, now: Instant) -> bool {
        let even = self.even.map_or(now, |even| even.max(now)) + self.every;
        let allowed = even - now <= self.ahead;
        if allowed {
            self.even = Some(even);
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let (mut rate, now) = (Rate::new(10, 5), crate::clock::monotonic());
        let passed = |rate: &mut Rate, at: Duration| (0..100).filter(|_| rate.allows(now + at)).count();
        assert_eq!(passed(&mut rate, Duration::ZERO), 5);
        assert_eq!(passed(&mut rate, Duration::from_millis(99)), 0);
        assert_eq!(passed(&mut rate, Duration::from_millis(200)), 2);
        assert_eq!(passed(&mut rate, Duration::from_secs(60)), 5);
    }
}
