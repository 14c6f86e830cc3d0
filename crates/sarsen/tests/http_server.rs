//! The listener over real sockets: limits, slow and broken clients, HTTP/2, and the drain.

use axum::response::Response;
use bytes::Bytes;
use http::{Request, StatusCode};
use sarsen::config::{HttpSection, Size, Span};
use sarsen::http::routing::{get, post};
use sarsen::http::{Health, Json, ModuleRoutes, Routes, Stack, StackParts, serve};
use sarsen::lifecycle::{self, Lifecycle};
use sarsen::telemetry::{Outcome, Recorder};
use sarsen::{Result, clock};
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

async fn hello() -> &'static str {
    "hello"
}

async fn nap() -> Result<Json<&'static str>> {
    clock::pause(Duration::from_millis(120)).await;
    Ok(Json("rested"))
}

async fn echo(Json(value): Json<Value>) -> Result<Json<Value>> {
    Ok(Json(value))
}

async fn ticks() -> Response {
    let ticks = futures_util::stream::unfold(0, |count| async move {
        clock::pause(Duration::from_millis(20)).await;
        (count < 10).then(|| (Ok::<_, std::io::Error>(Bytes::from(format!("{count}\n"))), count + 1))
    });
    Response::new(axum::body::Body::from_stream(ticks))
}

struct Server {
    address: SocketAddr,
    lifecycle: Lifecycle,
    recorder: Recorder,
    task: JoinHandle<Result<()>>,
}

async fn start(change: impl FnOnce(&mut HttpSection)) -> Server {
    let mut section = HttpSection::default();
    section.header_timeout = Span(Duration::from_millis(80));
    section.body_pause = Span(Duration::from_millis(60));
    section.drain_timeout = Span(Duration::from_millis(500));
    change(&mut section);
    let (recorder, lifecycle) = (Recorder::new(256), Lifecycle::default());
    lifecycle.set_ready();
    let mut parts = StackParts::new(&section, &recorder, Health::new(lifecycle.clone()));
    let routes = || {
        Routes::new()
            .api_route("/hello", get(hello))
            .api_route("/nap", get(nap))
            .api_route("/echo", post(echo))
            .route("/ticks", axum::routing::get(ticks))
    };
    parts.modules.push(ModuleRoutes::new("test", routes));
    let stack = Stack::new(parts).expect("a stack");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let life = lifecycle.clone();
    let task = lifecycle::spawn(async move { serve(listener, stack, &section, &life).await });
    Server { address, lifecycle, recorder, task }
}

impl Server {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("connects")
    }

    /// Sends `bytes` and reads what comes until the connection closes.
    async fn exchange(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        let _ = stream.write_all(bytes).await;
        read_all(&mut stream).await
    }

    async fn is_well(&self) {
        let answer = self.exchange(b"GET /hello HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("hello"), "{answer}");
    }
}

