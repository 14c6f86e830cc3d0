//! What handlers of signed requests take: the body as it came, byte for byte, and headers as a struct.

use super::body;
use super::extract::{json_body, read_json, wrong_field};
use super::problem::Refusal;
use crate::error::{Error, Result};
use axum::extract::{FromRequest, FromRequestParts, Request};
use bytes::Bytes;
use http::HeaderMap;
use http::request::Parts;
use serde::de::DeserializeOwned;
use std::fmt;
use std::marker::PhantomData;

/// A body of JSON of at most `MOST` bytes, as it came: what is signed is checked before it is read, with [`Raw::json`].
pub struct Raw<T, const MOST: usize> {
    bytes: Bytes,
    form: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned, const MOST: usize> Raw<T, MOST> {
    /// What was sent.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What it says; an error names the field that is wrong.
    pub fn json(&self) -> Result<T> {
        read_json(&self.bytes)
    }
}

impl<T, const MOST: usize> fmt::Debug for Raw<T, MOST> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Raw").field("bytes", &self.bytes.len()).finish()
    }
}

impl<T, S: Send + Sync, const MOST: usize> FromRequest<S> for Raw<T, MOST> {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        let bytes = body::read_at_most(json_body(request)?, MOST).await?;
        Ok(Self { bytes, form: PhantomData })
    }
}

/// Headers of the request, as a struct: fields by `#[serde(rename = "webhook-id")]`. Of a header that is sent twice, the
/// first counts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Headers<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Headers<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let form = as_form(&parts.headers);
        let reader = serde_urlencoded::Deserializer::new(form_urlencoded::parse(form.as_bytes()));
        serde_path_to_error::deserialize(reader).map(Headers).map_err(|error| {
            let path = error.path().to_string();
            wrong_field(Refusal::Malformed.error("a header is wrong"), &path, &error.into_inner().to_string())
        })
    }
}

/// Headers as a form, because forms already know how text becomes numbers and options. What is no text is left out.
fn as_form(headers: &HeaderMap) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    for name in headers.keys() {
        if let Some(value) = headers.get(name).and_then(|value| value.to_str().ok()) {
            form.append_pair(name.as_str(), value);
        }
    }
    form.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    struct Signature {
        #[serde(rename = "webhook-id")]
        id: String,
        #[serde(rename = "webhook-timestamp")]
        timestamp: i64,
        #[serde(rename = "x-note")]
        note: Option<String>,
    }

    async fn headers(given: &[(&'static str, &'static str)]) -> Result<Headers<Signature>> {
        let mut request = Request::new(Body::empty());
        for (name, value) in given {
            request.headers_mut().append(*name, http::HeaderValue::from_static(value));
        }
        Headers::from_request_parts(&mut request.into_parts().0, &()).await
    }

    #[tokio::test]
    async fn headers_are_read_by_name_and_the_first_counts() {
        let given = [("webhook-id", "a b&c"), ("webhook-timestamp", "17"), ("webhook-id", "second")];
        let Headers(read) = headers(&given).await.expect("reads");
        assert_eq!((read.id.as_str(), read.timestamp, read.note), ("a b&c", 17, None));
    }

    #[tokio::test]
    async fn a_header_that_is_missing_or_wrong_is_named() {
        let missing = headers(&[("webhook-id", "a")]).await.expect_err("no timestamp");
        assert_eq!(missing.fields()[0].field, "webhook-timestamp");
        let wrong = headers(&[("webhook-id", "a"), ("webhook-timestamp", "soon")]).await.expect_err("no number");
        assert_eq!(wrong.fields()[0].field, "webhook-timestamp");
    }

    #[tokio::test]
    async fn a_raw_body_has_a_limit_and_a_type() {
        let raw = |content_type: &str, body: &'static str| {
            let request = Request::builder().header("content-type", content_type).body(Body::from(body));
            let request = request.expect("a request");
            async move { Raw::<Vec<u8>, 4>::from_request(request, &()).await }
        };
        let taken = raw("application/json", "[1] ").await.expect("four bytes");
        assert_eq!((taken.bytes(), taken.json().expect("a list")), (b"[1] ".as_slice(), vec![1]));
        assert!(raw("application/json", "[1]  ").await.expect_err("five bytes").message().contains("larger"));
        assert!(raw("text/plain", "[1]").await.is_err());
    }
}
