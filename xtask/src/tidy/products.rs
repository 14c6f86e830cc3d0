//! A database product is named in its driver and in the dialect; everything else is written for any of them.

use super::source::{Source, Tree, is_word};
use super::{Problem, features, functions};

const ROOTS: [&str; 2] = ["crates/sarsen/src/", "apps/parley/src/"];
const PRODUCTS: [&str; 3] = ["sqlite", "postgres", "mysql"];

/// What a file of the table may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum May {
    /// Name a product anywhere.
    Name,
    /// Name a product in strings only.
    Quote,
}

/// A path that ends with a slash is a folder.
const ALLOWED: &[(&str, May, &str)] = &[
    ("crates/sarsen/src/data/dialect.rs", May::Name, "what differs between the products is written here"),
    ("crates/sarsen/src/data/sqlite.rs", May::Name, "a driver"),
    ("crates/sarsen/src/data/sqlite/", May::Name, "a driver"),
    ("crates/sarsen/src/data/postgres.rs", May::Name, "a driver"),
    ("crates/sarsen/src/data/postgres/", May::Name, "a driver"),
    ("crates/sarsen/src/data/search.rs", May::Name, "full text search differs in kind, not in phrases"),
    ("crates/sarsen/src/testing/", May::Name, "tests choose the product that they run on"),
    ("crates/sarsen/src/config.rs", May::Quote, "defaults, and hints of errors"),
    ("crates/sarsen/src/config/", May::Quote, "defaults, and hints of errors"),
    ("crates/sarsen/src/cli.rs", May::Quote, "hints of errors"),
    ("crates/sarsen/src/cli/", May::Quote, "hints of errors"),
];

/// The client crates and the only places that name them.
const CLIENTS: &[(&str, &[&str])] = &[
    ("rusqlite", &["crates/sarsen/src/data/sqlite.rs", "crates/sarsen/src/data/sqlite/"]),
    ("tokio_postgres", POSTGRES),
    ("tokio_postgres_rustls", POSTGRES),
    ("deadpool_postgres", POSTGRES),
    ("postgres_types", POSTGRES),
    // Both drivers are over this crate, and so is what they share.
    ("object_store", &["crates/sarsen/src/blobs/"]),
];
const POSTGRES: &[&str] = &["crates/sarsen/src/data/postgres.rs", "crates/sarsen/src/data/postgres/"];

/// Names of products (also as a part of a longer name) stand only in the files of the table; a client crate only in its
/// driver. Free are comments, tests, conditions on features, and in `data/mod.rs` the `mod` lines and `connect`.
pub(super) fn check(tree: &Tree) -> Vec<Problem> {
    let mut problems = Vec::new();
    for file in tree.rust().filter(|file| !file.is_test() && ROOTS.iter().any(|root| file.path.starts_with(root))) {
        problems.extend(clients(file));
        match may(&file.path) {
            Some(May::Name) => {}
            Some(May::Quote) => problems.extend(named(file, &file.code)),
            None => problems.extend([named(file, &file.code), named(file, &file.strings)].concat()),
        }
    }
    problems
}

fn may(path: &str) -> Option<May> {
    ALLOWED.iter().find(|(allowed, _, _)| covers(allowed, path)).map(|(_, may, _)| *may)
}

fn covers(allowed: &str, path: &str) -> bool {
    allowed == path || (allowed.ends_with('/') && path.starts_with(allowed))
}

fn clients(file: &Source) -> Vec<Problem> {
    let strange = CLIENTS.iter().filter(|(_, places)| !places.iter().any(|place| covers(place, &file.path)));
    let found =
        strange.flat_map(|(client, places)| Source::words(&file.code, client).map(move |at| (client, places, at)));
    let problems = found.map(|(client, places, at)| {
        let fix = format!("only {} may: give the driver what is needed here", places.join(" and "));
        Problem::new(&file.path, file.line(at), format!("names the client crate `{client}`"), fix)
    });
    problems.collect()
}

