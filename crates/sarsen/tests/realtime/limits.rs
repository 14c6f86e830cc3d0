//! Limits: connections, topics, slow readers, and the stop.

use crate::stage::{Client, PATIENCE, Process, bearer, handshake, somebody, topic};
use futures_util::StreamExt;
use sarsen::clock;
use sarsen::config::{Size, Span};
use serde_json::json;
use std::time::Duration;

sarsen::each_profile! {
    async fn there_are_no_more_connections_and_topics_than_is_said() {
        let process = Process::start_with("memory:", |section| {
            section.max_connections = 2;
            section.max_subscriptions = 2;
        }).await;
        let mut one = process.connect(somebody()).await;
        let two = process.connect(somebody()).await;
        let (_, refused) = handshake(process.address, &bearer(somebody())).await;
        assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
        drop(two);
        while process.realtime().state().connections > 1 {
            clock::pause(Duration::from_millis(5)).await;
        }
        drop(process.connect(somebody()).await);
        for _ in 0..2 {
            one.subscribe(&topic("room")).await;
        }
        one.send(&json!({ "t": "sub", "topic": topic("room").as_str() })).await;
        assert_eq!(one.next_of("error").await["problem"]["type"], "urn:sarsen:problem:too-many");
    }

    async fn a_client_that_does_not_read_costs_a_bounded_queue_and_the_others_nothing() {
        let process = Process::start_with("memory:", |section| {
            section.queue = Size(256 << 10);
            section.ping = Span::seconds(300);
        }).await;
        let (ticker, text) = (topic("ticker"), "x".repeat(60 << 10));
        let mut reads = process.hear(somebody(), &ticker).await;
        let stalled = process.hear(somebody(), &ticker).await;
        let mut most = 0;
        let mut said = 0;
        while process.realtime().state().slow == 0 {
            process.realtime().publish(&ticker, &json!(text)).await.expect("is published");
            reads.data(1).await;
            most = most.max(process.realtime().state().queued);
            said += 1;
            assert!(said < 5_000, "the kernel cannot hold that much");
        }
        assert!(most <= 256 << 10, "{most} bytes waited");
        println!("sent away after {said} messages of 60 KiB; at most {most} bytes waited for it");
        while process.realtime().state().connections > 1 {
            clock::pause(Duration::from_millis(5)).await;
        }
        drop(stalled);
        process.realtime().publish(&ticker, &json!("still here")).await.expect("is published");
        assert_eq!(reads.data(1).await, ["still here"]);
    }

    async fn a_client_that_has_gone_silently_is_found() {
        let process = Process::start("memory:").await;
        let mut client = process.connect(somebody()).await;
        // It is not polled, so it answers no ping.
        while process.realtime().state().silent == 0 {
            clock::pause(Duration::from_millis(50)).await;
        }
        while process.realtime().state().connections > 0 {
            clock::pause(Duration::from_millis(5)).await;
        }
        while clock::until(clock::monotonic() + PATIENCE, client.socket.next()).await.expect("ends").is_some_and(|next| next.is_ok()) {}
    }

    async fn at_the_stop_everybody_is_told_to_come_back_each_at_a_time_of_their_own() {
        let process = Process::start_with("memory:", |section| section.spread = Span::seconds(60)).await;
        let mut clients = Vec::new();
        for _ in 0..8 {
            clients.push(process.hear(somebody(), &topic("room")).await);
        }
        let stop = async { process.app.stop().await };
        let told = async {
            let mut waits = Vec::new();
            for client in &mut clients {
                waits.push(client.next_of("reconnect").await["after_ms"].as_u64().expect("a time"));
                assert_eq!(client.closed().await, 1012);
            }
            waits
        };
        let ((), waits) = tokio::join!(stop, told);
        assert!(waits.iter().all(|wait| *wait <= 60_000) && waits.iter().max() > waits.iter().min(), "{waits:?}");
    }

    async fn only_who_is_signed_in_comes_in_and_only_from_our_own_pages() {
        let process = Process::start_with("memory:", |section| section.origins = vec!["https://friend.test".into()]).await;
        let with = async |origin: &str| {
            let headers = format!("{}Origin: {origin}\r\n", bearer(somebody()));
            Client::connect(process.address, &headers).await.err().map(|answer| answer[..12].to_owned())
        };
        assert_eq!(with("https://evil.test").await.as_deref(), Some("HTTP/1.1 403"));
        assert_eq!(with("null").await.as_deref(), Some("HTTP/1.1 403"));
        assert_eq!(with(&format!("http://{}", process.address)).await, None);
        assert_eq!(with("https://friend.test").await, None);
        let (_, refused) = handshake(process.address, "").await;
        assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
    }
}
