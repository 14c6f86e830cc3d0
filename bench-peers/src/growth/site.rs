//! A client of one running Parley: one connection over the loopback, one account.

use crate::{Outcome, wrong};
use http::{Request, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use sarsen::{clock, lifecycle};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::TcpStream;

/// One account at one server.
pub(super) struct Site {
    sender: SendRequest<Full<Bytes>>,
    host: String,
    cookie: String,
}

impl Site {
    /// Connects and signs up.
    pub(super) async fn join(address: &str) -> Outcome<Self> {
        let sender = connect(address).await?;
        let mut site = Self { sender, host: address.to_owned(), cookie: String::new() };
        let account = json!({"username": format!("bench{}", std::process::id()), "password": "measured in earnest"});
        site.post("/v1/accounts", &account).await?;
        Ok(site)
    }

    /// Takes a new connection, for a server closes one that was silent for a while.
    pub(super) async fn reconnect(&mut self) -> Outcome<()> {
        self.sender = connect(&self.host).await?;
        Ok(())
    }

    /// Makes a public channel and says its id.
    pub(super) async fn channel(&mut self, name: &str) -> Outcome<String> {
        let channel = self.post("/v1/channels", &json!({"name": name, "kind": "public"})).await?;
        text_of(&channel, "id")
    }

    /// A page of a list, and how long it took, the reading of the body included.
    pub(super) async fn get(&mut self, path: &str) -> Outcome<(Bytes, Duration)> {
        let request = Request::get(path).header(header::COOKIE, &self.cookie).body(Full::default());
        let started = clock::monotonic();
        let bytes = self.send(request?).await?;
        Ok((bytes, clock::monotonic() - started))
    }

    /// A page of a list, read.
    pub(super) async fn page(&mut self, path: &str) -> Outcome<Value> {
        Ok(serde_json::from_slice(&self.get(path).await?.0)?)
    }

    async fn post(&mut self, path: &str, body: &Value) -> Outcome<Value> {
        let request = Request::post(path).header(header::COOKIE, &self.cookie);
        let request = request.header(header::CONTENT_TYPE, "application/json").body(Full::from(body.to_string()))?;
        Ok(serde_json::from_slice(&self.send(request).await?)?)
    }

    async fn send(&mut self, mut request: Request<Full<Bytes>>) -> Outcome<Bytes> {
        request.headers_mut().insert(header::HOST, self.host.parse()?);
        let what = format!("{} {}", request.method(), request.uri());
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let (head, body) = response.into_parts();
        let bytes = body.collect().await?.to_bytes();
        if !head.status.is_success() {
            return Err(wrong(format!("{what}: {} {}", head.status, String::from_utf8_lossy(&bytes))));
        }
        for cookie in head.headers.get_all(header::SET_COOKIE) {
            self.cookie = cookie.to_str()?.split(';').next().unwrap_or_default().to_owned();
        }
        Ok(bytes)
    }
}

async fn connect(address: &str) -> Outcome<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    drop(lifecycle::spawn(connection));
    Ok(sender)
}

fn text_of(value: &Value, key: &str) -> Outcome<String> {
    let text = value.get(key).and_then(Value::as_str);
    text.map(str::to_owned).ok_or_else(|| wrong(format!("there is no `{key}` in {value}")))
}
