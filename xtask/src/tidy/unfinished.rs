//! No note to oneself is left in the code.

use super::Problem;
use super::source::{Source, Tree};

const NOTES: [&str; 3] = ["FIXME", "XXX", "TODO"];

/// What opens a comment in the languages of the repository that are not Rust.
const OPENERS: [(&str, &[&str]); 6] = [
    (".sql", &["--"]),
    (".js", &["//", "/*", " *"]),
    (".css", &["/*", " *"]),
    (".html", &["<!--"]),
    (".toml", &["#"]),
    (".sh", &["#"]),
];

/// Comments carry none of the notes that say "later": do it, or write an issue.
pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    tree.files().iter().flat_map(notes).collect()
}

fn notes(file: &Source) -> Vec<Problem> {
    let openers = OPENERS.iter().find(|(end, _)| file.path.ends_with(end)).map(|(_, openers)| *openers);
    let view = if openers.is_some() { &file.text } else { &file.comments };
    let found = NOTES.iter().flat_map(|note| Source::words(view, note).map(move |at| (note, at)));
    let said = found.filter(|(_, at)| openers.is_none_or(|openers| in_comment(&view[..*at], openers)));
    said.map(|(note, at)| Problem::new(&file.path, file.line(at), format!("a comment says {note}"), FIX)).collect()
}

/// Whether a comment opens on the line before its end.
fn in_comment(before: &str, openers: &[&str]) -> bool {
    let line = before.rsplit('\n').next().unwrap_or_default();
    openers.iter().any(|opener| line.contains(opener))
}

const FIX: &str = "do it now, or say in an issue what is missing and here what holds today";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_in_comments_are_found() {
        let files = [("a.rs", "//! A.\n\nfn a() {} // TODO: b\n"), ("b.sql", "-- FIXME\n"), ("c.js", "f(); // XXX")];
        let found: Vec<(String, usize)> = check(&Tree::of(&files)).into_iter().map(|it| (it.path, it.line)).collect();
        assert_eq!(found, [("a.rs".to_owned(), 3), ("b.sql".to_owned(), 1), ("c.js".to_owned(), 1)]);
    }

    #[test]
    fn strings_and_longer_words_are_free() {
        assert_eq!(check(&Tree::of(&[("a.rs", "let a = \"TODO\"; // TODOS and XXXL"), ("b.js", "say('XXX')")])), []);
    }
}
