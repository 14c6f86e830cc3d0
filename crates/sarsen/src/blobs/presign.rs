//! Signed addresses: whoever has one may load one blob, for a while.

use super::driver::Signs;
use super::{Blob, Inner, Key};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Where the application serves them.
pub(crate) const PATH: &str = "/blobs/";

/// How a browser treats what it loads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Show {
    /// It saves it as a file.
    #[default]
    Attachment,
    /// It shows it, where that is harmless; everything else is saved as a file.
    Inline,
}

/// What an address of the application says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presigned {
    /// The blob.
    pub key: Key,
    /// How it is shown.
    pub show: Show,
    /// Until when it holds.
    pub expires: Timestamp,
}

pub(super) struct Presigner {
    key: [u8; 32],
    address: String,
}

impl fmt::Debug for Presigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presigner").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Presigner {
    pub(super) fn new(key: [u8; 32], address: String) -> Self {
        Self { key, address }
    }

    fn sign(&self, blob: &Key, expires: i64, show: Show) -> String {
        let how = how(show);
        let query = format!("expires={expires}&show={how}");
        let signature = URL_SAFE_NO_PAD.encode(self.mac(blob, &query).finalize().into_bytes());
        format!("{}{PATH}{blob}?{query}&signature={signature}", self.address)
    }

    fn mac(&self, blob: &Key, query: &str) -> Hmac<Sha256> {
        let mac = Hmac::<Sha256>::new_from_slice(&self.key);
        let mut mac = mac.unwrap_or_else(|_| unreachable!("any length is a key"));
        // No key of a blob holds a question mark.
        [blob.as_str(), "?", query].iter().for_each(|part| mac.update(part.as_bytes()));
        mac
    }

    pub(super) fn check(&self, blob: &Key, query: &str, now: Timestamp) -> Result<Presigned> {
        let wrong = || Error::forbidden("that address is not signed by this application");
        let (signed, signature) = query.rsplit_once("&signature=").ok_or_else(wrong)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| wrong())?;
        self.mac(blob, signed).verify_slice(&signature).map_err(|_| wrong())?;
        // It is ours, so it has the form in which it was written.
        let (expires, show) = signed.split_once("&show=").ok_or_else(wrong)?;
        let expires = expires.strip_prefix("expires=").and_then(|text| text.parse::<i64>().ok()).ok_or_else(wrong)?;
        let expires = Timestamp::from_micros(expires.saturating_mul(1_000_000));
        if expires <= now {
            return Err(Error::forbidden("that address holds no longer").hint("ask for a new one"));
        }
        let show = if show == how(Show::Inline) { Show::Inline } else { Show::Attachment };
        Ok(Presigned { key: blob.clone(), show, expires })
    }
}

fn how(show: Show) -> &'static str {
    match show {
        Show::Attachment => "attachment",
        Show::Inline => "inline",
    }
}

pub(super) async fn presign(blobs: &Arc<Inner>, blob: &Blob, valid: Duration, show: Show) -> Result<String> {
    let most = blobs.section.max_presign;
    if valid > most.0 || valid < Duration::from_secs(1) {
        return Err(Error::invalid(format!("an address cannot hold for {valid:?}"))
            .hint(format!("ask for at least one second and at most blobs.max_presign, {most:?}")));
    }
    if blobs.store.capabilities().presign == Signs::Store {
        let disposition = super::disposition(&blob.content_type, &blob.name, show);
        let shown = (blob.content_type.as_str(), disposition.as_str());
        if let Some(address) = blobs.store.presign(&blob.key, valid, shown).await? {
            return Ok(address);
        }
    }
    let seconds = i64::try_from(valid.as_secs()).unwrap_or(i64::MAX);
    let expires = (blobs.db.clock().now().as_micros() / 1_000_000).saturating_add(seconds);
    Ok(blobs.presigner.sign(&blob.key, expires, show))
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn an_address_is_good_for_its_blob_until_it_expires_and_for_nothing_else() {
        let presigner = Presigner::new([7; 32], "https://example.org".to_owned());
        let blob = Key::new("files", Uuid::from_u128(0xab)).expect("a key");
        let other = Key::new("files", Uuid::from_u128(0xac)).expect("a key");
        let address = presigner.sign(&blob, 1_000, Show::Inline);
        let (place, query) = address.split_once('?').expect("a query");
        assert_eq!(place, format!("https://example.org/blobs/{blob}"));
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        let read = presigner.check(&blob, query, at(999)).expect("holds");
        assert_eq!((read.key, read.show, read.expires), (blob.clone(), Show::Inline, at(1_000)));
        assert!(presigner.check(&blob, query, at(1_000)).expect_err("expired").message().contains("no longer"));
        assert!(presigner.check(&other, query, at(1)).is_err(), "of another blob");
        for forged in [
            query.replace("1000", "9000"),
            query.replace("inline", "attachment"),
            query.replace("&signature=", "&signature=A"),
            query.split("&signature").next().unwrap_or_default().to_owned(),
            format!("{query}&signature="),
            String::new(),
        ] {
            assert!(presigner.check(&blob, &forged, at(1)).is_err(), "{forged}");
        }
        let another = Presigner::new([8; 32], "https://example.org".to_owned());
        assert!(another.check(&blob, query, at(1)).is_err(), "signed with another secret");
    }
}
