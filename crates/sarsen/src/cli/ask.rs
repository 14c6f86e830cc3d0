//! Asks the running application for what only it knows, at the address where it listens.

use crate::app::App;
use crate::error::{Error, Kind, Result};
use crate::resilience::call;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::time::Duration;
use tokio::net::TcpStream;

/// How long the answer may take, and how large it may be.
const LIMIT: Duration = Duration::from_secs(10);
const LARGEST: usize = 16 << 20;

/// What the application answers at `path`, with the operators' token.
pub(super) async fn ask<T: DeserializeOwned>(app: &App, path: &str) -> Result<T> {
    let listen = &app.config().http.listen;
    let address = reachable(listen).await?;
    let token = app.ops_token()?;
    let (status, body) = call("application", LIMIT, get(address, path, token.expose())).await.map_err(|error| {
        let hint = format!("start it: `{} serve`, with the same profile", app.name());
        if error.kind() == Kind::Unavailable { error.hint(hint) } else { error }
    })?;
    if status != 200 {
        let text = format!("what listens on {listen} answers {path} with {status}");
        return Err(Error::unavailable(text)
            .hint("it is another application, or another version, or another app.secret, or ops.enabled is false"));
    }
    serde_json::from_slice(&body).map_err(|error| {
        Error::unavailable(format!("what listens on {listen} is no {}: {error}", app.name()))
            .hint("choose the profile of the running application with --profile")
    })
}

/// Where a listener of this process's machine is reached.
async fn reachable(listen: &str) -> Result<SocketAddr> {
    let found = tokio::net::lookup_host(listen).await.ok().and_then(|mut found| found.next());
    let mut address = found.ok_or_else(|| Error::invalid(format!("http.listen `{listen}` is no address")))?;
    if address.port() == 0 {
        return Err(Error::invalid(format!("http.listen `{listen}` takes any port, so nobody knows which"))
            .hint("give http.listen a port of its own"));
    }
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    Ok(address)
}

/// One request on a connection of its own; nothing of it goes on after the answer.
async fn get(address: SocketAddr, path: &str, token: &str) -> Result<(u16, Bytes)> {
    let silent = |error: &dyn std::fmt::Display| Error::unavailable(format!("nothing answers at {address}: {error}"));
    let stream = TcpStream::connect(address).await.map_err(|error| silent(&error))?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| silent(&error))?;
    let request = http::Request::get(path)
        .header(http::header::HOST, address.to_string())
        .header(http::header::AUTHORIZATION, format!("Bearer {token}"))
        .body(Empty::<Bytes>::new())
        .map_err(|error| Error::invalid(format!("{path} cannot be asked for")).source(error))?;
    let answer = async move {
        let response = sender.send_request(request).await.map_err(|error| silent(&error))?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), LARGEST).collect().await.map_err(|error| silent(&error))?;
        Ok((status, body.to_bytes()))
    };
    let (mut answer, mut connection) = (pin!(answer), pin!(connection));
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        // It ends first when the other side closes it: what came until then is still to be read.
        _ = &mut connection => answer.await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Secret};
    use crate::lifecycle;
    use axum::Router;
    use axum::http::{HeaderMap, StatusCode};
    use axum::routing::get;
    use tokio::net::TcpListener;

    const SECRET: &str = "a secret of at least 32 characters";

    async fn app_beside(router: Router) -> App {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let mut config = Config::default();
        config.app.secret = Secret::new(SECRET.to_owned());
        config.http.listen = listener.local_addr().expect("has an address").to_string();
        drop(lifecycle::spawn(serve(listener, router)));
        App::new("hello", "1.0.0", config)
    }

    async fn serve(listener: TcpListener, router: Router) {
        while let Ok((stream, _)) = listener.accept().await {
            let service = hyper::service::service_fn(|request| tower::ServiceExt::oneshot(router.clone(), request));
            let server = hyper::server::conn::http1::Builder::new();
            let _ended = server.serve_connection(TokioIo::new(stream), service).await;
        }
    }

    #[tokio::test]
    async fn the_answer_is_read_and_the_token_is_shown() {
        let answer = get(async |headers: HeaderMap| {
            let token = headers["authorization"].to_str().expect("is text").to_owned();
            axum::Json(vec![token])
        });
        let app = app_beside(Router::new().route("/ops/api/token", answer)).await;
        let shown: Vec<String> = ask(&app, "/ops/api/token").await.expect("answers");
        assert_eq!(shown[0], format!("Bearer {}", app.ops_token().expect("is made").expose()));
        assert!(!shown[0].contains(SECRET));
    }

    #[tokio::test]
    async fn what_is_not_this_application_is_named() {
        let app = app_beside(
            Router::new().route("/text", get(async || "hello")).route("/closed", get(async || StatusCode::NOT_FOUND)),
        )
        .await;
        let error = ask::<Vec<String>>(&app, "/text").await.expect_err("is no JSON");
        assert!(error.message().contains("is no hello"), "{error}");
        let error = ask::<Vec<String>>(&app, "/closed").await.expect_err("is closed");
        assert!(error.message().ends_with("answers /closed with 404"), "{error}");
    }

    #[tokio::test]
    async fn nothing_that_listens_is_said_with_what_to_start() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let mut config = Config::default();
        config.app.secret = Secret::new(SECRET.to_owned());
        config.http.listen = listener.local_addr().expect("has an address").to_string();
        drop(listener);
        let error = ask::<Vec<String>>(&App::new("hello", "1.0.0", config), "/").await.expect_err("nobody is there");
        assert!(error.message().contains("nothing answers at 127.0.0.1:"), "{error}");
        assert_eq!(error.hint_text(), Some("start it: `hello serve`, with the same profile"));
    }
}
