//! The servers of the bench, and a database of its own for each turn.

use std::cell::Cell;
use std::process::Command;

use clap::ValueEnum;

use super::peers::Contender;
use crate::bench::Private;
use crate::services::{Durability, Service, Services};
use crate::{Outcome, command};

/// What a queue stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Store {
    /// With fsync and synchronous_commit.
    Postgres,
    /// WAL, synchronous = NORMAL.
    SqliteNormal,
    /// WAL, synchronous = FULL.
    SqliteFull,
    /// For reference: its log is written to the disk each second.
    Redis,
}

impl Store {
    pub(super) fn all() -> impl Iterator<Item = Store> {
        Store::value_variants().iter().copied()
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Store::Postgres => "postgres",
            Store::SqliteNormal => "sqlite NORMAL",
            Store::SqliteFull => "sqlite FULL",
            Store::Redis => "redis",
        }
    }

    /// For SQLite: the setting that every connection of every queue has to have.
    pub(super) fn synchronous(self) -> Option<&'static str> {
        match self {
            Store::SqliteNormal => Some("normal"),
            Store::SqliteFull => Some("full"),
            Store::Postgres | Store::Redis => None,
        }
    }

    fn service(self) -> Option<Service> {
        match self {
            Store::Postgres => Some(Service::Postgres),
            Store::Redis => Some(Service::Redis),
            Store::SqliteNormal | Store::SqliteFull => None,
        }
    }
}

/// How many a Redis has.
const REDIS_DATABASES: u32 = 16;

/// The servers that run.
#[derive(Debug)]
pub(super) struct Stores {
    services: Services,
    databases: Cell<u32>,
}

impl Stores {
    /// Starts what the contenders need, and sees that a commit is on the disk.
    pub(super) fn start(contenders: &[Contender]) -> Outcome<Stores> {
        let mut wanted: Vec<Service> = Vec::new();
        for service in contenders.iter().filter_map(|contender| contender.store.service()) {
            if !wanted.contains(&service) {
                wanted.push(service);
            }
        }
        let services = Services::start_with(&wanted, Durability::Durable)?;
        if let Some(reason) = services.skipped().first() {
            return Err(format!("cannot have {reason}"));
        }
        let stores = Stores { services, databases: Cell::new(0) };
        if wanted.contains(&Service::Postgres) {
            stores.check_durability()?;
        }
        Ok(stores)
    }

    fn check_durability(&self) -> Outcome<()> {
        let sql = "SELECT current_setting('fsync') || ' ' || current_setting('synchronous_commit')";
        match psql(self.url("SARSEN_TEST_POSTGRES")?, sql)?.trim() {
            "on on" => Ok(()),
            other => Err(format!("PostgreSQL runs with fsync and synchronous_commit {other}; both must be on")),
        }
    }

    fn url(&self, variable: &str) -> Outcome<&str> {
        let found = self.services.environment().iter().find(|(name, _)| *name == variable);
        found.map(|(_, url)| url.as_str()).ok_or_else(|| format!("no service has set {variable}"))
    }

    /// An empty database.
    pub(super) fn database(&self, store: Store) -> Outcome<Database> {
        match store {
            Store::Postgres => {
                let server = self.url("SARSEN_TEST_POSTGRES")?.to_owned();
                let name = format!("jobs_{}", self.next());
                psql(&server, &format!("CREATE DATABASE {name}"))?;
                let url = format!("{}/{name}", server.trim_end_matches("/postgres"));
                Ok(Database::Postgres { server, name, url })
            }
            Store::SqliteNormal | Store::SqliteFull => {
                let folder = Private::new("jobs")?;
                let url = format!("sqlite:{}", folder.path().join("jobs.db").display());
                Ok(Database::Sqlite { url, _folder: folder })
            }
            Store::Redis => {
                let number = self.next() % REDIS_DATABASES;
                let url = format!("{}/{number}", self.url("SARSEN_TEST_REDIS")?);
                redis(&url, "FLUSHDB")?;
                Ok(Database::Redis { url })
            }
        }
    }

    fn next(&self) -> u32 {
        self.databases.set(self.databases.get() + 1);
        self.databases.get()
    }
}

/// A database of one turn, or of all rounds of one contender; it is gone after the drop.
#[derive(Debug)]
pub(super) enum Database {
    Postgres { server: String, name: String, url: String },
    Sqlite { url: String, _folder: Private },
    Redis { url: String },
}

impl Database {
    pub(super) fn url(&self) -> &str {
        match self {
            Database::Postgres { url, .. } | Database::Sqlite { url, .. } | Database::Redis { url } => url,
        }
    }

    /// What PostgreSQL does by itself after some minutes, so that it is neither missing nor in the way of a measurement.
    pub(super) fn settle(&self) -> Outcome<()> {
        match self {
            Database::Postgres { url, .. } => {
                psql(url, "VACUUM ANALYZE")?;
                psql(url, "CHECKPOINT").map(|_| ())
            }
            Database::Sqlite { .. } | Database::Redis { .. } => Ok(()),
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let dropped = match self {
            Database::Postgres { server, name, .. } => psql(server, &format!("DROP DATABASE {name} WITH (FORCE)")),
            Database::Redis { url } => redis(url, "FLUSHDB"),
            Database::Sqlite { .. } => return,
        };
        // It goes with its server at the latest.
        drop(dropped);
    }
}

fn psql(url: &str, sql: &str) -> Outcome<String> {
    command::output(Command::new("psql").args(["--no-psqlrc", "-qAt", "-d", url, "-c", sql]))
}

fn redis(url: &str, words: &str) -> Outcome<String> {
    command::output(Command::new("redis-cli").args(["-u", url, words]))
}
