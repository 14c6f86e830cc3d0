//! Finds the paths that a Rust file names inside of its own crate, with groups and `super` spelled out.

use super::source::{Source, is_word};

/// A path from the root of the crate, as `["accounts", "store", "User"]`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// Where its last name stands.
    pub(super) at: usize,
    pub(super) segments: Vec<String>,
    /// The name it gets by `as`.
    pub(super) alias: Option<String>,
}

/// Every `crate::…` and `super::…` path of a file below `root`, the folder of the crate's sources.
///
/// `super` counts from the file's own module; in a module inside of the file it is taken for one level more than it is.
pub(super) fn of(file: &Source, root: &str) -> Vec<Named> {
    let module = module(&file.path, root);
    let mut found = Vec::new();
    for at in Source::words(&file.code, "crate") {
        follow(&file.code, at + "crate".len(), &[], &mut found);
    }
    for at in Source::words(&file.code, "super").filter(|at| !follows_a_path(&file.code, *at)) {
        let (supers, end) = supers(&file.code, at);
        if let Some(kept) = module.len().checked_sub(supers) {
            follow(&file.code, end, &module[..kept], &mut found);
        }
    }
    found
}

/// What a file makes public under another place by `pub use`.
pub(super) fn published(file: &Source) -> Vec<Named> {
    let mut found = Vec::new();
    for at in Source::words(&file.code, "use").filter(|at| is_public(&file.code[..*at])) {
        let start = file.code[at + "use".len()..].trim_start();
        let start = start.strip_prefix("crate::").or_else(|| start.strip_prefix("self::")).unwrap_or(start);
        tree(&file.code, file.code.len() - start.len(), &[], &mut found);
    }
    found
}

fn is_public(before: &str) -> bool {
    ["pub", "pub(crate)"].iter().any(|visibility| before.trim_end().ends_with(visibility))
}

/// `data/sqlite.rs` is the module `data::sqlite`.
fn module(path: &str, root: &str) -> Vec<String> {
    let inside = path.strip_prefix(root).unwrap_or(path).trim_start_matches('/');
    let parts = inside.strip_suffix(".rs").unwrap_or(inside).split('/').map(str::to_owned);
    let mut module: Vec<String> = parts.collect();
    if module.last().is_some_and(|last| last == "mod" || (module.len() == 1 && (last == "lib" || last == "main"))) {
        module.pop();
    }
    module
}

fn follows_a_path(code: &str, at: usize) -> bool {
    code[..at].trim_end().ends_with("::")
}

/// How many `super` follow each other at `at`, and where the last one ends.
fn supers(code: &str, at: usize) -> (usize, usize) {
    let end = at + "super".len();
    match separator(code, end) {
        Some(next) if word(code, next) == "super" => {
            let (count, end) = supers(code, next);
            (count + 1, end)
        }
        _ => (1, end),
    }
}

/// Goes on behind a name: with `::` the path is longer.
fn follow(code: &str, at: usize, path: &[String], found: &mut Vec<Named>) -> usize {
    separator(code, at).map_or(at, |next| tree(code, next, path, found))
}

/// Reads one branch of a path; returns where it ends.
fn tree(code: &str, at: usize, path: &[String], found: &mut Vec<Named>) -> usize {
    let at = blank(code, at);
    if code[at..].starts_with('{') {
        return group(code, at + 1, path, found);
    }
    let name = if code[at..].starts_with('*') { "*" } else { word(code, at) };
    if name.is_empty() {
        return at;
    }
    let mut longer = path.to_vec();
    match name {
        "self" => {}
        "super" => drop(longer.pop()),
        name => longer.push(name.to_owned()),
    }
    let end = at + name.len();
    match separator(code, end).filter(|next| continues(code, *next)) {
        Some(next) => tree(code, next, &longer, found),
        None => leaf(code, at, end, &longer, found),
    }
}

fn group(code: &str, mut at: usize, path: &[String], found: &mut Vec<Named>) -> usize {
    loop {
        let end = tree(code, at, path, found);
        let end = blank(code, end);
        match code[end..].chars().next() {
            Some(',') => at = end + 1,
            Some('}') => return end + 1,
            _ => return end,
        }
    }
}

fn leaf(code: &str, at: usize, end: usize, path: &[String], found: &mut Vec<Named>) -> usize {
    let next = blank(code, end);
    // A macro of the crate stands at its root wherever it is written.
    if code[next..].starts_with('!') && !code[next..].starts_with("!=") {
        return end;
    }
    let alias = (word(code, next) == "as").then(|| blank(code, next + 2));
    let end = alias.map_or(end, |start| start + word(code, start).len());
    let alias = alias.map(|start| word(code, start).to_owned());
    found.push(Named { at, segments: path.to_vec(), alias });
    end
}

/// Whether what follows `::` is a name, a group or a star, and not the `<` of generic arguments.
fn continues(code: &str, at: usize) -> bool {
    let at = blank(code, at);
    code[at..].starts_with(['{', '*']) || !word(code, at).is_empty()
}

fn separator(code: &str, at: usize) -> Option<usize> {
    let at = blank(code, at);
    code[at..].starts_with("::").then(|| blank(code, at + 2))
}

fn blank(code: &str, at: usize) -> usize {
    code.len() - code[at..].trim_start().len()
}

fn word(code: &str, at: usize) -> &str {
    let end = code[at..].bytes().position(|byte| !is_word(byte)).unwrap_or(code.len() - at);
    &code[at..at + end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(path: &str, code: &str) -> Vec<String> {
        let mut paths: Vec<_> = of(&Source::new(path, code), "src").iter().map(|it| it.segments.join("::")).collect();
        paths.sort();
        paths
    }

    #[test]
    fn groups_are_spelled_out() {
        let code = "use crate::{a, b::{self, c::D as E, f::*}};\nlet x = crate::g::h::<u8>() != crate::i;";
        assert_eq!(paths("src/z.rs", code), ["a", "b", "b::c::D", "b::f::*", "g::h", "i"]);
    }

    #[test]
    fn super_counts_from_the_module_of_the_file() {
        assert_eq!(paths("src/data/mod.rs", "use super::jobs::Job;"), ["jobs::Job"]);
        assert_eq!(paths("src/data/sqlite.rs", "use super::{Db, super::jobs};"), ["data::Db", "data::jobs", "jobs"]);
        assert_eq!(paths("src/data/sqlite.rs", "super::super::jobs::run()"), ["jobs::run"]);
        assert_eq!(paths("src/error.rs", "super::super::x()"), [""; 0]);
    }

    #[test]
    fn visibility_and_macros_are_no_paths() {
        assert_eq!(paths("src/a.rs", "pub(crate) fn f() { crate::note!(1) } pub(super) use self::b;"), [""; 0]);
    }

    #[test]
    fn what_is_published_keeps_where_it_comes_from() {
        let found = published(&Source::new("src/lib.rs", "pub use error::{Error, Result as R};\nuse std::fmt;"));
        let found: Vec<_> = found.iter().map(|it| (it.segments.join("::"), it.alias.as_deref())).collect();
        assert_eq!(found, [("error::Error".to_owned(), None), ("error::Result".to_owned(), Some("R"))]);
    }
}