fn named(file: &Source, view: &str) -> Vec<Problem> {
    let lower = view.to_ascii_lowercase();
    let conditions = features::conditions(&file.code);
    let found = PRODUCTS.iter().flat_map(|product| lower.match_indices(product).map(|(at, _)| at));
    let bad = found.filter(|at| {
        let in_condition = conditions.iter().any(|(start, end)| (start..end).contains(&at));
        !in_condition
            && !connects(file, *at)
            && !is_migration(view, *at)
            && CLIENTS.iter().all(|(client, _)| *client != word_around(view, *at))
    });
    bad.map(|at| {
        Problem::new(&file.path, file.line(at), format!("names a database product: `{}`", word_around(view, at)), FIX)
    })
    .collect()
}

/// `0002_search.sqlite.sql`: the name of a file that exists because of the product.
fn is_migration(view: &str, at: usize) -> bool {
    let rest = &view[at..];
    view[..at].ends_with('.') && PRODUCTS.iter().any(|product| rest.starts_with(&format!("{product}.sql")))
}

const FIX: &str =
    "ask the dialect or a capability; or add the file with its reason to the table of xtask/src/tidy/products.rs";

/// In `data/mod.rs`: `connect`, and the lines that declare the drivers.
fn connects(file: &Source, at: usize) -> bool {
    let line = file.code[..at].rsplit('\n').next().unwrap_or_default();
    let declares = Source::words(line, "mod").next().is_some();
    file.path == "crates/sarsen/src/data/mod.rs" && (declares || functions::holds(&file.code, "connect", at))
}

fn word_around(view: &str, at: usize) -> &str {
    let start = view[..at].bytes().rposition(|byte| !is_word(byte)).map_or(0, |before| before + 1);
    let end = view[at..].bytes().position(|byte| !is_word(byte)).map_or(view.len(), |length| at + length);
    &view[start..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whats(path: &str, code: &str) -> Vec<String> {
        check(&Tree::of(&[(path, code)])).into_iter().map(|problem| problem.what).collect()
    }

    #[test]
    fn the_file_of_a_migration_may_name_its_product() {
        let code = "f([\"migrations/0002_search.sqlite.sql\", \"sqlite.sql.txt\"])";
        assert_eq!(whats("apps/parley/src/x/mod.rs", code).len(), 1);
    }

    #[test]
    fn products_are_found_in_code_and_strings() {
        let found =
            whats("crates/sarsen/src/jobs/store.rs", "if is_postgres() { Dialect::Sqlite } else { f(\"use MySQL\") }");
        let expected = ["is_postgres", "Sqlite", "MySQL"].map(|word| format!("names a database product: `{word}`"));
        assert_eq!(found.len(), 3);
        assert!(expected.iter().all(|what| found.contains(what)), "{found:?}");
    }

    #[test]
    fn a_client_is_found_outside_of_its_driver() {
        let found = whats("crates/sarsen/src/data/query.rs", "use rusqlite::Row;");
        assert_eq!(found, ["names the client crate `rusqlite`"]);
        assert_eq!(whats("crates/sarsen/src/data/sqlite.rs", "use tokio_postgres::Row;").len(), 1);
        assert_eq!(whats("crates/sarsen/src/data/sqlite/read.rs", "use rusqlite::Row;"), [""; 0]);
    }

    #[test]
    fn hints_are_free_and_code_beside_them_is_not() {
        assert_eq!(whats("crates/sarsen/src/config.rs", "let url = \"sqlite:data.db\";"), [""; 0]);
        assert_eq!(whats("crates/sarsen/src/config.rs", "fn sqlite() {}").len(), 1);
    }

    #[test]
    fn the_drivers_are_declared_and_connected() {
        let code =
            "#[cfg(feature = \"postgres\")]\nmod postgres;\nmod sqlite;\nfn connect() { sqlite::open(\"sqlite:\") }";
        assert_eq!(whats("crates/sarsen/src/data/mod.rs", code), [""; 0]);
        assert_eq!(whats("crates/sarsen/src/data/mod.rs", "fn other() { sqlite::open() }").len(), 1);
    }

    #[test]
    fn comments_tests_and_other_folders_are_free() {
        let code = "// sqlite\n#[cfg(test)]\nmod tests { use rusqlite::Row; }";
        assert_eq!(whats("apps/parley/src/main.rs", code), [""; 0]);
        assert_eq!(whats("apps/parley/tests/it/main.rs", "f(\"postgres\")"), [""; 0]);
        assert_eq!(whats("xtask/src/main.rs", "f(\"postgres\")"), [""; 0]);
    }
}
