//! Rules of the house that the compiler does not know, checked on every file under version control.

mod absolute_paths;
mod boundaries;
mod configuration;
mod features;
mod first_line;
mod functions;
mod lengths;
mod lexer;
mod migrations;
mod names;
mod order;
mod paths;
mod products;
mod ratchet;
mod source;
mod unfinished;
mod unsafe_code;

use std::fmt;
use std::process::ExitCode;

use clap::Args;

use crate::Outcome;
use source::Tree;

/// Checks the rules of the house that the compiler does not know.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Lowers the lengths that xtask/ratchet.txt allows to what the files have now; it never raises one.
    #[arg(long)]
    update_ratchet: bool,
}

/// What is wrong, where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Problem {
    path: String,
    line: usize,
    what: String,
    fix: String,
}

impl Problem {
    fn new(path: &str, line: usize, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Problem { path: path.to_owned(), line, what: what.into(), fix: fix.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {} — {}", self.path, self.line, self.what, self.fix)
    }
}

/// To add a rule: a file with a function from the tree to its problems, and a line here.
const CHECKS: &[fn(&Tree) -> Vec<Problem>] = &[
    first_line::check,
    order::check,
    features::check,
    unfinished::check,
    names::check,
    products::check,
    lengths::check,
    configuration::check,
    migrations::check,
    unsafe_code::check,
    absolute_paths::check,
    boundaries::check,
];

/// Runs `cargo xtask tidy`.
pub(crate) fn run(options: &Options) -> Outcome<ExitCode> {
    if options.update_ratchet {
        lengths::update(&Tree::read()?)?;
    }
    Ok(if report()? == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints every problem and answers how many there are.
pub(crate) fn report() -> Outcome<usize> {
    let tree = Tree::read()?;
    let problems = problems(&tree);
    for problem in &problems {
        println!("{problem}");
    }
    println!("tidy: {} problems in {} files", problems.len(), tree.files().len());
    Ok(problems.len())
}

fn problems(tree: &Tree) -> Vec<Problem> {
    let mut problems: Vec<Problem> = CHECKS.iter().flat_map(|check| check(tree)).collect();
    problems.sort();
    problems.dedup();
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_tidy() {
        let problems = problems(&Tree::read().unwrap());
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(lines.is_empty(), "{} problems:\n{}", lines.len(), lines.join("\n"));
    }

    #[test]
    fn a_problem_reads_as_place_what_and_fix() {
        let problem = Problem::new("a.rs", 7, "it is wrong", "mend it");
        assert_eq!(problem.to_string(), "a.rs:7: it is wrong — mend it");
    }
}
