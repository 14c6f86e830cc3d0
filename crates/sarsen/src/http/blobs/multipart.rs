//! The parts of a `multipart/form-data` body (RFC 7578), one after the other, in constant memory.

use crate::error::{Error, Result};
use crate::http::body;
use crate::http::problem::Refusal;
use axum::body::{Body, BodyDataStream};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http::HeaderMap;
use memchr::memmem::{self, Finder};

/// Longest boundary that the standard allows.
const MAX_BOUNDARY: usize = 70;
/// Longest head of a part.
const MAX_HEAD: usize = 8 << 10;
/// Most headers of a part.
const MAX_HEADERS: usize = 16;
/// Most parts of a body.
const MAX_PARTS: usize = 100;

/// What a part says of itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) name: String,
    pub(super) file_name: Option<String>,
    pub(super) content_type: Option<String>,
}

/// A body that is read part by part.
pub(super) struct Multipart {
    body: BodyDataStream,
    buffer: BytesMut,
    /// A line end, two dashes, and the boundary.
    delimiter: Finder<'static>,
    place: Place,
    parts: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In front of the first part, or within one.
    Within,
    /// Just behind a delimiter.
    Between,
    /// Behind the last.
    Ended,
}

impl Multipart {
    pub(super) fn new(body: Body, boundary: &str) -> Self {
        let delimiter = Finder::new(&format!("\r\n--{boundary}")).into_owned();
        // The first delimiter may stand at the very beginning, where no line ends.
        Self {
            body: body.into_data_stream(),
            buffer: BytesMut::from("\r\n"),
            delimiter,
            place: Place::Within,
            parts: 0,
        }
    }

    /// The next part, once what is left of this one is passed by.
    pub(super) async fn next(&mut self) -> Result<Option<Head>> {
        while self.chunk().await?.is_some() {}
        if self.place == Place::Ended || !self.begins().await? {
            self.place = Place::Ended;
            return Ok(None);
        }
        self.parts += 1;
        if self.parts > MAX_PARTS {
            return Err(Refusal::TooLarge.error(format!("the body has more than {MAX_PARTS} parts")));
        }
        let head = self.head().await?;
        self.place = Place::Within;
        read_head(&head).map(Some)
    }

