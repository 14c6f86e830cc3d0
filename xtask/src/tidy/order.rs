//! The folders of `crates/sarsen/src` stand in an order, and a folder uses only what stands below it.

use std::collections::HashMap;

use super::source::{Source, Tree};
use super::{Problem, paths};

const ROOT: &str = "crates/sarsen/src";

/// Whether the folders of one line may use each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Neighbours {
    Open,
    Closed,
}
use Neighbours::{Closed, Open};

/// Lowest first. Of two lines with the same level neither may use the other.
const ORDER: &[(u8, Neighbours, &[&str])] = &[
    (0, Open, &["error", "config", "clock", "lifecycle"]),
    (10, Closed, &["telemetry"]),
    (11, Closed, &["resilience"]),
    (20, Closed, &["data"]),
    (21, Closed, &["cache", "blobs", "messaging"]),
    (30, Closed, &["jobs"]),
    (31, Closed, &["events", "realtime"]),
    (40, Closed, &["http"]),
    (41, Closed, &["remote"]),
    (45, Closed, &["insight"]),
    (46, Closed, &["export"]),
    (50, Open, &["module", "app"]),
    (50, Closed, &["advisor"]),
    (60, Open, &["ops", "cli", "testing", "adopt"]),
];

/// A path of `crates/sarsen/src` leads to a lower folder or to its own; `super::super` is banned everywhere, because it
/// hides where a path leads. `lib.rs` is free, and what it publishes counts as a path to where it comes from.
pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let library = tree.find("crates/sarsen/src/lib.rs");
    let published = library.map(origins).unwrap_or_default();
    let files = tree.rust_under(ROOT).filter(|file| file.path != "crates/sarsen/src/lib.rs");
    let mut problems: Vec<Problem> = files.flat_map(|file| of_file(file, &published)).collect();
    problems.extend(tree.rust().filter(|file| !file.is_test()).flat_map(climbing));
    problems
}

/// Which folder each public name of the crate's root comes from.
fn origins(library: &Source) -> HashMap<String, String> {
    let published = paths::published(library).into_iter().filter(|path| path.segments.len() > 1);
    let named = published.filter_map(|path| {
        let name = path.alias.or_else(|| path.segments.last().cloned())?;
        Some((name, path.segments.into_iter().next()?))
    });
    named.collect()
}

fn of_file(file: &Source, published: &HashMap<String, String>) -> Vec<Problem> {
    let Some(own) = folder(&file.path) else { return Vec::new() };
    if place(own).is_none() {
        return vec![Problem::new(&file.path, 1, format!("`{own}` has no place in the order of folders"), PLACE)];
    }
    let mut problems = Vec::new();
    for path in paths::of(file, ROOT) {
        let Some(first) = path.segments.first() else { continue };
        let target = published.get(first).unwrap_or(first);
        if place(target).is_some() && !allowed(own, target) {
            let what = format!(
                "`{own}` uses `{target}` (`crate::{}`), which does not stand below it",
                path.segments.join("::")
            );
            problems.push(Problem::new(&file.path, file.line(path.at), what, FIX));
        }
    }
    problems
}

const PLACE: &str =
    "put it into the table of xtask/src/tidy/order.rs and into ARCHITECTURE.md, or into a folder that is there";
const FIX: &str = "move the code down, or hand what is needed in as an argument or a trait of the lower folder";

/// `crates/sarsen/src/data/sqlite.rs` is in `data`, `crates/sarsen/src/error.rs` is `error`.
fn folder(path: &str) -> Option<&str> {
    let inside = path.strip_prefix(ROOT)?.strip_prefix('/')?;
    let first = inside.split('/').next()?;
    Some(first.strip_suffix(".rs").unwrap_or(first))
}

fn place(name: &str) -> Option<(usize, u8, Neighbours)> {
    let lines = ORDER.iter().enumerate();
    let mut found =
        lines.filter(|(_, (_, _, names))| names.contains(&name)).map(|(line, (level, open, _))| (line, *level, *open));
    found.next()
}

fn allowed(from: &str, to: &str) -> bool {
    let (Some((line, level, neighbours)), Some((target_line, target_level, _))) = (place(from), place(to)) else {
        return true;
    };
    from == to || target_level < level || (line == target_line && neighbours == Open)
}

fn climbing(file: &Source) -> Vec<Problem> {
    let twice = Source::words(&file.code, "super").filter(|at| {
        let rest = file.code[at + "super".len()..].trim_start().strip_prefix("::").unwrap_or_default().trim_start();
        rest.starts_with("super") && rest["super".len()..].trim_start().starts_with("::")
    });
    let fix = "name it from the root: `crate::…`";
    twice.map(|at| Problem::new(&file.path, file.line(at), "`super::super` hides where the path leads", fix)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whats(path: &str, code: &str) -> Vec<String> {
        let library = "pub use app::App;\npub use error::{Error, Result};";
        let tree = Tree::of(&[("crates/sarsen/src/lib.rs", library), (path, code)]);
        check(&tree).into_iter().map(|problem| format!("{}: {}", problem.line, problem.what)).collect()
    }

    #[test]
    fn a_lower_folder_does_not_know_a_higher_one() {
        let found = whats("crates/sarsen/src/data/mod.rs", "//! D.\nuse crate::{error::Error, jobs::Job};");
        assert_eq!(found, ["2: `data` uses `jobs` (`crate::jobs::Job`), which does not stand below it"]);
    }

    #[test]
    fn super_from_a_folder_leads_to_the_root_too() {
        assert_eq!(whats("crates/sarsen/src/data/mod.rs", "use super::jobs::Job;").len(), 1);
        assert_eq!(whats("crates/sarsen/src/clock.rs", "use super::jobs;").len(), 1);
    }

    #[test]
    fn what_the_root_publishes_counts_as_its_origin() {
        let found = whats("crates/sarsen/src/http/mod.rs", "use crate::{App, Error};");
        assert_eq!(found, ["1: `http` uses `app` (`crate::App`), which does not stand below it"]);
    }

    #[test]
    fn neighbours_are_open_only_where_the_table_says_so() {
        assert!(allowed("error", "config") && allowed("app", "module") && allowed("ops", "testing"));
        assert!(!allowed("cache", "blobs") && !allowed("events", "realtime") && !allowed("app", "advisor"));
        assert!(!allowed("advisor", "app"));
    }

    #[test]
    fn a_folder_without_a_place_is_found() {
        let found = whats("crates/sarsen/src/mail/mod.rs", "use crate::jobs::Job;");
        assert_eq!(found, ["1: `mail` has no place in the order of folders"]);
    }

    #[test]
    fn comments_strings_tests_and_own_paths_are_free() {
        let code = "// crate::jobs::A\nuse crate::data::Db; const B: &str = \"crate::jobs::B\";\n#[cfg(test)]\nmod tests { use crate::jobs::C; }";
        assert_eq!(whats("crates/sarsen/src/data/page.rs", code), [""; 0]);
    }

    #[test]
    fn climbing_twice_is_found() {
        let found = whats("crates/sarsen/src/data/sqlite.rs", "use super :: super::error::Error;");
        assert_eq!(found, ["1: `super::super` hides where the path leads"]);
    }
}
