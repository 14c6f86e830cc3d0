//! Sends one request to an address that somebody else chose: checked, limited, and never further than that address.

mod addresses;
mod answer;
mod target;

pub(super) use answer::{Answer, Verdict, judge};
pub(super) use target::{MAX_URL, Reach, Target};

use answer::read;
use axum::body::Bytes;
use axum::http::{HeaderName, Request, Response, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use sarsen::resilience::call;
use sarsen::telemetry::Operation;
use sarsen::{Clock, Error, Result, telemetry};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;

/// Who calls, for the logs of others.
const USER_AGENT: &str = concat!("Parley/", env!("CARGO_PKG_VERSION"), " (webhooks)");

/// Largest head of an answer.
const MAX_HEAD: usize = 64 << 10;

/// Most headers of an answer.
const MAX_HEADERS: usize = 100;

/// Most addresses of one name that are tried.
const MAX_ADDRESSES: usize = 4;

/// What is sent: a body of JSON, and headers of its own.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) headers: Vec<(HeaderName, String)>,
    pub(super) body: String,
}

/// Calls webhooks.
pub(super) struct Caller {
    clock: Clock,
    reach: Reach,
    timeout: Duration,
    /// The certificates of this machine, read when they are first needed.
    tls: OnceCell<TlsConnector>,
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caller").field("reach", &self.reach).field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

impl Caller {
    /// `timeout` is for everything, from looking the host up to the end of the answer.
    pub(super) fn new(clock: Clock, reach: Reach, timeout: Duration) -> Self {
        Self { clock, reach, timeout, tls: OnceCell::new() }
    }

    /// What may be called.
    pub(super) fn reach(&self) -> Reach {
        self.reach
    }

    /// Posts `message` and gives the answer, whatever its status. It follows no redirect.
    ///
    /// The host is looked up once: every address of it must be in reach, and one of these is connected to, so that a name
    /// cannot become another address in between.
    pub(super) async fn post(&self, target: &Target, message: Message) -> Result<Answer> {
        call("webhook", self.timeout, async {
            let addresses = self.look_up(target).await?;
            let stream = connect(&addresses).await?;
            let request = request(target, message)?;
            if target.encrypted {
                let name = ServerName::try_from(target.host.clone())
                    .map_err(|_| Error::invalid("the host of the address is no name for a certificate"))?;
                let failed = |error| out_of_reach("no encrypted connection", error);
                let stream = self.tls().await?.connect(name, stream).await.map_err(failed)?;
                self.exchange(stream, request).await
            } else {
                self.exchange(stream, request).await
            }
        })
        .await
    }

    async fn look_up(&self, target: &Target) -> Result<Vec<SocketAddr>> {
        let found = tokio::net::lookup_host((target.host.as_str(), target.port)).await;
        let mut found: Vec<SocketAddr> = found.map_err(|error| out_of_reach("the host is not found", error))?.collect();
        if found.is_empty() {
            return Err(Error::unavailable("the host has no address"));
        }
        if self.reach == Reach::Public
            && let Some(why) = found.iter().find_map(|address| addresses::refusal(address.ip()))
        {
            return Err(Error::forbidden(format!("the host does not lead to the public internet: it is {why}")));
        }
        found.truncate(MAX_ADDRESSES);
        Ok(found)
    }

    /// Sends the request and reads the answer; connection and request are one future, so nothing goes on after it.
    async fn exchange(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer> {
        let broken = |error: hyper::Error| out_of_reach("the connection broke", error);
        let mut builder = http1::Builder::new();
        builder.max_buf_size(MAX_HEAD).max_headers(MAX_HEADERS);
        let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let answer = async move {
            let response: Response<Incoming> = sender.send_request(request).await.map_err(broken)?;
            Ok(read(response, self.clock.now()).await)
        };
        let (mut answer, mut connection) = (pin!(answer), pin!(connection));
        tokio::select! {
            biased;
            answer = &mut answer => answer,
            // It ends first when the other side closes it: what came until then is still to be read.
            _ = &mut connection => answer.await,
        }
    }

    async fn tls(&self) -> Result<&TlsConnector> {
        self.tls.get_or_try_init(|| async { telemetry::blocking("certificates", connector).await? }).await
    }
}

/// Connects to the first address that answers.
async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream> {
    TcpStream::connect(addresses).await.map_err(|error| out_of_reach("no connection", error))
}

fn connector() -> Result<TlsConnector> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| Error::internal("TLS cannot be set up").source(error))?;
    Ok(TlsConnector::from(Arc::new(builder.with_root_certificates(roots).with_no_client_auth())))
}

fn request(target: &Target, message: Message) -> Result<Request<Full<Bytes>>> {
    let builder = Request::post(target.path.as_str()).header(header::HOST, target.authority.as_str());
    let builder = builder.header(header::CONTENT_TYPE, "application/json").header(header::USER_AGENT, USER_AGENT);
    let builder = builder.header(header::CONNECTION, "close");
    // What the receiver does for us is a part of the same trace.
    let trace = Operation::with_current(|operation| operation.trace().to_string());
    let builder = trace.into_iter().fold(builder, |builder, trace| builder.header("traceparent", trace));
    let builder = message.headers.into_iter().fold(builder, |builder, (name, value)| builder.header(name, value));
    let wrong = |error| Error::invalid("the request cannot be written").source(error);
    builder.body(Full::from(message.body)).map_err(wrong)
}

/// What trying again may mend. The root of it belongs into the message: the owner of a webhook sees nothing else.
fn out_of_reach(what: &str, error: impl std::error::Error + 'static) -> Error {
    let root = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source()).last();
    Error::unavailable(format!("{what}: {}", root.map_or_else(String::new, ToString::to_string)))
}
