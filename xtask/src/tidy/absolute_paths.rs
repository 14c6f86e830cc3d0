//! No file names a folder that only one developer's machine has.

use super::Problem;
use super::source::{Source, Tree};

/// Without their last slash, so that this file does not find itself.
const FOLDERS: [&str; 3] = ["/work", "/root", "/home"];

/// No text file has a path below a developer's folder.
pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    tree.files().iter().flat_map(of_file).collect()
}

fn of_file(file: &Source) -> Vec<Problem> {
    let found = FOLDERS.iter().flat_map(|folder| file.text.match_indices(*folder).map(move |(at, _)| (at, folder)));
    let real = found
        .filter(|(at, folder)| starts_a_path(&file.text[..*at]) && file.text[at + folder.len()..].starts_with('/'));
    real.map(|(at, folder)| {
        Problem::new(&file.path, file.line(at), format!("a path below `{folder}` is of one machine"), FIX)
    })
    .collect()
}

const FIX: &str = "write it relative to the repository, or take it from the environment";

/// Not in the middle of a longer path or of a URL.
fn starts_a_path(before: &str) -> bool {
    !before.ends_with(|character: char| character.is_alphanumeric() || "._-~/}$*".contains(character))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        check(&Tree::of(&[("a.md", &text.replace('|', "/"))])).into_iter().map(|problem| problem.line).collect()
    }

    #[test]
    fn a_path_of_one_machine_is_found() {
        assert_eq!(lines("see\n|work|main, \"|root|x\"\n(|home|me)"), [2, 2, 3]);
    }

    #[test]
    fn other_paths_are_free() {
        assert_eq!(lines("https:||a.b|home|x ~|work|a .|root|b |homes|a |home"), [0; 0]);
    }
}
