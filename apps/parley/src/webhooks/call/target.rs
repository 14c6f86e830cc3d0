//! The address that a webhook is sent to: what it may look like.

use super::addresses;
use crate::text::check_line;
use axum::http::Uri;
use axum::http::uri::Scheme;
use sarsen::{Error, Result};
use std::net::IpAddr;

/// Most characters of an address.
pub(in crate::webhooks) const MAX_URL: usize = 2_000;

/// Ports below this one belong to other protocols, but for those of HTTP.
const FIRST_PORT: u16 = 1024;

/// Whether addresses beside this server may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::webhooks) enum Reach {
    /// The public internet only.
    Public,
    /// Everything: for tests and development.
    Anywhere,
}

/// An address that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::webhooks) struct Target {
    pub(super) encrypted: bool,
    /// A name, or an address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// What the header `host` says.
    pub(super) authority: String,
    pub(super) path: String,
}

impl Target {
    /// Reads an address; one that is given by number must be in reach. Names are looked up when it is called.
    pub(in crate::webhooks) fn parse(url: &str, reach: Reach) -> Result<Target> {
        check_line("url", url, MAX_URL)?;
        let wrong = |what: &str| Error::invalid_field("url", what);
        let uri: Uri = url.parse().map_err(|_| wrong("is no address such as https://example.org/hook"))?;
        let encrypted = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err(wrong("does not begin with https:// or http://")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("names no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("has a user in it: the signature says who sends"));
        }
        let host = authority.host().trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
        if host.is_empty() {
            return Err(wrong("names no host"));
        }
        let port = match authority.as_str()[authority.host().len()..].strip_prefix(':') {
            Some(port) => port.parse().map_err(|_| wrong("has a port that is none"))?,
            None if encrypted => 443,
            None => 80,
        };
        if port < FIRST_PORT && port != 80 && port != 443 {
            return Err(wrong("has a port below 1024 that is neither 80 nor 443"));
        }
        check_host(&host, reach)?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Target { encrypted, host, port, authority: authority.as_str().to_owned(), path })
    }
}

/// What can be known of a host without looking it up.
fn check_host(host: &str, reach: Reach) -> Result<()> {
    if reach == Reach::Anywhere {
        return Ok(());
    }
    let address = host.parse::<IpAddr>().ok();
    let why = address.and_then(addresses::refusal);
    let local = address.is_none() && (host == "localhost" || host.ends_with(".localhost"));
    match why.or(local.then_some("this machine")) {
        Some(why) => Err(Error::invalid_field("url", format!("does not lead to the public internet: it is {why}"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(url: &str) -> Result<Target> {
        Target::parse(url, Reach::Public)
    }

    #[test]
    fn an_address_is_taken_apart() {
        let target = public("https://Example.org/hook?key=1#part").expect("reads");
        let parts = (target.encrypted, target.host.as_str(), target.port, target.path.as_str());
        assert_eq!(parts, (true, "example.org", 443, "/hook?key=1"));
        let target = public("http://[2606:4700::1]:8080").expect("reads");
        let parts = (target.encrypted, target.host.as_str(), target.port, target.path.as_str());
        assert_eq!(parts, (false, "2606:4700::1", 8080, "/"));
        assert_eq!(target.authority, "[2606:4700::1]:8080");
    }

    #[test]
    fn what_is_no_public_address_is_refused() {
        for wrong in [
            "",
            "example.org/hook",
            "/hook",
            "ftp://example.org",
            "file:///etc/passwd",
            "https://",
            "https://user:secret@example.org",
            "https://example.org:22/",
            "https://example.org:0/",
            "https://example.org:99999/",
            "https://exa mple.org",
            "https://exämple.org",
            "https://localhost/hook",
            "https://Sub.LocalHost./hook",
            "http://127.0.0.1:8080",
            "http://[::1]/",
            "http://[::ffff:10.0.0.1]/",
            "http://169.254.169.254/latest/meta-data/",
        ] {
            let error = public(wrong).expect_err(wrong);
            assert_eq!(error.fields()[0].field, "url", "{wrong}");
        }
    }

    #[test]
    fn development_reaches_everything_but_other_protocols() {
        assert!(Target::parse("http://127.0.0.1:8080/x", Reach::Anywhere).is_ok());
        assert!(Target::parse("http://127.0.0.1:22/x", Reach::Anywhere).is_err());
        assert!(Target::parse(&format!("https://a.org/{}", "x".repeat(MAX_URL)), Reach::Anywhere).is_err());
    }
}
