//! What handlers of uploads take: the files of a request, as they come.

use super::multipart::{self, Head, Multipart};
use crate::error::{Error, Result};
use crate::http::body;
use crate::http::problem::Refusal;
use axum::body::{Body, BodyDataStream};
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http::HeaderMap;
use http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use std::fmt;

/// The files of a request: the parts of a form (`multipart/form-data`), or a body that is the file itself. An extractor.
///
/// The route takes bodies up to `blobs.max_upload` instead of `http.max_body`, and for as long as `blobs.upload_timeout`; a
/// client may pause no longer than at other routes. Nothing is read before it is asked for, so who sends waits for the
/// store.
///
/// ```
/// use sarsen::blobs::{Blobs, UploadOptions};
/// use sarsen::http::{NoContent, Uploads};
/// use sarsen::{Db, Error, Result};
///
/// async fn take(db: Db, blobs: Blobs, mut uploads: Uploads) -> Result<NoContent> {
///     let file = uploads.next().await?.ok_or_else(|| Error::invalid_field("file", "is missing"))?;
///     let options = UploadOptions::folder("files").content_type("application/octet-stream").name(file.file_name());
///     let upload = blobs.upload(file.bytes(), options).await?;
///     let tx = db.begin().await?;
///     blobs.keep(&tx, &upload).await?;
///     tx.commit().await?;
///     Ok(NoContent)
/// }
/// ```
pub struct Uploads(Source);

enum Source {
    Form(Box<Multipart>),
    Plain { head: Option<(Head, Option<u64>)>, body: BodyDataStream },
}

impl fmt::Debug for Uploads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uploads").field("form", &matches!(self.0, Source::Form(_))).finish_non_exhaustive()
    }
}

impl<S: Send + Sync> FromRequest<S> for Uploads {
    type Rejection = Error;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        let boundary = multipart::boundary_of(request.headers())?;
        let head = plain_head(request.headers());
        let body: Body = request.into_body();
        Ok(Self(match boundary {
            Some(boundary) => Source::Form(Box::new(Multipart::new(body, &boundary))),
            None => Source::Plain { head: Some(head), body: body.into_data_stream() },
        }))
    }
}

/// What the headers say of a body that is a file: its name may be in `Content-Disposition: attachment; filename="…"`.
fn plain_head(headers: &HeaderMap) -> (Head, Option<u64>) {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let file_name = text(CONTENT_DISPOSITION).and_then(multipart::file_name);
    let length = text(CONTENT_LENGTH).and_then(|length| length.parse().ok());
    (Head { name: String::new(), file_name, content_type: text(CONTENT_TYPE).map(str::to_owned) }, length)
}

impl Uploads {
    /// The next file or field, if there is one. What was not read of the one before is passed by.
    pub async fn next(&mut self) -> Result<Option<UploadPart<'_>>> {
        let (head, length) = match &mut self.0 {
            Source::Form(form) => (form.next().await?, None),
            Source::Plain { head, .. } => match head.take() {
                Some((head, length)) => (Some(head), length),
                None => (None, None),
            },
        };
        Ok(head.map(|head| UploadPart { head, length, source: &mut self.0 }))
    }
}

/// One file or field of a request.
pub struct UploadPart<'u> {
    head: Head,
    length: Option<u64>,
    source: &'u mut Source,
}

impl fmt::Debug for UploadPart<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UploadPart").field("head", &self.head).field("length", &self.length).finish_non_exhaustive()
    }
}

impl<'u> UploadPart<'u> {
    /// The name of the field; empty of a body that is the file itself.
    pub fn name(&self) -> &str {
        &self.head.name
    }

    /// What the client calls the file, as it came: `UploadOptions::name` makes it harmless. Empty when it does not say.
    pub fn file_name(&self) -> &str {
        self.head.file_name.as_deref().unwrap_or_default()
    }

    /// Whether the client says that it is a file; otherwise it is a field with a text.
    pub fn is_file(&self) -> bool {
        self.head.file_name.is_some() || self.head.name.is_empty()
    }

    /// What the client says that it is. It may lie: look at the bytes before you believe it.
    pub fn content_type(&self) -> Option<&str> {
        self.head.content_type.as_deref()
    }

    /// How many bytes there will be, where the client says so beforehand.
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// Its bytes, as they come. A client that leaves midway is an error of the stream.
    pub fn bytes(self) -> impl Stream<Item = Result<Bytes>> + Send + use<'u> {
        stream::try_unfold(self.source, |source| async move {
            let chunk = match source {
                Source::Form(form) => form.chunk().await?,
                Source::Plain { body, .. } => body.next().await.transpose().map_err(|error| body::explain(&error))?,
            };
            Ok(chunk.map(|chunk| (chunk, source)))
        })
    }

    /// A field as text of at most `most` bytes.
    pub async fn text(self, most: usize) -> Result<String> {
        let name = self.head.name.clone();
        let (mut text, mut bytes) = (Vec::new(), std::pin::pin!(self.bytes()));
        while let Some(some) = bytes.next().await {
            text.extend_from_slice(&some?);
            if text.len() > most {
                return Err(Refusal::TooLarge.error(format!("`{}` is longer than {most} bytes", name.escape_default())));
            }
        }
        String::from_utf8(text).map_err(|_| Error::invalid_field(name, "is not text"))
    }
}
