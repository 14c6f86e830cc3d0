//! The list of what is longer than the rule allows and may only get shorter: `xtask/ratchet.txt`.

use std::collections::BTreeMap;
use std::fs;

use crate::{Outcome, repository};

pub(super) const PATH: &str = "xtask/ratchet.txt";

const HEADER: &str = "\
# What is longer than the rule (a file 600 lines, a function 70) and may not grow. `path lines`, `path::function lines`.
# `cargo xtask tidy --update-ratchet` shortens this list; nothing but a reviewed hand makes it longer.
";

/// The lengths that are allowed, by `path` or `path::function`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Ratchet {
    pub(super) allowed: BTreeMap<String, usize>,
}

impl Ratchet {
    /// Reads the list; a line that cannot be read is handed back with its number.
    pub(super) fn parse(text: &str) -> (Ratchet, Vec<usize>) {
        let (mut ratchet, mut unreadable) = (Ratchet::default(), Vec::new());
        let lines = text.lines().zip(1..).map(|(line, number)| (line.trim(), number));
        for (line, number) in lines.filter(|(line, _)| !line.is_empty() && !line.starts_with('#')) {
            match line.rsplit_once(' ').and_then(|(name, length)| Some((name.trim(), length.parse().ok()?))) {
                Some((name, length)) => drop(ratchet.allowed.insert(name.to_owned(), length)),
                None => unreadable.push(number),
            }
        }
        (ratchet, unreadable)
    }

    /// What is left when nothing may be longer than it is now; `long` has everything that is over its rule.
    pub(super) fn shrunk(&self, long: &BTreeMap<String, usize>) -> Ratchet {
        let kept =
            self.allowed.iter().filter_map(|(name, allowed)| Some((name.clone(), *long.get(name)?.min(allowed))));
        Ratchet { allowed: kept.collect() }
    }

    pub(super) fn write(&self) -> Outcome<()> {
        let lines: String = self.allowed.iter().map(|(name, length)| format!("{name} {length}\n")).collect();
        let written = fs::write(repository::root().join(PATH), format!("{HEADER}{lines}"));
        written.map_err(|error| format!("cannot write {PATH}: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths<const N: usize>(of: [(&str, usize); N]) -> BTreeMap<String, usize> {
        of.map(|(name, length)| (name.to_owned(), length)).into()
    }

    #[test]
    fn the_list_is_read() {
        let (ratchet, unreadable) = Ratchet::parse("# note\n\na.rs 700\na.rs::load 90\nb.rs long\n");
        assert_eq!((ratchet.allowed, unreadable), (lengths([("a.rs", 700), ("a.rs::load", 90)]), vec![5]));
    }

    #[test]
    fn it_only_shrinks() {
        let (ratchet, _) = Ratchet::parse("a.rs 700\nb.rs 700\nc.rs 700\n");
        let shrunk = ratchet.shrunk(&lengths([("a.rs", 650), ("b.rs", 800), ("new.rs", 900)]));
        assert_eq!(shrunk.allowed, lengths([("a.rs", 650), ("b.rs", 700)]));
    }
}
