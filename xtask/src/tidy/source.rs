//! The files under version control, with the views of Rust code that the checks need.

use std::fs;

use super::lexer::{self, Kind};
use crate::{Outcome, repository};

/// Every text file of the repository.
#[derive(Debug)]
pub(super) struct Tree {
    files: Vec<Source>,
}

/// One file; views have the same offsets as the text, with spaces in place of what they leave out.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) path: String,
    pub(super) text: String,
    /// Rust code without comments, strings and test modules. Empty for other languages, like the views below.
    pub(super) code: String,
    /// Only what stands in strings, test modules left out.
    pub(super) strings: String,
    /// Only what stands in comments.
    pub(super) comments: String,
}

impl Tree {
    /// Reads what git lists; a file that is not text is left out.
    pub(super) fn read() -> Outcome<Tree> {
        let mut files = Vec::new();
        for path in repository::files()? {
            // A file that git still knows and that is deleted here is not an error, nor is a link to a folder.
            let Ok(bytes) = fs::read(repository::root().join(&path)) else { continue };
            if let Ok(text) = String::from_utf8(bytes) {
                files.push(Source::new(&path, &text));
            }
        }
        Ok(Tree { files })
    }

    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Tree {
        Tree { files: files.iter().map(|(path, text)| Source::new(path, text)).collect() }
    }

    pub(super) fn files(&self) -> &[Source] {
        &self.files
    }

    pub(super) fn rust(&self) -> impl Iterator<Item = &Source> {
        self.files.iter().filter(|file| file.path.ends_with(".rs"))
    }

    /// The Rust files under a folder that are not tests of their own.
    pub(super) fn rust_under<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a Source> {
        self.rust().filter(move |file| file.path.starts_with(folder) && !file.is_test())
    }

    pub(super) fn find(&self, path: &str) -> Option<&Source> {
        self.files.iter().find(|file| file.path == path)
    }
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Source {
        let (mut code, mut strings, mut comments) = (String::new(), String::new(), String::new());
        if path.ends_with(".rs") {
            let kinds = lexer::kinds(text);
            comments = lexer::only(text, &kinds, Kind::Comment);
            let kinds = lexer::without_test_modules(text, kinds);
            code = lexer::only(text, &kinds, Kind::Code);
            strings = lexer::only(text, &kinds, Kind::Text);
        }
        Source { path: path.to_owned(), text: text.to_owned(), code, strings, comments }
    }

    /// The line of an offset, counted from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.text.as_bytes()[..offset].iter().filter(|byte| **byte == b'\n').count() + 1
    }

    /// Whether the file is a test or a benchmark of its own rather than a part of the product.
    pub(super) fn is_test(&self) -> bool {
        let mut folders = self.path.split('/');
        let name = folders.next_back().unwrap_or_default();
        name == "tests.rs" || folders.any(|folder| folder == "tests" || folder == "benches")
    }

    /// Where a word stands in a view, as offsets.
    pub(super) fn words<'a>(view: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        let bytes = view.as_bytes();
        let part = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(|byte| is_word(*byte));
        view.match_indices(word)
            .map(|(at, _)| at)
            .filter(move |at| !part(at.checked_sub(1)) && !part(Some(at + word.len())))
    }
}

/// Whether a byte can be part of an identifier.
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_keep_the_place_of_everything() {
        let source = Source::new("a.rs", "let a = \"text\"; // note\nb();");
        assert_eq!(source.code, "let a =       ;        \nb();");
        assert_eq!(source.strings.trim(), "\"text\"");
        assert_eq!(source.comments.trim(), "// note");
        assert_eq!(source.line(source.code.find("b()").unwrap()), 2);
    }

    #[test]
    fn a_word_is_whole() {
        assert_eq!(Source::words("ab a_b a ba a", "a").collect::<Vec<_>>(), [7, 12]);
    }

    #[test]
    fn tests_are_known_by_their_folder() {
        assert!(Source::new("crates/sarsen/tests/it/main.rs", "").is_test());
        assert!(!Source::new("crates/sarsen/src/testing/mod.rs", "").is_test());
    }
}
