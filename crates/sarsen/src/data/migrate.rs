//! Migrations: ordered SQL files per module, applied once however many processes start at the same time.

use super::Db;
use super::dialect::Dialect;
use crate::clock::Timestamp;
use crate::error::{Error, Kind, Result};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt::Write;

/// The files of one module: path and text, as `sarsen::migrations!` embeds them.
pub type MigrationFiles = &'static [(&'static str, &'static str)];

/// Embeds migration files, in order: `sarsen::migrations!["migrations/0001_create.sql", …]`.
///
/// A file named `0002_search.DIALECT.sql` is for that database only.
#[macro_export]
macro_rules! migrations {
    ($($path:literal),* $(,)?) => {
        &[$(($path, include_str!($path))),*]
    };
}

/// A module and its files.
#[derive(Clone, Copy, Debug)]
pub struct ModuleMigrations {
    /// The module's name.
    pub module: &'static str,
    /// Its files.
    pub files: MigrationFiles,
}

/// One migration, and when it was applied.
#[derive(Clone, Debug)]
pub struct MigrationState {
    /// The module it belongs to.
    pub module: String,
    /// `0001_create`.
    pub name: String,
    /// When it was applied; absent while it waits.
    pub applied_at: Option<Timestamp>,
}

/// What a run of [`Db::migrate`] applied.
#[derive(Clone, Debug, Default)]
pub struct MigrationReport {
    /// `module/name` of each, in order.
    pub applied: Vec<String>,
}

const TABLE: &str = "CREATE TABLE IF NOT EXISTS sarsen_migrations (module TEXT NOT NULL, name TEXT NOT NULL, \
     checksum TEXT NOT NULL, applied_at TIMESTAMP NOT NULL, PRIMARY KEY (module, name))";

struct Migration {
    module: &'static str,
    name: &'static str,
    path: &'static str,
    sql: &'static str,
    checksum: String,
}

impl Db {
    /// Applies what is missing, in one transaction under a lock. A changed file that was applied is an error.
    pub async fn migrate(&self, modules: &[ModuleMigrations]) -> Result<MigrationReport> {
        let wanted = collect(modules, self.dialect())?;
        let tx = self.begin().await?;
        if let Some(lock) = self.dialect().migration_lock() {
            tx.script(lock).await?;
        }
        tx.script(&self.dialect().column_types(TABLE)).await?;
        let sql = "SELECT module, name, checksum, applied_at FROM sarsen_migrations";
        let applied = known(tx.query(sql).of_framework().all().await?);
        let mut report = MigrationReport::default();
        for migration in &wanted {
            if is_applied(migration, &applied)? {
                continue;
            }
            let failed =
                |error: Error| error.context(format!("migration {} of `{}`", migration.path, migration.module));
            tx.script(&self.dialect().column_types(migration.sql)).await.map_err(failed)?;
            tx.query("INSERT INTO sarsen_migrations (module, name, checksum, applied_at) VALUES (?, ?, ?, ?)")
                .bind(migration.module)
                .bind(migration.name)
                .bind(migration.checksum.as_str())
                .bind(self.clock().now())
                .of_framework()
                .execute()
                .await?;
            report.applied.push(format!("{}/{}", migration.module, migration.name));
        }
        tx.commit().await?;
        Ok(report)
    }

    /// All migrations with the time they were applied; changes nothing.
    pub async fn migration_status(&self, modules: &[ModuleMigrations]) -> Result<Vec<MigrationState>> {
        let wanted = collect(modules, self.dialect())?;
        let sql = "SELECT module, name, checksum, applied_at FROM sarsen_migrations LIMIT 10000";
        // Before the first migration the table is not there.
        let applied = match self.query(sql).of_framework().all().await {
            Err(error) if error.kind() == Kind::Internal => Applied::new(),
            rows => known(rows?),
        };
        wanted.iter().map(|migration| is_applied(migration, &applied)).collect::<Result<Vec<_>>>()?;
        let state = |migration: &Migration| MigrationState {
            module: migration.module.to_owned(),
            name: migration.name.to_owned(),
            applied_at: applied.get(&key(migration.module, migration.name)).map(|(_, at)| *at),
        };
        Ok(wanted.iter().map(state).collect())
    }
}

type Applied = HashMap<(String, String), (String, Timestamp)>;

fn known(rows: Vec<(String, String, String, Timestamp)>) -> Applied {
    rows.into_iter().map(|(module, name, checksum, at)| ((module, name), (checksum, at))).collect()
}

fn key(module: &str, name: &str) -> (String, String) {
    (module.to_owned(), name.to_owned())
}

fn is_applied(migration: &Migration, applied: &Applied) -> Result<bool> {
    match applied.get(&key(migration.module, migration.name)) {
        None => Ok(false),
        Some((checksum, _)) if *checksum == migration.checksum => Ok(true),
        Some((_, at)) => Err(Error::invalid(format!(
            "migration {} of module `{}` was applied at {at} and has changed since",
            migration.path, migration.module
        ))
        .hint("put the file back as it was, and write the change as a new migration")),
    }
}

/// The migrations for this dialect, in order; an error names a file that is out of order or badly named.
fn collect(modules: &[ModuleMigrations], dialect: Dialect) -> Result<Vec<Migration>> {
    let mut all = Vec::new();
    for module in modules {
        let mut last = "";
        for (path, sql) in module.files {
            let (name, only) = parse(path)?;
            if only.is_some_and(|only| only != dialect.name()) {
                continue;
            }
            if name <= last {
                return Err(Error::invalid(format!("migration {path} of `{}` does not follow {last}", module.module))
                    .hint("number the files 0001, 0002, … and list them in that order"));
            }
            last = name;
            let mut checksum = String::new();
            for byte in Sha256::digest(sql.as_bytes()) {
                let _ = write!(checksum, "{byte:02x}");
            }
            all.push(Migration { module: module.module, name, path, sql, checksum });
        }
    }
    Ok(all)
}

/// Name and dialect from `migrations/0002_search.DIALECT.sql`.
fn parse(path: &'static str) -> Result<(&'static str, Option<&'static str>)> {
    let file = path.rsplit('/').next().unwrap_or(path);
    let numbered = file.len() > 5 && file.as_bytes()[..4].iter().all(u8::is_ascii_digit) && file.as_bytes()[4] == b'_';
    let stem = file.strip_suffix(".sql").filter(|_| numbered);
    let stem = stem.ok_or_else(|| Error::invalid(format!("{path} is not named like 0001_create.sql")))?;
    Ok(stem.split_once('.').map_or((stem, None), |(name, only)| (name, Some(only))))
}
