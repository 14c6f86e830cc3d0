//! What was measured, one JSON object a line on standard output; `cargo xtask bench` makes a table of it.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "xtask reads the lines, people what is said meanwhile")]

use crate::Outcome;
use crate::rounds::Cost;
use serde::Serialize;

/// One figure beside another.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Measurement<'a> {
    /// The bench by its name on the command line.
    pub(crate) bench: &'a str,
    /// What was done.
    pub(crate) case: &'a str,
    /// What it cost Sarsen.
    pub(crate) value: f64,
    /// Of both figures.
    pub(crate) unit: &'a str,
    /// What it is compared with.
    pub(crate) against: &'a str,
    /// What it cost there.
    pub(crate) against_value: f64,
    /// Theirs through ours where less is better: 1 is as much, more is better for Sarsen.
    pub(crate) ratio: f64,
}

impl Measurement<'_> {
    /// Prints the line.
    pub(crate) fn print(&self) -> Outcome<()> {
        line(self)
    }
}

/// Prints anything as a line of JSON.
pub(crate) fn line(said: &impl Serialize) -> Outcome<()> {
    println!("{}", serde_json::to_string(said)?);
    Ok(())
}

/// Prints the costs of one case: those of Sarsen, which are the first, beside each of the others.
pub(crate) fn compare(bench: &str, case: &str, names: &[&str], costs: &[Cost]) -> Outcome<()> {
    let Some((ours, theirs)) = costs.split_first() else { return Ok(()) };
    for (against, cost) in names.iter().skip(1).zip(theirs) {
        let figures = [("p5", ours.low, cost.low), ("median", ours.median, cost.median)];
        for (figure, value, against_value) in figures {
            let case = format!("{case}, {figure}");
            let ratio = against_value / value;
            Measurement { bench, case: &case, value, unit: "ns", against, against_value, ratio }.print()?;
        }
    }
    Ok(())
}

/// Tells people, who wait, how far it is.
pub(crate) fn progress(said: &str) {
    eprintln!("{said}");
}
