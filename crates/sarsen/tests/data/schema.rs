//! Migrations, ownership, search and facts.

use crate::Fresh;
use sarsen::data::{MigrationFiles, ModuleMigrations, Owners, Search};
use sarsen::{Clock, Db};

const FILES: MigrationFiles = &[
    ("migrations/0001_create.sql", "CREATE TABLE a (id UUID PRIMARY KEY); CREATE INDEX a_id ON a (id);"),
    ("migrations/0002_more.sqlite.sql", "CREATE TABLE only_one (x BIGINT)"),
    ("migrations/0002_more.postgres.sql", "CREATE TABLE only_one (x BIGINT)"),
];

pub(crate) async fn migrations_apply_once_however_many_start(fresh: Fresh) {
    let starts = (0..8).map(|_| {
        let section = fresh.section.clone();
        tokio::spawn(async move {
            let db = Db::connect(&section, &Clock::real()).await.unwrap();
            db.migrate(&[ModuleMigrations { module: "m", files: FILES }]).await.unwrap().applied.len()
        })
    });
    let applied: Vec<usize> = futures_util::future::join_all(starts).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(applied.iter().sum::<usize>(), 2, "{applied:?}");
    let status = fresh.db.migration_status(&[ModuleMigrations { module: "m", files: FILES }]).await.unwrap();
    assert!(status.iter().all(|state| state.applied_at.is_some()));
    assert_eq!(status.iter().map(|state| state.name.as_str()).collect::<Vec<_>>(), ["0001_create", "0002_more"]);
}

pub(crate) async fn a_changed_migration_is_refused(fresh: Fresh) {
    let module = |files| [ModuleMigrations { module: "m", files }];
    let waiting = fresh.db.migration_status(&module(FILES)).await.unwrap();
    assert!(waiting.iter().all(|state| state.applied_at.is_none()));
    fresh.db.migrate(&module(FILES)).await.unwrap();
    let changed: MigrationFiles = &[("migrations/0001_create.sql", "CREATE TABLE a (id UUID)")];
    let error = fresh.db.migrate(&module(changed)).await.unwrap_err();
    assert!(error.message().contains("migrations/0001_create.sql") && error.message().contains("`m`"), "{error}");
    const BROKEN: MigrationFiles =
        &[FILES[0], ("migrations/0003_x.sql", "CREATE TABLE half (x BIGINT); CREATE TABEL y")];
    let error = fresh.db.migrate(&module(BROKEN)).await.unwrap_err();
    assert!(error.message().contains("0003_x.sql"), "{error}");
    assert!(fresh.db.query("SELECT x FROM half").all::<(i64,)>().await.is_err(), "nothing of it is left");
    let disordered: MigrationFiles = &[("0002_b.sql", ""), ("0001_a.sql", "")];
    assert!(fresh.db.migrate(&module(disordered)).await.is_err());
}

pub(crate) async fn another_modules_table_is_refused(fresh: Fresh) {
    let db = &fresh.db;
    db.query("CREATE TABLE users (id BIGINT, name TEXT)").execute().await.unwrap();
    db.query("CREATE TABLE messages (id BIGINT, author_id BIGINT)").execute().await.unwrap();
    let mut owners = Owners::new();
    owners.own("accounts", "users").unwrap();
    owners.own("messages", "messages").unwrap();
    assert!(owners.own("messages", "users").is_err());
    db.set_owners(owners);
    let messages = db.for_module("messages");
    messages.query("SELECT id FROM messages").all::<(i64,)>().await.unwrap();
    let sql = "SELECT m.id FROM messages m JOIN \"users\" u ON u.id = m.author_id WHERE m.id = ?";
    let error = messages.query(sql).bind(1_i64).all::<(i64,)>().await.unwrap_err();
    assert!(
        error.message().starts_with("module `messages` ran SQL on table `users`, which belongs to module `accounts`.")
    );
    assert!(error.message().contains("JOIN \"users\""), "{error}");
    assert!(error.hint_text().unwrap().contains("messages::Deps"));
    let tx = messages.begin().await.unwrap();
    assert!(tx.query("DELETE FROM users").execute().await.is_err());
}

