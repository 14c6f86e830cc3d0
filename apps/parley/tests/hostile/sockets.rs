//! What no HTTP client would send, on real sockets to the real program, while somebody else wants to be served.

use crate::program::client::{Connection, Person};
use crate::program::place::{Database, Place, Server};
use crate::program::random::Random;
use sarsen::clock;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest that somebody else may wait for an answer meanwhile.
const PATIENCE: Duration = Duration::from_secs(2);
/// Longest that a test waits for a connection to say something, or to end.
const LIMIT: Duration = Duration::from_secs(8);

/// A server, and somebody who only wants to be served.
struct Scene {
    server: Server,
    witness: Person,
}

impl Scene {
    async fn start() -> (Place, Self) {
        let place = Place::new(Database::Embedded).await.expect("a folder is all it needs");
        let server = place.serve().await;
        let witness = Person::sign_up(server.address, "witness").await;
        (place, Self { server, witness })
    }

    fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Fails unless the witness is answered in time, on the old connection and on a new one.
    async fn serves_others(&mut self, meanwhile: &str) {
        let deadline = clock::monotonic() + PATIENCE;
        let on_old = clock::until(deadline, self.witness.get("/v1/me")).await;
        if !matches!(&on_old, Ok(Ok(answer)) if answer.status == 200) {
            // A silent connection may have been ended; a new one is as good.
            self.witness.reconnect(self.server.address).await;
        }
        let answer = clock::until(deadline, self.witness.get("/v1/me")).await;
        let answer = answer.unwrap_or_else(|_| panic!("nobody else is served: {meanwhile}"));
        assert_eq!(answer.expect("an answer").status, 200, "{meanwhile}");
    }
}

/// Sends these bytes and reads until the server ends the connection, or says nothing more.
async fn exchange(address: SocketAddr, bytes: &[u8], silence: Duration) -> (String, bool) {
    let mut stream = TcpStream::connect(address).await.expect("it takes connections");
    // The server may refuse before it has read everything.
    let _ = clock::until(clock::monotonic() + LIMIT, stream.write_all(bytes)).await;
    let (mut answer, mut space) = (Vec::new(), vec![0; 1 << 16]);
    loop {
        match clock::until(clock::monotonic() + silence, stream.read(&mut space)).await {
            Ok(Ok(0) | Err(_)) => return (String::from_utf8_lossy(&answer).into_owned(), true),
            Ok(Ok(read)) => answer.extend_from_slice(&space[..read]),
            Err(_) => return (String::from_utf8_lossy(&answer).into_owned(), false),
        }
    }
}

fn statuses(answer: &str) -> Vec<u16> {
    let parts = answer.match_indices("HTTP/1.1 ").map(|(at, _)| answer[at + 9..].get(..3));
    parts.filter_map(|status| status?.parse().ok()).collect()
}

pub(crate) async fn garbage_disturbs_nobody() {
    let (_place, mut scene) = Scene::start().await;
    let mut random = Random::new(5);
    let mut noise = |length: usize| (0..length).map(|_| random.next().to_le_bytes()[0]).collect::<Vec<u8>>();
    let head = |lines: &str| format!("GET /livez HTTP/1.1\r\nhost: x\r\n{lines}\r\n").into_bytes();
    let mut attacks: Vec<Vec<u8>> = vec![
        b"GET\r\n\r\n".to_vec(),
        b"GET / HTTP/9.9\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1 extra\r\n\r\n".to_vec(),
        b"get /livez http/1.1\r\n\r\n".to_vec(),
        b"\r\n\r\n\r\n\r\n".to_vec(),
        b"\0\0\0\0\0\0\0\0".to_vec(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnot a frame at all, but long enough to be read as one".to_vec(),
        b"CONNECT evil.test:443 HTTP/1.1\r\nhost: evil.test:443\r\n\r\n".to_vec(),
        b"GET http://evil.test/livez HTTP/1.1\r\nhost: x\r\n\r\n".to_vec(),
        b"OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n".to_vec(),
        b"GET /\xff\xfe HTTP/1.1\r\nhost: x\r\n\r\n".to_vec(),
        b"GET /a b c HTTP/1.1\r\nhost: x\r\n\r\n".to_vec(),
        head("no colon\r\n"),
        head("na me: x\r\n"),
        head("name: a\0b\r\n"),
        head(" folded: x\r\n"),
        head("a: b\rc: d\r\n"),
        head(&"many: x\r\n".repeat(5_000)),
        head(&format!("huge: {}\r\n", "x".repeat(1 << 20))),
        head("upgrade: websocket\r\nconnection: upgrade\r\n"),
        head("expect: 200-maybe\r\n"),
        format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(100_000)).into_bytes(),
    ];
    attacks.extend([1, 100, 10_000, 100_000].map(&mut noise));
    for attack in &attacks {
        let (answer, _) = exchange(scene.address(), attack, Duration::from_millis(200)).await;
        let shown = String::from_utf8_lossy(&attack[..attack.len().min(60)]).into_owned();
        assert!(statuses(&answer).iter().all(|status| *status < 500), "{shown:?}: {answer}");
        scene.serves_others(&shown).await;
    }
    println!("{} sorts of garbage", attacks.len());
    scene.server.kill().await;
}

