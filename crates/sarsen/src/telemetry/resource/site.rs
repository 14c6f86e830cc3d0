//! Lines of code: which of them are the application's, and how they are written.

use super::frames::{Frames, each_line};
use std::collections::HashMap;

/// Most addresses whose lines are remembered.
const MOST_KNOWN: usize = 8_192;
/// What paths of code contain that is nobody's own: the standard library, and what came from a registry.
const FOREIGN: [&str; 5] = ["/rustc/", "/rustlib/", "/registry/src/", "/git/checkouts/", "/.cargo/"];
/// Where a package keeps its code.
const FOLDERS: [&str; 4] = ["src/", "tests/", "examples/", "benches/"];

/// A line as it is shown: `src/reports/count.rs:77`, from the folder of its package.
pub fn line_of_code(file: &str, line: u32) -> String {
    let file = file.replace('\\', "/");
    let starts = FOLDERS.iter().filter_map(|folder| {
        let inside = file.rfind(&format!("/{folder}")).map(|at| at + 1);
        inside.or_else(|| file.starts_with(folder).then_some(0))
    });
    let from = starts.min().unwrap_or(0);
    format!("{}:{line}", &file[from..])
}

/// Whether the file is the application's: not the standard library's, a dependency's, C, or the framework's plumbing.
fn is_of_application(file: &str) -> bool {
    let own = file!().trim_end_matches("telemetry/resource/site.rs");
    file.ends_with(".rs") && !file.contains(own) && !FOREIGN.iter().any(|part| file.contains(part))
}

/// What a thread was doing: where it was, the top of its stack, its frame, and where it returns to if that is in a register;
/// and the words of the stack from its top.
#[derive(Clone, Debug)]
pub(super) struct Copied {
    pub(super) registers: [u64; 4],
    pub(super) words: Vec<u64>,
}

/// Finds lines for stacks, and remembers them: reading the program's line tables is slow.
#[derive(Debug, Default)]
pub(super) struct Sites {
    frames: Frames,
    lines: HashMap<usize, Option<String>>,
}

impl Sites {
    /// The first line of the application on a stack, innermost first; empty when there is none.
    pub(super) fn of(&mut self, copied: &Copied) -> String {
        if self.lines.len() > MOST_KNOWN {
            self.lines.clear();
        }
        let frames = self.frames.of(copied).into_iter();
        let mut lines = frames.map(|frame| self.lines.entry(frame).or_insert_with(|| line_at(frame)).clone());
        lines.find_map(|line| line).unwrap_or_default()
    }
}

/// The innermost line of the application at an address, among the functions that were inlined there.
fn line_at(address: usize) -> Option<String> {
    let mut found = None;
    each_line(address, |file, line| {
        if found.is_none() && is_of_application(file) {
            found = Some(line_of_code(file, line));
        }
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_begins_at_the_folder_of_its_package() {
        for (file, shown) in [
            ("/builds/parley/apps/parley/src/reports/count.rs", "src/reports/count.rs:77"),
            ("apps/parley/src/messages/store.rs", "src/messages/store.rs:77"),
            ("src/main.rs", "src/main.rs:77"),
            ("/x/src/app/tests/suite.rs", "src/app/tests/suite.rs:77"),
            ("build.rs", "build.rs:77"),
        ] {
            assert_eq!(line_of_code(file, 77), shown, "{file}");
        }
    }

    #[test]
    fn the_application_is_told_from_what_it_stands_on() {
        for foreign in [
            "/rustc/59807616e/library/std/src/thread/mod.rs",
            "/opt/rust/toolchains/x/lib/rustlib/src/rust/library/core/src/future.rs",
            "/opt/cargo/registry/src/index.crates.io-1949cf8c6b5b557f/tokio-1.54.0/src/task.rs",
            "./time/../sysdeps/unix/sysv/linux/clock_nanosleep.c",
            file!(),
        ] {
            assert!(!is_of_application(foreign), "{foreign}");
        }
        assert!(is_of_application("/builds/parley/apps/parley/src/reports/count.rs"));
        assert!(is_of_application("crates/sarsen/tests/facts.rs"));
    }
}
