//! The table of features in the docs, written from the suite.

use std::fmt::Write;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/jobs-features.md");

const HEAD: &str = "# Jobs: features by database

Each feature is held by the checks behind it, which run on every database: `crates/sarsen/tests/jobs`. This file is
written from them; `SARSEN_WRITE_DOCS=1 cargo test -p sarsen --features testing --test jobs table` writes it anew.

| feature | SQLite | PostgreSQL | checks |
|---|---|---|---|
";

/// Compares the file with the features, or writes it.
pub(crate) fn check(features: &[(&str, &[&str])]) {
    let mut wanted = HEAD.to_owned();
    for (feature, checks) in features {
        let checks: Vec<String> = checks.iter().map(|check| format!("`{check}`")).collect();
        writeln!(wanted, "| {feature} | ✓ | ✓ | {} |", checks.join(", ")).unwrap();
    }
    if std::env::var_os("SARSEN_WRITE_DOCS").is_some() {
        std::fs::write(PATH, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(PATH).unwrap_or_default();
    assert!(
        found == wanted,
        "docs/jobs-features.md is not what the suite says; write it anew:\n  \
         SARSEN_WRITE_DOCS=1 cargo test -p sarsen --features testing --test jobs table"
    );
}
