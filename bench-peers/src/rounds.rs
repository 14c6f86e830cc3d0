//! Interleaved rounds: each contender does a little, then the next, over and over, so that a busy machine slows all alike.

use crate::Outcome;
use futures_util::future::LocalBoxFuture;
use sarsen::clock;
use tokio::runtime::Runtime;

/// One of those that are compared.
pub(crate) trait Contender {
    /// Does the work `count` times.
    fn round(&mut self, count: usize) -> LocalBoxFuture<'_, Outcome<()>>;

    /// Tidies up between two rounds; nobody measures it.
    fn rest(&mut self) {}
}

/// A contender on a runtime of its own, as in a process of its own: what one sets timers for is no cost of another.
pub(crate) type Alone<C = Box<dyn Contender>> = (Runtime, C);

/// Makes a contender on a runtime of its own. One thread does everything, so what is measured is work, and no wake-up of
/// another thread.
pub(crate) fn alone<C>(make: impl Future<Output = Outcome<C>>) -> Outcome<Alone<C>> {
    let runtime = crate::current_thread()?;
    let contender = runtime.block_on(make)?;
    Ok((runtime, contender))
}

/// Contenders of one kind beside those of others.
pub(crate) fn boxed<C: Contender + 'static>((runtime, contender): Alone<C>) -> Alone {
    (runtime, Box::new(contender))
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Rounds of each contender.
    pub(crate) rounds: usize,
    /// How often the work is done in a round.
    pub(crate) count: usize,
}

impl Plan {
    /// The same plan with a tenth of the rounds where it must be quick.
    pub(crate) fn new(rounds: usize, count: usize, quick: bool) -> Self {
        Self { rounds: if quick { (rounds / 10).max(20) } else { rounds }, count }
    }
}

/// What one contender needed for one piece of work, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// The 5th percentile of the rounds: the work itself, hardly disturbed by the machine.
    pub(crate) low: f64,
    /// The median of the rounds.
    pub(crate) median: f64,
}

/// Runs the rounds of all contenders, there and back, after a tenth of them to warm up.
pub(crate) fn interleave(plan: Plan, contenders: &mut [Alone]) -> Outcome<Vec<Cost>> {
    let mut times = Times::default();
    times.add(plan, contenders)?;
    Ok(times.costs())
}

/// The times of the rounds of each contender, over one or more sets of contenders.
///
/// A server's process for a connection stays for long on the core where it began, which makes the same work cost 30 or
/// 90 µs; so what talks to a server is measured over many fresh connections.
#[derive(Debug, Default)]
pub(crate) struct Times(Vec<Vec<f64>>);

impl Times {
    /// Runs the rounds of one set of contenders.
    pub(crate) fn add(&mut self, plan: Plan, contenders: &mut [Alone]) -> Outcome<()> {
        self.0.resize_with(contenders.len(), Vec::new);
        let warm_up = plan.rounds / 10 + 1;
        for round in 0..plan.rounds + warm_up {
            for place in 0..contenders.len() {
                let index = if round % 2 == 0 { place } else { contenders.len() - 1 - place };
                let (runtime, contender) = &mut contenders[index];
                let started = clock::monotonic();
                runtime.block_on(contender.round(plan.count))?;
                let took = clock::monotonic() - started;
                contender.rest();
                if round >= warm_up {
                    self.0[index].push(took.as_nanos() as f64 / plan.count as f64);
                }
            }
        }
        Ok(())
    }

    /// What each contender needed.
    pub(crate) fn costs(self) -> Vec<Cost> {
        self.0.into_iter().map(Cost::of).collect()
    }
}

impl Cost {
    fn of(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        Self { low: percentile(&times, 5), median: percentile(&times, 50) }
    }
}

/// The value below which this many percent of `sorted` lie.
pub(crate) fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let at = sorted.len() * percent / 100;
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let sorted: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!((percentile(&sorted, 5), percentile(&sorted, 50), percentile(&sorted, 99)), (6.0, 51.0, 100.0));
        assert!(percentile(&[], 5).is_nan());
    }
}