    /// Some bytes of this part; nothing at its end. What may be the begin of a delimiter is held back.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>> {
        while self.place == Place::Within {
            if let Some(at) = self.delimiter.find(&self.buffer) {
                let bytes = self.buffer.split_to(at).freeze();
                drop(self.buffer.split_to(self.delimiter.needle().len()));
                self.place = Place::Between;
                return Ok((!bytes.is_empty()).then_some(bytes));
            }
            let certain = (self.buffer.len() + 1).saturating_sub(self.delimiter.needle().len());
            if certain > 0 {
                return Ok(Some(self.buffer.split_to(certain).freeze()));
            }
            self.more().await?;
        }
        Ok(None)
    }

    /// What follows a delimiter: another part, or the end.
    async fn begins(&mut self) -> Result<bool> {
        loop {
            let line = self.buffer.iter().position(|byte| !matches!(byte, b' ' | b'\t')).unwrap_or(self.buffer.len());
            match self.buffer.get(line..line + 2) {
                Some(b"--") => return Ok(false),
                Some(b"\r\n") => {
                    drop(self.buffer.split_to(line));
                    return Ok(true);
                }
                Some(_) => return Err(malformed("something stands behind a boundary")),
                None if line > MAX_HEAD => return Err(malformed("something stands behind a boundary")),
                None => self.more().await?,
            }
        }
    }

    /// The headers of a part, with a line end in front of each and one more behind.
    async fn head(&mut self) -> Result<Bytes> {
        loop {
            if let Some(at) = memmem::find(&self.buffer, b"\r\n\r\n") {
                let head = self.buffer.split_to(at).freeze();
                drop(self.buffer.split_to(4));
                return Ok(head);
            }
            if self.buffer.len() > MAX_HEAD {
                return Err(malformed("the head of a part is too long"));
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> Result<()> {
        match self.body.next().await {
            Some(Ok(bytes)) => {
                self.buffer.extend_from_slice(&bytes);
                Ok(())
            }
            Some(Err(error)) => Err(body::explain(&error)),
            None => Err(malformed("it ended before it was complete")),
        }
    }
}

fn malformed(what: &str) -> Error {
    Refusal::Malformed.error(format!("the body is not multipart/form-data: {what}"))
}

/// The boundary that a content type names.
pub(super) fn boundary(content_type: &str) -> Result<&str> {
    let found = parameters(content_type).find(|(name, _)| name.eq_ignore_ascii_case("boundary"));
    let boundary = found.map(|(_, value)| value).filter(|boundary| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
        !boundary.is_empty() && boundary.len() <= MAX_BOUNDARY && boundary.bytes().all(plain)
    });
    boundary.ok_or_else(|| malformed("its content type names no boundary"))
}

/// `; name=value` and `; name="value"` of a header; a quoted value keeps its backslashes.
fn parameters(header: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = header.split_once(';').map_or("", |(_, rest)| rest);
    std::iter::from_fn(move || {
        let (name, after) = rest.split_once('=')?;
        let name = name.trim_matches(|c: char| c == ';' || c.is_ascii_whitespace());
        let after = after.trim_start();
        let (value, left) = match after.strip_prefix('"') {
            Some(quoted) => {
                let escaped = |at: usize| quoted[..at].bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1;
                let end = quoted.match_indices('"').map(|(at, _)| at).find(|at| !escaped(*at))?;
                (&quoted[..end], &quoted[end + 1..])
            }
            None => {
                let end = after.find(';').unwrap_or(after.len());
                (after[..end].trim(), &after[end..])
            }
        };
        rest = left;
        Some((name, value))
    })
}

fn read_head(head: &[u8]) -> Result<Head> {
    let mut read = Head::default();
    let text = std::str::from_utf8(head).map_err(|_| malformed("the head of a part is not text"))?;
    let mut named = false;
    for (index, line) in text.split("\r\n").filter(|line| !line.is_empty()).enumerate() {
        let (name, value) = line.split_once(':').ok_or_else(|| malformed("a line of a head is no header"))?;
        if index >= MAX_HEADERS {
            return Err(malformed("a part has too many headers"));
        }
        match name.trim() {
            name if name.eq_ignore_ascii_case("content-type") => read.content_type = Some(value.trim().to_owned()),
            name if name.eq_ignore_ascii_case("content-disposition") => {
                for (name, value) in parameters(value) {
                    match name.to_ascii_lowercase().as_str() {
                        "name" => (named, read.name) = (true, unquoted(value)),
                        "filename" => read.file_name = Some(unquoted(value)),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    if named { Ok(read) } else { Err(malformed("a part has no name")) }
}

/// Browsers write a quote as `%22`, others as `\"`.
fn unquoted(value: &str) -> String {
    value.replace("\\\"", "\"").replace("%22", "\"").replace("%0D", "\r").replace("%0A", "\n")
}

/// The `filename` of a content disposition.
pub(super) fn file_name(disposition: &str) -> Option<String> {
    parameters(disposition).find(|(name, _)| name.eq_ignore_ascii_case("filename")).map(|(_, value)| unquoted(value))
}

/// The boundary of a request that is multipart, and nothing of one that is not.
pub(super) fn boundary_of(headers: &HeaderMap) -> Result<Option<String>> {
    let given = headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if !essence.to_ascii_lowercase().starts_with("multipart/") {
        return Ok(None);
    }
    if !essence.eq_ignore_ascii_case("multipart/form-data") {
        return Err(Refusal::MediaType.error(format!("`{}` is not read here", essence.escape_default())));
    }
    boundary(given).map(|boundary| Some(boundary.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    const FORM: &str = "preamble\r\n--xyz\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n--xyz  \r\n\
        content-type: image/png\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a \\\"b\\\".png\"\r\n\r\n\
        \r\n--xy\r\n--xyz\r\nContent-Disposition: form-data; name=\"empty\"\r\n\r\n\r\n--xyz--\r\nepilogue";

    /// Reads `text`, which comes in pieces of this size.
    async fn read(text: &str, size: usize) -> Result<Vec<(Head, Vec<u8>)>> {
        let pieces: Vec<_> =
            text.as_bytes().chunks(size).map(|piece| Ok::<_, Error>(Bytes::copy_from_slice(piece))).collect();
        let mut multipart = Multipart::new(Body::from_stream(stream::iter(pieces)), "xyz");
        let mut parts = Vec::new();
        while let Some(head) = multipart.next().await? {
            let mut bytes = Vec::new();
            while let Some(chunk) = multipart.chunk().await? {
                bytes.extend_from_slice(&chunk);
            }
            parts.push((head, bytes));
        }
        Ok(parts)
    }

    #[tokio::test]
    async fn parts_are_the_same_however_they_come() {
        let head = |name: &str| Head { name: name.to_owned(), ..Head::default() };
        let file =
            Head { file_name: Some("a \"b\".png".into()), content_type: Some("image/png".into()), ..head("file") };
        let expected =
            vec![(head("note"), b"hello".to_vec()), (file, b"\r\n--xy".to_vec()), (head("empty"), Vec::new())];
        for size in 1..FORM.len() {
            assert_eq!(read(FORM, size).await.expect("is well formed"), expected, "pieces of {size}");
        }
    }

    #[tokio::test]
    async fn a_part_that_nobody_reads_is_passed_by() {
        let mut multipart = Multipart::new(Body::from(FORM), "xyz");
        let mut names = Vec::new();
        while let Some(head) = multipart.next().await.expect("is well formed") {
            names.push(head.name);
        }
        assert_eq!(names, ["note", "file", "empty"]);
    }

    #[tokio::test]
    async fn what_is_cut_off_or_wrong_is_an_error() {
        let end = FORM.rfind("--\r\nepilogue").expect("an end");
        for cut in 0..end {
            assert!(read(&FORM[..cut], 7).await.is_err(), "cut at {cut}");
        }
        let part = |head: &str| format!("--xyz\r\n{head}\r\n\r\nx\r\n--xyz--");
        for wrong in [
            part("Content-Type: text/plain"),
            part("Content-Disposition: form-data"),
            part("no header"),
            part(&format!("Content-Disposition: form-data; name=\"{}\"", "a".repeat(9_000))),
            part(&"X: y\r\n".repeat(20)),
            "--xyzzy\r\n\r\n".to_owned(),
        ] {
            assert!(read(&wrong, 100).await.is_err(), "{wrong}");
        }
        let many = format!("{}--xyz--", "--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n".repeat(101));
        assert!(read(&many, 4_096).await.expect_err("too many").message().contains("100 parts"));
    }

    #[test]
    fn boundaries() {
        assert_eq!(boundary("multipart/form-data; boundary=xyz").expect("is named"), "xyz");
        assert_eq!(boundary("multipart/form-data; charset=utf-8; Boundary=\"x y\"").expect("is named"), "x y");
        for wrong in ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=\"ü\""] {
            assert!(boundary(wrong).is_err(), "{wrong}");
        }
    }
}
