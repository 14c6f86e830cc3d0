//! How fast a budget burns: the pairs of windows of the SRE workbook, with a guard for little traffic.

use super::suffers::{FEWEST_BAD, at_least};
use super::view::{Name, ratio};
use super::{Finding, Level, Word, words};
use serde::{Deserialize, Serialize};

/// How many there were in a window, and how many of them broke the promise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// Those that broke it.
    pub bad: u64,
    /// All of them.
    pub all: u64,
}

/// One promise of one Operation over the windows that are looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Windows {
    /// The last 5 minutes.
    pub minutes_5: Counted,
    /// The last 30 minutes.
    pub minutes_30: Counted,
    /// The last hour.
    pub hour_1: Counted,
    /// The last 6 hours.
    pub hours_6: Counted,
    /// The last 3 days.
    pub days_3: Counted,
}

/// A pair of windows that burns too fast.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Burn {
    /// How many times faster than the promise allows, over the longer window.
    pub rate: f64,
    /// The rate from which on it is told.
    pub limit: f64,
    /// The longer window, for people.
    pub over: &'static str,
    /// Somebody should look now, and not only some day.
    pub page: bool,
}

/// The first pair of windows that burns too fast, the fastest first; `allowed` is the part that may be bad: 0.01 for a p99.
///
/// Both windows of a pair must burn: the long one says that it matters, the short one that it still goes on. With few
/// requests the lower bound of the bad part is what counts, and fewer than ten bad ones are never told.
pub fn burn(windows: &Windows, allowed: f64) -> Option<Burn> {
    let pairs = [
        (14.4, windows.hour_1, windows.minutes_5, "1 h", true),
        (6.0, windows.hours_6, windows.minutes_30, "6 h", true),
        (1.0, windows.days_3, windows.hours_6, "3 d", false),
    ];
    let burns = |limit: f64, long: Counted, short: Counted| {
        long.bad >= FEWEST_BAD
            && at_least(long.bad, long.all) >= limit * allowed
            && short.bad > 0
            && ratio(short.bad, short.all) >= limit * allowed
    };
    let found = pairs.into_iter().find(|(limit, long, short, ..)| allowed > 0.0 && burns(*limit, *long, *short));
    found.map(|(limit, long, _, over, page)| Burn { rate: ratio(long.bad, long.all) / allowed, limit, over, page })
}

impl Burn {
    /// The same as a finding: `promise` is what is broken, `p99` or `errors`.
    pub fn finding(&self, operation: &Name, promise: &str, counted: Counted) -> Finding {
        let (level, what) = if self.page { (Level::Fail, "look now") } else { (Level::Warn, "look this week") };
        let sentence = format!(
            "{}: its budget for {promise} burns {} times as fast as it may, over {}",
            words::operation(operation),
            words::number(self.rate),
            self.over
        );
        Finding::new("budget_burn", Word::Unknown, level, Some(operation))
            .of(words::operation(operation))
            .says(sentence, format!("{what}: ask `why` what it is bound by"))
            .shows("bad", format!("{} of {}", counted.bad, counted.all))
            .shows("told from", format!("{} times", self.limit))
            .from(counted.all, &[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::OperationKind;

    fn counted(bad: u64, all: u64) -> Counted {
        Counted { bad, all }
    }

    #[test]
    fn a_budget_burns_when_both_windows_of_a_pair_do() {
        let fast = Windows { hour_1: counted(1800, 10_000), minutes_5: counted(150, 800), ..Windows::default() };
        let over = Windows { minutes_5: counted(0, 800), ..fast };
        let slow = Windows { hours_6: counted(4500, 60_000), minutes_30: counted(400, 5_000), ..Windows::default() };
        let creeping = Windows { days_3: counted(9_000, 700_000), hours_6: counted(800, 60_000), ..Windows::default() };
        let few = Windows { hour_1: counted(9, 20), minutes_5: counted(3, 3), ..Windows::default() };
        // 12 of 60 is a fifth, and may be a tenth.
        let unsure = Windows { hour_1: counted(12, 60), minutes_5: counted(2, 8), ..Windows::default() };
        let well = Windows { hour_1: counted(50, 10_000), minutes_5: counted(5, 800), ..Windows::default() };
        for (name, windows, expected) in [
            ("fast", fast, Some((14.4, true))),
            ("it is over", over, None),
            ("slow", slow, Some((6.0, true))),
            ("creeping", creeping, Some((1.0, false))),
            ("too few bad ones", few, None),
            ("chance", unsure, None),
            ("within the promise", well, None),
            ("nothing seen", Windows::default(), None),
        ] {
            assert_eq!(burn(&windows, 0.01).map(|burn| (burn.limit, burn.page)), expected, "{name}");
        }
        let burn = burn(&fast, 0.01).expect("burns");
        let finding = burn.finding(&(OperationKind::Request, "GET /a".to_owned()), "p99", fast.hour_1);
        assert_eq!(finding.sentence, "GET /a: its budget for p99 burns 18 times as fast as it may, over 1 h");
        assert_eq!(finding.level, Level::Fail);
    }
}
