//! Typed configuration: a profile (TOML), the environment over it, and errors that name the key, the file and the fix.

mod blobs;
mod cache;
mod ops;
mod realtime;
mod telemetry;
mod types;

pub use blobs::BlobsSection;
pub use cache::CacheSection;
pub use ops::OpsSection;
pub use realtime::RealtimeSection;
pub use telemetry::TelemetrySection;
pub use types::{Durability, Environment, LogFormat, Secret, Size, Span, Url};

use crate::error::{Error, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Everything that can be configured. `parley config` prints it with secrets redacted.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Who runs this, and how careful it is to be.
    pub app: AppSection,
    /// The listener and its limits.
    pub http: HttpSection,
    /// The application's database.
    pub database: DatabaseSection,
    /// Work that is done later.
    pub jobs: JobsSection,
    /// What happened, and who is told.
    pub events: EventsSection,
    /// Files of any size.
    pub blobs: BlobsSection,
    /// What is shown while it happens.
    pub realtime: RealtimeSection,
    /// What is kept in memory.
    pub cache: CacheSection,
    /// What is written to standard error.
    pub log: LogSection,
    /// What is recorded, and kept.
    pub telemetry: TelemetrySection,
    /// What this process does.
    pub process: ProcessSection,
    /// The pages for those who run it.
    pub ops: OpsSection,
    /// One section a module: `[modules.NAME.config]`.
    pub modules: BTreeMap<String, ModuleSection>,
    /// The file it was read from, for error messages.
    #[serde(skip)]
    pub file: Option<PathBuf>,
}

/// Section `[app]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct AppSection {
    /// `development`, `test` or `production`. Production refuses what is only convenient.
    pub environment: Environment,
    /// Signs cookies and cursors; at least 32 characters. Empty: development makes one and keeps it in `secret_file`.
    pub secret: Secret,
    /// Where development keeps the secret that it made.
    pub secret_file: String,
}

/// Section `[http]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpSection {
    /// Address and port; port 0 takes a free one.
    pub listen: String,
    /// The address people use. `https://…` marks cookies secure; empty is `http://` and the listener.
    pub public_url: String,
    /// Largest request body.
    pub max_body: Size,
    /// Largest request head, all headers together.
    pub max_head: Size,
    /// Most headers in one request.
    pub max_headers: usize,
    /// Most connections at once; more wait in the listener's queue.
    pub max_connections: usize,
    /// Most requests at work at once; more are answered 503 at once.
    pub max_in_flight: usize,
    /// Most streams of one HTTP/2 connection.
    pub max_streams: u32,
    /// How long a request may take, its body included.
    pub request_timeout: Span,
    /// How long a client may take to send the head of a request, or stay silent between two.
    pub header_timeout: Span,
    /// How long a client may pause inside a body.
    pub body_pause: Span,
    /// How long a request at work may go on after the signal to stop.
    pub drain_timeout: Span,
    /// How long a session lives without being used.
    pub session_idle: Span,
    /// How long a session lives at most.
    pub session_age: Span,
    /// After this time a session in use gets a new id.
    pub session_rotate: Span,
}

/// Section `[database]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct DatabaseSection {
    /// `sqlite:PATH` or `postgres://user:password@host/name`; the scheme chooses the driver.
    pub url: Url,
    /// Most connections: readers of the embedded database, the pool of a server.
    pub connections: usize,
    /// How long a statement may wait for a connection.
    pub acquire_timeout: Span,
    /// How long a statement may run where no deadline is nearer.
    pub statement_timeout: Span,
    /// `normal` or `full`: whether a commit waits for the disk. Of the embedded database only.
    pub durability: Durability,
    /// A statement whose mean time is above this leaves the async threads. Of the embedded database only.
    pub inline_limit: Span,
    /// How much of the file is mapped into memory. Of the embedded database only.
    pub mmap: Size,
    /// Page cache of one connection. Of the embedded database only.
    pub page_cache: Size,
    /// Prepared statements that a connection keeps.
    pub statement_cache: usize,
    /// Most values in one list bound to `IN (?)`.
    pub max_list: usize,
    /// It is not the application's own database: who holds it is told apart.
    #[serde(skip)]
    pub aside: bool,
}

