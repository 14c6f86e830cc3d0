//! A client's end of a connection: the handshake, and frames as they come.

use futures_util::{SinkExt, StreamExt};
use sarsen::{Clock, Error, Result, clock};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Message, Role, WebSocketConfig};

const PATIENCE: Duration = Duration::from_secs(20);

/// An open WebSocket.
pub(crate) struct Wire(WebSocketStream<TcpStream>);

impl Wire {
    /// Connects as somebody who is signed in.
    pub(crate) async fn open(address: &str, path: &str) -> Result<Self> {
        let opening = Self::open_soon(address, path);
        clock::until(clock::monotonic() + PATIENCE, opening).await?
    }

    async fn open_soon(address: &str, path: &str) -> Result<Self> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let who = Clock::real().id();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer {who}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        if !head.starts_with(b"HTTP/1.1 101") {
            return Err(Error::unavailable(
                String::from_utf8_lossy(&head).lines().next().unwrap_or_default().to_owned(),
            ));
        }
        let config = WebSocketConfig::default().read_buffer_size(1024);
        Ok(Self(WebSocketStream::from_raw_socket(stream, Role::Client, Some(config)).await))
    }

    pub(crate) async fn send(&mut self, text: String) -> Result<()> {
        self.0.send(Message::text(text)).await.map_err(gone)
    }

    /// The next text; an error when the connection has ended.
    pub(crate) async fn next(&mut self) -> Result<String> {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => return Ok(text.to_string()),
                Some(Ok(Message::Close(_))) | None => return Err(Error::unavailable("the server closed")),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(gone(error)),
            }
        }
    }
}

fn gone(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::unavailable("the connection is gone").source(error)
}
