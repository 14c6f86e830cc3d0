//! The cookie of a browser that has shown the token once: until when it is let in, and the seal over that.

use crate::clock::Timestamp;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use http::header::{COOKIE, HeaderValue};
use sha2::Sha256;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// Makes and reads passes. They hold no secret, and another token makes all of them worthless.
pub(super) struct Passes {
    key: [u8; 32],
    https: bool,
    age: Duration,
}

impl Passes {
    pub(super) fn new(token: &str, https: bool, age: Duration) -> Self {
        Self { key: sign(token.as_bytes(), b"sarsen ops pass 1"), https, age }
    }

    fn name(&self) -> &'static str {
        if self.https { "__Secure-ops" } else { "ops" }
    }

    /// The header that gives a browser its pass.
    pub(super) fn cookie(&self, now: Timestamp) -> HeaderValue {
        let until = (now + self.age).as_micros().to_string();
        let seal = BASE64_URL_SAFE_NO_PAD.encode(sign(&self.key, until.as_bytes()));
        let secure = if self.https { "; Secure" } else { "" };
        let (name, age) = (self.name(), self.age.as_secs());
        let text = format!("{name}={until}.{seal}; Path=/ops; HttpOnly; SameSite=Strict; Max-Age={age}{secure}");
        HeaderValue::from_str(&text).unwrap_or_else(|_| unreachable!("digits and base64 are visible ASCII"))
    }

    /// Whether a request carries a pass that holds.
    pub(super) fn admit(&self, headers: &HeaderMap, now: Timestamp) -> bool {
        let lines = headers.get_all(COOKIE).into_iter().filter_map(|line| line.to_str().ok());
        let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.filter(|(name, _)| *name == self.name()).any(|(_, pass)| self.holds(pass, now))
    }

    fn holds(&self, pass: &str, now: Timestamp) -> bool {
        let Some((until, seal)) = pass.split_once('.') else { return false };
        let Ok(seal) = BASE64_URL_SAFE_NO_PAD.decode(seal) else { return false };
        let genuine: bool = sign(&self.key, until.as_bytes()).as_slice().ct_eq(&seal).into();
        genuine && until.parse::<i64>().is_ok_and(|until| now.as_micros() < until)
    }
}

fn sign(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| unreachable!("any length is a key"));
    mac.update(text);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_holds_until_it_ends_or_the_token_changes() {
        let (hour, now) = (Duration::from_secs(3600), Timestamp::from_micros(1_000_000));
        let passes = Passes::new("a token", true, hour);
        let header = passes.cookie(now);
        let text = header.to_str().expect("text");
        assert!(text.contains("; Path=/ops; HttpOnly; SameSite=Strict") && text.ends_with("; Secure"), "{text}");
        let pair = text.split(';').next().expect("a pair");
        let sent = |pair: &str| HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(pair).expect("a header"))]);
        assert!(passes.admit(&sent(&format!("a=b; {pair}")), now));
        assert!(!passes.admit(&sent(pair), now + hour));
        assert!(!Passes::new("another", true, hour).admit(&sent(pair), now));
        assert!(!Passes::new("a token", false, hour).admit(&sent(pair), now));
        let later = pair.replacen("=3", "=9", 1);
        assert_ne!(later, pair);
        for wrong in [later.as_str(), "__Secure-ops=", "__Secure-ops=9.", "__Secure-ops=9999999999999999.AAAA", "x"] {
            assert!(!passes.admit(&sent(wrong), now), "{wrong}");
        }
    }
}