const SEARCH: MigrationFiles = &[
    (
        "0001_s.sqlite.sql",
        "CREATE VIRTUAL TABLE found USING fts5(text, place UNINDEXED, content='', contentless_delete=1, contentless_unindexed=1, detail=none, tokenize=\"ascii tokenchars '_'\"); INSERT INTO found (found, rank) VALUES ('pgsz', 1000)",
    ),
    (
        "0001_s.postgres.sql",
        "CREATE TABLE found (id BIGINT PRIMARY KEY, place TEXT NOT NULL, terms TSVECTOR NOT NULL); CREATE INDEX found_terms ON found USING GIN (terms) WITH (fastupdate = off)",
    ),
];

pub(crate) async fn search_finds_newest_first_within_scopes(fresh: Fresh) {
    let db = &fresh.db;
    let index = Search::new("found");
    db.migrate(&[ModuleMigrations { module: "s", files: SEARCH }]).await.unwrap();
    let tx = db.begin().await.unwrap();
    for id in 1..=300_i64 {
        // Far apart, so that several buckets are walked.
        let scope = if id % 2 == 0 { "even-0" } else { "odd-1" };
        let text = format!("the common word {} {}", if id % 100 == 0 { "Rare" } else { "plain" }, id);
        index.put(&tx, id * 1000, scope, &text).await.unwrap();
    }
    index.put(&tx, 5, "odd-1", "Schöne Grüße — it's \"quoted\" AND (odd) 東京 हिन्दी").await.unwrap();
    index.put(&tx, 1000, "odd-1", "replaced").await.unwrap();
    index.remove(&tx, 299_000).await.unwrap();
    tx.commit().await.unwrap();
    let all = ["even-0".to_owned(), "odd-1".to_owned()];
    let find = async |words: &str, scopes: &[String], before, limit| {
        index.find(db, words, scopes, before, limit).await.unwrap()
    };
    assert_eq!(find("common", &all, None, 3).await, [300_000, 298_000, 297_000]);
    assert_eq!(find("COMMON the", &all[1..], None, 2).await, [297_000, 295_000]);
    assert_eq!(find("rare", &all, None, 10).await, [300_000, 200_000, 100_000]);
    assert_eq!(find("rare", &all, Some(200_000), 10).await, [100_000]);
    assert_eq!(find("rare", &all[1..], None, 10).await, [0_i64; 0]);
    let with_others = ["odd-1".to_owned(), "nowhere".to_owned()];
    assert_eq!(find("plain the", &with_others, None, 3).await, [297_000, 295_000, 293_000]);
    assert_eq!(find("rare common", &with_others, None, 3).await, [0_i64; 0]);
    assert_eq!(find("common", &all, None, 1000).await.len(), 298);
    for words in ["grüße quoted", "GRÜSSE".replace("SS", "ß").as_str(), "it s", "東京", "हिन्दी"] {
        assert_eq!(find(words, &all, None, 9).await, [5], "{words}");
    }
    assert_eq!(find("grusse", &all, None, 9).await, [0_i64; 0], "accents count");
    assert_eq!(find("replaced", &all, None, 9).await, [1000]);
    for hostile in ["\"", "' OR 1=1 --", "a* OR NEAR(", "text: x", ":* & |", "\0", "", "   ", ")(", "😀"] {
        let _ = index.find(db, hostile, &all, None, 5).await.unwrap();
    }
    assert_eq!(find("seven common", &all, None, 5).await, [0_i64; 0]);
    assert!(index.find(db, &"w ".repeat(17), &all, None, 5).await.is_err());
}

pub(crate) async fn search_keeps_scopes_apart(fresh: Fresh) {
    let (db, index) = (&fresh.db, Search::new("found"));
    db.migrate(&[ModuleMigrations { module: "s", files: SEARCH }]).await.unwrap();
    let scopes = ["1-23", "12-3", "123", "a", "A", "é", "ö", "", "z2d", "-", "it's", "_27"];
    let documents: Vec<_> = scopes.iter().zip(1..).map(|(scope, id)| (id, *scope, "word")).collect();
    let tx = db.begin().await.unwrap();
    index.put_many(&tx, &documents).await.unwrap();
    tx.commit().await.unwrap();
    for (id, scope, _) in documents {
        assert_eq!(index.find(db, "word", &[scope.to_owned()], None, 99).await.unwrap(), [id], "{scope}");
    }
}

pub(crate) async fn facts_for_the_doctor(fresh: Fresh) {
    let facts = fresh.db.facts().await.unwrap();
    assert!(facts.iter().any(|(name, _)| *name == "version"));
    fresh.db.close().await;
}
