//! Which Operations are kept whole: those that failed, slow ones, and a few by chance.

use super::record::Record;
use super::snapshot::Reason;

/// Most that one thread offers of one name, for each reason, between two looks of the collector.
const MOST: u32 = 8;

/// The choice for one name on one thread.
#[derive(Debug, Default)]
pub(super) struct Sampling {
    tick: u32,
    /// Operations since the tick began.
    count: u32,
    /// Which one of them is kept by chance.
    chosen: u32,
    failed: u32,
    slow: u32,
    /// The slowest that was offered since the tick began.
    slowest: u64,
}

impl Sampling {
    /// Whether this one is offered to the collector, and why.
    #[inline]
    pub(super) fn choose(&mut self, record: &Record, slow: bool, tick: u32) -> Option<Reason> {
        if self.tick != tick {
            // As many as in the last tick are expected, so one of them is kept, most of the time.
            let chosen = if self.count == 0 { 0 } else { fastrand::u32(..self.count) };
            *self = Self { tick, chosen, ..Self::default() };
        }
        let number = self.count;
        self.count += 1;
        if record.has_failed() {
            self.failed += 1;
            return (self.failed <= MOST).then_some(Reason::Failed);
        }
        let wall = record.account.wall;
        if slow {
            // Each that is slower than those before it is offered: they become fewer by themselves.
            let slowest = wall > self.slowest;
            self.slow += 1;
            if self.slow <= MOST || (slowest && self.slow <= 100 * MOST) {
                self.slowest = wall.max(self.slowest);
                return Some(Reason::Slow);
            }
            return None;
        }
        (number == self.chosen).then_some(Reason::Random)
    }
}
