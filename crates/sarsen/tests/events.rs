//! Events, their deliveries, and projections, on every database.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test says what it expects")]

mod event_world;

use event_world::{Counted, Renamed, World};
use sarsen::error::Kind;
use sarsen::events::{Position, Replay};
use std::time::Duration;

sarsen::each_profile! {
    async fn what_is_published_is_heard_once_and_what_is_rolled_back_never() {
        let world = World::start().await;
        world.publish(&[("a", 1), ("b", 2)]).await;
        let tx = world.app.db().begin().await.unwrap();
        world.app.running().events().publish(&tx, Counted { key: "c".into(), n: 3 }).await.unwrap();
        tx.rollback().await.unwrap();
        assert_eq!(world.app.run_jobs().await.completed, 4);
        for who in ["plain", "ordered"] {
            let mut heard = world.heard(who).await;
            heard.sort_unstable();
            assert_eq!(heard, [1, 2], "{who}");
        }
        assert_eq!(world.app.run_jobs().await.total(), 0);
    }

    async fn a_delivery_that_fails_is_tried_again_and_its_effects_happen_once() {
        let world = World::start().await;
        world.fail_next(1);
        world.publish(&[("a", 1)]).await;
        let ran = world.app.run_jobs().await;
        assert_eq!((ran.completed, ran.failed), (1, 1));
        world.app.clock().advance(Duration::from_secs(5));
        assert_eq!(world.app.run_jobs().await.completed, 1);
        assert_eq!((world.heard("plain").await, world.heard("ordered").await), (vec![1], vec![1]));
    }

    async fn an_ordered_subscriber_waits_for_the_first_of_a_key_and_for_no_other_key() {
        let world = World::start().await;
        world.poison(1);
        world.publish(&[("a", 1), ("a", 2), ("b", 3), ("a", 4)]).await;
        world.app.run_jobs().await;
        assert_eq!(world.heard("ordered").await, [3], "the key that fails is held up");
        world.poison(0);
        world.app.clock().advance(Duration::from_secs(5));
        world.app.run_jobs().await;
        assert_eq!(world.heard("ordered").await, [3, 1, 2, 4]);
    }

    async fn what_was_missed_is_told_again_and_what_was_applied_only_when_asked() {
        let world = World::start().await;
        world.publish(&[("a", 1), ("a", 2), ("a", 3)]).await;
        world.app.run_jobs().await;
        let events = world.app.running().events().clone();
        assert_eq!(events.replay("test.plain", Position::After(0), Replay::Missed).await.unwrap(), 0);
        world.forget_one("test.plain").await;
        assert_eq!(events.replay("test.plain", Position::After(0), Replay::Missed).await.unwrap(), 1);
        world.app.run_jobs().await;
        assert_eq!(world.heard("plain").await.len(), 4, "told again, it is applied again");
        assert_eq!(events.replay("test.ordered", Position::After(1), Replay::Again).await.unwrap(), 2);
        world.app.run_jobs().await;
        assert_eq!(world.heard("ordered").await, [1, 2, 3, 2, 3]);
        let since = Position::Since(world.app.clock().now() + Duration::from_secs(1));
        assert_eq!(events.replay("test.plain", since, Replay::Again).await.unwrap(), 0);
        let error = events.replay("test.nobody", Position::After(0), Replay::Missed).await.unwrap_err();
        assert_eq!(error.kind(), Kind::NotFound);
        assert!(error.hint_text().unwrap().contains("test.plain"));
    }

    async fn an_old_form_is_upgraded_and_one_that_cannot_be_read_is_a_dead_letter() {
        let world = World::start().await;
        let tx = world.app.db().begin().await.unwrap();
        world.app.running().events().publish(&tx, Renamed { to: "x".into() }).await.unwrap();
        tx.commit().await.unwrap();
        world.set_old_form().await;
        let events = world.app.running().events().clone();
        world.app.run_jobs().await;
        world.forget_one("test.renamed").await;
        events.replay("test.renamed", Position::After(0), Replay::Again).await.unwrap();
        assert_eq!(world.app.run_jobs().await.completed, 1);
        assert_eq!(world.renamed().last().unwrap(), "old name");
        world.set_unreadable().await;
        events.replay("test.renamed", Position::After(0), Replay::Again).await.unwrap();
        assert_eq!(world.app.run_jobs().await.discarded, 1);
    }

    async fn a_projection_counts_each_event_once_and_is_built_anew_beside_the_live_one() {
        let world = World::start().await;
        world.publish(&[("a", 1), ("b", 10), ("a", 2)]).await;
        world.app.run_jobs().await;
        assert_eq!(world.sums().await, [("a".to_owned(), 3), ("b".to_owned(), 10)]);
        world.spoil().await;
        let events = world.app.running().events().clone();
        events.rebuild("test.sums").await.unwrap();
        assert_eq!(world.sums().await.len(), 1, "what is spoilt serves until the new one is there");
        let state = events.projections().await.unwrap().remove(0);
        assert_eq!((state.generation, state.building, state.behind), (1, Some(0), 0));
        world.publish(&[("b", 5)]).await;
        world.app.run_jobs().await;
        assert_eq!(world.sums().await, [("a".to_owned(), 3), ("b".to_owned(), 15)]);
        let state = events.projections().await.unwrap().remove(0);
        assert_eq!((state.generation, state.building, state.behind), (2, None, 0));
        assert_eq!(events.rebuild("test.nothing").await.unwrap_err().kind(), Kind::NotFound);
    }

    async fn a_projection_that_fails_passes_over_nothing() {
        let world = World::start().await;
        world.publish(&[("a", 1)]).await;
        world.break_projection(true);
        world.publish(&[("a", 2)]).await;
        assert!(world.app.running().run_jobs().await.is_err());
        assert!(world.sums().await.is_empty(), "neither the view nor the checkpoint moved");
        world.break_projection(false);
        world.app.run_jobs().await;
        assert_eq!(world.sums().await, [("a".to_owned(), 3)]);
    }

    async fn workers_deliver_and_project_in_the_background() {
        let world = World::start().await;
        let working = world.app.running().work().await.unwrap();
        for n in 1..=20 {
            world.publish(&[("a", n)]).await;
        }
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while world.heard("ordered").await.len() < 20 || world.sums().await.first().is_none_or(|(_, sum)| *sum < 210) {
            assert!(std::time::Instant::now() < deadline, "{:?}", world.sums().await);
            sarsen::clock::pause(Duration::from_millis(5)).await;
        }
        assert_eq!(world.heard("ordered").await, (1..=20).collect::<Vec<i64>>());
        working.stop(Duration::from_secs(5)).await;
    }

    async fn what_is_kept_no_longer_goes_but_nothing_that_a_projection_has_not_read() {
        let day = sarsen::config::Span::seconds(86_400);
        let world = World::start_with(|config| (config.events.keep, config.events.keep_inbox) = (day, day)).await;
        world.publish(&[("a", 1), ("a", 2)]).await;
        world.app.run_jobs().await;
        world.app.clock().advance(Duration::from_secs(2 * 86_400));
        world.publish(&[("a", 3)]).await;
        let working = world.app.running().work().await.unwrap();
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while world.count("SELECT COUNT(*) FROM sarsen_log WHERE pos < 3 LIMIT 1").await > 0
            || world.sums().await != [("a".to_owned(), 6)]
        {
            assert!(std::time::Instant::now() < deadline);
            sarsen::clock::pause(Duration::from_millis(5)).await;
        }
        working.stop(Duration::from_secs(5)).await;
        assert_eq!(world.count("SELECT COUNT(*) FROM sarsen_inbox WHERE at < 1767225700000000 LIMIT 1").await, 0);
        assert_eq!(world.count("SELECT COUNT(*) FROM sarsen_log LIMIT 1").await, 1);
    }
}
