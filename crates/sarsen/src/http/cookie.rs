//! The session's cookie: what is in it, how it is signed, and how it is found among others.

use crate::error::{Error, Result};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use http::header::{COOKIE, HeaderValue};
use sha2::{Digest, Sha256};
use std::time::Duration;
use subtle::ConstantTimeEq;
use uuid::Uuid;

const ID: usize = 16;
const SECRET: usize = 32;
const SIGNATURE: usize = 32;

/// What a cookie holds: which session, and the secret that proves it.
#[derive(Clone, Copy)]
pub(super) struct Ticket {
    pub(super) session: Uuid,
    secret: [u8; SECRET],
}

impl Ticket {
    /// A ticket with a new secret of 256 random bits.
    pub(super) fn new(session: Uuid) -> Result<Self> {
        let mut secret = [0; SECRET];
        getrandom::fill(&mut secret).map_err(|error| Error::internal(format!("no random bytes: {error}")))?;
        Ok(Self { session, secret })
    }

    /// The hash that the table keeps.
    pub(super) fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.secret).into()
    }
}

/// Writes and reads the cookie of one application.
#[derive(Clone)]
pub(super) struct CookieJar {
    key: [u8; 32],
    name: &'static str,
    attributes: &'static str,
    age: Duration,
}

impl CookieJar {
    /// Signs with a key made from `secret`; with `https` the cookie is held to this host and to encrypted connections.
    pub(super) fn new(secret: &str, https: bool, age: Duration) -> Self {
        let key = sign(secret.as_bytes(), &[b"sarsen session cookie 1"]);
        if https {
            let attributes = "; Path=/; HttpOnly; SameSite=Lax; Secure";
            Self { key, name: "__Host-session", attributes, age }
        } else {
            Self { key, name: "session", attributes: "; Path=/; HttpOnly; SameSite=Lax", age }
        }
    }

    /// The name of the cookie.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// The ticket of a request; nothing when there is none that this application signed.
    pub(super) fn find(&self, headers: &HeaderMap) -> Option<Ticket> {
        let lines = headers.get_all(COOKIE).into_iter().filter_map(|line| line.to_str().ok());
        let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.filter(|(name, _)| *name == self.name).find_map(|(_, value)| self.open(value))
    }

    fn open(&self, value: &str) -> Option<Ticket> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(value).ok().filter(|bytes| bytes.len() == ID + SECRET + SIGNATURE)?;
        let (signed, signature) = bytes.split_at(ID + SECRET);
        let genuine: bool = sign(&self.key, &[signed]).ct_eq(signature).into();
        let (session, secret) = signed.split_at(ID);
        let ticket = Ticket { session: Uuid::from_slice(session).ok()?, secret: secret.try_into().ok()? };
        genuine.then_some(ticket)
    }

    /// The header that sets the cookie.
    pub(super) fn set(&self, ticket: &Ticket) -> HeaderValue {
        let mut bytes = [ticket.session.as_bytes().as_slice(), &ticket.secret].concat();
        let signature = sign(&self.key, &[&bytes]);
        bytes.extend(signature);
        self.header(&BASE64_URL_SAFE_NO_PAD.encode(bytes), self.age.as_secs())
    }

    /// The header that takes the cookie away.
    pub(super) fn unset(&self) -> HeaderValue {
        self.header("", 0)
    }

    fn header(&self, value: &str, age: u64) -> HeaderValue {
        let text = format!("{}={value}{}; Max-Age={age}", self.name, self.attributes);
        HeaderValue::from_str(&text).unwrap_or_else(|_| unreachable!("base64 is visible ASCII"))
    }
}

fn sign(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| unreachable!("any length is a key"));
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_signed_here_is_read() {
        let jar = CookieJar::new("a secret", true, Duration::from_secs(60));
        let ticket = Ticket::new(Uuid::from_u128(7)).expect("random");
        let set = jar.set(&ticket).to_str().expect("text").to_owned();
        assert!(set.starts_with("__Host-session=") && set.ends_with("; Secure; Max-Age=60"), "{set}");
        let pair = set.split(';').next().expect("a pair");
        let headers = |line: &str| HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(line).expect("a header"))]);
        let found = jar.find(&headers(&format!("a=b; {pair}; c=d"))).expect("its own");
        assert_eq!((found.session, found.hash()), (ticket.session, ticket.hash()));
        let other = CookieJar::new("another secret", true, Duration::from_secs(60));
        assert!(other.find(&headers(pair)).is_none());
        for wrong in ["__Host-session=", "__Host-session=%%%", "x", ";;;=;", &pair[..pair.len() - 2]] {
            assert!(jar.find(&headers(wrong)).is_none(), "{wrong}");
        }
    }
}
