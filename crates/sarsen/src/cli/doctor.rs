//! `doctor`: looks at everything that keeps an application from running well, and says what to do.

mod blobs;
mod jobs;

use crate::advisor;
use crate::app::App;
use crate::clock::{self, Clock};
use crate::config::{Config, Environment};
use crate::data::{Db, MigrationState};
use crate::error::{Error, Result};
use serde::Serialize;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

const MB: u64 = 1 << 20;
/// The log is looked at once a second where nobody is woken.
const LEAST_SILENCE: Duration = Duration::from_millis(1500);
/// Free disk below this is worth a word, and below that a failure.
const LITTLE_SPACE: u64 = 1024 * MB;
const NO_SPACE: u64 = 100 * MB;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    Ok,
    Warn,
    Fail,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Finding {
    check: &'static str,
    level: Level,
    message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl Finding {
    fn new(level: Level, check: &'static str, message: impl Into<String>) -> Self {
        Self { check, level, message: message.into(), hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    fn at(self, level: Level) -> Self {
        Self { level, ..self }
    }

    pub(super) fn of_error(check: &'static str, error: &Error) -> Self {
        let finding = Self::new(Level::Fail, check, error.message());
        match error.hint_text() {
            Some(hint) => finding.hint(hint),
            None => finding,
        }
    }
}

pub(super) fn has_failed(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.level == Level::Fail)
}

pub(super) fn as_json(findings: &[Finding]) -> String {
    serde_json::to_string_pretty(findings).map_or_else(|error| format!("{error}\n"), |text| text + "\n")
}

pub(super) fn as_text(findings: &[Finding]) -> String {
    let line = |finding: &Finding| {
        let level = match finding.level {
            Level::Ok => "ok  ",
            Level::Warn => "warn",
            Level::Fail => "fail",
        };
        let hint = finding.hint.as_ref().map_or(String::new(), |hint| format!("      -> {hint}\n"));
        format!("{level}  {}: {}\n{hint}", finding.check, finding.message)
    };
    findings.iter().map(line).collect()
}

/// Looks at everything once; changes nothing but what a connection to the database does by itself.
pub(super) async fn examine(app: &App) -> Vec<Finding> {
    let config = app.config();
    let mut findings = configuration(app);
    findings.push(secret(config));
    findings.extend(database(app).await);
    findings.extend(folders(config).iter().flat_map(|folder| disk(folder)));
    findings.push(time(&Clock::real()));
    findings.extend(descriptors(config));
    findings.extend(live(app));
    findings.push(blobs::store(app).await);
    findings.push(kept(app.config()));
    let address = address(config).await;
    let runs = address.level == Level::Warn;
    findings.push(address);
    if runs {
        findings.extend(running(app).await);
    }
    findings
}

/// What the running application says of itself, where it is this one that listens.
async fn running(app: &App) -> Vec<Finding> {
    let judgement = match super::why::ask(app, Duration::from_secs(60)).await {
        Ok(judgement) => judgement,
        Err(error) => return vec![Finding::of_error("performance", &error).at(Level::Warn)],
    };
    let told = judgement.verdicts.iter().chain(&judgement.findings).filter(|found| found.level > advisor::Level::Note);
    let mut findings: Vec<Finding> = told
        .map(|found| {
            let level = if found.level == advisor::Level::Fail { Level::Fail } else { Level::Warn };
            Finding::new(level, "performance", found.sentence.clone()).hint(found.advice.clone())
        })
        .collect();
    if findings.is_empty() {
        findings.push(Finding::new(Level::Ok, "performance", judgement.sentence));
    }
    findings
}

fn configuration(app: &App) -> Vec<Finding> {
    let problems = app.problems();
    if problems.is_empty() {
        let environment = format!("{:?}", app.config().app.environment).to_lowercase();
        let text = format!("{} modules, environment {environment}", app.modules().count());
        return vec![Finding::new(Level::Ok, "configuration", text)];
    }
    problems.iter().map(|problem| Finding::of_error("configuration", problem)).collect()
}

fn secret(config: &Config) -> Finding {
    let app = &config.app;
    match (app.secret.expose().is_empty(), app.environment) {
        (false, _) => Finding::new(Level::Ok, "secret", "app.secret is set"),
        (true, Environment::Development) => {
            Finding::new(Level::Ok, "secret", format!("development keeps one in {}", app.secret_file))
        }
        (true, Environment::Test) => Finding::new(Level::Ok, "secret", "made anew for each start of a test"),
        (true, Environment::Production) => Finding::new(Level::Fail, "secret", "app.secret is not set")
            .hint("set SARSEN_APP__SECRET to what `openssl rand -hex 32` prints"),
    }
}

async fn database(app: &App) -> Vec<Finding> {
    if let Some(file) = database_file(app.config()).filter(|file| !file.exists()) {
        let text = format!("{} does not exist yet; the first start makes it", file.display());
        return vec![Finding::new(Level::Ok, "database", text)];
    }
    let db = match app.connect().await {
        Ok(db) => db,
        Err(error) => return vec![Finding::of_error("database", &error)],
    };
    let mut findings = reached(&db).await.unwrap_or_else(|error| vec![Finding::of_error("database", &error)]);
    match app.migration_status_on(&db).await {
        Ok(states) => {
            findings.push(migrations(app.name(), &states));
            findings.extend(jobs::examine(app, &db, &states).await);
        }
        Err(error) => findings.push(Finding::of_error("migrations", &error)),
    }
    db.close().await;
    findings
}

/// The database, once a start has made it and its tables; an error that says what to do when it has not.
pub(super) async fn connect_to_made(app: &App) -> Result<Db> {
    let hint = format!("run `{} migrate up`, or start the application", app.name());
    if let Some(file) = database_file(app.config()).filter(|file| !file.exists()) {
        return Err(Error::unavailable(format!("there is no database {} yet", file.display())).hint(hint));
    }
    let db = app.connect().await?;
    let states = app.migration_status_on(&db).await?;
    if states.iter().any(|state| state.module == crate::http::MODULE && state.applied_at.is_none()) {
        db.close().await;
        return Err(Error::unavailable("the database lacks tables of this version").hint(hint));
    }
    Ok(db)
}

async fn reached(db: &Db) -> Result<Vec<Finding>> {
    let started = clock::monotonic();
    db.ping().await?;
    let took = clock::monotonic() - started;
    let facts = db.facts().await?;
    let broken = facts.iter().find(|(name, value)| *name == "integrity" && value != "ok");
    if let Some((_, value)) = broken {
        let finding = Finding::new(Level::Fail, "database", format!("its file is damaged: {value}"));
        return Ok(vec![finding.hint("stop the application, keep a copy of the file, and restore the last backup")]);
    }
    let shown = facts.iter().map(|(name, value)| match value.parse::<u64>() {
        Ok(bytes) if *name == "bytes" => format!("size {}", size(bytes)),
        _ => format!("{name} {value}"),
    });
    let text = format!("answers in {took:.1?}; {}", shown.collect::<Vec<_>>().join(", "));
    Ok(vec![Finding::new(Level::Ok, "database", text)])
}

fn migrations(program: &str, states: &[MigrationState]) -> Finding {
    let waiting: Vec<String> = states
        .iter()
        .filter(|state| state.applied_at.is_none())
        .map(|state| format!("{}/{}", state.module, state.name))
        .collect();
    if waiting.is_empty() {
        return Finding::new(Level::Ok, "migrations", format!("all {} are applied", states.len()));
    }
    Finding::new(Level::Warn, "migrations", format!("{} wait: {}", waiting.len(), waiting.join(", ")))
        .hint(format!("run `{program} migrate up`; the next start does it too"))
}

/// A URL without `//` names a file.
fn database_file(config: &Config) -> Option<PathBuf> {
    let (_, place) = config.database.url.expose().split_once(':')?;
    (!place.starts_with("//") && !place.is_empty()).then(|| PathBuf::from(place))
}

/// Where its files are, when they are on this machine.
fn blobs_folder(config: &Config) -> Option<PathBuf> {
    let path = config.blobs.url.expose().strip_prefix("file:")?;
    Some(PathBuf::from(path.strip_prefix("//").unwrap_or(path)))
}

/// Where this process writes.
fn folders(config: &Config) -> Vec<PathBuf> {
    let folder = |file: &Path| match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut folders: Vec<PathBuf> = database_file(config).iter().map(|file| folder(file)).collect();
    if config.app.environment == Environment::Development && config.app.secret.expose().is_empty() {
        folders.push(folder(Path::new(&config.app.secret_file)));
    }
    folders.extend(blobs_folder(config));
    folders.sort();
    folders.dedup();
    folders
}

#[cfg(unix)]
fn disk(folder: &Path) -> Vec<Finding> {
    use rustix::fs::{Access, access, statvfs};
    // What does not exist yet is made in the nearest folder that does.
    let Some(there) = folder.ancestors().find(|folder| folder.exists() || folder.as_os_str().is_empty()) else {
        return Vec::new();
    };
    let there = if there.as_os_str().is_empty() { Path::new(".") } else { there };
    let shown = folder.display();
    if access(there, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        let finding = Finding::new(Level::Fail, "disk", format!("{shown} cannot be written to"));
        return vec![finding.hint("let the user who runs this own the folder, or name another in the configuration")];
    }
    let free = match statvfs(there) {
        Ok(state) => state.f_bavail.saturating_mul(state.f_frsize),
        Err(error) => return vec![Finding::new(Level::Warn, "disk", format!("{shown} has an unknown size: {error}"))],
    };
    let text = format!("{shown} is writable, {} free", size(free));
    vec![match free {
        0..NO_SPACE => Finding::new(Level::Fail, "disk", text).hint("free some space before data is lost"),
        NO_SPACE..LITTLE_SPACE => Finding::new(Level::Warn, "disk", text).hint("free some space soon"),
        _ => Finding::new(Level::Ok, "disk", text),
    }]
}

#[cfg(not(unix))]
fn disk(folder: &Path) -> Vec<Finding> {
    vec![Finding::new(Level::Warn, "disk", format!("{} cannot be looked at on this system", folder.display()))]
}

/// Ids and sessions carry the time: a clock that is years off breaks them for good.
fn time(clock: &Clock) -> Finding {
    const FROM: i64 = 1_767_225_600_000_000; // 2026-01-01
    const TO: i64 = 4_102_444_800_000_000; // 2100-01-01
    let now = clock.now();
    if (FROM..TO).contains(&now.as_micros()) {
        return Finding::new(Level::Ok, "clock", format!("it is {now}"));
    }
    Finding::new(Level::Fail, "clock", format!("it cannot be {now}"))
        .hint("set the clock of the machine, and keep it by NTP")
}

#[cfg(unix)]
fn descriptors(config: &Config) -> Vec<Finding> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    // A connection of a client and one of the database are a file each; the rest is for files and listeners. One that has
    // become a WebSocket leaves its place among those of HTTP.
    let clients = config.http.max_connections.saturating_add(config.realtime.max_connections);
    let needed = clients.saturating_add(2 * config.database.connections + 64);
    let needed = u64::try_from(needed).unwrap_or(u64::MAX);
    vec![match limit {
        Some(limit) if limit < needed => {
            Finding::new(Level::Warn, "files", format!("{limit} may be open at once, and {needed} may be needed")).hint(
                format!("raise it (`ulimit -n {needed}`, LimitNOFILE= of systemd), or lower http.max_connections and realtime.max_connections"),
            )
        }
        Some(limit) => Finding::new(Level::Ok, "files", format!("{limit} may be open at once, {needed} may be needed")),
        None => Finding::new(Level::Ok, "files", "any number may be open at once"),
    }]
}

#[cfg(not(unix))]
fn descriptors(_: &Config) -> Vec<Finding> {
    Vec::new()
}

/// What the clients of real time may take, where there are topics.
fn live(app: &App) -> Option<Finding> {
    app.modules().find(|module| !module.topics.is_empty())?;
    let section = &app.config().realtime;
    let most = section.queue.0.saturating_mul(section.max_connections as u64);
    let message = format!(
        "{} connections of {} topics at most; what waits for them takes {} MB when nobody reads",
        section.max_connections,
        section.max_subscriptions,
        most / MB
    );
    Some(Finding::new(Level::Ok, "realtime", message))
}

/// What the cache may take, and how long it trusts what it does not hear to have changed.
fn kept(config: &Config) -> Finding {
    let section = &config.cache;
    let message = format!(
        "{} of values in this process at most; loads take {:?} at most, and nothing is trusted {:?} after the log was last heard",
        size(section.max_bytes.0),
        section.load_timeout.0,
        section.max_silence.0
    );
    let finding = Finding::new(Level::Ok, "cache", message);
    if section.max_silence.0 < LEAST_SILENCE {
        let (message, hint) = (
            "cache.max_silence is shorter than the log is silent anyway: values are loaded each time",
            "raise it above 1s",
        );
        return Finding::new(Level::Warn, "cache", message).hint(hint);
    }
    finding
}

async fn address(config: &Config) -> Finding {
    let listen = &config.http.listen;
    match tokio::net::TcpListener::bind(listen).await {
        Ok(_) => Finding::new(Level::Ok, "address", format!("{listen} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            Finding::new(Level::Warn, "address", format!("something listens on {listen}"))
                .hint("that is well when it is this application; otherwise choose another http.listen")
        }
        Err(error) => Finding::new(Level::Fail, "address", format!("{listen} cannot be listened on: {error}"))
            .hint("choose another http.listen"),
    }
}

/// Bytes for people.
fn size(bytes: u64) -> String {
    match bytes {
        0..MB => format!("{} KB", bytes >> 10),
        MB..LITTLE_SPACE => format!("{} MB", bytes >> 20),
        _ => format!("{:.1} GB", bytes as f64 / (1_u64 << 30) as f64),
    }
}
