//! The arguments: their versions, and what is encrypted.

use crate::stage::{Does, KEY, Plain, Secretive, Theatre, Versioned};
use sarsen::config::Secret;
use sarsen::jobs::{Options, State};
use uuid::Uuid;

async fn change(theatre: &Theatre, id: Uuid, version: i64, args: &str) {
    let sql = "UPDATE sarsen_jobs SET version = ?, args = ? WHERE id = ?";
    let query = theatre.db().query(sql).bind(version).bind(args.as_bytes().to_vec()).bind(id);
    assert_eq!(query.execute().await.unwrap(), 1);
}

async fn versioned(theatre: &Theatre, version: i64, args: &str) -> Uuid {
    let job = Versioned { words: vec!["new".to_owned()] };
    let id = theatre.jobs().enqueue(theatre.db(), job).await.unwrap().id;
    change(theatre, id, version, args).await;
    id
}

pub(crate) async fn old_arguments_are_upgraded() {
    let theatre = Theatre::open().await;
    versioned(&theatre, 1, r#"{"word":"old"}"#).await;
    versioned(&theatre, 2, r#"{"words":["new"]}"#).await;
    assert_eq!(theatre.run().await.completed, 2);
    assert_eq!(theatre.seen.begun(), ["old", "new"]);
}

pub(crate) async fn what_this_build_cannot_read_is_a_dead_letter() {
    let theatre = Theatre::open().await;
    let mut ids = Vec::new();
    for (version, args, says) in [
        (3, r#"{"words":["newer"]}"#, "is of version 3, and this build knows 2"),
        (2, "no json at all", "cannot be decoded"),
        (1, r#"{"words":[]}"#, "has no word"),
        (2, "{}", "missing field `words`"),
    ] {
        ids.push((versioned(&theatre, version, args).await, args, says));
    }
    theatre.put::<Plain>("other", Does::Nothing).await;
    let ran = theatre.run().await;
    assert_eq!((ran.discarded, ran.completed), (4, 1));
    for (id, args, says) in ids {
        let known = theatre.known(id).await;
        assert_eq!(known.state, State::Discarded);
        assert!(known.error.contains(says), "{known:?}");
        let kept = "SELECT args FROM sarsen_job_history WHERE id = ?";
        let kept: Vec<u8> = theatre.db().query(kept).bind(id).scalar().await.unwrap();
        assert_eq!(kept, args.as_bytes(), "nothing of it is lost");
    }
}

pub(crate) async fn encrypted_arguments_cannot_be_read_in_the_table() {
    let theatre = Theatre::open().await;
    theatre.put::<Secretive>("password", Does::Nothing).await;
    theatre.put::<Secretive>("dead password", Does::fault("invalid", 9)).await;
    let readable = async |sql: &'static str| {
        let rows: Vec<(Vec<u8>,)> = theatre.db().query(sql).all().await.unwrap();
        let found = rows.iter().any(|(args,)| String::from_utf8_lossy(args).contains("password"));
        (rows.len(), found)
    };
    assert_eq!(readable("SELECT args FROM sarsen_jobs").await, (2, false));
    let ran = theatre.run().await;
    assert_eq!((ran.completed, ran.discarded), (1, 1));
    assert_eq!(theatre.seen.begun(), ["password", "dead password"]);
    assert_eq!(readable("SELECT args FROM sarsen_job_history").await, (2, false));
    theatre.put::<Plain>("password", Does::Nothing).await;
    assert_eq!(readable("SELECT args FROM sarsen_jobs").await, (1, true), "it is looked for in the right way");
}

pub(crate) async fn keys_are_changed_without_losing_jobs() {
    let theatre = Theatre::open().await;
    let new = "another key of the tests, 32 characters";
    let keys = |keys: &[&str]| keys.iter().map(|key| Secret::new(*key)).collect::<Vec<_>>();
    let old = theatre.put::<Secretive>("old", Does::Nothing).await;
    let worker = theatre.worker_with(|config| config.jobs.encryption_keys = keys(&[new, KEY])).await;
    let task = crate::stage::Task::<Secretive>::new("new", Does::Nothing);
    let jobs = worker.running.jobs();
    let fresh = jobs.enqueue_with(theatre.db(), task, Options::new()).await.unwrap().id;
    theatre.until_done().await;
    worker.stop().await;
    for id in [old, fresh] {
        assert_eq!(theatre.state(id).await, State::Completed);
    }
    let lost = theatre.put::<Secretive>("lost", Does::Nothing).await;
    let worker = theatre.worker_with(|config| config.jobs.encryption_keys = keys(&[new])).await;
    theatre.until_done().await;
    worker.stop().await;
    let known = theatre.known(lost).await;
    assert_eq!(known.state, State::Discarded);
    assert!(known.error.contains("cannot be decrypted"), "{known:?}");
}
