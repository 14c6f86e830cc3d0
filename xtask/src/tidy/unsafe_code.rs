//! The lint against unsafe code is not turned off.

use super::Problem;
use super::source::{Source, Tree};

/// Files that may have unsafe code, each with its reason.
const ALLOWED: &[(&str, &str)] = &[];

/// `allow(unsafe_code)` and its like stand in the files of the table only. Cargo's lint does the rest.
pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let files = tree.rust().filter(|file| ALLOWED.iter().all(|(path, _)| *path != file.path));
    files.flat_map(of_file).collect()
}

fn of_file(file: &Source) -> Vec<Problem> {
    let found = Source::words(&file.code, "unsafe_code").filter(|at| {
        let before = file.code[..*at].trim_end_matches(|character| character != '(' && character != '[');
        ["allow(", "expect(", "warn("].iter().any(|level| before.ends_with(level))
    });
    found.map(|at| Problem::new(&file.path, file.line(at), "the lint against unsafe code is turned off", FIX)).collect()
}

const FIX: &str = "write it safely, or add the file with its reason to the table of xtask/src/tidy/unsafe_code.rs";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turning_the_lint_off_is_found() {
        let found = check(&Tree::of(&[
            ("a.rs", "//! A.\n#![allow(dead_code, unsafe_code)]"),
            ("b.rs", "#[expect(unsafe_code)]"),
        ]));
        assert_eq!(found.iter().map(|problem| problem.line).collect::<Vec<_>>(), [2, 1]);
    }

    #[test]
    fn forbidding_and_speaking_of_it_are_free() {
        assert_eq!(
            check(&Tree::of(&[("a.rs", "#![forbid(unsafe_code)] // allow(unsafe_code)\nf(\"allow(unsafe_code)\");")])),
            []
        );
    }
}
