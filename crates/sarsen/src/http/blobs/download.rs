//! A blob as an answer: all of it or a part, as the request asks, and harmless whatever is in it.

use super::range::{self, Part, Version};
use crate::blobs::{Blob, Blobs, Reading, Show, disposition};
use crate::error::{Error, Result};
use crate::http::stack::Lasting;
use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::Stream;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, ETAG, HeaderName, HeaderValue, LAST_MODIFIED, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use http_body::{Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
/// Whatever people upload: it runs no script, loads nothing, and is of an origin of its own.
const SANDBOX: HeaderValue = HeaderValue::from_static("sandbox; default-src 'none'; style-src 'unsafe-inline'");

/// What a request for a file asks for: a range, or that it has changed. An extractor.
///
/// ```
/// use sarsen::blobs::{Blobs, Key, Show};
/// use sarsen::http::{Download, Path, Wanted};
/// use sarsen::Result;
///
/// async fn load(blobs: Blobs, wanted: Wanted, Path(key): Path<Key>) -> Result<Download> {
///     let blob = blobs.get(&key).await?;
///     wanted.download(&blobs, &blob, Show::Inline).await
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Wanted {
    method: Method,
    headers: HeaderMap,
}

impl<S: Send + Sync> FromRequestParts<S> for Wanted {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.method, &parts.headers))
    }
}

impl Wanted {
    pub(super) fn of(method: &Method, headers: &HeaderMap) -> Self {
        Self { method: method.clone(), headers: headers.clone() }
    }

    /// The answer with `blob`: 200, 206 with a part, 304, 412 or 416. The bytes are read while they go out.
    ///
    /// It asks nobody whether this client may have it: the caller has.
    pub async fn download(&self, blobs: &Blobs, blob: &Blob, show: Show) -> Result<Download> {
        let tag = format!("\"{}\"", blob.sha256);
        let version = Version { tag: &tag, modified: blob.made_at, size: blob.size };
        let range = match self.method {
            // Of a HEAD only what it would be is said.
            Method::HEAD => match range::part(&self.headers, version) {
                Part::Bytes(_) | Part::Beyond => Part::Whole,
                part => part,
            },
            _ => range::part(&self.headers, version),
        };
        let mut headers = common(blob, &tag)?;
        let (status, bytes) = match range {
            Part::Whole => (StatusCode::OK, Some(0..blob.size)),
            Part::Bytes(range) => {
                let text = format!("bytes {}-{}/{}", range.start, range.end - 1, blob.size);
                insert(&mut headers, CONTENT_RANGE, &text)?;
                (StatusCode::PARTIAL_CONTENT, Some(range))
            }
            Part::Beyond => {
                insert(&mut headers, CONTENT_RANGE, &format!("bytes */{}", blob.size))?;
                (StatusCode::RANGE_NOT_SATISFIABLE, None)
            }
            Part::NotModified => (StatusCode::NOT_MODIFIED, None),
            Part::Failed => (StatusCode::PRECONDITION_FAILED, None),
        };
        let Some(range) = bytes else {
            return Ok(Download((status, headers).into_response()));
        };
        describe(&mut headers, blob, show)?;
        if self.method == Method::HEAD {
            insert(&mut headers, CONTENT_LENGTH, &blob.size.to_string())?;
            return Ok(Download((status, headers).into_response()));
        }
        let body = Body::new(Sending(blobs.read(blob, Some(range)).await?));
        let mut response = (status, headers, body).into_response();
        response.extensions_mut().insert(Lasting);
        Ok(Download(response))
    }
}

/// What every answer about a blob says.
fn common(blob: &Blob, tag: &str) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    // Its bytes never change; whether this client may have them can.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    insert(&mut headers, ETAG, tag)?;
    if let Some(modified) = range::http_date(blob.made_at) {
        insert(&mut headers, LAST_MODIFIED, &modified)?;
    }
    Ok(headers)
}

fn describe(headers: &mut HeaderMap, blob: &Blob, show: Show) -> Result<()> {
    insert(headers, CONTENT_TYPE, &blob.content_type)?;
    insert(headers, CONTENT_DISPOSITION, &disposition(&blob.content_type, &blob.name, show))?;
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, SANDBOX);
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    Ok(())
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) -> Result<()> {
    let value = HeaderValue::from_str(value)
        .map_err(|error| Error::internal(format!("`{name}` of a blob is no header")).source(error))?;
    headers.insert(name, value);
    Ok(())
}

/// A blob as an answer; made by [`Wanted::download`].
#[derive(Debug)]
pub struct Download(Response);

impl IntoResponse for Download {
    fn into_response(self) -> Response {
        self.0
    }
}

/// The bytes of a blob on their way to a client; no more is read than it takes.
struct Sending(Reading);

impl http_body::Body for Sending {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Pin::new(&mut self.0).poll_next(context).map(|next| next.map(|bytes| bytes.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.left())
    }
}
