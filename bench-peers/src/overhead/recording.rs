//! What recording adds to a request: the same stack with a recorder and with one that is off, in turns.

use super::NAME;
use super::ours::Stacked;
use crate::Outcome;
use crate::report::{self, Measurement};
use crate::rounds::{Alone, Cost, Plan, alone, boxed, interleave};
use crate::sample;
use sarsen::telemetry::Recorder;

/// Turns of the case with many polls.
const TURNS: u32 = 10;

/// Prints each case on beside off, what is between, and what that may be.
pub(super) fn run(file: &str, quick: bool) -> Outcome<()> {
    let url = format!("sqlite:{file}");
    let of = |case: &str, path: &str, count: usize, goal: f64| -> Outcome<f64> {
        let costs =
            interleave(Plan::new(6_000, count, quick), &mut [pipe(&url, path, true)?, pipe(&url, path, false)?])?;
        report::compare(NAME, &format!("{case}, recorded"), &["on", "off"], &costs)?;
        added(case, &costs, goal)
    };
    let hello = of("hello", "/hello", 25, 150.0)?;
    of("sqlite point read", &format!("/messages/{}", sample::id_of(sample::NUMBER)), 20, 300.0)?;
    let many = of("hello after 10 awaits", &format!("/turns/{TURNS}"), 15, f64::from(TURNS) * 100.0 + 150.0)?;
    goal("recording adds to each await, p5", (many - hello) / f64::from(TURNS), 100.0)
}

fn pipe(url: &str, path: &str, on: bool) -> Outcome<Alone> {
    let made = alone(async {
        let recorder = if on { Recorder::new(8_192) } else { Recorder::off() };
        Stacked::with(&sample::connect(url).await?, recorder)?.pipe(path).await
    })?;
    Ok(boxed(made))
}

fn added(case: &str, costs: &[Cost], most: f64) -> Outcome<f64> {
    let added = costs[0].low - costs[1].low;
    goal(&format!("recording adds to {case}, p5"), added, most)?;
    goal(&format!("recording adds to {case}, median"), costs[0].median - costs[1].median, most)?;
    Ok(added)
}

fn goal(case: &str, value: f64, most: f64) -> Outcome<()> {
    let ratio = most / value.max(1.0);
    Measurement { bench: NAME, case, value, unit: "ns", against: "goal", against_value: most, ratio }.print()
}
