//! Clients that break the rules: each hears why, and the others notice nothing.

use crate::stage::{Client, PATIENCE, Process, bearer, handshake, somebody, topic};
use futures_util::SinkExt;
use sarsen::clock;
use sarsen::config::Span;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::protocol::Message;

/// The code of the close frame in what a server sent; frames of a server are not masked.
fn close_code(bytes: &[u8]) -> Option<u16> {
    let mut rest = bytes;
    while let [first, length, tail @ ..] = rest {
        let (length, tail) = match length {
            126 => (usize::from(u16::from_be_bytes([*tail.first()?, *tail.get(1)?])), tail.get(2..)?),
            short => (usize::from(*short), tail),
        };
        if first & 0x0f == 8 {
            return Some(u16::from_be_bytes([*tail.first()?, *tail.get(1)?]));
        }
        rest = tail.get(length..)?;
    }
    None
}

/// Sends raw bytes after the handshake, and gives the code with which the server closes.
async fn raw(process: &Process, bytes: &[u8]) -> Option<u16> {
    let (mut stream, answer) = handshake(process.address, &bearer(somebody())).await;
    assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
    // The server may close before it has read everything.
    let _ = stream.write_all(bytes).await;
    let mut heard = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match clock::until(clock::monotonic() + PATIENCE, stream.read(&mut buffer)).await.expect("the server ends it") {
            Ok(0) | Err(_) => return close_code(&heard),
            Ok(read) => heard.extend_from_slice(&buffer[..read]),
        }
    }
}