/// Section `[jobs]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct JobsSection {
    /// Most jobs at work at once in this process; a queue may say less.
    pub concurrency: usize,
    /// Most of those that are declared `blocking` at work at once in this process.
    pub blocking: usize,
    /// Most short jobs that are fetched before there is room for them; long ones never are.
    pub prefetch: usize,
    /// Fewest jobs that are taken in a bundle: by one row that names them, instead of one by one.
    pub bundle: usize,
    /// How often is looked for work that nobody announced.
    pub poll: Span,
    /// How often a process says that it lives.
    pub beat: Span,
    /// Without a beat for this long a process is dead, and its jobs are given to others.
    pub dead_after: Span,
    /// How long jobs at work may go on after the signal to stop.
    pub drain_timeout: Span,
    /// How long it stays known that a job went well.
    pub keep_completed: Span,
    /// How long dead letters and cancelled jobs are kept.
    pub keep_discarded: Span,
    /// Largest arguments of one job.
    pub max_args: Size,
    /// Most jobs enqueued by one call.
    pub max_batch: usize,
    /// Keys for arguments of jobs that are declared `encrypted`, at least 32 characters each: the first encrypts, all decrypt.
    pub encryption_keys: Vec<Secret>,
    /// Work that waits this long while none ends is reported: nothing moves.
    pub stall_after: Span,
}

/// Section `[events]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct EventsSection {
    /// How long the log keeps events that every projection has read; `0s` is for ever, which lets projections be built anew.
    pub keep: Span,
    /// How long an inbox remembers what it has applied.
    pub keep_inbox: Span,
    /// Most events that a projection applies in one transaction.
    pub batch: u32,
}

/// Section `[log]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct LogSection {
    /// `pretty` for people, `json` for machines.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// One line for each closed Operation.
    pub operations: bool,
    /// Most closed Operations that wait to be written; more are dropped and counted.
    pub queue: usize,
}

/// Section `[process]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcessSection {
    /// What this process does: `web` answers requests, `worker` does jobs, `scheduler` fires schedules.
    pub roles: Vec<String>,
    /// Threads that run the application; 0 is one for each core.
    pub threads: usize,
    /// Most threads for blocking work.
    pub blocking_threads: usize,
}

/// What a module may be told: `[modules.NAME.config]` holds its own keys.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ModuleSection {
    /// The module's own section, checked against its `Config` type.
    pub config: toml::Table,
}

impl Default for AppSection {
    fn default() -> Self {
        Self { environment: Environment::Development, secret: Secret::default(), secret_file: "data/secret.key".into() }
    }
}

impl Default for HttpSection {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:3000".into(),
            public_url: String::new(),
            max_body: Size(1 << 20),
            max_head: Size(32 << 10),
            max_headers: 100,
            max_connections: 10_000,
            max_in_flight: 1_000,
            max_streams: 200,
            request_timeout: Span::seconds(30),
            header_timeout: Span::seconds(15),
            body_pause: Span::seconds(10),
            drain_timeout: Span::seconds(20),
            session_idle: Span::seconds(14 * 86_400),
            session_age: Span::seconds(90 * 86_400),
            session_rotate: Span::seconds(86_400),
        }
    }
}

impl HttpSection {
    /// The address people use: `public_url`, or `http://` and the listener, without a slash at its end.
    pub fn address(&self) -> String {
        let listen = format!("http://{}", self.listen);
        let address = if self.public_url.is_empty() { &listen } else { &self.public_url };
        address.trim_end_matches('/').to_owned()
    }
}

impl Default for DatabaseSection {
    fn default() -> Self {
        Self {
            url: Url::embedded("data/app.db"),
            connections: 16,
            acquire_timeout: Span::seconds(5),
            statement_timeout: Span::seconds(30),
            durability: Durability::Normal,
            inline_limit: Span(Duration::from_millis(1)),
            mmap: Size(16 << 20),
            page_cache: Size(16 << 20),
            statement_cache: 256,
            max_list: 10_000,
            aside: false,
        }
    }
}

impl Default for JobsSection {
    fn default() -> Self {
        Self {
            concurrency: 50,
            blocking: 2,
            prefetch: 1000,
            bundle: 32,
            poll: Span::seconds(1),
            beat: Span::seconds(3),
            dead_after: Span::seconds(10),
            drain_timeout: Span::seconds(20),
            keep_completed: Span::seconds(86_400),
            keep_discarded: Span::seconds(30 * 86_400),
            max_args: Size(1 << 20),
            max_batch: 10_000,
            encryption_keys: Vec::new(),
            stall_after: Span::seconds(60),
        }
    }
}

