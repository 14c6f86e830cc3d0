//! Several processes on one database.

use crate::stage::{Stage, until};
use sarsen::clock::{self, Ticks};
use std::time::Duration;

sarsen::each_profile! {
    async fn a_commit_reaches_every_process() {
        let one = Stage::start().await;
        let two = one.beside().await;
        let mut times = Vec::new();
        for value in 1..40 {
            assert_eq!((one.row(1).await, two.row(1).await), (value - 1, value - 1));
            one.write(1, value).await.commit().await.expect("is committed");
            let committed = Ticks::now();
            until("the other process sees it", async || two.row(1).await == value).await;
            times.push(Ticks::now() - committed);
        }
        times.sort();
        println!("from commit to another process: median {:?}, most {:?}", times[times.len() / 2], times[times.len() - 1]);
    }

    async fn a_rollback_reaches_none() {
        let one = Stage::start().await;
        let two = one.beside().await;
        assert_eq!((one.row(1).await, two.row(1).await), (0, 0));
        one.write(1, 5).await.rollback().await.expect("is undone");
        // What is committed after it is heard after it.
        one.write(2, 6).await.commit().await.expect("is committed");
        until("the other process hears the next one", async || two.cache().state().invalidations == 1).await;
        assert_eq!((two.row(1).await, two.loads()), (0, 1));
    }

    async fn own_commits_are_heard_once() {
        let one = Stage::start().await;
        let two = one.beside().await;
        assert_eq!((one.row(1).await, two.row(1).await), (0, 0));
        for value in 1..20 {
            one.write(1, value).await.commit().await.expect("is committed");
        }
        until("the other process hears all", async || two.cache().state().invalidations == 19).await;
        assert_eq!(one.row(1).await, 19);
        clock::pause(Duration::from_millis(50)).await;
        assert_eq!((one.cache().state().invalidations, one.loads()), (19, 2));
    }

    async fn who_does_not_hear_trusts_nothing_until_it_hears_again() {
        let one = Stage::start().await;
        let two = one.beside().await;
        assert_eq!((two.row(1).await, two.row(1).await, two.loads()), (0, 0, 1));
        one.app.db().query("ALTER TABLE sarsen_log RENAME TO sarsen_away").execute().await.expect("is away");
        until("it is noticed", async || two.cache().state().behind).await;
        let before = two.loads();
        assert_eq!((two.row(1).await, two.row(1).await), (0, 0));
        assert_eq!(two.loads(), before + 2, "each is read from the database");
        one.app.db().query("ALTER TABLE sarsen_away RENAME TO sarsen_log").execute().await.expect("is back");
        until("it hears again", async || !two.cache().state().behind).await;
        let before = two.loads();
        assert_eq!((two.row(1).await, two.row(1).await), (0, 0));
        assert!(two.loads() <= before + 1, "and what was kept serves again");
        assert!(two.cache().state().interruptions > 0);
    }
}
