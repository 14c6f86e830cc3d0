//! `s3://BUCKET`: an object store that speaks S3. What goes there passes our own client, so it is measured and limited.

mod client;

use super::Key;
use super::driver::{Capabilities, Driver, Signs};
use super::store::explain;
use crate::clock::Timestamp;
use crate::config::{BlobsSection, Url};
use crate::error::{Error, Result};
use crate::telemetry::{self, WaitKind};
use client::Connector;
use futures_util::future::BoxFuture;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::signer::{SignedUrlOptions, Signer};
use object_store::{ObjectStore, RetryConfig};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Bytes of one part: S3 wants at least 5 MB, and takes at most 10,000 of them.
const PART: usize = 8 << 20;
const MOST_PARTS: u64 = 10_000;
/// How often a call is tried again that may be.
const RETRIES: usize = 3;

/// See the module.
#[derive(Debug)]
pub(super) struct S3 {
    place: Place,
    timeout: Duration,
    part: usize,
    store: OnceLock<Arc<AmazonS3>>,
}

/// What `blobs.url` says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Place {
    bucket: String,
    prefix: String,
    endpoint: Option<String>,
    region: Option<String>,
    /// Key and secret; without them those of the environment.
    credentials: Option<(String, String)>,
}

impl S3 {
    pub(super) fn new(section: &BlobsSection) -> Result<Self> {
        // A file of the largest size needs no more parts than a store takes.
        let part = usize::try_from(section.max_upload.0.div_ceil(MOST_PARTS)).unwrap_or(PART).max(PART);
        Ok(Self { place: place(&section.url)?, timeout: section.timeout.0, part, store: OnceLock::new() })
    }

    fn store(&self) -> Result<&Arc<AmazonS3>> {
        if let Some(store) = self.store.get() {
            return Ok(store);
        }
        let built = self.build()?;
        Ok(self.store.get_or_init(|| Arc::new(built)))
    }

    fn build(&self) -> Result<AmazonS3> {
        let place = &self.place;
        let retry = RetryConfig {
            max_retries: RETRIES,
            retry_timeout: self.timeout.saturating_mul(2),
            ..RetryConfig::default()
        };
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(&place.bucket)
            .with_retry(retry)
            .with_http_connector(Connector::new(self.timeout));
        if let Some(endpoint) = &place.endpoint {
            builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
        }
        if let Some(region) = &place.region {
            builder = builder.with_region(region);
        }
        if let Some((key, secret)) = &place.credentials {
            builder = builder.with_access_key_id(key).with_secret_access_key(secret);
        }
        builder.build().map_err(|error| {
            Error::invalid("blobs.url: the object store cannot be set up")
                .hint("write s3://KEY:SECRET@BUCKET?endpoint=https://…&region=…, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
                .source(error)
        })
    }
}

impl Driver for S3 {
    fn capabilities(&self) -> Capabilities {
        Capabilities { driver: "s3", presign: Signs::Store, content_type: true, part: self.part, shared: true }
    }

    fn open(&self) -> Result<Arc<dyn ObjectStore>> {
        Ok(self.store()?.clone())
    }

    fn path(&self, name: &str) -> Path {
        Path::from(format!("{}/{name}", self.place.prefix))
    }

    fn presign<'a>(
        &'a self,
        key: &'a Key,
        valid: Duration,
        (content_type, disposition): (&'a str, &'a str),
    ) -> BoxFuture<'a, Result<Option<String>>> {
        let says = [("response-content-type", content_type), ("response-content-disposition", disposition)];
        let options = SignedUrlOptions::new().with_query(says);
        Box::pin(async move {
            let (store, path) = (self.store()?, self.path(key.as_str()));
            let signed = store.signed_url_opts(http::Method::GET, &path, valid, &options);
            let signed = telemetry::wait(WaitKind::Blob, "sign", signed).await;
            signed.map(|address| Some(address.to_string())).map_err(explain)
        })
    }

    fn clear<'a>(&'a self, _: &'a Key) -> BoxFuture<'a, Result<()>> {
        // Parts of an upload that was cut off have no names; a rule of the bucket removes them (docs/blobs.md).
        Box::pin(async { Ok(()) })
    }

    fn clear_before(&self, _: Timestamp) -> BoxFuture<'_, Result<u64>> {
        Box::pin(async { Ok(0) })
    }
}

/// Reads `s3://KEY:SECRET@BUCKET/PREFIX?endpoint=…&region=…`.
fn place(url: &Url) -> Result<Place> {
    let wrong = |problem: String| {
        Error::invalid(format!("blobs.url: {problem}"))
            .hint("write s3://BUCKET, or s3://KEY:SECRET@BUCKET/PREFIX?endpoint=https://…&region=…")
    };
    let rest = url.expose().strip_prefix("s3://").ok_or_else(|| wrong("`s3:` names no bucket".to_owned()))?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (who, rest) = rest.rsplit_once('@').map_or((None, rest), |(who, rest)| (Some(who), rest));
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() {
        return Err(wrong("`s3:` names no bucket".to_owned()));
    }
    let mut place = Place { bucket: bucket.into(), prefix: prefix.trim_matches('/').into(), ..Place::default() };
    if let Some(who) = who {
        let (key, secret) = who.split_once(':').ok_or_else(|| wrong("there is a key without a secret".to_owned()))?;
        place.credentials = Some((decoded(key), decoded(secret)));
    }
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        match key.as_ref() {
            "endpoint" => place.endpoint = Some(value.trim_end_matches('/').to_owned()),
            "region" => place.region = Some(value.into_owned()),
            other => return Err(wrong(format!("`{other}` is not known"))),
        }
    }
    Ok(place)
}

/// Undoes `%2F`; a plus is a plus.
fn decoded(text: &str) -> String {
    let form = text.replace('+', "%2B");
    form_urlencoded::parse(form.as_bytes()).map(|(text, _)| text.into_owned()).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_what_is_wrong_is_named() {
        let read = place(&Url::new("s3://AKI:a%2Fb+c@files/parley/x?endpoint=http://127.0.0.1:9000/&region=eu-1"));
        let expected = Place {
            bucket: "files".into(),
            prefix: "parley/x".into(),
            endpoint: Some("http://127.0.0.1:9000".into()),
            region: Some("eu-1".into()),
            credentials: Some(("AKI".into(), "a/b+c".into())),
        };
        assert_eq!(read.expect("reads"), expected);
        assert_eq!(place(&Url::new("s3://files")).expect("reads").bucket, "files");
        for (wrong, says) in [
            ("s3:", "no bucket"),
            ("s3://", "no bucket"),
            ("s3://KEY@files", "without a secret"),
            ("s3://files?endpont=x", "`endpont` is not known"),
        ] {
            let error = place(&Url::new(wrong)).expect_err(wrong);
            assert!(error.message().contains(says), "{wrong}: {error}");
        }
    }
}
