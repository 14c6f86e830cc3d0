//! HTTP/1.1 by hand over one connection, so that a test sees exactly which answers arrived before a crash.

use serde_json::{Value, json};
use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Value,
}

impl Answer {
    /// The body; fails when the status is another one.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.into_iter().find(|(given, _)| given.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// One connection that stays open from request to request.
#[derive(Debug)]
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Sends bytes as they are.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.get_mut().write_all(bytes).await
    }

    /// Reads one answer; an error when the connection ends before the answer does.
    pub(crate) async fn receive(&mut self) -> Result<Answer> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.0.read_line(&mut head).await? == 0 {
                return Err(Error::new(ErrorKind::UnexpectedEof, "the connection ended"));
            }
        }
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| Error::new(ErrorKind::InvalidData, head.clone()))?;
        let mut answer = Answer { status, head, body: Value::Null };
        let length = answer.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await?;
        answer.body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Ok(answer)
    }

    async fn call(&mut self, method: &str, path: &str, cookie: &str, body: Option<&Value>) -> Result<Answer> {
        self.call_in(method, path, &format!("cookie: {cookie}"), body).await
    }

    async fn call_in(&mut self, method: &str, path: &str, headers: &str, body: Option<&Value>) -> Result<Answer> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        self.send(&[head.as_bytes(), body.as_bytes()].concat()).await?;
        self.receive().await
    }
}

/// Somebody with an account, on a connection of their own.
#[derive(Debug)]
pub(crate) struct Person {
    connection: Connection,
    cookie: String,
}

impl Person {
    /// Makes the account and signs in.
    pub(crate) async fn sign_up(address: SocketAddr, username: &str) -> Self {
        let mut connection = Connection::open(address).await.expect("the server takes connections");
        let new = json!({"username": username, "password": "correct horse"});
        let answer = connection.call("POST", "/v1/accounts", "", Some(&new)).await.expect("an answer");
        assert_eq!(answer.status, 201, "{}", answer.body);
        let cookie = answer.header("set-cookie").and_then(|cookie| cookie.split(';').next()).unwrap_or_default();
        Self { cookie: cookie.to_owned(), connection }
    }

    /// The same person on a new connection: to a server that was started again, say.
    pub(crate) async fn reconnect(&mut self, address: SocketAddr) {
        self.connection = Connection::open(address).await.expect("the server takes connections");
    }

    pub(crate) async fn get(&mut self, path: &str) -> Result<Answer> {
        self.connection.call("GET", path, &self.cookie, None).await
    }

    pub(crate) async fn post(&mut self, path: &str, body: &Value) -> Result<Answer> {
        self.connection.call("POST", path, &self.cookie, Some(body)).await
    }

    /// Posts something as a part of a trace.
    pub(crate) async fn post_in_trace(&mut self, path: &str, traceparent: &str) -> Answer {
        let headers = format!("cookie: {}\r\ntraceparent: {traceparent}", self.cookie);
        self.connection.call_in("POST", path, &headers, Some(&json!({"text": "hello"}))).await.expect("an answer")
    }

    /// The items of a list, all pages of it.
    pub(crate) async fn pages(&mut self, path: &str) -> Vec<Value> {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("{path}?limit=100{cursor}")).await.expect("an answer").expect(200);
            items.extend(page["items"].as_array().expect("items").iter().cloned());
            let Some(next) = page["next"].as_str() else { return items };
            cursor = format!("&cursor={next}");
        }
    }

    /// The id of a public channel.
    pub(crate) async fn channel_named(&mut self, name: &str) -> Option<Value> {
        let mut cursor = String::new();
        loop {
            let page =
                self.get(&format!("/v1/channels?scope=all&limit=100{cursor}")).await.expect("an answer").expect(200);
            let found =
                page["items"].as_array().expect("items").iter().find(|channel| channel["name"] == name).cloned();
            if found.is_some() {
                return found;
            }
            cursor = format!("&cursor={}", page["next"].as_str()?);
        }
    }
}