pub(crate) async fn requests_are_never_smuggled() {
    let (_place, mut scene) = Scene::start().await;
    let hidden = "GET /livez HTTP/1.1\r\nhost: x\r\n\r\n";
    let post = |lines: &str, body: &str| {
        format!(
            "POST /v1/session HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{lines}\r\n\r\n{body}{hidden}"
        )
    };
    let attacks = [
        post("content-length: 5\r\ntransfer-encoding: chunked", "0\r\n\r\n"),
        post("transfer-encoding: chunked\r\ncontent-length: 5", "0\r\n\r\n"),
        post("content-length: 0\r\ncontent-length: 44", ""),
        post("content-length: 44\r\ncontent-length: 0", ""),
        post("content-length: 0, 44", ""),
        post("content-length: +0", ""),
        post("content-length: 0x0", ""),
        post("content-length: -1", ""),
        post("content-length: 18446744073709551616", ""),
        post("content-length : 0", ""),
        post("transfer-encoding : chunked", "0\r\n\r\n"),
        post("transfer-encoding: xchunked", "0\r\n\r\n"),
        post("transfer-encoding: chunked, identity", "0\r\n\r\n"),
        post("transfer-encoding: identity", ""),
        post("transfer-encoding: chunked\r\ntransfer-encoding: x", "0\r\n\r\n"),
        post("transfer-encoding:\x0bchunked", "0\r\n\r\n"),
        post("transfer-encoding: chunked", "ffffffffffffffffff\r\n"),
        post("transfer-encoding: chunked", "-1\r\n\r\n"),
        post("transfer-encoding: chunked", "0 x\r\n\r\n"),
        post("transfer-encoding: chunked", "0\n\n"),
        post("x: y\r\n content-length: 44", ""),
        post("content-length: 0\rtransfer-encoding: chunked", "0\r\n\r\n"),
    ];
    for attack in &attacks {
        let (answer, ended) = exchange(scene.address(), attack.as_bytes(), Duration::from_secs(3)).await;
        let statuses = statuses(&answer);
        assert!(ended, "the connection goes on after {attack:?}: {answer}");
        assert!(
            statuses.len() <= 1 && statuses.iter().all(|status| (400..500).contains(status)),
            "{attack:?}: {answer}"
        );
        scene.serves_others(attack).await;
    }
    println!("{} ways to smuggle a request", attacks.len());
    scene.server.kill().await;
}

pub(crate) async fn slow_clients_disturb_nobody() {
    const IDLE: usize = 500;
    let (_place, mut scene) = Scene::start().await;
    let mut idle = Vec::new();
    for number in 0..IDLE {
        let mut connection = Connection::open(scene.address()).await.expect("it takes connections");
        match number % 4 {
            // Half a head.
            1 => connection.send(b"GET /livez HTTP/1.1\r\nhost: x\r\nslow").await.unwrap(),
            // A body that does not come.
            2 => connection.send(&post_of(1_000)).await.unwrap(),
            // Served once, and silent since.
            3 => {
                connection.send(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
                assert_eq!(connection.receive().await.unwrap().status, 200);
            }
            // Nothing at all.
            _ => {}
        }
        idle.push(connection);
    }
    half_open(scene.address()).await;
    let mut dribbling = TcpStream::connect(scene.address()).await.unwrap();
    dribbling.write_all(&post_of(1_000)).await.unwrap();
    for _ in 0..20 {
        let _ = dribbling.write_all(b" ").await;
        scene.serves_others("500 connections are silent").await;
        clock::pause(Duration::from_millis(100)).await;
    }
    let (mut told, mut cut) = (0, 0);
    let deadline = clock::monotonic() + LIMIT;
    for (number, mut connection) in idle.into_iter().enumerate() {
        match clock::until(deadline, connection.receive()).await.expect("silent connections are ended") {
            Ok(answer) => {
                assert_eq!((number % 4, answer.status), (2, 408), "{}", answer.body);
                told += 1;
            }
            Err(_) => cut += 1,
        }
    }
    scene.serves_others("the silent connections were ended").await;
    println!("{IDLE} silent connections: {told} were answered 408, {cut} were cut");
    scene.server.kill().await;
}

fn post_of(length: usize) -> Vec<u8> {
    let head = "POST /v1/session HTTP/1.1\r\nhost: x\r\ncontent-type: application/json";
    format!("{head}\r\ncontent-length: {length}\r\n\r\n{{").into_bytes()
}

/// A client that says it is done, and still wants its answer.
async fn half_open(address: SocketAddr) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    clock::until(clock::monotonic() + LIMIT, stream.read_to_string(&mut answer)).await.expect("in time").unwrap();
    assert!(statuses(&answer).first().is_none_or(|status| *status == 200), "{answer}");
}
