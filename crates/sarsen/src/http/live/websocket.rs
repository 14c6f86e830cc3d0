//! A WebSocket: the handshake, and one task for as long as it is open.

use super::malformed;
use crate::clock;
use crate::error::Result;
use crate::realtime::{Connection, Next};
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures_util::{FutureExt, SinkExt, StreamExt};
use http::header::{
    CONNECTION, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, StatusCode};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use std::time::Duration;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error as SocketError};
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame as SocketFrame};
use tokio_tungstenite::tungstenite::protocol::{Message, Role, WebSocketConfig};

/// What every server adds to the key (RFC 6455, section 1.3).
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Clients say little: what is larger gets room while it is read.
const READ_BUFFER: usize = 256;
/// A batch is one write.
const WRITE_BUFFER: usize = 16 << 10;
/// How long the handshake, and the end, may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// After this many batches the client is heard, however much there is to send.
const TURNS: u32 = 8;

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// A handshake that is right.
pub(super) struct Accepted {
    pub(super) upgrade: OnUpgrade,
    pub(super) response: Response,
}

/// Answers the handshake of a client.
pub(super) fn accept(request: &mut Request) -> Result<Accepted> {
    let headers = request.headers();
    if !has(headers, &CONNECTION, "upgrade") || !has(headers, &UPGRADE, "websocket") {
        return Err(malformed("this is the address of a WebSocket").hint("connect with one, or read /live/events"));
    }
    if !has(headers, &SEC_WEBSOCKET_VERSION, "13") {
        return Err(malformed("only version 13 of WebSockets is spoken here"));
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).filter(|key| BASE64_STANDARD.decode(key).is_ok_and(|key| key.len() == 16));
    let key = key.ok_or_else(|| malformed("Sec-WebSocket-Key is missing or wrong"))?;
    let answer = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key.as_bytes(), GUID.as_bytes()].concat());
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    let answer = HeaderValue::try_from(BASE64_STANDARD.encode(answer)).map_err(|_| malformed("no key"))?;
    headers.insert(SEC_WEBSOCKET_ACCEPT, answer);
    let upgrade = request.extensions_mut().remove::<OnUpgrade>();
    let upgrade = upgrade.ok_or_else(|| malformed("this connection cannot become a WebSocket").hint("use HTTP/1.1"))?;
    Ok(Accepted { upgrade, response })
}

/// Whether one of the words of a header is this one.
fn has(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|given| given.trim().eq_ignore_ascii_case(word))
}

/// Serves a client until one of both ends it.
pub(super) async fn serve(upgrade: OnUpgrade, connection: Connection) {
    let Ok(Ok(upgraded)) = clock::until(clock::monotonic() + PATIENCE, upgrade).await else { return };
    let most = connection.max_message();
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_write_buffer_size(WRITE_BUFFER + (1 << 20))
        .max_message_size(Some(most))
        .max_frame_size(Some(most));
    let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
    let farewell = talk(&mut socket, &connection).await;
    drop(connection);
    if let Some((code, reason)) = farewell {
        let goodbye = Box::pin(say_goodbye(socket, code, reason));
        let _ = clock::until(clock::monotonic() + PATIENCE, goodbye).await;
    }
}

/// The close that the client is still to be told; nothing when it has gone or does not listen.
type Farewell = Option<(u16, &'static str)>;

async fn talk(socket: &mut Socket, connection: &Connection) -> Farewell {
    let mut turns = 0;
    loop {
        turns += 1;
        if turns % TURNS == 0
            && let Some(message) = socket.next().now_or_never()
            && let Err(farewell) = hear(message, connection).await
        {
            return farewell;
        }
        let next = tokio::select! {
            biased;
            next = connection.next() => next,
            message = socket.next() => {
                if let Err(farewell) = hear(message, connection).await {
                    return farewell;
                }
                continue;
            }
        };
        let sent = match next {
            Next::Close(end) => return Some((end.code(), end.as_str())),
            Next::Recheck => {
                Box::pin(connection.recheck()).await;
                continue;
            }
            next => tokio::select! {
                sent = send(socket, next) => sent,
                () = connection.cut() => return None,
            },
        };
        if sent.is_err() {
            return None;
        }
    }
}

/// Sends a batch, or a ping: each frame is put beside the others, and all are one write.
async fn send(socket: &mut Socket, next: Next) -> std::result::Result<(), SocketError> {
    match next {
        Next::Send(frames) => {
            for frame in frames {
                // It is text already, and known to be: nothing is copied or checked again for each client.
                let frame = SocketFrame::message(frame.text().clone(), OpCode::Data(Data::Text), true);
                socket.feed(Message::Frame(frame)).await?;
            }
        }
        _ => socket.feed(Message::Ping(bytes::Bytes::new())).await?,
    }
    socket.flush().await
}

/// Does what the client says; an error is the end.
async fn hear(
    message: Option<std::result::Result<Message, SocketError>>,
    connection: &Connection,
) -> std::result::Result<(), Farewell> {
    match message {
        // In a box while it is at work: an idle connection would hold the room for all its queries.
        Some(Ok(Message::Text(text))) => Box::pin(connection.receive(&text)).await,
        Some(Ok(Message::Binary(_))) => return Err(Some((1003, "only text is spoken here"))),
        Some(Ok(Message::Close(_))) | None => return Err(None),
        Some(Ok(_)) => connection.heard(),
        Some(Err(SocketError::Capacity(CapacityError::MessageTooLong { .. }))) => {
            return Err(Some((1009, "a message is larger than realtime.max_message")));
        }
        Some(Err(SocketError::Utf8(_))) => return Err(Some((1007, "a text is not UTF-8"))),
        Some(Err(SocketError::Protocol(_))) => return Err(Some((1002, "that is not the protocol of WebSockets"))),
        Some(Err(_)) => return Err(None),
    }
    Ok(())
}

/// Says why, and waits until the client has heard it.
async fn say_goodbye(mut socket: Socket, code: u16, reason: &'static str) {
    let close = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
    if socket.close(Some(close)).await.is_ok() {
        while let Some(Ok(_)) = socket.next().await {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_a_key_is_that_of_the_standard() {
        let request = Request::builder()
            .header("connection", "keep-alive, Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        let mut request = request.body(Body::empty()).expect("a request");
        let error = accept(&mut request).err().expect("there is no connection to upgrade");
        assert!(error.message().contains("cannot become"), "{error}");
        let answer = digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("dGhlIHNhbXBsZSBub25jZQ=={GUID}").as_bytes());
        assert_eq!(BASE64_STANDARD.encode(answer), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
