//! An HTTP/1 connection inside the process: hyper serves one end of an in-memory pipe, the bench speaks at the other.

use crate::rounds::Contender;
use crate::{Outcome, wrong};
use axum::body::Body;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use sarsen::lifecycle;
use std::convert::Infallible;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// The client's end, which sends one request again and again.
pub(crate) struct Pipe {
    stream: DuplexStream,
    request: Vec<u8>,
    /// Bytes of an answer; the first one tells.
    length: usize,
    buffer: Vec<u8>,
    after_round: Box<dyn FnMut()>,
}

impl Pipe {
    /// Serves `service` and asks for `path` once. `after_round` is called between rounds.
    pub(crate) async fn open<S>(service: S, path: &str, after_round: impl FnMut() + 'static) -> Outcome<Self>
    where
        S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible> + Send + 'static,
        S::Future: Send + 'static,
    {
        let (stream, server) = tokio::io::duplex(64 << 10);
        let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(server), service);
        drop(lifecycle::spawn(connection));
        let request = format!("GET {path} HTTP/1.1\r\nhost: bench\r\naccept: application/json\r\n\r\n").into_bytes();
        let mut pipe =
            Self { stream, request, length: 0, buffer: vec![0; 64 << 10], after_round: Box::new(after_round) };
        pipe.learn().await?;
        Ok(pipe)
    }

    /// The body of the first answer, to see that all contenders say the same.
    pub(crate) fn body(&self) -> &[u8] {
        let head = end_of_head(&self.buffer[..self.length]).unwrap_or(self.length);
        &self.buffer[head..self.length]
    }

    async fn learn(&mut self) -> Outcome<()> {
        self.stream.write_all(&self.request).await?;
        let mut read = 0;
        while self.length == 0 || read < self.length {
            match self.stream.read(&mut self.buffer[read..]).await? {
                0 => return Err(wrong("the connection ended")),
                more => read += more,
            }
            let Some(head) = end_of_head(&self.buffer[..read]) else { continue };
            let text = String::from_utf8_lossy(&self.buffer[..head]).to_ascii_lowercase();
            if !text.starts_with("http/1.1 200 ") {
                return Err(wrong(format!("{text}{}", String::from_utf8_lossy(&self.buffer[head..read]))));
            }
            let length =
                text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
            self.length = head + length.ok_or_else(|| wrong("an answer without a length"))?;
        }
        Ok(())
    }

    async fn ask(&mut self) -> Outcome<()> {
        self.stream.write_all(&self.request).await?;
        let mut read = 0;
        while read < self.length {
            match self.stream.read(&mut self.buffer[read..]).await? {
                0 => return Err(wrong("the connection ended")),
                more => read += more,
            }
        }
        if read == self.length && self.buffer.starts_with(b"HTTP/1.1 200 ") {
            return Ok(());
        }
        Err(wrong(format!("another answer than before: {}", String::from_utf8_lossy(&self.buffer[..read]))))
    }
}

impl Contender for Pipe {
    fn round(&mut self, count: usize) -> LocalBoxFuture<'_, Outcome<()>> {
        async move {
            for _ in 0..count {
                self.ask().await?;
            }
            Ok(())
        }
        .boxed_local()
    }

    fn rest(&mut self) {
        (self.after_round)();
    }
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}
