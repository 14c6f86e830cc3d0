//! A stream of events (SSE), for clients that only listen: what a WebSocket says, one message an event.

use super::malformed;
use crate::error::Result;
use crate::realtime::{Connection, Frame, Next, Position, Topic};
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use http_body::Frame as BodyFrame;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Most topics of one stream.
const MAX_TOPICS: usize = 50;
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Proxies that hold answers back until they are complete would hold this for ever.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// What a client asks for: `?topic=a:1&topic=b:2`, and where it stood.
pub(super) struct Wanted {
    pub(super) topics: Vec<Topic>,
    pub(super) since: Option<Position>,
}

impl Wanted {
    pub(super) fn of(request: &Request) -> Result<Self> {
        let pairs = form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes());
        let (mut topics, mut since) = (Vec::new(), None);
        for (name, value) in pairs {
            match &*name {
                "topic" => topics.push(Topic::parse(&value)?),
                "since" => since = position(&value),
                _ => return Err(malformed("only `topic` and `since` can be asked for")),
            }
        }
        if topics.is_empty() || topics.len() > MAX_TOPICS {
            return Err(malformed("ask for 1 to 50 topics: ?topic=KIND:ID"));
        }
        // A browser that reconnects by itself says the last id that it has seen.
        let last = request.headers().get(LAST_EVENT_ID).and_then(|last| last.to_str().ok());
        Ok(Self { topics, since: last.map_or(since, position) })
    }
}

/// `EPOCH:OFFSET`
fn position(text: &str) -> Option<Position> {
    let (epoch, offset) = text.split_once(':')?;
    Some(Position { epoch: epoch.to_owned(), offset: offset.parse().ok()? })
}

/// The answer that goes on until one of both ends it. `from` is where the log was when all was subscribed.
pub(super) fn answer(connection: Connection, from: Position) -> Response {
    let mut response = Response::new(Body::new(Stream { connection, from, over: false }));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(BUFFERING, HeaderValue::from_static("no"));
    response
}

struct Stream {
    connection: Connection,
    from: Position,
    over: bool,
}

impl Stream {
    /// What was missed comes topic by topic, so only what is newer than all of it may move the client's place.
    fn write(&self, frame: &Frame, into: &mut BytesMut) {
        if let Some(offset) = frame.offset().filter(|offset| *offset > self.from.offset) {
            into.extend_from_slice(format!("id: {}:{offset}\n", self.from.epoch).as_bytes());
        }
        into.extend_from_slice(b"data: ");
        into.extend_from_slice(frame.text());
        into.extend_from_slice(b"\n\n");
    }
}

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<BodyFrame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        if this.over {
            return Poll::Ready(None);
        }
        let mut text = BytesMut::new();
        match std::task::ready!(this.connection.poll_next(context)) {
            Next::Send(frames) => frames.iter().for_each(|frame| this.write(frame, &mut text)),
            Next::Ping => {
                text.extend_from_slice(b": ping\n\n");
                // It cannot answer: one that is gone is found when this is not taken.
                this.connection.heard();
            }
            Next::Recheck => {
                context.waker().wake_by_ref();
                this.connection.recheck_apart();
                return Poll::Pending;
            }
            Next::Close(_) => this.over = true,
        }
        if text.is_empty() { Poll::Ready(None) } else { Poll::Ready(Some(Ok(BodyFrame::data(text.freeze())))) }
    }
}
