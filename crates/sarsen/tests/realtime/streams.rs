//! Clients that only listen: the stream of events.

use crate::stage::{PATIENCE, Process, bearer, somebody, topic};
use sarsen::clock;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;

/// A stream of events, line by line.
struct Stream(Lines<BufReader<TcpStream>>);

impl Stream {
    async fn open(process: &Process, query: &str, headers: &str) -> Self {
        let mut stream = TcpStream::connect(process.address).await.expect("connects");
        let (address, who) = (process.address, bearer(somebody()));
        let request = format!("GET /live/events?{query} HTTP/1.1\r\nHost: {address}\r\n{who}{headers}\r\n");
        stream.write_all(request.as_bytes()).await.expect("is sent");
        Self(BufReader::new(stream).lines())
    }

    async fn line(&mut self) -> String {
        let line = clock::until(clock::monotonic() + PATIENCE, self.0.next_line()).await.expect("a line comes");
        line.expect("is read").expect("is not over")
    }

    /// The next message of a topic, and the id that came with it.
    async fn next(&mut self) -> (Option<String>, Value) {
        let mut id = None;
        loop {
            let line = self.line().await;
            if let Some(given) = line.strip_prefix("id: ") {
                id = Some(given.to_owned());
            }
            if let Some(data) = line.strip_prefix("data: ") {
                let message: Value = serde_json::from_str(data).expect("JSON");
                if message["t"] == "msg" {
                    return (id, message["data"].clone());
                }
                id = None;
            }
        }
    }
}

sarsen::each_profile! {
    async fn a_stream_of_events_goes_on_where_it_was_cut() {
        let (process, one, two) = (Process::start("memory:").await, topic("room"), topic("room"));
        let query = format!("topic={one}&topic={two}");
        let mut stream = Stream::open(&process, &query, "").await;
        assert_eq!(stream.line().await, "HTTP/1.1 200 OK");
        while !stream.line().await.contains("subscribed") {}
        while !stream.line().await.contains("subscribed") {}
        process.say(&one, &json!("a")).await;
        let (id, data) = stream.next().await;
        assert_eq!(data, "a");
        drop(stream);
        let mut witness = Stream::open(&process, &query, "").await;
        while !witness.line().await.contains(two.as_str()) {}
        for (topic, text) in [(&two, "b"), (&one, "c"), (&two, "d")] {
            process.say(topic, &json!(text)).await;
        }
        while witness.next().await.1 != "d" {}
        let last = format!("Last-Event-ID: {}\r\n", id.expect("an id"));
        let mut stream = Stream::open(&process, &query, &last).await;
        let mut missed = Vec::new();
        for _ in 0..3 {
            let (id, data) = stream.next().await;
            assert_eq!(id, None, "what is told topic by topic does not move the place of the client");
            missed.push(data);
        }
        assert_eq!(missed, ["c", "b", "d"]);
        process.say(&two, &json!("e")).await;
        assert!(stream.next().await.0.is_some());
        let mut refused = Stream::open(&process, "topic=room:secret", "").await;
        assert_eq!(refused.line().await, "HTTP/1.1 403 Forbidden");
    }
}