impl Default for EventsSection {
    fn default() -> Self {
        Self { keep: Span::seconds(0), keep_inbox: Span::seconds(30 * 86_400), batch: 500 }
    }
}

impl Default for LogSection {
    fn default() -> Self {
        Self { format: LogFormat::Pretty, level: "info".into(), operations: true, queue: 8_192 }
    }
}

impl Default for ProcessSection {
    fn default() -> Self {
        let roles = ["web", "worker", "scheduler"].map(String::from).to_vec();
        Self { roles, threads: 0, blocking_threads: 64 }
    }
}

/// What the environment may say: `(name, value)` pairs.
pub type Environ = Vec<(String, String)>;

impl Config {
    /// Reads `profile` (a path) over the defaults, and the environment over both.
    pub fn load(profile: Option<&Path>, environ: &Environ, defaults: &Config) -> Result<Config> {
        let text = match profile {
            None => String::new(),
            Some(path) => std::fs::read_to_string(path).map_err(|error| {
                Error::invalid(format!("the profile {} cannot be read: {error}", path.display()))
                    .hint("name a TOML file with --profile, or leave it out for the embedded defaults")
            })?,
        };
        let name = profile.map_or("the environment".to_owned(), |path| path.display().to_string());
        let mut config = Self::parse(&text, &name, environ, defaults)?;
        config.file = profile.map(Path::to_owned);
        Ok(config)
    }

    /// Reads TOML `text` (called `file` in errors) over `defaults`, and the environment over both.
    pub fn parse(text: &str, file: &str, environ: &Environ, defaults: &Config) -> Result<Config> {
        let given: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            // Its own text would show the line, which may hold a secret.
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            Error::invalid(format!("{file}:{line}: not TOML: {}", error.message())).hint("mend that line")
        })?;
        let known = keys_of(defaults)?;
        check_keys(&given, &known, &Place { file, text, path: "" })?;
        let mut all = exposed(defaults, known)?;
        overlay(&mut all, given);
        apply_environ(&mut all, environ)?;
        all.try_into().map_err(|error: toml::de::Error| {
            Error::invalid(format!("{file}: {}", with_key(&error)))
                .hint("see docs/configuration.md for each key and its form")
        })
    }

    /// The section `[modules.NAME.config]` as the module's own type.
    pub fn module<T: Default + Serialize + DeserializeOwned>(&self, name: &str) -> Result<T> {
        let file = self.file.as_ref().map_or("the configuration".into(), |path| path.display().to_string());
        let given = self.modules.get(name).map(|section| section.config.clone()).unwrap_or_default();
        let mut all = keys_of(&T::default())?;
        let path = format!("modules.{name}.config");
        check_keys(&given, &all, &Place { file: &file, text: "", path: &path })?;
        overlay(&mut all, given);
        all.try_into()
            .map_err(|error: toml::de::Error| Error::invalid(format!("{file}: [{path}] {}", with_key(&error))))
    }

    /// The configuration as TOML, secrets redacted.
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).unwrap_or_else(|error| format!("# cannot be shown: {error}"))
    }
}

fn keys_of<T: Serialize>(value: &T) -> Result<toml::Table> {
    match toml::Value::try_from(value) {
        Ok(toml::Value::Table(table)) => Ok(table),
        Ok(_) => Ok(toml::Table::new()),
        Err(error) => Err(Error::internal(format!("a configuration type cannot be written as TOML: {error}"))),
    }
}

/// Serializing hides secrets; defaults that hold one get it back.
fn exposed(defaults: &Config, mut keys: toml::Table) -> Result<toml::Table> {
    let secrets = [
        ("app", "secret", defaults.app.secret.expose()),
        ("blobs", "url", defaults.blobs.url.expose()),
        ("cache", "url", defaults.cache.url.expose()),
        ("database", "url", defaults.database.url.expose()),
        ("ops", "token", defaults.ops.token.expose()),
        ("realtime", "url", defaults.realtime.url.expose()),
        ("telemetry", "sentry_dsn", defaults.telemetry.sentry_dsn.expose()),
    ];
    for (section, key, value) in secrets {
        if let Some(table) = keys.get_mut(section).and_then(toml::Value::as_table_mut) {
            table.insert(key.into(), value.into());
        }
    }
    Ok(keys)
}

/// What is wrong, and with which key: "… in `http.max_body`".
fn with_key(error: &toml::de::Error) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

