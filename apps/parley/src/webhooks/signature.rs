//! Secrets and signatures as Standard Webhooks has them: `v1,` and the base64 of HMAC-SHA256 over `ID.TIMESTAMP.BODY`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sarsen::{Error, Result, Timestamp};
use sha2::Sha256;
use std::time::Duration;

/// How every secret starts.
const PREFIX: &str = "whsec_";

/// The version of signatures that is made and understood.
const VERSION: &str = "v1,";

/// How far the timestamp of a request may be from now, before or after.
pub(super) const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// Most signatures of one request that are looked at: a sender that changes its secret sends two.
const MAX_SIGNATURES: usize = 8;

/// A new secret of 32 random bytes, as it is shown and kept.
pub(super) fn new_secret() -> Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| Error::internal(format!("no random secret: {error}")))?;
    Ok(format!("{PREFIX}{}", STANDARD.encode(bytes)))
}

/// The signature of a request, ready for the header `webhook-signature`.
pub(super) fn sign(secret: &str, id: &str, timestamp: i64, body: &[u8]) -> Result<String> {
    let code = code(secret, id, timestamp, body)?.finalize().into_bytes();
    Ok(format!("{VERSION}{}", STANDARD.encode(code)))
}

/// Whether one of the `signatures`, with spaces between them, is right. The time it takes tells nothing about the secret.
pub(super) fn is_signed(secret: &str, id: &str, timestamp: i64, body: &[u8], signatures: &str) -> Result<bool> {
    let code = code(secret, id, timestamp, body)?;
    let known = signatures.split(' ').filter_map(|signature| signature.strip_prefix(VERSION)).take(MAX_SIGNATURES);
    let mut given = known.filter_map(|signature| STANDARD.decode(signature).ok());
    Ok(given.any(|signature| code.clone().verify_slice(&signature).is_ok()))
}

/// Whether a request of this time is neither old nor from the future.
pub(super) fn is_recent(timestamp: i64, now: Timestamp) -> bool {
    seconds(now).abs_diff(timestamp) <= TOLERANCE.as_secs()
}

/// A time as the header `webhook-timestamp` has it.
pub(super) fn seconds(at: Timestamp) -> i64 {
    at.as_micros().div_euclid(1_000_000)
}

fn code(secret: &str, id: &str, timestamp: i64, body: &[u8]) -> Result<Hmac<Sha256>> {
    let key = secret.strip_prefix(PREFIX).and_then(|secret| STANDARD.decode(secret).ok());
    let key = key.ok_or_else(|| Error::internal("the secret of a webhook cannot be read"))?;
    let code = Hmac::<Sha256>::new_from_slice(&key).map_err(|error| Error::internal(error.to_string()))?;
    Ok(code.chain_update(format!("{id}.{timestamp}.")).chain_update(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    const SECRET: &str = "whsec_plJ3nmyCDGBKInavdOK15jsl";
    const BODY: &[u8] = br#"{"event_type":"ping","data":{"success":true}}"#;
    const ID: &str = "msg_loFOjxBNrRLzqYUf";
    const TIME: i64 = 1_731_705_121;
    const SIGNATURE: &str = "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0=";

    #[test]
    fn the_example_of_the_specification_is_signed_the_same() {
        assert_eq!(sign(SECRET, ID, TIME, BODY).expect("signs"), SIGNATURE);
        let both = format!("v1a,bm9uZQ== v1,bm9uZQ== {SIGNATURE}");
        assert!(is_signed(SECRET, ID, TIME, BODY, &both).expect("reads"));
    }

    #[test]
    fn what_was_changed_is_not_signed() {
        let signed = |secret: &str, id: &str, time, body: &[u8], signature: &str| {
            is_signed(secret, id, time, body, signature).expect("reads")
        };
        assert!(!signed(SECRET, "msg_2", TIME, BODY, SIGNATURE));
        assert!(!signed(SECRET, ID, TIME + 1, BODY, SIGNATURE));
        assert!(!signed(SECRET, ID, TIME, &BODY[1..], SIGNATURE));
        assert!(!signed("whsec_AAAA", ID, TIME, BODY, SIGNATURE));
        for wrong in ["", "v1,", "v1,%%", &SIGNATURE[3..], "v2,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="] {
            assert!(!signed(SECRET, ID, TIME, BODY, wrong), "{wrong}");
        }
    }

    #[test]
    fn a_request_is_good_for_five_minutes() {
        let now = Timestamp::from_micros(1_000_000_000_000_000);
        let ages = [0, 300, -300, 301, -301, i64::MIN, i64::MAX];
        let recent = ages.map(|age| is_recent(seconds(now).saturating_add(age), now));
        assert_eq!(recent, [true, true, true, false, false, false, false]);
    }

    #[test]
    fn secrets_are_long_and_differ() {
        let (one, two) = (new_secret().expect("random"), new_secret().expect("random"));
        assert_ne!(one, two);
        assert_eq!(one.len(), PREFIX.len() + 44);
        assert!(sign(&one, ID, TIME, BODY).is_ok());
    }
}
