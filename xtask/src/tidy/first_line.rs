//! Every Rust file starts with what it is.

use super::Problem;
use super::source::{Source, Tree};

/// The first line of every `.rs` file is a `//!` sentence. Build scripts and the fixtures of `trybuild` (`tests/ui/`) are
/// free: their readers come from elsewhere.
pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let bare = tree.rust().filter(|file| !is_free(file) && !states_what_it_is(&file.text));
    bare.map(|file| Problem::new(&file.path, 1, "the file does not say what it is", FIX)).collect()
}

const FIX: &str = "begin it with a `//!` line: a phrase that stands alone";

fn is_free(file: &Source) -> bool {
    file.path.contains("tests/ui/") || file.path == "build.rs" || file.path.ends_with("/build.rs")
}

fn states_what_it_is(text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    first.strip_prefix("//!").is_some_and(|words| !words.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_first_sentence_is_found() {
        let files = [("a.rs", "//! What it is.\n"), ("b.rs", "fn b() {}"), ("c.rs", ""), ("d.rs", "//!\n")];
        let found: Vec<String> = check(&Tree::of(&files)).into_iter().map(|problem| problem.path).collect();
        assert_eq!(found, ["b.rs", "c.rs", "d.rs"]);
    }

    #[test]
    fn fixtures_build_scripts_and_other_languages_are_free() {
        let files = [("crates/m/tests/ui/a.rs", "fn a() {}"), ("crates/m/build.rs", "fn main() {}"), ("a.md", "# A")];
        assert_eq!(check(&Tree::of(&files)), []);
    }
}
