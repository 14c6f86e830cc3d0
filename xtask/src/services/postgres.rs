//! A private PostgreSQL on a free port, started from a copy of an initialised folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::account::Account;
use super::folder;
use super::server::{self, Server};
use crate::{Outcome, command, repository, wait};

/// How long a server may take to accept connections; recovery of the copy takes well under a second.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// Where PostgreSQL's programs are.
#[derive(Debug)]
pub(super) struct Programs {
    pub(super) bin: PathBuf,
}

/// What a commit survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// Nothing but the process: no fsync.
    Fast,
    /// A crash of the machine, as in production.
    Durable,
}

/// Starts a server and waits until it answers.
pub(super) fn start(programs: &Programs, durability: Durability) -> Outcome<Server> {
    let account = Account::choose()?;
    let initialised = initialised(programs, &account)?;
    let name = format!("PostgreSQL of {}", programs.bin.display());
    server::some_port(&name, |port| attempt(programs, &account, &initialised, port, durability))
}

fn attempt(
    programs: &Programs,
    account: &Account,
    initialised: &Path,
    port: u16,
    durability: Durability,
) -> Outcome<Server> {
    let folder = folder::private("postgres")?;
    let prepared = prepare(account, initialised, &folder);
    let ready = prepared.and_then(|()| launch(programs, account, &folder, port, durability, &|_| {}));
    ready.inspect_err(|_| {
        // A server that was started has removed its folder already.
        let _absent = fs::remove_dir_all(&folder);
    })
}

fn prepare(account: &Account, initialised: &Path, folder: &Path) -> Outcome<()> {
    copy(initialised, &folder.join("data"))?;
    account.own(folder)
}

/// What else is said to the server before it starts.
pub(crate) type Prepare<'a> = &'a dyn Fn(&mut Command);

fn launch(
    programs: &Programs,
    account: &Account,
    folder: &Path,
    port: u16,
    durability: Durability,
    also: Prepare<'_>,
) -> Outcome<Server> {
    let log = folder.join("log");
    let file = fs::File::create(&log).map_err(|error| format!("cannot create {}: {error}", log.display()))?;
    let mut command = account.command(programs.bin.join("postgres"));
    command.arg("-D").arg(folder.join("data")).current_dir(folder);
    for option in options(programs, port, folder, durability) {
        command.args(["-c", &option]);
    }
    command.stdout(std::process::Stdio::null()).stderr(file);
    also(&mut command);
    let mut server = Server::start(&mut command, folder, format!("postgres://app@127.0.0.1:{port}/postgres"))?;
    wait_until_ready(programs, &mut server, port, &folder.join("data"))
        .map_err(|problem| format!("{problem}; its log ends: {}", server::last_lines(&log)))?;
    Ok(server)
}

fn options(programs: &Programs, port: u16, folder: &Path, durability: Durability) -> Vec<String> {
    let mut options = vec![
        "listen_addresses=127.0.0.1".to_owned(),
        format!("port={port}"),
        format!("unix_socket_directories={}", folder.display()),
        "shared_buffers=128MB".to_owned(),
        "max_connections=200".to_owned(),
    ];
    if durability == Durability::Fast {
        options.extend(["fsync=off", "full_page_writes=off"].map(str::to_owned));
    }
    if library(programs, "pg_stat_statements.so") {
        options.push("shared_preload_libraries=pg_stat_statements".to_owned());
    }
    options
}

/// Whether the package has this library; a server with a missing one does not start.
fn library(programs: &Programs, name: &str) -> bool {
    programs.bin.parent().is_some_and(|version| version.join("lib").join(name).exists())
}

/// Ready means: our own server says so in its folder, and a query reaches it by the URL.
fn wait_until_ready(programs: &Programs, server: &mut Server, port: u16, data: &Path) -> Outcome<()> {
    let ready = wait::until(READY_LIMIT, || {
        if server.has_ended() {
            return Some(Err("the server ended while it was starting".to_owned()));
        }
        says_ready(data, server.id()).then(|| select_one(programs, port))
    });
    ready.unwrap_or_else(|| Err(format!("the server on port {port} was not ready in {READY_LIMIT:?}")))
}

/// The eighth line of `postmaster.pid` is the server's own word about itself; the first says which server wrote it, because
/// one that was killed leaves the file behind.
fn says_ready(data: &Path, id: u32) -> bool {
    let text = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
    text.lines().next().is_some_and(|first| first.trim() == id.to_string())
        && text.lines().nth(7).is_some_and(|status| status.trim() == "ready")
}

