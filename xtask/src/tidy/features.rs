//! Features of Cargo switch whole files on and off, never lines in the middle of the code.

use super::source::{Source, Tree};
use super::{Problem, functions, lexer};

/// `cfg(feature …)` stands only on a `mod` line (or in an attribute above it), in the function `connect` of a `mod.rs`, and
/// in `lib.rs`. Tests are free.
pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let files = tree.rust().filter(|file| !file.is_test() && !file.path.ends_with("/lib.rs"));
    files.flat_map(of_file).collect()
}

fn of_file(file: &Source) -> Vec<Problem> {
    let conditions = conditions(&file.code).into_iter();
    let misplaced = conditions.filter(|(start, end)| !on_a_module(&file.code, *end) && !in_connect(file, *start));
    misplaced
        .map(|(start, _)| Problem::new(&file.path, file.line(start), "`cfg(feature` in the middle of the code", FIX))
        .collect()
}

const FIX: &str =
    "put what the feature brings into a file of its own and the condition on its `mod` line or in `connect`";

/// Where each condition on a feature begins and ends.
pub(super) fn conditions(code: &str) -> Vec<(usize, usize)> {
    let spellings =
        ["cfg", "cfg_attr"].into_iter().flat_map(|word| Source::words(code, word).map(move |at| (at, at + word.len())));
    let found = spellings.filter_map(|(start, after)| {
        let open = after + code[after..].find('(').filter(|at| matches!(code[after..after + at].trim(), "" | "!"))?;
        let end = closing(code, open)?;
        Source::words(&code[open..end], "feature").next().map(|_| (start, end))
    });
    found.collect()
}

fn closing(code: &str, open: usize) -> Option<usize> {
    lexer::closing(code, open)
}

/// Whether the attribute that ends here belongs to a `mod`, with other attributes and a visibility between.
fn on_a_module(code: &str, end: usize) -> bool {
    let mut rest = code[end + 1..].trim_start().trim_start_matches(']').trim_start();
    while let Some(after) = rest.strip_prefix("#[") {
        let Some(close) = closing(rest, 1) else { return false };
        rest = after[close - 1..].trim_start();
    }
    if let Some(after) = rest.strip_prefix("pub") {
        let after = after.trim_start();
        rest = after
            .strip_prefix('(')
            .and_then(|inside| inside.split_once(')'))
            .map_or(after, |(_, after)| after)
            .trim_start();
    }
    rest.starts_with("mod ")
}

fn in_connect(file: &Source, at: usize) -> bool {
    file.path.ends_with("/mod.rs") && functions::holds(&file.code, "connect", at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, code: &str) -> Vec<usize> {
        check(&Tree::of(&[(path, code)])).into_iter().map(|problem| problem.line).collect()
    }

    #[test]
    fn a_condition_in_the_middle_is_found() {
        let code = "#[cfg(feature = \"a\")]\nuse b;\nfn c() {\n if cfg!(not(feature = \"a\")) {} }\n#[cfg_attr(feature = \"a\", derive(D))]\nstruct E;";
        assert_eq!(lines("crates/sarsen/src/jobs/mod.rs", code), [1, 4, 5]);
    }

    #[test]
    fn module_lines_are_free() {
        let code = "#[cfg(feature = \"a\")]\nmod b;\n#[cfg(any(test, feature = \"c\"))]\n#[doc(hidden)] pub(crate) mod d;\n#[cfg(feature = \"e\")] pub mod f {}";
        assert_eq!(lines("crates/sarsen/src/jobs/mod.rs", code), [0; 0]);
    }

    #[test]
    fn connect_is_free_in_a_mod_file_only() {
        let code = "fn connect() { #[cfg(feature = \"a\")] b(); }";
        assert_eq!(lines("crates/sarsen/src/jobs/mod.rs", code), [0; 0]);
        assert_eq!(lines("crates/sarsen/src/jobs/store.rs", code), [1]);
    }

    #[test]
    fn the_root_and_other_conditions_are_free() {
        assert_eq!(lines("crates/sarsen/src/lib.rs", "#[cfg(feature = \"a\")] pub use b;"), [0; 0]);
        assert_eq!(lines("crates/sarsen/src/a.rs", "#[cfg(unix)] use b; let feature = cfg(1);"), [0; 0]);
    }
}
