//! The databases that a suite runs on, and one for each test.

use crate::clock::Clock;
use crate::config::{DatabaseSection, Url};
use crate::data::Db;
use crate::error::Result;
use std::panic::resume_unwind;
use tempfile::TempDir;

tokio::task_local! {
    static PROFILE: Profile;
}

/// A database that an application can run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// SQLite in a temporary folder: always there.
    Embedded,
    /// PostgreSQL, a new database on the server that `SARSEN_TEST_POSTGRES` names.
    Postgres,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Profile; 2] = [Profile::Embedded, Profile::Postgres];

    /// Its name in `SARSEN_TEST_PROFILE`.
    pub fn as_str(self) -> &'static str {
        match self {
            Profile::Embedded => "embedded",
            Profile::Postgres => "postgres",
        }
    }

    /// The profile that `SARSEN_TEST_PROFILE` names.
    fn chosen() -> Option<Self> {
        let name = std::env::var("SARSEN_TEST_PROFILE").ok()?;
        let found = Self::ALL.into_iter().find(|profile| profile.as_str() == name);
        assert!(found.is_some(), "SARSEN_TEST_PROFILE={name} is no profile; there are embedded and postgres");
        found
    }

    pub(super) fn at_hand() -> Self {
        PROFILE.try_get().ok().or_else(Self::chosen).unwrap_or(Self::Embedded)
    }
}

fn server() -> Option<String> {
    std::env::var("SARSEN_TEST_POSTGRES").ok()
}

/// Runs `test` on `profile`: what [`each_profile!`](crate::each_profile) does for each.
///
/// A profile whose server is missing is skipped with a word about it, and fails where `SARSEN_TEST_REQUIRE=all`.
#[expect(clippy::print_stdout, reason = "a test says that it was skipped; the test runner keeps it with its result")]
#[expect(clippy::expect_used, reason = "without threads there is no test")]
pub fn run(profile: Profile, test: impl Future<Output = ()>) {
    if Profile::chosen().is_some_and(|chosen| chosen != profile) {
        println!("skipped: SARSEN_TEST_PROFILE names another profile than {}", profile.as_str());
        return;
    }
    if profile == Profile::Postgres && server().is_none() {
        let required = std::env::var("SARSEN_TEST_REQUIRE").is_ok_and(|require| require == "all");
        assert!(!required, "SARSEN_TEST_POSTGRES is not set, and SARSEN_TEST_REQUIRE=all");
        println!("skipped: no PostgreSQL; run `cargo xtask services -- cargo test`");
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(PROFILE.scope(profile, test));
}

/// Makes one test for each profile out of each function: `posts::embedded`, `posts::postgres`.
#[macro_export]
macro_rules! each_profile {
    ($($(#[$attribute:meta])* async fn $name:ident() $body:block)*) => { $(
        $(#[$attribute])*
        async fn $name() $body

        mod $name {
            #[test]
            fn embedded() {
                $crate::testing::run($crate::testing::Profile::Embedded, super::$name());
            }

            #[test]
            fn postgres() {
                $crate::testing::run($crate::testing::Profile::Postgres, super::$name());
            }
        }
    )* };
}

/// A database for one test; it goes when this is dropped.
#[derive(Debug)]
pub(super) enum Database {
    Folder(TempDir),
    OnServer { server: String, name: String },
}

impl Database {
    #[expect(clippy::expect_used, reason = "a test without a database cannot begin")]
    pub(super) async fn create(profile: Profile) -> Self {
        match profile {
            Profile::Embedded => Self::Folder(tempfile::tempdir().expect("a temporary folder")),
            Profile::Postgres => {
                let server =
                    server().expect("SARSEN_TEST_POSTGRES names a server: postgres://app@127.0.0.1:PORT/postgres");
                let name = format!("test_{}", Clock::real().id().simple());
                administer(&server, format!("CREATE DATABASE {name}")).await.expect("a database is made");
                Self::OnServer { server, name }
            }
        }
    }

    pub(super) fn section(&self) -> DatabaseSection {
        let (url, connections) = match self {
            Self::Folder(folder) => (format!("sqlite:{}", folder.path().join("app.db").display()), 4),
            Self::OnServer { server, name } => (sibling(server, name), 4),
        };
        DatabaseSection { url: Url::new(url), connections, ..DatabaseSection::default() }
    }
}

impl Drop for Database {
    /// The runtime of the test may be at its end, or panicking: a thread of its own does it.
    fn drop(&mut self) {
        let Self::OnServer { server, name } = self else { return };
        let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
        let done = std::thread::scope(|scope| {
            let dropping = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(administer(server, sql))
            });
            dropping.join().unwrap_or_else(|panic| resume_unwind(panic))
        });
        if let Err(error) = done {
            tracing::warn!(database = name, "the database of a test stays: {}", error.report());
        }
    }
}

async fn administer(server: &str, sql: String) -> Result<()> {
    let section = DatabaseSection { url: Url::new(server), connections: 1, ..DatabaseSection::default() };
    let db = Db::connect(&section, &Clock::real()).await?;
    let done = db.query(sql).execute().await;
    db.close().await;
    done.map(drop)
}

/// The same server, another database; what follows a `?` stays.
fn sibling(server: &str, name: &str) -> String {
    let (place, query) =
        server.split_once('?').map_or((server, String::new()), |(place, query)| (place, format!("?{query}")));
    let base = place.rsplit_once('/').map_or(place, |(base, _)| base);
    format!("{base}/{name}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_gets_a_database_beside_the_one_that_is_named() {
        assert_eq!(sibling("postgres://app@h:1/postgres", "t"), "postgres://app@h:1/t");
        assert_eq!(sibling("postgres://app@h:1/postgres?sslmode=disable", "t"), "postgres://app@h:1/t?sslmode=disable");
    }
}
