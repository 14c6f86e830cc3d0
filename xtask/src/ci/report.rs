//! What `ci` says: each step as it runs, and the table at the end.

use std::time::Duration;

use crate::Outcome;
use crate::wait::Stopwatch;

/// The steps that have run, with their times.
#[derive(Debug)]
pub(super) struct Report {
    watch: Stopwatch,
    steps: Vec<(&'static str, Duration, Outcome<()>)>,
}

impl Report {
    pub(super) fn start() -> Report {
        Report { watch: Stopwatch::start(), steps: Vec::new() }
    }

    /// Runs one step, whose output appears as it comes.
    pub(super) fn step(&mut self, name: &'static str, run: impl FnOnce() -> Outcome<()>) {
        println!("\n=== {name}");
        let watch = Stopwatch::start();
        let outcome = run();
        let time = watch.elapsed();
        match &outcome {
            Ok(()) => println!("=== {name}: passed in {}", seconds(time)),
            Err(problem) => println!("=== {name}: FAILED after {}: {problem}", seconds(time)),
        }
        self.steps.push((name, time, outcome));
    }

    /// Prints the table and says whether everything passed.
    pub(super) fn finish(&self) -> bool {
        println!("\n{}", self.table());
        let failed: Vec<&str> =
            self.steps.iter().filter(|(_, _, outcome)| outcome.is_err()).map(|(name, _, _)| *name).collect();
        let total = seconds(self.watch.elapsed());
        if self.steps.is_empty() {
            println!("FAILED: no step was chosen");
            return false;
        }
        if failed.is_empty() {
            println!("PASSED: {} steps in {total}", self.steps.len());
        } else {
            println!("FAILED: {} of {} steps in {total}: {}", failed.len(), self.steps.len(), failed.join(", "));
        }
        failed.is_empty()
    }

    fn table(&self) -> String {
        let line = |name: &str, time: Duration, word: &str| format!("{name:<10} {:>9}  {word}\n", seconds(time));
        let steps = self
            .steps
            .iter()
            .map(|(name, time, outcome)| line(name, *time, if outcome.is_ok() { "passed" } else { "FAILED" }));
        let table: String = steps.collect();
        table + line("total", self.watch.elapsed(), "").trim_end()
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_fails_the_run_and_the_table_names_it() {
        let mut report = Report::start();
        report.step("good", || Ok(()));
        assert!(report.finish());
        report.step("bad", || Err("broken".to_owned()));
        assert!(!report.finish());
        let table: Vec<String> =
            report.table().lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert!(
            table[0].ends_with("passed") && table[1].starts_with("bad") && table[1].ends_with("FAILED"),
            "{table:?}"
        );
    }

    #[test]
    fn a_run_without_steps_does_not_pass() {
        assert!(!Report::start().finish());
    }
}