/// A frame as a client sends it, with a mask of zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        short @ 0..126 => frame.push(0x80 | u8::try_from(short).expect("short")),
        long => {
            frame.push(0x80 | 127);
            frame.extend((long as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

sarsen::each_profile! {
    async fn broken_frames_are_answered_with_the_code_that_says_why() {
        // The witness is not asked whether it is there, while it waits for the end of each case.
        let process = Process::start_with("memory:", |section| section.ping = Span::seconds(300)).await;
        let room = topic("room");
        let mut witness = process.hear(somebody(), &room).await;
        let huge_head = [&[0x81, 0xff][..], &u64::MAX.to_be_bytes(), &[0; 4]].concat();
        let cases: Vec<(&str, Vec<u8>, u16)> = vec![
            ("garbage", vec![0xff; 512], 1002),
            ("no mask", vec![0x81, 0x02, b'{', b'}'], 1002),
            ("reserved bits", frame(0xf1, b"{}"), 1002),
            ("an unknown opcode", frame(0x83, b"{}"), 1002),
            ("a fragmented ping", frame(0x09, b"x"), 1002),
            ("a ping that is too long", frame(0x89, &[b'x'; 126]), 1002),
            ("a continuation of nothing", frame(0x80, b"{}"), 1002),
            ("bytes that are no text", frame(0x81, &[0xc3, 0x28]), 1007),
            ("binary", frame(0x82, b"{}"), 1003),
            ("a length of 2^64", huge_head, 1009),
            ("a huge frame", frame(0x81, &vec![b' '; 1 << 20]), 1009),
            ("fragments without end", [frame(0x01, &[b' '; 8 << 10]), frame(0x00, &[b' '; 8 << 10]).repeat(40)].concat(), 1009),
        ];
        for (what, bytes, code) in cases {
            assert_eq!(raw(&process, &bytes).await, Some(code), "{what}");
            process.say(&room, &json!(what)).await;
            assert_eq!(witness.data(1).await, [what]);
            println!("{what}: closed with {code}");
        }
        while process.realtime().state().connections > 1 {
            clock::pause(Duration::from_millis(5)).await;
        }
    }

    async fn wrong_messages_are_answered_with_a_problem_and_the_connection_stays() {
        let process = Process::start("memory:").await;
        let mut client = process.connect(somebody()).await;
        let deep = "[".repeat(10_000);
        let long = "x".repeat(300);
        let cases: Vec<(String, &str)> = vec![
            ("".into(), "invalid"),
            ("nonsense".into(), "invalid"),
            ("{}".into(), "invalid"),
            ("[1,2,3]".into(), "invalid"),
            (deep, "invalid"),
            (r#"{"t":"sub"}"#.into(), "invalid"),
            (r#"{"t":"drop tables"}"#.into(), "invalid"),
            (r#"{"t":"sub","topic":"room:1","more":1}"#.into(), "invalid"),
            (r#"{"t":"sub","topic":"room:1","since":{"epoch":"e","offset":"x"}}"#.into(), "invalid"),
            (json!({ "t": "sub", "topic": "no colon" }).to_string(), "invalid"),
            (json!({ "t": "sub", "topic": format!("room:{long}") }).to_string(), "invalid"),
            (json!({ "t": "sub", "topic": "room:\"}" }).to_string(), "invalid"),
            (json!({ "t": "sub", "topic": "sessions:1" }).to_string(), "not-found"),
            (json!({ "t": "sub", "topic": "room:secret" }).to_string(), "forbidden"),
            (json!({ "t": "pub", "topic": "room:1", "data": 1 }).to_string(), "forbidden"),
            (json!({ "t": "pub", "topic": "typing:secret", "data": 1 }).to_string(), "forbidden"),
            (json!({ "t": "pub", "topic": "typing:1" }).to_string(), "invalid"),
        ];
        for (text, kind) in cases {
            client.socket.send(Message::text(text.clone())).await.expect("is sent");
            let answer = client.next().await;
            let shown: String = text.chars().take(80).collect();
            assert_eq!(answer["problem"]["type"], format!("urn:sarsen:problem:{kind}"), "{shown}: {answer}");
            println!("{shown}: {}", answer["problem"]["detail"]);
        }
        client.hears_nothing().await;
    }

    async fn what_one_may_not_see_is_never_heard() {
        let (process, secret) = (Process::start("memory:").await, sarsen::realtime::Topic::new("room", "secret"));
        let mut client = process.connect(somebody()).await;
        for since in [json!(null), json!({ "epoch": "x", "offset": 0 })] {
            client.send(&json!({ "t": "sub", "topic": secret.as_str(), "since": since })).await;
            assert_eq!(client.next().await["problem"]["type"], "urn:sarsen:problem:forbidden");
        }
        process.say(&secret, &json!("for others")).await;
        clock::pause(Duration::from_millis(50)).await;
        client.hears_nothing().await;
    }

    async fn a_flood_is_ended_and_costs_the_others_nothing() {
        let process = Process::start_with("memory:", |section| {
            (section.inbound_rate, section.inbound_burst) = (20, 100);
        }).await;
        let room = topic("room");
        let mut witness = process.hear(somebody(), &room).await;
        let mut flood = process.connect(somebody()).await;
        for _ in 0..200 {
            if flood.socket.feed(Message::text(r#"{"t":"ping"}"#)).await.is_err() {
                break;
            }
        }
        let _ = flood.socket.flush().await;
        let (mut pongs, mut refused) = (0, 0);
        let code = loop {
            match flood.receive_raw().await {
                Message::Text(text) => {
                    let message: Value = serde_json::from_str(&text).expect("JSON");
                    pongs += usize::from(message["t"] == "pong");
                    refused += usize::from(message["problem"]["type"] == "urn:sarsen:problem:too-many");
                }
                Message::Close(close) => break close.map(|close| u16::from(close.code)),
                _ => {}
            }
        };
        assert_eq!((code, refused), (Some(4029), 1));
        assert!((100..=110).contains(&pongs), "{pongs} were answered");
        process.say(&room, &json!("calm")).await;
        assert_eq!(witness.data(1).await, ["calm"]);
    }

    async fn handshakes_that_are_wrong_are_refused() {
        let process = Process::start("memory:").await;
        let (address, who) = (process.address, bearer(somebody()));
        let good = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        for (from, to) in [("Upgrade: websocket", "Upgrade: h2c"), ("13", "8"), ("dGhlIHNhbXBsZSBub25jZQ==", "short"), ("Connection: Upgrade", "Connection: close")] {
            let mut stream = tokio::net::TcpStream::connect(address).await.expect("connects");
            let request = format!("GET /live HTTP/1.1\r\nHost: {address}\r\n{who}{}\r\n", good.replace(from, to));
            stream.write_all(request.as_bytes()).await.expect("is sent");
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).await.expect("an answer");
            assert_eq!(&answer, b"HTTP/1.1 400", "{to}");
        }
    }
}

impl Client {
    async fn receive_raw(&mut self) -> Message {
        use futures_util::StreamExt;
        let next = clock::until(clock::monotonic() + PATIENCE, self.socket.next()).await.expect("something comes");
        next.expect("is not over").expect("is a message")
    }
}
