//! Everything that must pass before a change is merged, in one command.

mod licences;
mod report;
mod small;
mod spdx;
mod steps;

use std::process::ExitCode;

use clap::{Args, ValueEnum};

use crate::Outcome;
use report::Report;
use steps::{Run, Step};

/// Runs everything that must pass before a change is merged.
///
/// A step that fails does not stop the others. The tests need the services: choosing `test` chooses `services` too, and with
/// `--skip services` the tests that need one are skipped instead of failing.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Only these steps.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "STEP")]
    only: Vec<Step>,
    /// All but these steps.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "STEP")]
    skip: Vec<Step>,
}

impl Options {
    fn chosen(&self) -> Vec<Step> {
        let wanted = |step: &Step| match step {
            Step::Services => self.only.contains(&Step::Services) || self.only.contains(&Step::Test),
            step => self.only.contains(step),
        };
        let steps = Step::value_variants().iter().copied();
        steps.filter(|step| (self.only.is_empty() || wanted(step)) && !self.skip.contains(step)).collect()
    }
}

/// Runs `cargo xtask ci`.
pub(crate) fn run(options: &Options) -> Outcome<ExitCode> {
    let steps = options.chosen();
    let (mut run, mut report) = (Run::default(), Report::start());
    for step in &steps {
        report.step(step.name(), || run.step(*step));
    }
    // The servers stop before the last word is said.
    drop(run);
    let passed = report.finish();
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_steps_run_unless_some_are_chosen() {
        let all = Options { only: vec![], skip: vec![Step::Clippy] }.chosen();
        assert_eq!(all.len(), Step::value_variants().len() - 1);
        assert_eq!(Options { only: vec![Step::Doc, Step::Tidy], skip: vec![] }.chosen(), [Step::Tidy, Step::Doc]);
    }

    #[test]
    fn tests_bring_their_services_unless_told_otherwise() {
        assert_eq!(Options { only: vec![Step::Test], skip: vec![] }.chosen(), [Step::Services, Step::Test]);
        assert_eq!(Options { only: vec![Step::Test], skip: vec![Step::Services] }.chosen(), [Step::Test]);
    }
}