fn select_one(programs: &Programs, port: u16) -> Outcome<()> {
    administer(programs, port, "SELECT 1")
}

fn administer(programs: &Programs, port: u16, sql: &str) -> Outcome<()> {
    let mut psql = Command::new(programs.bin.join("psql"));
    psql.args(["--no-psqlrc", "-h", "127.0.0.1", "-p", &port.to_string(), "-U", "app", "-d", "postgres", "-c", sql]);
    command::output(&mut psql).map(|_| ())
}

/// A server that can be killed, and started again on the same port and data.
#[derive(Debug)]
pub(crate) struct Mortal {
    programs: Programs,
    account: Account,
    folder: PathBuf,
    port: u16,
    server: Option<Server>,
}

impl Mortal {
    /// Starts it; commits wait for the disk.
    pub(crate) fn start() -> Outcome<Mortal> {
        Mortal::start_with(&|_| {})
    }

    /// Like [`Mortal::start`], with more said to the command of the server.
    pub(crate) fn start_with(also: Prepare<'_>) -> Outcome<Mortal> {
        let (programs, account) = (super::install::postgres()?, Account::choose()?);
        let initialised = initialised(&programs, &account)?;
        let folder = folder::private("mortal")?;
        let port = server::free_port()?;
        let started = prepare(&account, &initialised, &folder)
            .and_then(|()| launch(&programs, &account, &folder, port, Durability::Durable, also));
        let server = started.inspect_err(|_| {
            let _absent = fs::remove_dir_all(&folder);
        })?;
        Ok(Mortal { programs, account, folder, port, server: Some(server) })
    }

    /// Makes an empty database and gives its URL.
    pub(crate) fn database(&self, name: &str) -> Outcome<String> {
        administer(&self.programs, self.port, &format!("CREATE DATABASE {name}"))?;
        Ok(format!("postgres://app@127.0.0.1:{}/{name}", self.port))
    }

    /// Kills the server and its processes.
    pub(crate) fn kill(&mut self) -> Outcome<()> {
        self.server.as_mut().map_or(Ok(()), Server::kill)
    }

    /// Stops it in order.
    pub(crate) fn stop(&mut self) -> Outcome<()> {
        self.server.as_mut().map_or(Ok(()), Server::stop)
    }

    /// Starts it again after a `kill` or a `stop`.
    pub(crate) fn start_again(&mut self) -> Outcome<()> {
        let next = launch(&self.programs, &self.account, &self.folder, self.port, Durability::Durable, &|_| {})?;
        if let Some(before) = self.server.replace(next) {
            before.dismiss();
        }
        Ok(())
    }
}

/// The initialised folder for this version and account, made at the first use: `initdb` takes seconds, a copy does not.
fn initialised(programs: &Programs, account: &Account) -> Outcome<PathBuf> {
    let version = command::output(Command::new(programs.bin.join("postgres")).arg("--version"))?;
    let version = version.split_whitespace().nth(2).unwrap_or("unknown");
    let cached = repository::target().join("services").join(format!("postgres-{version}-of-{}", account.name()));
    if !cached.join("PG_VERSION").exists() {
        let folder = folder::private("initdb")?;
        let made = account.own(&folder).and_then(|()| initialise(programs, account, &folder, &cached));
        let _absent = fs::remove_dir_all(&folder);
        made?;
    }
    Ok(cached)
}

fn initialise(programs: &Programs, account: &Account, folder: &Path, cached: &Path) -> Outcome<()> {
    let data = folder.join("data");
    let mut initdb = account.command(programs.bin.join("initdb"));
    initdb.args(["-U", "app", "-A", "trust", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8", "-D"]).arg(&data);
    command::output(initdb.current_dir(folder))?;
    let nearby = cached.with_extension(format!("{}.new", std::process::id()));
    copy(&data, &nearby)?;
    // Two processes may do this at once: a folder gets its name complete, and the second one finds it there.
    let named = fs::rename(&nearby, cached);
    if let Err(error) = named {
        let _absent = fs::remove_dir_all(&nearby);
        if !cached.join("PG_VERSION").exists() {
            return Err(format!("cannot name the folder {}: {error}; remove it and try again", cached.display()));
        }
    }
    Ok(())
}

/// Copies a folder with its owners and modes.
fn copy(from: &Path, to: &Path) -> Outcome<()> {
    if let Some(above) = to.parent() {
        fs::create_dir_all(above).map_err(|error| format!("cannot create {}: {error}", above.display()))?;
    }
    command::output(Command::new("cp").args(["-a", "--reflink=auto"]).arg(from).arg(to)).map(|_| ())
}
