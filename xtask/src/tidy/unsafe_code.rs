//! The lint against unsafe code is turned off in a few small files only.

use super::Problem;
use super::source::{Source, Tree};

/// Files that may have unsafe code, each with its reason.
const ALLOWED: &[(&str, &str)] = &[
    (
        "crates/sarsen/src/telemetry/waker.rs",
        "a waker that costs nothing until it is cloned has a table of functions of its own",
    ),
    ("crates/sarsen/src/telemetry/heap.rs", "an allocator is an unsafe trait"),
    ("crates/sarsen/src/telemetry/resource/stack.rs", "a signal handler reads the stack of a thread that blocks"),
];

/// What a file of the table may have at most: unsafe code is read whole.
const MOST_LINES: usize = 250;

/// `allow(unsafe_code)` and its like stand in the files of the table only. Cargo's lint does the rest.
pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let listed = |file: &Source| ALLOWED.iter().any(|(path, _)| *path == file.path);
    let (allowed, others): (Vec<&Source>, Vec<&Source>) = tree.rust().partition(|file| listed(file));
    others.into_iter().flat_map(of_file).chain(allowed.into_iter().filter_map(too_long)).collect()
}

fn too_long(file: &Source) -> Option<Problem> {
    let lines = file.text.lines().count();
    let what = format!("{lines} lines beside unsafe code, of at most {MOST_LINES}");
    (lines > MOST_LINES).then(|| Problem::new(&file.path, 1, what, "leave only what is unsafe here"))
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
    fn a_file_of_the_table_is_free_and_short() {
        let allowed = ALLOWED[0].0;
        assert_eq!(check(&Tree::of(&[(allowed, "#![expect(unsafe_code)]")])), []);
        assert_eq!(check(&Tree::of(&[(allowed, &"//\n".repeat(MOST_LINES + 1))])).len(), 1);
    }

    #[test]
    fn forbidding_and_speaking_of_it_are_free() {
        assert_eq!(
            check(&Tree::of(&[("a.rs", "#![forbid(unsafe_code)] // allow(unsafe_code)\nf(\"allow(unsafe_code)\");")])),
            []
        );
    }
}
