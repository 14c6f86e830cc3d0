//! Who may see the pages: everybody on a developer's machine, in production those who have the token or are let in by name.

use super::{pages, pass::Passes};
use crate::app::{Authorize, Parts as App};
use crate::clock::Clock;
use crate::config::Environment;
use crate::error::{Error, Result};
use crate::http::{bearer, unseen};
use axum::response::{IntoResponse, Response};
use http::header::HOST;
use http::request::Parts;
use http::{HeaderMap, Uri};
use sha2::{Digest, Sha256};
use std::fmt;
use std::net::IpAddr;
use subtle::ConstantTimeEq;
use uuid::Uuid;

/// Who is inside.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    /// The name in the log: `token 1f2e3d4c`, `person 0190…`, `anybody`.
    pub(super) name: String,
    /// The person, where one is signed in and let in by name.
    pub(super) person: Option<Uuid>,
}

/// What the door answers.
pub(super) enum Entry {
    /// Come in.
    Open(Visitor),
    /// The token was shown in the address: here is a pass, come again without it.
    Pass(Response),
    /// There is no door.
    Closed,
}

/// Decides who may see the pages.
pub(super) struct Door {
    open: bool,
    public_host: String,
    token: [u8; 32],
    passes: Passes,
    authorize: Option<Authorize>,
    clock: Clock,
}

impl Door {
    pub(super) fn new(app: &App) -> Self {
        let http = &app.config.http;
        let https = http.public_url.starts_with("https://");
        Self {
            open: app.config.app.environment != Environment::Production,
            public_host: http
                .public_url
                .parse::<Uri>()
                .ok()
                .and_then(|url| Some(url.host()?.to_owned()))
                .unwrap_or_default(),
            token: digest(app.ops_token.expose()),
            passes: Passes::new(app.ops_token.expose(), https, app.config.ops.session_age.0),
            authorize: app.authorize.clone(),
            clock: app.clock.clone(),
        }
    }

    /// Looks at a request from outside.
    pub(super) async fn knock(&self, request: &Parts) -> Result<Entry> {
        let shown = query_token(&request.uri);
        if shown.as_deref().is_some_and(|token| self.is_token(token)) {
            let pass = self.passes.cookie(self.clock.now());
            return Ok(Entry::Pass(pages::come_in(request.uri.path(), pass)));
        }
        if self.open {
            return Ok(self.of_developer(request));
        }
        let token = bearer(&request.headers).is_some_and(|token| self.is_token(token));
        if token || self.passes.admit(&request.headers, self.clock.now()) {
            return Ok(Entry::Open(Visitor { name: self.token_name(), person: None }));
        }
        let Some(authorize) = &self.authorize else { return Ok(Entry::Closed) };
        match unseen(request).await? {
            Some(person) if authorize(person).await? => {
                Ok(Entry::Open(Visitor { name: format!("person {person}"), person: Some(person) }))
            }
            _ => Ok(Entry::Closed),
        }
    }

    /// A page of a stranger can let a name of its own lead to this machine (DNS rebinding): only names that are ours hold.
    fn of_developer(&self, request: &Parts) -> Entry {
        let host = host(&request.uri, &request.headers);
        let local = host == "localhost" || host.ends_with(".localhost") || host.parse::<IpAddr>().is_ok();
        if local || host.is_empty() || host.eq_ignore_ascii_case(&self.public_host) {
            return Entry::Open(Visitor { name: "anybody".to_owned(), person: None });
        }
        let error = Error::forbidden("in development /ops answers to localhost and to addresses, not to other names");
        Entry::Pass(error.hint("set http.public_url to the name that you use").into_response())
    }

    /// In a time that does not depend on how much of it is right.
    fn is_token(&self, shown: &str) -> bool {
        digest(shown).ct_eq(&self.token).into()
    }

    fn token_name(&self) -> String {
        let [one, two, three, four, ..] = digest_of(&self.token);
        format!("token {one:02x}{two:02x}{three:02x}{four:02x}")
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").field("open", &self.open).finish_non_exhaustive()
    }
}

fn digest(text: &str) -> [u8; 32] {
    digest_of(text.as_bytes())
}

fn digest_of(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// `?token=…`.
fn query_token(uri: &Uri) -> Option<String> {
    let query = uri.query()?.as_bytes();
    form_urlencoded::parse(query).find(|(name, _)| name == "token").map(|(_, value)| value.into_owned())
}

/// The name under which the application was asked for, without its port.
fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> &'a str {
    let given = headers.get(HOST).and_then(|host| host.to_str().ok());
    let all = uri.authority().map(http::uri::Authority::as_str).or(given).unwrap_or_default();
    match all.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => all.rsplit_once(':').map_or(all, |(host, _)| host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_read_without_its_port() {
        for (given, expected) in
            [("localhost:3000", "localhost"), ("[::1]:3000", "::1"), ("127.0.0.1", "127.0.0.1"), ("a.test", "a.test")]
        {
            let headers = HeaderMap::from_iter([(HOST, http::HeaderValue::from_static(given))]);
            assert_eq!(host(&Uri::from_static("/ops"), &headers), expected);
        }
    }
}
