//! Bytes that are known at the start, served with their tag, and compressed when the client takes it.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH, VARY,
};
use http::{HeaderMap, StatusCode};
use sha2::{Digest, Sha256};
use std::io::Write;

/// How long a client may keep a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// For ever: its address changes with its content.
    Forever,
    /// Until it is asked for again: then the tag decides.
    Ask,
}

/// One file, ready to be served.
#[derive(Debug)]
pub(super) struct File {
    plain: Variant,
    gzip: Option<Variant>,
    content_type: HeaderValue,
    keep: Keep,
}

#[derive(Debug)]
struct Variant {
    bytes: Bytes,
    tag: HeaderValue,
}

impl File {
    pub(super) fn new(bytes: impl Into<Bytes>, content_type: &'static str, keep: Keep) -> Self {
        let bytes = bytes.into();
        let hash = hex(&Sha256::digest(&bytes));
        let gzip = if is_text(content_type) { compress(&bytes) } else { None };
        let variant = |bytes, ending| Variant { bytes, tag: tag(&hash[..24], ending) };
        Self {
            plain: variant(bytes, ""),
            gzip: gzip.map(|bytes| variant(bytes, "-gzip")),
            content_type: HeaderValue::from_static(content_type),
            keep,
        }
    }

    /// The content.
    pub(super) fn bytes(&self) -> &Bytes {
        &self.plain.bytes
    }

    /// The answer to a request with these headers.
    pub(super) fn answer(&self, request: &HeaderMap) -> Response {
        let gzip = self.gzip.as_ref().filter(|_| takes_gzip(request));
        let variant = gzip.unwrap_or(&self.plain);
        let known = request.get_all(IF_NONE_MATCH).iter().any(|tags| self.has_tag(tags));
        let mut response = Response::new(if known { Body::empty() } else { Body::from(variant.bytes.clone()) });
        let headers = response.headers_mut();
        headers.insert(ETAG, variant.tag.clone());
        headers.insert(
            CACHE_CONTROL,
            match self.keep {
                Keep::Forever => HeaderValue::from_static("public, max-age=31536000, immutable"),
                Keep::Ask => HeaderValue::from_static("no-cache"),
            },
        );
        if self.gzip.is_some() {
            headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        }
        if known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        headers.insert(CONTENT_TYPE, self.content_type.clone());
        if gzip.is_some() {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }

    /// Whether one of `tags` is of this content, in whichever encoding.
    fn has_tag(&self, tags: &HeaderValue) -> bool {
        let mine = |tag: &str| {
            let tag = tag.trim().trim_start_matches("W/").as_bytes();
            tag == b"*" || self.plain.tag == tag || self.gzip.as_ref().is_some_and(|gzip| gzip.tag == tag)
        };
        tags.to_str().is_ok_and(|tags| tags.split(',').any(mine))
    }
}

fn tag(hash: &str, ending: &str) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{hash}{ending}\"")).unwrap_or_else(|_| unreachable!("hexadecimal digits"))
}

/// Hexadecimal digits in lower case.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn is_text(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.starts_with("text/") || essence.ends_with("json") || essence.ends_with("+xml")
}

/// Compressed as well as it goes, for it is done once; nothing when that saves less than a tenth.
fn compress(bytes: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).ok()?;
    let packed = encoder.finish().ok()?;
    (packed.len() < bytes.len() / 10 * 9).then(|| packed.into())
}

/// Whether gzip is acceptable, and at least as welcome as no encoding.
fn takes_gzip(request: &HeaderMap) -> bool {
    let (mut gzip, mut other, mut identity) = (None, None, None);
    let lines = request.get_all(ACCEPT_ENCODING).into_iter().filter_map(|line| line.to_str().ok());
    for item in lines.flat_map(|line| line.split(',')) {
        let (coding, weight) = item.split_once(';').map_or((item, None), |(coding, weight)| (coding, Some(weight)));
        let weight = weight.and_then(|weight| weight.trim().strip_prefix("q=")).map(str::parse::<f32>);
        let weight = weight.map_or(1.0, |weight| weight.unwrap_or(0.0));
        match coding.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => gzip = Some(weight),
            "identity" => identity = Some(weight),
            "*" => other = Some(weight),
            _ => {}
        }
    }
    let gzip = gzip.or(other).unwrap_or(0.0);
    gzip > 0.0 && gzip >= identity.unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weights_of_accept_encoding_decide() {
        let takes =
            |line: &'static str| takes_gzip(&HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(line))]));
        for line in ["gzip", "br, GZIP;q=0.5", "*", "gzip;q=0.8, *;q=0", "deflate, x-gzip", "*;q=0.1"] {
            assert!(takes(line), "{line}");
        }
        for line in
            ["", "br", "gzip;q=0", "gzip; q=0.0", "identity;q=1, gzip;q=0.5", "*;q=0", "gzip;q=x", "gzip;q=0, *"]
        {
            assert!(!takes(line), "{line}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