async fn read_all(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let read = async {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut buffer).await {
            text.extend_from_slice(&buffer[..count]);
        }
    };
    clock::until(clock::monotonic() + Duration::from_secs(5), read).await.expect("the server closes the connection");
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn keeps_connections_alive_and_closes_silent_ones() {
    let server = start(|_| {}).await;
    let mut stream = server.connect().await;
    for _ in 0..3 {
        stream.write_all(b"GET /hello HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("writes");
        let mut buffer = [0; 1024];
        let count = stream.read(&mut buffer).await.expect("reads");
        assert!(buffer[..count].starts_with(b"HTTP/1.1 200"));
    }
    assert_eq!(read_all(&mut stream).await, "");
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut_however_it_dribbles() {
    let server = start(|_| {}).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /hello HTTP/1.1\r\nhost: x\r\n").await.expect("writes");
    let (mut reader, mut writer) = stream.into_split();
    let dribble = async {
        for _ in 0..100 {
            if writer.write_all(b"x-more: y\r\n").await.is_err() {
                return true;
            }
            clock::pause(Duration::from_millis(5)).await;
        }
        false
    };
    let read = async {
        let mut text = Vec::new();
        let _ = reader.read_to_end(&mut text).await;
    };
    let (cut, ()) = tokio::join!(dribble, read);
    assert!(cut);
    server.is_well().await;
}

#[tokio::test]
async fn a_slow_body_is_answered_408_and_closed() {
    let server = start(|_| {}).await;
    let head = "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"a\":";
    let answer = server.exchange(head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("urn:sarsen:problem:slow"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn large_bodies_are_refused_before_and_while_they_come() {
    let server = start(|section| section.max_body = Size(10_000)).await;
    let body = "x".repeat(3_000_000);
    let known = format!(
        "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = server.exchange(known.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    let chunk = format!("2710\r\n{}\r\n", "[".repeat(10_000));
    let chunked = format!(
        "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n{}0\r\n\r\n",
        chunk.repeat(100)
    );
    let answer = server.exchange(chunked.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    server.is_well().await;
}

#[tokio::test]
async fn broken_requests_are_the_clients_fault() {
    let server = start(|_| {}).await;
    let huge = format!("GET /hello HTTP/1.1\r\nhost: x\r\nx-huge: {}\r\n\r\n", "y".repeat(100_000));
    let many = format!("GET /hello HTTP/1.1\r\nhost: x\r\n{}\r\n", "x-a: b\r\n".repeat(500));
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", "a".repeat(70_000));
    let cases: [&[u8]; 8] = [
        b"\x00\x01\x02\x03garbage\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /hello HTTP/9.9\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: abc\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nbad header\r\n\r\n",
        huge.as_bytes(),
        many.as_bytes(),
        long.as_bytes(),
    ];
    for case in cases {
        let answer = server.exchange(case).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{:?}: {answer}", &case[..case.len().min(40)]);
    }
    server.is_well().await;
    let closed = server.recorder.drain();
    assert!(closed.iter().all(|operation| operation.record().outcome == Outcome::Status(200)), "{closed:?}");
}

#[tokio::test]
async fn a_connection_that_streams_is_not_silent() {
    let server = start(|_| {}).await;
    let answer = server.exchange(b"GET /ticks HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.contains("9\n"), "{answer}");
}

#[tokio::test]
async fn the_drain_finishes_what_runs_and_refuses_what_is_new() {
    let server = start(|_| {}).await;
    let mut idle = server.connect().await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /nap HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("writes");
    clock::pause(Duration::from_millis(30)).await;
    server.lifecycle.stop();
    clock::pause(Duration::from_millis(30)).await;
    assert!(TcpStream::connect(server.address).await.is_err());
    let answer = read_all(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\"rested\""), "{answer}");
    assert_eq!(read_all(&mut idle).await, "");
    server.task.await.expect("no panic").expect("served");
}

#[tokio::test]
async fn what_outlasts_the_drain_is_cut() {
    let server = start(|section| section.drain_timeout = Span(Duration::from_millis(30))).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /nap HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("writes");
    clock::pause(Duration::from_millis(20)).await;
    server.lifecycle.stop();
    assert_eq!(read_all(&mut stream).await, "");
    server.task.await.expect("no panic").expect("served");
    assert_eq!(server.recorder.drain()[0].record().outcome, Outcome::Cancelled);
}

#[tokio::test]
async fn more_connections_than_allowed_wait() {
    let server = start(|section| section.max_connections = 1).await;
    let first = server.connect().await;
    clock::pause(Duration::from_millis(10)).await;
    let mut second = server.connect().await;
    second.write_all(b"GET /hello HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.expect("writes");
    let mut buffer = [0; 512];
    let early = clock::until(clock::monotonic() + Duration::from_millis(20), second.read(&mut buffer)).await;
    assert!(early.is_err());
    drop(first);
    assert!(read_all(&mut second).await.ends_with("hello"));
}

#[tokio::test]
async fn http2_works_on_the_same_port() {
    let server = start(|_| {}).await;
    let (client, connection) = h2::client::handshake(server.connect().await).await.expect("a handshake");
    lifecycle::spawn(connection);
    let url = |path: &str| format!("http://{}{path}", server.address);
    let send = async |request: Request<()>, body: &'static str| {
        let mut client = client.clone().ready().await.expect("ready");
        let (answer, mut sending) = client.send_request(request, false).expect("sent");
        sending.send_data(Bytes::from_static(body.as_bytes()), true).expect("sent");
        let (parts, mut stream) = answer.await.expect("an answer").into_parts();
        let mut text = Vec::new();
        while let Some(part) = stream.data().await {
            text.extend_from_slice(&part.expect("a part"));
        }
        (parts, String::from_utf8_lossy(&text).into_owned())
    };
    let naps = (0..20).map(|_| send(Request::get(url("/nap")).body(()).expect("a request"), ""));
    for (parts, body) in futures_util::future::join_all(naps).await {
        assert_eq!((parts.status, body.as_str()), (StatusCode::OK, "\"rested\""));
    }
    let request = Request::post(url("/echo")).header("content-type", "application/json");
    let (parts, body) = send(request.body(()).expect("a request"), "[1").await;
    assert_eq!(parts.status, StatusCode::BAD_REQUEST);
    assert!(body.contains("urn:sarsen:problem:malformed"), "{body}");
    let request = Request::post(url("/echo")).header("origin", "http://evil.test");
    let (parts, _) = send(request.body(()).expect("a request"), "{}").await;
    assert_eq!(parts.status, StatusCode::FORBIDDEN);
    let request = Request::post(url("/echo")).header("origin", format!("http://{}", server.address));
    let (parts, _) = send(request.header("content-type", "application/json").body(()).expect("a request"), "{}").await;
    assert_eq!(parts.status, StatusCode::OK);
}
