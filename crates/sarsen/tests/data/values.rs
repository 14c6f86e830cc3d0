//! Values go in and come back the same.

use crate::Fresh;
use sarsen::data::{Json, ModuleMigrations};
use sarsen::{Db, FromRow, Timestamp};
use std::collections::BTreeMap;
use uuid::Uuid;

const TABLE: &str = "CREATE TABLE things (id UUID PRIMARY KEY, flag BOOLEAN, whole BIGINT, real_number DOUBLE, text_value TEXT, \
     bytes_value BLOB, at TIMESTAMP, doc JSON)";

async fn table(db: &Db) {
    let files: &'static [(&'static str, &'static str)] = &[("0001_create.sql", TABLE)];
    db.migrate(&[ModuleMigrations { module: "things", files }]).await.unwrap();
}

#[derive(FromRow, Debug, PartialEq, Clone)]
struct Thing {
    id: Uuid,
    flag: bool,
    whole: i64,
    real_number: f64,
    text_value: String,
    bytes_value: Vec<u8>,
    at: Timestamp,
    doc: Json<BTreeMap<String, i64>>,
}

async fn insert(db: &Db, thing: &Thing) {
    db.query("INSERT INTO things VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(thing.id)
        .bind(thing.flag)
        .bind(thing.whole)
        .bind(thing.real_number)
        .bind(thing.text_value.as_str())
        .bind(thing.bytes_value.clone())
        .bind(thing.at)
        .bind(Json(&thing.doc.0))
        .execute()
        .await
        .unwrap();
}

pub(crate) async fn every_type_comes_back_as_it_went(fresh: Fresh) {
    let db = &fresh.db;
    table(db).await;
    for (whole, real_number, text, micros) in [
        (i64::MIN, -1.5e300, "", 0),
        (i64::MAX, 2.0, "naïve ?'\"; DROP TABLE things; -- 🦀", 1_700_000_000_123_456),
        (0, f64::MIN_POSITIVE, "\u{1}\n\t", -1),
    ] {
        let thing = Thing {
            id: db.clock().id(),
            flag: whole > 0,
            whole,
            real_number,
            text_value: text.into(),
            bytes_value: vec![0, 255, 1],
            at: Timestamp::from_micros(micros),
            doc: Json([("a".to_owned(), 1)].into()),
        };
        insert(db, &thing).await;
        let back: Thing = db.query("SELECT * FROM things WHERE id = ?").bind(thing.id).one().await.unwrap();
        assert_eq!(back, thing);
        let by_time = db.query("SELECT id FROM things WHERE at = ?").bind(thing.at).scalar::<Uuid>().await.unwrap();
        assert_eq!(by_time, thing.id);
    }
    let old = db.query("SELECT text_value FROM things ORDER BY at LIMIT 1").scalar::<String>().await.unwrap();
    assert_eq!(old, "\u{1}\n\t", "times sort as times");
}

pub(crate) async fn null_is_an_option(fresh: Fresh) {
    let db = &fresh.db;
    table(db).await;
    db.query("INSERT INTO things (id, at, whole) VALUES (?, ?, ?)")
        .bind(db.clock().id())
        .bind(None::<Timestamp>)
        .bind(Some(5_i64))
        .execute()
        .await
        .unwrap();
    let row: (Option<Timestamp>, Option<i64>, Option<bool>) =
        db.query("SELECT at, whole, flag FROM things").one().await.unwrap();
    assert_eq!(row, (None, Some(5), None));
    let none: Option<(i64,)> =
        db.query("SELECT whole FROM things WHERE whole = ?").bind(6_i64).optional().await.unwrap();
    assert_eq!(none, None);
}

pub(crate) async fn a_wrong_type_names_the_column(fresh: Fresh) {
    table(&fresh.db).await;
    #[derive(FromRow, Debug)]
    struct Wrong {
        #[expect(dead_code, reason = "never filled")]
        text_value: i64,
    }
    fresh
        .db
        .query("INSERT INTO things (id, text_value) VALUES (?, ?)")
        .bind(Uuid::nil())
        .bind("x")
        .execute()
        .await
        .unwrap();
    let error = fresh.db.query("SELECT text_value FROM things").one::<Wrong>().await.unwrap_err();
    assert_eq!(error.message(), "column `text_value` holds text where a whole number was expected");
    let error = fresh.db.query("SELECT id FROM things").one::<Wrong>().await.unwrap_err();
    assert!(error.message().contains("no column `text_value`"), "{error}");
    let error = fresh.db.query("SELECT 1 WHERE 1 = ?").all::<(i64,)>().await.unwrap_err();
    assert!(error.message().contains("values.rs"), "{error}");
}

pub(crate) async fn lists_of_any_length(fresh: Fresh) {
    let db = &fresh.db;
    table(db).await;
    let ids: Vec<Uuid> = (0..7).map(|_| db.clock().id()).collect();
    for (whole, id) in ids.iter().enumerate() {
        db.query("INSERT INTO things (id, whole) VALUES (?, ?)").bind(id).bind(whole as i64).execute().await.unwrap();
    }
    for count in 0..=7 {
        let inside = db.query("SELECT whole FROM things WHERE id IN (?) AND whole >= ? ORDER BY whole");
        let inside: Vec<(i64,)> = inside.bind_list(&ids[..count]).bind(0_i64).all().await.unwrap();
        assert_eq!(inside.len(), count);
        let outside = db.query("SELECT whole FROM things WHERE whole >= ? AND id NOT IN (?)");
        let outside: Vec<(i64,)> = outside.bind(0_i64).bind_list(&ids[..count]).all().await.unwrap();
        assert_eq!(outside.len(), 7 - count);
    }
    let long = db.query("SELECT whole FROM things WHERE id IN (?)").bind_list(vec![Uuid::nil(); 10_001]);
    assert!(long.all::<(i64,)>().await.unwrap_err().message().contains("10001"));
}

pub(crate) async fn columns_are_found_by_name_in_any_order(fresh: Fresh) {
    #[derive(FromRow, Debug, PartialEq)]
    struct Pair {
        first: i64,
        #[row(rename = "b")]
        second: String,
    }
    let sql = "SELECT 'x' AS b, CAST(7 AS BIGINT) AS first UNION ALL SELECT 'y', CAST(8 AS BIGINT) ORDER BY b";
    let pairs: Vec<Pair> = fresh.db.query(sql).all().await.unwrap();
    assert_eq!(pairs, [Pair { first: 7, second: "x".into() }, Pair { first: 8, second: "y".into() }]);
}
