//! One request to another service: in the clear or encrypted, limited, and a part of the trace at hand.

use crate::error::{Error, Result};
use crate::resilience::call;
use crate::telemetry::{self, Operation};
use bytes::Bytes;
use http::header::{CONNECTION, HOST, HeaderName, HeaderValue, USER_AGENT};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;

/// Largest answer that is read.
const MAX_ANSWER: usize = 1 << 20;

/// Where a request goes: scheme, host, port and path. What stands before an `@` is not a part of it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address {
    encrypted: bool,
    host: String,
    port: u16,
    path: String,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Address {
    /// Reads `http://host:port/path` or `https://…`.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let wrong = || Error::invalid("an address is `http://host:port` or `https://host`");
        let uri: http::Uri = text.parse().map_err(|_| wrong())?;
        let encrypted = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong()),
        };
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(wrong)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 });
        Ok(Self { encrypted, host, port, path: uri.path().trim_end_matches('/').to_owned() })
    }

    /// The address below this one.
    pub(crate) fn join(&self, path: &str) -> Self {
        Self { path: format!("{}{path}", self.path), ..self.clone() }
    }
}

/// What is sent.
#[derive(Debug)]
pub(crate) struct Outbound {
    pub(crate) to: Address,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Bytes,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Inbound {
    pub(crate) status: StatusCode,
    /// Seconds to wait, where the other side names them.
    pub(crate) retry_after: Option<Duration>,
}

/// Posts something and reads the answer, whatever its status; it follows no redirect. `label` is the kind of service.
pub(crate) async fn post(label: &'static str, limit: Duration, outbound: Outbound) -> Result<Inbound> {
    call(label, limit, async {
        let to = outbound.to.clone();
        let request = request(outbound)?;
        let stream = TcpStream::connect((to.host.as_str(), to.port)).await;
        let stream = stream.map_err(|error| Error::unavailable(format!("no connection to {to:?}: {error}")))?;
        if !to.encrypted {
            return exchange(stream, request).await;
        }
        let name = ServerName::try_from(to.host.clone());
        let name = name.map_err(|_| Error::invalid(format!("{to:?} is no name for a certificate")))?;
        let stream = tls().await?.connect(name, stream).await;
        exchange(
            stream.map_err(|error| Error::unavailable(format!("no encrypted connection to {to:?}: {error}")))?,
            request,
        )
        .await
    })
    .await
}

fn request(outbound: Outbound) -> Result<Request<Full<Bytes>>> {
    let Outbound { to, headers, body } = outbound;
    let path = if to.path.is_empty() { "/" } else { &to.path };
    let host =
        if to.host.contains(':') { format!("[{}]:{}", to.host, to.port) } else { format!("{}:{}", to.host, to.port) };
    let builder = Request::post(path).header(HOST, host).header(CONNECTION, "close");
    let builder = builder.header(USER_AGENT, concat!("sarsen/", env!("CARGO_PKG_VERSION")));
    let mut builder = headers.into_iter().fold(builder, |builder, (name, value)| builder.header(name, value));
    if let Some(trace) = Operation::with_current(|operation| operation.trace().to_string()) {
        builder = builder.header("traceparent", trace);
    }
    builder.body(Full::from(body)).map_err(|error| Error::invalid("the request cannot be written").source(error))
}

/// Connection and request are one future, so nothing goes on after it.
async fn exchange(stream: impl AsyncRead + AsyncWrite + Unpin, request: Request<Full<Bytes>>) -> Result<Inbound> {
    let broken = |error: hyper::Error| Error::unavailable(format!("the connection broke: {error}"));
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let answer = async move {
        let (head, body) = sender.send_request(request).await.map_err(broken)?.into_parts();
        let seconds = head.headers.get("retry-after").and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let body = Limited::new(body, MAX_ANSWER).collect().await;
        body.map_err(|error| Error::unavailable(format!("the answer broke off: {error}")))?;
        Ok(Inbound { status: head.status, retry_after: seconds.map(Duration::from_secs) })
    };
    let (mut answer, mut connection) = (pin!(answer), pin!(connection));
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        // It ends first when the other side closes it: what came until then is still to be read.
        _ = &mut connection => answer.await,
    }
}

/// The certificates of this machine, read when they are first needed.
async fn tls() -> Result<&'static TlsConnector> {
    static TLS: OnceCell<TlsConnector> = OnceCell::const_new();
    TLS.get_or_try_init(|| async { telemetry::blocking("certificates", connector).await? }).await
}

fn connector() -> Result<TlsConnector> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| Error::internal("TLS cannot be set up").source(error))?;
    Ok(TlsConnector::from(Arc::new(builder.with_root_certificates(roots).with_no_client_auth())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_without_what_is_secret_in_it() {
        let address = Address::parse("https://public@o1.ingest.example/42").expect("reads");
        assert_eq!((address.encrypted, address.port, address.path.as_str()), (true, 443, "/42"));
        assert_eq!(address.join("/envelope/").path, "/42/envelope/");
        assert_eq!(format!("{address:?}"), "o1.ingest.example:443");
        assert_eq!(Address::parse("http://[::1]:4318").expect("reads").host, "::1");
        for wrong in ["", "localhost:4318", "ftp://x", "http://"] {
            assert!(Address::parse(wrong).is_err(), "{wrong}");
        }
    }
}
