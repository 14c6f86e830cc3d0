//! Files and functions stay short; what is long already may not grow.

use std::collections::BTreeMap;

use super::ratchet::{self, Ratchet};
use super::source::{Source, Tree};
use super::{Problem, functions};
use crate::Outcome;

const FILE_LIMIT: usize = 600;
const FUNCTION_LIMIT: usize = 70;

/// A length, where it is found and what it is of.
#[derive(Debug)]
struct Length<'a> {
    name: String,
    file: &'a Source,
    line: usize,
    lines: usize,
    limit: usize,
}

/// A Rust file has at most 600 lines, a function at most 70 (functions of tests and benchmarks are free); for what is on
/// the list `xtask/ratchet.txt` the limit is the length there, which has to follow when the thing gets shorter.
pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let (ratchet, unreadable) = listed(tree);
    let long = lengths(tree).into_iter().filter(|length| length.lines > length.limit);
    let grown = long.filter(|length| length.lines > *ratchet.allowed.get(&length.name).unwrap_or(&0));
    let mut problems: Vec<Problem> = grown.map(|length| too_long(&length, &ratchet)).collect();
    problems.extend(
        unreadable
            .into_iter()
            .map(|line| Problem::new(ratchet::PATH, line, "not a line of the list", "write `path lines`")),
    );
    if ratchet.shrunk(&over_the_limit(tree)) != ratchet {
        let fix = "run `cargo xtask tidy --update-ratchet` and commit the list";
        problems.push(Problem::new(ratchet::PATH, 1, "the list allows more than there is", fix));
    }
    problems
}

/// Lowers the list to what there is.
pub(super) fn update(tree: &Tree) -> Outcome<()> {
    listed(tree).0.shrunk(&over_the_limit(tree)).write()
}

fn listed(tree: &Tree) -> (Ratchet, Vec<usize>) {
    Ratchet::parse(tree.find(ratchet::PATH).map_or("", |file| &file.text))
}

fn over_the_limit(tree: &Tree) -> BTreeMap<String, usize> {
    let long = lengths(tree).into_iter().filter(|length| length.lines > length.limit);
    let mut longest = BTreeMap::new();
    for length in long {
        let lines = longest.entry(length.name).or_insert(0);
        *lines = length.lines.max(*lines);
    }
    longest
}

fn lengths(tree: &Tree) -> Vec<Length<'_>> {
    tree.rust().flat_map(|file| std::iter::once(of_file(file)).chain(of_functions(file))).collect()
}

fn of_file(file: &Source) -> Length<'_> {
    Length { name: file.path.clone(), file, line: 1, lines: file.text.lines().count(), limit: FILE_LIMIT }
}

fn of_functions(file: &Source) -> Vec<Length<'_>> {
    let functions = if file.is_test() { Vec::new() } else { functions::of(&file.code) };
    let lengths = functions.into_iter().map(|function| {
        let line = file.line(function.start);
        let lines = file.line(function.end) - line + 1;
        Length { name: format!("{}::{}", file.path, function.name), file, line, lines, limit: FUNCTION_LIMIT }
    });
    lengths.collect()
}

fn too_long(length: &Length<'_>, ratchet: &Ratchet) -> Problem {
    let Length { name, file, line, lines, limit } = length;
    let thing =
        name.strip_prefix(&format!("{}::", file.path)).map_or("the file".to_owned(), |name| format!("`{name}`"));
    let what = match ratchet.allowed.get(name) {
        Some(allowed) => format!("{thing} has {lines} lines and may not grow over its {allowed}"),
        None => format!("{thing} has {lines} lines; the limit is {limit}"),
    };
    Problem::new(&file.path, *line, what, "take out a part that can be named")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(lines: usize) -> String {
        format!("//! A.\nfn long() {{\n{}}}\n", "x();\n".repeat(lines - 2))
    }

    fn whats(files: &[(&str, &str)]) -> Vec<String> {
        check(&Tree::of(files))
            .into_iter()
            .map(|problem| format!("{}:{} {}", problem.path, problem.line, problem.what))
            .collect()
    }

    #[test]
    fn a_long_function_is_found_and_one_at_the_limit_is_not() {
        assert_eq!(whats(&[("a.rs", &function(71))]), ["a.rs:2 `long` has 71 lines; the limit is 70"]);
        assert_eq!(whats(&[("a.rs", &function(70)), ("tests/b.rs", &function(90))]), [""; 0]);
    }

    #[test]
    fn a_long_file_is_found_in_tests_too() {
        assert_eq!(
            whats(&[("tests/a.rs", &"\n".repeat(601))]),
            ["tests/a.rs:1 the file has 601 lines; the limit is 600"]
        );
    }

    #[test]
    fn the_list_allows_what_there_was_and_no_more() {
        assert_eq!(whats(&[("a.rs", &function(80)), (ratchet::PATH, "a.rs::long 80")]), [""; 0]);
        let grown = whats(&[("a.rs", &function(81)), (ratchet::PATH, "a.rs::long 80")]);
        assert_eq!(grown, ["a.rs:2 `long` has 81 lines and may not grow over its 80"]);
    }

    #[test]
    fn a_list_that_allows_too_much_is_found() {
        let expected = ["xtask/ratchet.txt:1 the list allows more than there is"];
        assert_eq!(whats(&[("a.rs", &function(75)), (ratchet::PATH, "a.rs::long 80")]), expected);
        assert_eq!(whats(&[("a.rs", &function(20)), (ratchet::PATH, "a.rs::long 80")]), expected);
    }
}
