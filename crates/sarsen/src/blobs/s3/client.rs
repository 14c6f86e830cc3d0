//! How calls to the object store go out: through `resilience`, with a limit, over connections that are used again.

use crate::error::{Error, Kind};
use crate::lifecycle;
use crate::resilience::call_over;
use crate::telemetry::{self, WaitKind};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{HOST, HeaderValue};
use http::uri::{Authority, PathAndQuery};
use http::{Request, Response, Uri};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse, HttpResponseBody,
    HttpService,
};
use rustls::pki_types::ServerName;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;

/// Connections that are kept while nothing goes over them.
const MOST_IDLE: usize = 32;

/// Makes the client of a store.
#[derive(Debug)]
pub(super) struct Connector {
    limit: Duration,
}

impl Connector {
    /// A call takes at most `limit` until its answer begins.
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit }
    }
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Client { limit: self.limit, idle: Arc::default() }))
    }
}

type Sender = SendRequest<HttpRequestBody>;

/// Connections without a call, by where they lead.
#[derive(Default)]
struct Idle(Mutex<Vec<(Uri, Sender)>>);

impl Idle {
    fn take(&self, place: &Uri) -> Option<Sender> {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(_, sender)| !sender.is_closed());
        let found = idle.iter().rposition(|(to, sender)| to == place && sender.is_ready())?;
        Some(idle.swap_remove(found).1)
    }

    fn put(&self, place: Uri, sender: Sender) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MOST_IDLE && !sender.is_closed() {
            idle.push((place, sender));
        }
    }
}

struct Client {
    limit: Duration,
    idle: Arc<Idle>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl HttpService for Client {
    fn call<'s, 'f>(&'s self, request: HttpRequest) -> BoxFuture<'f, Result<HttpResponse, HttpError>>
    where
        's: 'f,
        Self: 'f,
    {
        Box::pin(async move {
            let answered = call_over(WaitKind::Blob, "object store", self.limit, self.exchange(request)).await;
            answered.map_err(|error| {
                let kind = match error.kind() {
                    Kind::Timeout => HttpErrorKind::Timeout,
                    Kind::Unavailable => HttpErrorKind::Connect,
                    Kind::Internal => HttpErrorKind::Interrupted,
                    _ => HttpErrorKind::Unknown,
                };
                HttpError::new(kind, error)
            })
        })
    }
}

impl Client {
    async fn exchange(&self, request: HttpRequest) -> Result<HttpResponse, Error> {
        let (place, mut request) = origin_form(request)?;
        loop {
            let (kept, mut sender) = match self.idle.take(&place) {
                Some(sender) => (true, sender),
                None => (false, connect(&place).await?),
            };
            let answered = sender.try_send_request(request).await;
            match answered {
                Ok(response) => return Ok(self.answer(response, place, sender)),
                // The other side had closed a connection that was kept: nothing was sent.
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) if kept => request = unsent,
                    _ => return Err(broken(failed.into_error())),
                },
            }
        }
    }

    fn answer(&self, response: Response<Incoming>, place: Uri, sender: Sender) -> HttpResponse {
        let idle = self.idle.clone();
        response.map(|body| HttpResponseBody::new(Answer { body, back: Some((idle, place, sender)) }))
    }
}

fn broken(error: hyper::Error) -> Error {
    Error::internal("the connection to the object store broke").source(error)
}

/// Where a request goes, and the request as it is written on a connection that leads there.
fn origin_form(mut request: HttpRequest) -> Result<(Uri, Request<HttpRequestBody>), Error> {
    let wrong = || Error::invalid("the address of the object store has no host");
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    let authority: Authority = parts.authority.take().ok_or_else(wrong)?;
    let host = HeaderValue::from_str(authority.as_str()).map_err(|_| wrong())?;
    let path = parts.path_and_query.take().unwrap_or_else(|| PathAndQuery::from_static("/"));
    let scheme = parts.scheme.take().ok_or_else(wrong)?;
    let place = Uri::builder().scheme(scheme).authority(authority).path_and_query("/").build().map_err(|_| wrong())?;
    *request.uri_mut() = Uri::from(path);
    request.headers_mut().insert(HOST, host);
    Ok((place, request))
}

async fn connect(place: &Uri) -> Result<Sender, Error> {
    let encrypted = place.scheme_str() == Some("https");
    let host = place.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let port = place.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
    let failed = |error: std::io::Error| {
        Error::unavailable(format!("no connection to the object store at {host}:{port}: {error}"))
            .hint("see that blobs.url names the right endpoint, and that it is up")
    };
    let stream = TcpStream::connect((host, port)).await.map_err(failed)?;
    let _ = stream.set_nodelay(true);
    if !encrypted {
        return handshake(stream).await;
    }
    let name = ServerName::try_from(host.to_owned());
    let name = name.map_err(|_| Error::invalid(format!("`{host}` is no name for a certificate")))?;
    handshake(tls().await?.connect(name, stream).await.map_err(failed)?).await
}

async fn handshake(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Result<Sender, Error> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    // It ends with its sender; what went wrong, the call hears.
    lifecycle::spawn_background(async move {
        let _ = connection.await;
    });
    Ok(sender)
}

/// The certificates of this machine, read when they are first needed.
async fn tls() -> Result<&'static TlsConnector, Error> {
    static TLS: OnceCell<TlsConnector> = OnceCell::const_new();
    TLS.get_or_try_init(|| async { telemetry::blocking("certificates", connector).await? }).await
}

fn connector() -> Result<TlsConnector, Error> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| Error::internal("TLS cannot be set up").source(error))?;
    Ok(TlsConnector::from(Arc::new(builder.with_root_certificates(roots).with_no_client_auth())))
}

/// The body of an answer; at its end the connection is free for the next call.
struct Answer {
    body: Incoming,
    back: Option<(Arc<Idle>, Uri, Sender)>,
}

impl Answer {
    fn give_back(&mut self) {
        if let Some((idle, place, sender)) = self.back.take() {
            idle.put(place, sender);
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            None => self.give_back(),
            Some(Ok(_)) => {}
            Some(Err(_)) => drop(self.back.take()),
        }
        Poll::Ready(frame.map(|frame| frame.map_err(|error| HttpError::new(HttpErrorKind::Interrupted, error))))
    }

    fn is_end_stream(&self) -> bool {
        // Not before it was polled to its end: only then the connection goes back.
        self.back.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
