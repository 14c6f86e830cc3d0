//! A small load over the loopback: some threads, each asking again and again with a rest between.
#![expect(clippy::disallowed_methods, reason = "xtask has no runtime: threads of its own make the load")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::{Outcome, wait};

/// How long one answer may take.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// One kind of request, and how often it comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stream {
    post: bool,
    /// `{channel}` is the channel of the stage, `{n}` another number each time.
    path: &'static str,
    body: &'static str,
    threads: u32,
    rest: Duration,
}

impl Stream {
    pub(super) const fn get(path: &'static str, threads: u32, rest_ms: u64) -> Stream {
        Stream { post: false, path, body: "", threads, rest: Duration::from_millis(rest_ms) }
    }

    pub(super) const fn post(path: &'static str, body: &'static str, threads: u32, rest_ms: u64) -> Stream {
        Stream { post: true, path, body, threads, rest: Duration::from_millis(rest_ms) }
    }
}

/// Who asks, and where.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) address: SocketAddr,
    /// Lines of the head, each with its end: a cookie, a token.
    pub(super) head: String,
    pub(super) channel: String,
}

/// An answer.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Client {
    /// Sends one request on a connection of its own.
    pub(super) fn ask(&self, method: &str, path: &str, body: &str) -> Outcome<Answer> {
        let problem = |error: std::io::Error| format!("{method} {path}: {error}");
        let mut stream = TcpStream::connect_timeout(&self.address, ANSWER_LIMIT).map_err(problem)?;
        stream.set_read_timeout(Some(ANSWER_LIMIT)).map_err(problem)?;
        let typed = if body.is_empty() { "" } else { "content-type: application/json\r\n" };
        let (address, head, length) = (self.address, &self.head, body.len());
        let request = format!(
            "{method} {path} HTTP/1.0\r\nhost: {address}\r\n{head}{typed}content-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).map_err(problem)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).map_err(problem)?;
        let text = String::from_utf8_lossy(&answer);
        let (head, body) = text.split_once("\r\n\r\n").ok_or_else(|| format!("{method} {path}: no answer"))?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Ok(Answer { status, head: head.to_owned(), body: body.to_owned() })
    }

    fn send(&self, stream: &Stream, number: u64) -> Outcome<u16> {
        let path = stream.path.replace("{channel}", &self.channel).replace("{n}", &number.to_string());
        self.ask(if stream.post { "POST" } else { "GET" }, &path, stream.body).map(|answer| answer.status)
    }
}

/// A load that goes on until it is dropped.
#[derive(Debug)]
pub(super) struct Load {
    stopping: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    counts: Arc<Counts>,
}

/// How many requests went well, and how many did not.
#[derive(Debug, Default)]
struct Counts {
    done: AtomicU64,
    failed: AtomicU64,
}

impl Load {
    /// Starts it.
    pub(super) fn start(client: &Client, streams: &[Stream]) -> Load {
        let (stopping, counts) = (Arc::new(AtomicBool::new(false)), Arc::new(Counts::default()));
        let each = streams.iter().flat_map(|stream| std::iter::repeat_n(*stream, stream.threads as usize));
        let threads = each.enumerate().map(|(seed, stream)| {
            let (client, stopping, counts) = (client.clone(), stopping.clone(), counts.clone());
            thread::spawn(move || ask_again(&client, &stream, seed as u64, &stopping, &counts))
        });
        Load { threads: threads.collect(), stopping, counts }
    }

    /// How many requests were answered, and how many failed.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.counts.done.load(Ordering::Relaxed), self.counts.failed.load(Ordering::Relaxed))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ended = thread.join();
        }
    }
}

fn ask_again(client: &Client, stream: &Stream, seed: u64, stopping: &AtomicBool, counts: &Counts) {
    let mut number = seed * 1_000;
    while !stopping.load(Ordering::Relaxed) {
        number += 7;
        let went_well = matches!(client.send(stream, number), Ok(200..=299));
        let count = if went_well { &counts.done } else { &counts.failed };
        count.fetch_add(1, Ordering::Relaxed);
        let _nothing = wait::until(stream.rest, || stopping.load(Ordering::Relaxed).then_some(()));
    }
}
