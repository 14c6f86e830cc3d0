//! The accounts of requests over real sockets: whatever the client does, each nanosecond is booked once.

use axum::response::Response;
use bytes::Bytes;
use futures_util::future::join_all;
use http::Request;
use sarsen::clock;
use sarsen::config::HttpSection;
use sarsen::http::routing::get;
use sarsen::http::{Health, Json, ModuleRoutes, Routes, Stack, StackParts, serve};
use sarsen::lifecycle::{self, Lifecycle};
use sarsen::telemetry::{self, Operation, Outcome, Record, Recorder, WaitKind};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

const NAP: Duration = Duration::from_millis(30);

async fn nap() -> Json<&'static str> {
    telemetry::wait(WaitKind::Http, "far away", clock::pause(NAP)).await;
    Json("rested")
}

/// Told when `/never` has begun.
static BEGUN: Notify = Notify::const_new();

async fn never() -> Json<()> {
    BEGUN.notify_one();
    telemetry::wait(WaitKind::Lock, "never", std::future::pending::<()>()).await;
    Json(())
}

async fn parts() -> Response {
    let parts = futures_util::stream::unfold(0, |count| async move {
        telemetry::wait(WaitKind::Cache, "part", clock::pause(NAP / 3)).await;
        (count < 3).then(|| (Ok::<_, std::io::Error>(Bytes::from_static(b"part\n")), count + 1))
    });
    Response::new(axum::body::Body::from_stream(parts))
}

struct Server {
    address: SocketAddr,
    recorder: Recorder,
}

async fn start() -> Server {
    let (recorder, lifecycle, section) = (Recorder::new(256), Lifecycle::default(), HttpSection::default());
    lifecycle.set_ready();
    let mut stack = StackParts::new(&section, &recorder, Health::new(lifecycle.clone()));
    let routes = || {
        Routes::new()
            .api_route("/nap", get(nap))
            .api_route("/never", get(never))
            .route("/parts", axum::routing::get(parts))
    };
    stack.modules.push(ModuleRoutes::new("test", routes));
    let stack = Stack::new(stack).expect("a stack");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    lifecycle::spawn_background(async move { serve(listener, stack, &section, &lifecycle).await });
    Server { address, recorder }
}

impl Server {
    async fn send(&self, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.expect("connects");
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("writes");
        stream
    }

    /// The next Operations that close, so many.
    async fn closed(&self, count: usize) -> Vec<Operation> {
        let mut closed = Vec::new();
        let all = async {
            while closed.len() < count {
                closed.extend(self.recorder.drain());
                clock::pause(Duration::from_millis(1)).await;
            }
        };
        clock::until(clock::monotonic() + Duration::from_secs(10), all).await.expect("they close");
        closed
    }
}

async fn read_all(mut stream: TcpStream) -> Vec<u8> {
    let mut text = Vec::new();
    stream.read_to_end(&mut text).await.expect("reads");
    text
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).expect("short")
}

#[track_caller]
fn assert_exact(record: &Record) {
    let account = &record.account;
    assert_eq!(account.booked(), account.wall, "{record:?}");
    assert_eq!(account.wall, nanoseconds(record.duration));
}

#[tokio::test]
async fn a_request_is_booked_with_its_wait() {
    let server = start().await;
    assert!(read_all(server.send("/nap").await).await.ends_with(b"\"rested\""));
    let closed = server.closed(1).await;
    let record = closed[0].record();
    assert_exact(&record);
    assert!(record.account.of(WaitKind::Http) >= nanoseconds(NAP) * 9 / 10, "{:?}", record.account);
    assert!(record.account.polls >= 2);
    assert_eq!((record.bytes_out, record.leaves[0].label.as_str()), (8, "far away"));
}

#[tokio::test]
async fn a_client_that_hangs_up_is_booked_until_then() {
    let server = start().await;
    let stream = server.send("/never").await;
    BEGUN.notified().await;
    clock::pause(NAP).await;
    drop(stream);
    let closed = server.closed(1).await;
    let record = closed[0].record();
    assert_exact(&record);
    assert_eq!(record.outcome, Outcome::Cancelled);
    assert!(record.leaves[0].cancelled);
    assert!(record.account.of(WaitKind::Lock) >= nanoseconds(NAP) * 9 / 10, "{:?}", record.account);
}

#[tokio::test]
async fn the_body_of_an_answer_is_a_part_of_the_request() {
    let server = start().await;
    assert!(read_all(server.send("/parts").await).await.len() > 15);
    let closed = server.closed(1).await;
    let record = closed[0].record();
    assert_exact(&record);
    assert_eq!(record.bytes_out, 15);
    assert!(record.account.of(WaitKind::Cache) >= nanoseconds(NAP) * 9 / 10, "{:?}", record.account);
    assert!(record.leaves.iter().any(|leaf| leaf.kind == WaitKind::BodyOut));
}

#[tokio::test]
async fn streams_of_one_connection_have_an_account_each() {
    let server = start().await;
    let stream = TcpStream::connect(server.address).await.expect("connects");
    let (client, connection) = h2::client::handshake(stream).await.expect("a handshake");
    lifecycle::spawn_background(connection);
    let send = async |_| {
        let mut client = client.clone().ready().await.expect("ready");
        let request = Request::get(format!("http://{}/nap", server.address)).body(()).expect("a request");
        let (answer, _) = client.send_request(request, true).expect("sent");
        answer.await.expect("an answer")
    };
    join_all((0..8).map(send)).await;
    let closed = server.closed(8).await;
    for operation in &closed {
        let record = operation.record();
        assert_exact(&record);
        assert_eq!(record.outcome, Outcome::Status(200));
        assert!(record.account.of(WaitKind::Http) >= nanoseconds(NAP) * 9 / 10, "{:?}", record.account);
    }
}

/// Three tasks that hold up the only thread in turns; the sockets are looked at between any two of them.
#[test]
fn a_request_begins_when_its_connection_is_woken() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().event_interval(1).build().expect("a runtime");
    runtime.block_on(async {
        let server = start().await;
        for _ in 0..3 {
            lifecycle::spawn_background(async {
                loop {
                    std::hint::black_box(hold_up(Duration::from_millis(10)));
                    tokio::task::yield_now().await;
                }
            });
        }
        drop(read_all(server.send("/nap").await).await);
        let closed = server.closed(1).await;
        let record = closed[0].record();
        assert_exact(&record);
        assert!(record.account.runnable >= nanoseconds(Duration::from_millis(10)), "{:?}", record.account);
    });
}

/// Computes for so long.
fn hold_up(time: Duration) -> u64 {
    let until = clock::monotonic() + time;
    let mut turns = 0;
    while clock::monotonic() < until {
        turns += 1;
    }
    turns
}
