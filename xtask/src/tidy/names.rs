//! A file or module is called after what it is about.

use super::Problem;
use super::source::{Source, Tree, is_word};

const EMPTY_NAMES: [&str; 8] = ["utils", "util", "common", "helpers", "helper", "manager", "core", "misc"];

/// No source file, folder or module has a name that fits everything.
pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let sources = tree.files().iter().filter(|file| SOURCES.iter().any(|end| file.path.ends_with(end)));
    sources.flat_map(|file| [of_path(file), of_modules(file)].concat()).collect()
}

const SOURCES: [&str; 4] = [".rs", ".js", ".css", ".sql"];

fn of_path(file: &Source) -> Vec<Problem> {
    let names = file.path.split('/').map(|part| part.split('.').next().unwrap_or(part));
    names.filter(|name| EMPTY_NAMES.contains(name)).map(|name| problem(file, 1, name)).collect()
}

fn of_modules(file: &Source) -> Vec<Problem> {
    let declared = Source::words(&file.code, "mod").map(|at| (at, name_after(&file.code, at + 3)));
    declared
        .filter(|(_, name)| EMPTY_NAMES.contains(name))
        .map(|(at, name)| problem(file, file.line(at), name))
        .collect()
}

fn name_after(code: &str, at: usize) -> &str {
    let rest = code[at..].trim_start();
    let end = rest.bytes().position(|byte| !is_word(byte)).unwrap_or(rest.len());
    &rest[..end]
}

fn problem(file: &Source, line: usize, name: &str) -> Problem {
    Problem::new(&file.path, line, format!("`{name}` fits everything"), "call it by the word the reader knows for it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_names_are_found_in_paths_and_modules() {
        let files = [("src/utils/mod.rs", ""), ("src/helper.rs", ""), ("src/lib.rs", "mod a;\npub mod common {}")];
        let found: Vec<(String, usize)> = check(&Tree::of(&files)).into_iter().map(|it| (it.path, it.line)).collect();
        let expected = [("src/utils/mod.rs", 1), ("src/helper.rs", 1), ("src/lib.rs", 2)];
        assert_eq!(found, expected.map(|(path, line)| (path.to_owned(), line)));
    }

    #[test]
    fn the_library_core_and_longer_words_are_free() {
        let files = [("src/core_dump.rs", "use core::fmt; mod commons;"), ("docs/core/a.md", "")];
        assert_eq!(check(&Tree::of(&files)), []);
    }
}
