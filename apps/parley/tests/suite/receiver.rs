//! A server that receives webhooks, and misbehaves when it is told to.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sarsen::lifecycle;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What it does with a request; without one it answers 200.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    /// Answers this status with these lines of headers.
    Answer(u16, &'static str),
    /// Takes the request, and never says anything.
    Silence,
    /// Takes the request, and closes the connection.
    Close,
    /// Answers 200 and begins a body, and never ends it.
    Dribble,
    /// Answers 200 with a body of so many bytes.
    Talk(usize),
}

/// A request, as it came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) line: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

#[derive(Debug, Default)]
struct State {
    deeds: VecDeque<Deed>,
    received: Vec<Received>,
    talked: usize,
}

/// The server; it listens as long as the test runs.
#[derive(Clone, Debug)]
pub(crate) struct Receiver {
    port: u16,
    state: Arc<Mutex<State>>,
}

impl Receiver {
    pub(crate) async fn start() -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let receiver = Receiver { port: listener.local_addr().expect("an address").port(), state: Arc::default() };
        let serving = receiver.clone();
        drop(lifecycle::spawn_background(async move {
            while let Ok((stream, _)) = listener.accept().await {
                drop(lifecycle::spawn_background(serving.clone().serve(stream)));
            }
        }));
        receiver
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Says what to do with the next requests.
    pub(crate) fn will(&self, deeds: impl IntoIterator<Item = Deed>) {
        self.state().deeds.extend(deeds);
    }

    /// What came since this was last asked.
    pub(crate) fn received(&self) -> Vec<Received> {
        std::mem::take(&mut self.state().received)
    }

    /// How many bytes of a [`Deed::Talk`] somebody took.
    pub(crate) fn talked(&self) -> usize {
        self.state().talked
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("not poisoned")
    }

    async fn serve(self, mut stream: TcpStream) {
        let Some(received) = read(&mut stream).await else { return };
        let deed = {
            let mut state = self.state();
            state.received.push(received);
            state.deeds.pop_front().unwrap_or(Deed::Answer(200, ""))
        };
        self.act(deed, stream).await;
    }

    async fn act(&self, deed: Deed, mut stream: TcpStream) {
        let head = |status: u16, headers: &str| format!("HTTP/1.1 {status} So\r\n{headers}connection: close\r\n");
        match deed {
            Deed::Answer(status, headers) => {
                let text = format!("{}content-length: 5\r\n\r\nso be", head(status, headers));
                let _ = stream.write_all(text.as_bytes()).await;
            }
            Deed::Close => {}
            Deed::Silence => std::future::pending().await,
            Deed::Dribble => {
                let text = format!("{}content-length: 5\r\n\r\nso", head(200, ""));
                let _ = stream.write_all(text.as_bytes()).await;
                std::future::pending().await
            }
            Deed::Talk(bytes) => {
                let text = format!("{}content-length: {bytes}\r\n\r\n", head(200, ""));
                let _ = stream.write_all(text.as_bytes()).await;
                for _ in 0..bytes / 1024 {
                    if stream.write_all(&[b'x'; 1024]).await.is_err() {
                        return;
                    }
                    self.state().talked += 1024;
                }
            }
        }
    }
}

/// Reads one request; nothing when somebody only knocked.
async fn read(stream: &mut TcpStream) -> Option<Received> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        if let Some(received) = whole(&bytes) {
            return Some(received);
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
        }
    }
}

fn whole(bytes: &[u8]) -> Option<Received> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let line = lines.next()?.to_owned();
    let pair = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    let headers: BTreeMap<String, String> = lines.filter_map(pair).collect();
    let length: usize = headers.get("content-length")?.parse().ok()?;
    (body.len() >= length).then(|| Received { line, headers, body: body[..length].to_owned() })
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    /// Whether the signature is that of Standard Webhooks, checked as a receiver would, and by none of our own code.
    pub(crate) fn is_signed_with(&self, secret: &str) -> bool {
        let signed = format!("{}.{}.{}", self.header("webhook-id"), self.header("webhook-timestamp"), self.body);
        signature(secret, &signed) == self.header("webhook-signature")
    }
}

/// `v1,` and the base64 of HMAC-SHA256 as RFC 2104 defines it.
pub(crate) fn signature(secret: &str, signed: &str) -> String {
    let mut key = STANDARD.decode(secret.strip_prefix("whsec_").expect("a secret")).expect("base64");
    assert!(key.len() <= 64, "a longer key would be hashed first");
    key.resize(64, 0);
    let pad = |with: u8| key.iter().map(|byte| byte ^ with).collect::<Vec<u8>>();
    let inner = Sha256::digest([pad(0x36).as_slice(), signed.as_bytes()].concat());
    let outer = Sha256::digest([pad(0x5c).as_slice(), inner.as_slice()].concat());
    format!("v1,{}", STANDARD.encode(outer))
}
