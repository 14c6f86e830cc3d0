//! The real logs, where this machine has them: `../shared/data/irc` beside the workspace, or what `SARSEN_TEST_IRC` names.

use crate::expected::expected;
use crate::program::place::Place;
use crate::shown::Reader;
use sarsen::clock;
use std::path::{Path, PathBuf};

pub(crate) async fn every_file_of_the_corpus_is_imported(place: &Place) {
    let files = files();
    if files.is_empty() {
        println!("skipped: no logs in ../shared/data/irc, and SARSEN_TEST_IRC names no folder with some");
        return;
    }
    let (mut lines, mut messages) = (0, 0);
    let started = clock::monotonic();
    for file in &files {
        let (wanted, count) = expected(&std::fs::read(file).unwrap());
        let report = place.import(file, &channel(file)).await;
        let counted = ["added", "known", "system"].map(|key| report[key].as_u64().unwrap_or_default());
        let malformed = report["malformed"].as_array().map_or(0, Vec::len) as u64;
        assert_eq!(counted[..2], [wanted.len() as u64, 0], "{report}");
        assert_eq!(counted.iter().sum::<u64>() + malformed, count as u64, "every line is accounted for: {report}");
        (lines, messages) = (lines + count, messages + wanted.len());
    }
    let took = clock::monotonic() - started;
    let again = clock::monotonic();
    for file in &files {
        let report = place.import(file, &channel(file)).await;
        assert_eq!(report["added"], 0, "{report}");
    }
    println!(
        "{} files, {lines} lines, {messages} messages: imported in {took:.1?}, again (none added) in {:.1?}",
        files.len(),
        clock::monotonic() - again
    );
    let mut reader = Reader::start(place).await;
    for file in &files {
        reader.expect(&channel(file), &expected(&std::fs::read(file).unwrap()).0).await;
    }
    reader.stop().await;
}

fn files() -> Vec<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/irc");
    let folder = std::env::var_os("SARSEN_TEST_IRC").map_or(beside, PathBuf::from);
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let is_log = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(".txt") && !name.starts_with("LICENSE")
    };
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_log).collect();
    files.sort();
    files
}

/// One channel for each file, named after it.
fn channel(file: &Path) -> String {
    file.file_stem().unwrap().to_string_lossy().to_lowercase()
}
