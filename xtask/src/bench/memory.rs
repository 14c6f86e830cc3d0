//! How much memory the release binary takes: idle, importing, and while somebody reads all of a long history.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::parley::{self, Parley};
use super::process::Memory;
use super::report::{Measurement, Report};
use super::{Private, files, peers};
use crate::{Outcome, repository, wait};

const NAME: &str = "memory";
const IDLE_LIMIT: f64 = 40.0;
const BUSY_LIMIT: f64 = 100.0;
/// Real conversations, which lie beside the checkout where they are.
const LOGS: &str = "../shared/data/irc";

/// Runs all cases, each on a database of its own.
pub(super) fn run(quick: bool, report: &Report) -> Outcome<()> {
    let (program, peers) = (parley::build()?, peers::build()?);
    let messages = if quick { 200_000 } else { 2_000_000 };
    idle(&program, report)?;
    import(&program, report)?;
    history(&program, &peers, messages, report)?;
    files::run(quick, BUSY_LIMIT, report)
}

/// A server that has answered a few requests and waits for more.
fn idle(program: &Path, report: &Report) -> Outcome<()> {
    let folder = Private::new("memory-idle")?;
    let server = Parley::serve(program, &folder.sqlite(), folder.path())?;
    for path in ["/", "/openapi.json", "/readyz", "/v1/session"] {
        server.get(path).ok_or_else(|| format!("there was no answer to GET {path}"))?;
    }
    // Nothing happens here, on purpose: what is let go a moment later must not count.
    let _never = wait::until(Duration::from_secs(2), || None::<()>);
    let memory = Memory::of(server.id())?;
    report.add(&Measurement::limited(NAME, "serving, idle", memory.resident, "MB", IDLE_LIMIT));
    split(report, "serving, idle", memory);
    Ok(())
}

/// `parley import irc` over all the logs there are.
fn import(program: &Path, report: &Report) -> Outcome<()> {
    let folder = Private::new("memory-import")?;
    let logs = logs(folder.path())?;
    let mut command = parley::program(program, &folder.sqlite(), folder.path())?;
    command.args(["import", "irc", "--channel", "import"]).args(&logs);
    let mut process = command.spawn().map_err(|error| format!("cannot start the import: {error}"))?;
    let mut last = Memory::default();
    // The peak only rises, so the last look before the end has seen nearly all of it.
    let status = wait::until(Duration::from_secs(600), || {
        last = Memory::of(process.id()).unwrap_or(last);
        process.try_wait().ok().flatten()
    });
    if !status.is_some_and(|status| status.success()) {
        let _killed = process.kill().and_then(|()| process.wait());
        let log = fs::read_to_string(folder.path().join("parley.log")).unwrap_or_default();
        return Err(format!("the import of {} files failed; it says:\n{log}", logs.len()));
    }
    let case = format!("importing {} logs, peak", logs.len());
    report.add(&Measurement::limited(NAME, &case, last.peak, "MB", BUSY_LIMIT));
    Ok(())
}

/// The whole history of one channel, page by page through HTTP.
fn history(program: &Path, peers: &Path, messages: u64, report: &Report) -> Outcome<()> {
    let folder = Private::new("memory-history")?;
    let server = Parley::serve(program, &folder.sqlite(), folder.path())?;
    let mut walk = std::process::Command::new(peers);
    walk.arg("walk").args(["--site", &server.address().to_string(), "--database", &folder.sqlite()]);
    walk.args(["--messages", &messages.to_string()]);
    peers::figures(&mut walk, report)?;
    let memory = Memory::of(server.id())?;
    let case = format!("reading a history of {messages} messages");
    report.add(&Measurement::limited(NAME, &format!("{case}, peak"), memory.peak, "MB", BUSY_LIMIT));
    split(report, &format!("{case}, after it"), memory);
    Ok(())
}

fn split(report: &Report, case: &str, memory: Memory) {
    report.add(&Measurement::alone(NAME, &format!("{case}: anonymous"), memory.anonymous, "MB"));
    report.add(&Measurement::alone(NAME, &format!("{case}: of files"), memory.file, "MB"));
}

/// The real logs, or made-up ones of both formats.
fn logs(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let real = fs::read_dir(repository::root().join(LOGS)).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut real: Vec<PathBuf> =
        real.filter(|path| path.extension().is_some_and(|end| end == "txt") && !is_licence(path)).collect();
    real.sort();
    if real.is_empty() {
        eprintln!("{LOGS} is not there: the import reads made-up logs");
        return made_up(folder);
    }
    Ok(real)
}

fn is_licence(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("LICENSE"))
}

fn made_up(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let (mut dated, mut timed) = (String::new(), String::new());
    for line in 0..20_000_u32 {
        let (hour, minute, nick) = (line / 1_000, line / 17 % 60, line % 97);
        let text = format!("line {line} says what lines say, {} and no more", line % 13);
        let second = line % 60;
        let _ = writeln!(dated, "#made-up 2020-01-02 [{hour:02}:{minute:02}:{second:02}] <nick{nick}> {text}");
        let _ = writeln!(timed, "[{hour:02}:{minute:02}] <nick{nick}> {text}");
    }
    let files = [("made-up.txt", dated), ("made-up-2020-01-03.txt", timed)];
    let written = files.into_iter().map(|(name, text)| {
        let path = folder.join(name);
        fs::write(&path, text).map(|()| path).map_err(|error| format!("cannot write {name}: {error}"))
    });
    written.collect()
}
