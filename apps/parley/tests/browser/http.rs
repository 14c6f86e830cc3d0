//! As much of HTTP/1.1 as the test needs: one JSON request, one JSON answer.

use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) cookie: Option<String>,
    pub(crate) body: Value,
}

/// Sends a request to a port of this machine and reads the whole answer.
pub(crate) fn request(port: u16, method: &str, path: &str, headers: &str, body: Option<&Value>) -> Answer {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let text = body.map(Value::to_string).unwrap_or_default();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n{headers}content-type: application/json\r\ncontent-length: {}\r\n\r\n",
        text.len()
    );
    stream.write_all((head + &text).as_bytes()).unwrap();
    read(stream).unwrap_or_else(|| panic!("{method} {path} was not answered"))
}

/// Reads as many bytes as the head announces; not until the end, because not every server closes.
fn read(mut stream: TcpStream) -> Option<Answer> {
    let mut received = Vec::new();
    let mut part = [0; 16 * 1024];
    let end = loop {
        if let Some(at) = received.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        let count = stream.read(&mut part).ok().filter(|count| *count > 0)?;
        received.extend_from_slice(&part[..count]);
    };
    let head = String::from_utf8_lossy(&received[..end]).into_owned();
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
    };
    let length = header("content-length").map_or(0, |length| length.parse().unwrap());
    while received.len() < end + length {
        let count = stream.read(&mut part).ok().filter(|count| *count > 0)?;
        received.extend_from_slice(&part[..count]);
    }
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let cookie = header("set-cookie").and_then(|cookie| cookie.split(';').next().map(str::to_owned));
    Some(Answer { status, cookie, body: serde_json::from_slice(&received[end..]).unwrap_or(Value::Null) })
}
