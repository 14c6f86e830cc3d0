//! What building costs: packages, a cold build, and the time from an edit to a server that answers.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::parley::Parley;
use super::report::{Measurement, Report};
use super::{Private, process};
use crate::wait::Stopwatch;
use crate::{Outcome, command, repository};

const NAME: &str = "build";
/// Most packages of the default build.
const PACKAGE_LIMIT: f64 = 250.0;
/// Where the edit happens: the file with handlers, and what begins the body of one.
const EDITED: &str = "apps/parley/src/messages/http.rs";
const EDITS: usize = 3;

/// Runs the bench; only the packages are counted where it must be quick.
pub(super) fn run(quick: bool, report: &Report) -> Outcome<()> {
    packages(report)?;
    if quick {
        eprintln!("skipped the cold build and the edits, because of --quick");
        return Ok(());
    }
    let copy = Private::new("build")?;
    copy_sources(copy.path())?;
    build_and_edit(copy.path(), report)
}

fn packages(report: &Report) -> Outcome<()> {
    let arguments = ["tree", "--locked", "--package", "parley", "--edges", "normal,build", "--prefix", "none"];
    let tree = command::output(&mut repository::cargo(&arguments))?;
    // `name v1.2.3 (path) (*)`: the same package may stand there often.
    let names: BTreeSet<String> =
        tree.lines().map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
    let count = names.iter().filter(|name| !name.is_empty()).count() as f64;
    report.add(&Measurement::limited(NAME, "packages of the default build", count, "packages", PACKAGE_LIMIT));
    let lock = repository::root().join("Cargo.lock");
    let lock = fs::read_to_string(&lock).map_err(|error| format!("cannot read {}: {error}", lock.display()))?;
    let all = lock.lines().filter(|line| *line == "[[package]]").count() as f64;
    report.add(&Measurement::alone(NAME, "packages in Cargo.lock, tools and tests included", all, "packages"));
    Ok(())
}

/// The files under version control, in a folder where they can be edited.
fn copy_sources(copy: &Path) -> Outcome<()> {
    for file in repository::files()? {
        let (from, to) = (repository::root().join(&file), copy.join(&file));
        // A file that was removed is listed until it is committed.
        if !from.is_file() {
            continue;
        }
        let parent = to.parent().unwrap_or(copy);
        let copied = fs::create_dir_all(parent).and_then(|()| fs::copy(&from, &to));
        copied.map_err(|error| format!("cannot copy {file} to {}: {error}", copy.display()))?;
    }
    Ok(())
}

fn build_and_edit(copy: &Path, report: &Report) -> Outcome<()> {
    let (watch, before) = (Stopwatch::start(), process::children_cpu_seconds());
    build(copy)?;
    let cpu = process::children_cpu_seconds() - before;
    report.add(&Measurement::alone(NAME, "cold cargo build, wall", watch.elapsed().as_secs_f64(), "s"));
    report.add(&Measurement::alone(NAME, "cold cargo build, processor", cpu, "s"));
    let mut totals = Vec::new();
    for number in 0..EDITS {
        edit(&copy.join(EDITED), number)?;
        let watch = Stopwatch::start();
        let program = build(copy)?;
        let built = watch.elapsed().as_secs_f64();
        let server = Parley::serve(&program, &format!("sqlite:{}", copy.join("edit.db").display()), copy)?;
        totals.push((watch.elapsed().as_secs_f64(), built));
        drop(server);
    }
    totals.sort_by(|left, right| left.0.total_cmp(&right.0));
    let (total, built) = totals[EDITS / 2];
    let of = |what: &str| format!("edit of a handler to {what}, median of {EDITS}");
    report.add(&Measurement::alone(NAME, &of("a binary"), built, "s"));
    report.add(&Measurement::alone(NAME, &of("a ready server"), total, "s"));
    Ok(())
}

/// Builds as a developer does, into the copy's own folder.
fn build(copy: &Path) -> Outcome<PathBuf> {
    let mut cargo = repository::cargo(&["build", "--quiet", "--locked"]);
    command::run(cargo.current_dir(copy).env("CARGO_TARGET_DIR", copy.join("target")))?;
    Ok(copy.join("target/debug/parley"))
}

/// Changes the body of the first handler, so that the compiler has something to do.
fn edit(file: &Path, number: usize) -> Outcome<()> {
    let failed = |error: std::io::Error| format!("cannot edit {}: {error}", file.display());
    let text = fs::read_to_string(file).map_err(failed)?;
    let body = text.find("\nasync fn ").and_then(|at| Some(at + text[at..].find("{\n")? + 2));
    let at = body.ok_or_else(|| format!("{} has no handler to edit", file.display()))?;
    let line = format!("    std::hint::black_box({number});\n");
    fs::write(file, [&text[..at], &line, &text[at..]].concat()).map_err(failed)
}
