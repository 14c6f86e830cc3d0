//! What a server takes for a large file that goes up and comes down again.

use std::process::Command;

use serde_json::Value;

use super::Private;
use super::realtime::start;
use super::report::{Measurement, Report};
use crate::{Outcome, command, repository};

/// The bytes of the file, and of one that is quick.
const LARGE: u64 = 2 << 30;
const SMALL: u64 = 64 << 20;

/// Sends a file to the example `blobs` and loads it again; every byte is compared by its hash.
pub(super) fn run(quick: bool, limit: f64, report: &Report) -> Outcome<()> {
    let arguments = ["build", "--release", "--locked", "--package", "sarsen", "--example", "blobs"];
    command::run(&mut repository::cargo(&arguments))?;
    let program = repository::target().join("release/examples/blobs");
    let folder = Private::new("memory-files")?;
    let mut serve = Command::new(&program);
    serve.arg("serve").current_dir(folder.path()).env("SARSEN_DATABASE__URL", folder.sqlite());
    serve.env("SARSEN_HTTP__LISTEN", "127.0.0.1:0").env("SARSEN_BLOBS__MAX_UPLOAD", "3GB");
    serve.env("SARSEN_LOG__LEVEL", "warn").env("SARSEN_APP__SECRET", "only for benchmarks, but long enough for them");
    let server = start(&mut serve)?;
    let bytes = if quick { SMALL } else { LARGE };
    let mut load = Command::new(&program);
    load.args(["load", server.address(), server.id(), &bytes.to_string()]);
    let line = command::output(&mut load)?;
    let told: Value = serde_json::from_str(line.trim()).map_err(|error| format!("no figures are `{line}`: {error}"))?;
    let figure = |key: &str| told[key].as_f64().ok_or_else(|| format!("no {key} is in `{told}`"));
    let megabytes = bytes >> 20;
    for (case, key) in [("up", "peak_up_kb"), ("up and down", "peak_down_kb")] {
        let case = format!("a file of {megabytes} MB {case}, peak");
        report.add(&Measurement::limited("memory", &case, figure(key)? / 1024.0, "MB", limit));
    }
    for (case, key) in [("up", "up_seconds"), ("down", "down_seconds")] {
        report.add(&Measurement::alone("memory", &format!("a file of {megabytes} MB {case}"), figure(key)?, "s"));
    }
    Ok(())
}