struct Place<'a> {
    file: &'a str,
    text: &'a str,
    path: &'a str,
}

fn check_keys(given: &toml::Table, known: &toml::Table, place: &Place<'_>) -> Result<()> {
    for (key, value) in given {
        let path = if place.path.is_empty() { key.clone() } else { format!("{}.{key}", place.path) };
        if place.path == "modules" {
            check_module(value, &Place { path: &path, ..*place })?;
            continue;
        }
        let Some(expected) = known.get(key) else { return Err(unknown_key(key, known, place)) };
        match (value, expected) {
            (toml::Value::Table(inner), toml::Value::Table(expected)) => {
                check_keys(inner, expected, &Place { path: &path, ..*place })?;
            }
            (_, toml::Value::Table(_)) => {
                return Err(Error::invalid(format!("{}: `{path}` is a section, write it as [{path}]", place.file)));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The keys below `config` belong to the module, which checks them itself.
fn check_module(section: &toml::Value, place: &Place<'_>) -> Result<()> {
    let known: toml::Table = [("config".to_owned(), toml::Value::Table(toml::Table::new()))].into_iter().collect();
    let wrong = section.as_table().and_then(|table| table.keys().find(|key| !known.contains_key(*key)));
    match (section.as_table(), wrong) {
        (None, _) => Err(Error::invalid(format!("{}: `{}` is a section", place.file, place.path))),
        (_, Some(key)) => Err(unknown_key(key, &known, place)),
        _ => Ok(()),
    }
}

fn unknown_key(key: &str, known: &toml::Table, place: &Place<'_>) -> Error {
    let section = if place.path.is_empty() { "the top level".to_owned() } else { format!("[{}]", place.path) };
    let line = place.text.lines().position(|line| {
        let line = line.trim_start().trim_start_matches('[');
        line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with(['=', ']', '.']))
    });
    let line = line.map_or(String::new(), |index| format!(":{}", index + 1));
    Error::invalid(format!("{}{line}: unknown key `{key}` in {section}", place.file)).hint(nearest(key, known))
}

/// "did you mean …?", or the list of what is known.
fn nearest(key: &str, known: &toml::Table) -> String {
    let best = known.keys().map(|known| (strsim::osa_distance(key, known), known)).min();
    match best {
        Some((distance, known)) if distance <= 1 + key.len() / 3 => format!("did you mean `{known}`?"),
        _ => format!("known here: {}", known.keys().cloned().collect::<Vec<_>>().join(", ")),
    }
}

fn overlay(under: &mut toml::Table, over: toml::Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(toml::Value::Table(under)), toml::Value::Table(over)) => overlay(under, over),
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

/// `SARSEN_DATABASE__URL` is `database.url`; `DATABASE_URL` and `PORT` are honoured too.
fn apply_environ(all: &mut toml::Table, environ: &Environ) -> Result<()> {
    for (name, value) in environ {
        match name.as_str() {
            "DATABASE_URL" => set(all, "database", "url", toml::Value::String(value.clone())),
            "PORT" => set(all, "http", "listen", toml::Value::String(format!("0.0.0.0:{value}"))),
            _ => {}
        }
    }
    for (name, value) in environ {
        // `SARSEN_TEST_…` is for test runs, `SARSEN_PROFILE` names the file itself.
        let Some(path) = name.strip_prefix("SARSEN_") else { continue };
        if path.starts_with("TEST_") || path == "PROFILE" {
            continue;
        }
        let path = path.to_lowercase();
        let keys: Vec<&str> = path.split("__").collect();
        set_path(all, &keys, value, name)?;
    }
    Ok(())
}

fn set(all: &mut toml::Table, section: &str, key: &str, value: toml::Value) {
    if let Some(table) = all.get_mut(section).and_then(toml::Value::as_table_mut) {
        table.insert(key.into(), value);
    }
}

fn set_path(table: &mut toml::Table, keys: &[&str], value: &str, name: &str) -> Result<()> {
    let Some((key, rest)) = keys.split_first() else { return Ok(()) };
    let modules = matches!(keys, ["modules", ..]);
    if modules && !rest.is_empty() {
        let leaf = rest.iter().rev().fold(environ_value(value, None), |inner, key| {
            toml::Value::Table([((*key).to_owned(), inner)].into_iter().collect())
        });
        overlay(table, [((*key).to_owned(), leaf)].into_iter().collect());
        return Ok(());
    }
    let unknown = |known: &toml::Table| {
        Error::invalid(format!("the environment variable {name} names no key: `{key}` is unknown"))
            .hint(nearest(key, known))
    };
    if !table.contains_key(*key) {
        return Err(unknown(table));
    }
    match table.get_mut(*key) {
        Some(toml::Value::Table(inner)) if !rest.is_empty() => set_path(inner, rest, value, name),
        Some(place) if rest.is_empty() && !place.is_table() => {
            *place = environ_value(value, Some(place));
            Ok(())
        }
        _ => Err(Error::invalid(format!("the environment variable {name} names a section, not a key"))
            .hint("write SARSEN_SECTION__KEY, with two underscores between them")),
    }
}

/// A value from the environment takes the type of the default that it replaces.
fn environ_value(text: &str, like: Option<&toml::Value>) -> toml::Value {
    let parsed = match like {
        Some(toml::Value::String(_)) => None,
        Some(toml::Value::Array(_)) if !text.trim_start().starts_with('[') => {
            Some(toml::Value::Array(text.split(',').map(|item| item.trim().into()).collect()))
        }
        _ => format!("v = {text}").parse::<toml::Table>().ok().and_then(|mut table| table.remove("v")),
    };
    parsed.unwrap_or_else(|| toml::Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, environ: &[(&str, &str)]) -> Result<Config> {
        let environ = environ.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Config::parse(text, "parley.toml", &environ, &Config::default())
    }

    #[test]
    fn an_unknown_key_names_file_line_and_the_nearest_key() {
        let error = parse("[http]\nlisten = \"x\"\nmax_bdy = 1\n", &[]).expect_err("unknown");
        assert_eq!(error.message(), "parley.toml:3: unknown key `max_bdy` in [http]");
        assert_eq!(error.hint_text(), Some("did you mean `max_body`?"));
    }

    #[test]
    fn a_mistake_names_its_line_or_key_and_shows_no_secret() {
        let error = parse("[http]\nlisten = \"x\"\n[app]\nsecret = \"hush\n", &[]).expect_err("open quote");
        assert!(error.message().starts_with("parley.toml:4: ") && !error.report().contains("hush"), "{error}");
        let error = parse("[http]\nmax_body = \"much\"\n", &[]).expect_err("no size");
        assert!(error.message().contains("`http.max_body`"), "{error}");
    }

    #[test]
    fn the_environment_overrides_the_file() {
        let config = parse(
            "[database]\nurl = \"sqlite:a.db\"\n[http]\nmax_body = \"2MB\"\n",
            &[("SARSEN_DATABASE__URL", "postgres://u:pw@h/d"), ("PORT", "80"), ("SARSEN_HTTP__MAX_HEADERS", "7")],
        )
        .expect("parses");
        assert_eq!(config.database.url.expose(), "postgres://u:pw@h/d");
        assert_eq!((config.http.max_body, config.http.max_headers), (Size(2 << 20), 7));
        assert_eq!(config.http.listen, "0.0.0.0:80");
    }

    #[test]
    fn an_unknown_environment_variable_is_an_error() {
        let error = parse("", &[("SARSEN_DATABSE__URL", "x")]).expect_err("unknown");
        assert_eq!(error.hint_text(), Some("did you mean `database`?"));
    }

    #[test]
    fn secrets_are_redacted_wherever_they_are_printed() {
        let config = parse("[app]\nsecret = \"hush\"\n[database]\nurl = \"postgres://u:pw@h/d?sslpassword=q\"\n", &[]);
        let config = config.expect("parses");
        let shown = format!("{config:?} {}", config.to_toml());
        assert!(!shown.contains("hush") && !shown.contains("pw@") && !shown.contains("=q"), "{shown}");
        assert_eq!(config.app.secret.expose(), "hush");
    }

    #[test]
    fn a_module_section_is_checked_against_its_own_type() {
        #[derive(Debug, Default, Serialize, Deserialize)]
        #[serde(default)]
        struct Mine {
            min_name: usize,
        }
        let config = parse("[modules.accounts.config]\nmin_nam = 2\n", &[]).expect("parses");
        let error = config.module::<Mine>("accounts").expect_err("unknown");
        assert!(error.message().contains("[modules.accounts.config]"), "{error}");
        let config = parse("", &[("SARSEN_MODULES__ACCOUNTS__CONFIG__MIN_NAME", "3")]).expect("parses");
        assert_eq!(config.module::<Mine>("accounts").expect("reads").min_name, 3);
    }
}
