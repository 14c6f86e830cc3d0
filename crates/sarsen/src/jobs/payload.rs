//! The arguments of a job as they are kept: JSON, encrypted where the policy says so.

use super::job::Job;
use crate::config::JobsSection;
use crate::error::{Error, Kind, Result};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::{Digest, Sha256};
use std::fmt;

/// Fewest characters of a key in `jobs.encryption_keys`.
pub(crate) const LEAST_KEY: usize = 32;

/// Encrypts and decrypts arguments: ChaCha20-Poly1305 (RFC 8439) with a random nonce, bound to the kind and the id.
pub(crate) struct Cipher(Vec<LessSafeKey>);

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cipher({} keys)", self.0.len())
    }
}

impl Cipher {
    pub(crate) fn new(section: &JobsSection) -> Self {
        let key = |secret: &crate::config::Secret| {
            let bytes = Sha256::digest(secret.expose().as_bytes());
            UnboundKey::new(&CHACHA20_POLY1305, &bytes).ok().map(LessSafeKey::new)
        };
        Self(section.encryption_keys.iter().filter_map(key).collect())
    }

    fn seal(&self, plain: Vec<u8>, bound: &[u8]) -> Result<Vec<u8>> {
        let key = self.0.first().ok_or_else(|| {
            Error::new(Kind::Unsupported, "the job is declared `encrypted`, and there is no key")
                .hint("set jobs.encryption_keys to what `openssl rand -hex 32` prints, and keep it")
        })?;
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(|error| Error::internal("no random bytes").source(error.to_string()))?;
        let (mut sealed, mut body) = (nonce.to_vec(), plain);
        let done = key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(bound), &mut body);
        done.map_err(|_| Error::internal("the arguments cannot be encrypted"))?;
        sealed.append(&mut body);
        Ok(sealed)
    }

    fn open(&self, sealed: &[u8], bound: &[u8]) -> Result<Vec<u8>> {
        let (nonce, body) = sealed.split_first_chunk::<NONCE_LEN>().ok_or_else(undecipherable)?;
        let tried = self.0.iter().find_map(|key| {
            let mut body = body.to_vec();
            let length =
                key.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(bound), &mut body).ok()?.len();
            body.truncate(length);
            Some(body)
        });
        tried.ok_or_else(undecipherable)
    }
}

fn undecipherable() -> Error {
    Error::invalid("the arguments cannot be decrypted")
        .hint("put the key that encrypted them back into jobs.encryption_keys; it may stand after the new one")
}

/// What the ciphertext is bound to, so that it cannot be moved to another job.
fn bound(kind: &str, id: uuid::Uuid) -> Vec<u8> {
    [kind.as_bytes(), id.as_bytes()].concat()
}

/// The arguments of `job` as JSON.
pub(crate) fn written<J: Job>(job: &J) -> Result<Vec<u8>> {
    serde_json::to_vec(job)
        .map_err(|error| Error::internal(format!("the arguments of `{}` cannot be written", J::KIND)).source(error))
}

/// The bytes to keep for the JSON `plain`.
pub(crate) fn kept(cipher: &Cipher, encrypted: bool, kind: &str, id: uuid::Uuid, plain: Vec<u8>) -> Result<Vec<u8>> {
    if encrypted { cipher.seal(plain, &bound(kind, id)) } else { Ok(plain) }
}

/// The JSON of what was kept.
pub(crate) fn plain(cipher: &Cipher, encrypted: bool, kind: &str, id: uuid::Uuid, kept: &[u8]) -> Result<Vec<u8>> {
    if encrypted { cipher.open(kept, &bound(kind, id)) } else { Ok(kept.to_vec()) }
}

/// The job of `version` whose arguments are the JSON `plain`. An error is of kind `Invalid`: trying again does not help.
pub(crate) fn read<J: Job>(version: u32, plain: &[u8]) -> Result<J> {
    let wrong = |what: String| {
        Error::invalid(what).hint(format!(
            "mend the arguments (`jobs edit`) and retry, or read the old form in `upgrade` of `{}`",
            J::KIND
        ))
    };
    if version > J::VERSION {
        return Err(wrong(format!("`{}` is of version {version}, and this build knows {}", J::KIND, J::VERSION)));
    }
    let undecodable = |error: serde_json::Error| {
        wrong(format!("the arguments of `{}` (version {version}) cannot be decoded: {error}", J::KIND))
    };
    if version == J::VERSION {
        return serde_json::from_slice(plain).map_err(undecodable);
    }
    let old = serde_json::from_slice(plain).map_err(undecodable)?;
    let upgraded = J::upgrade(version, old).map_err(|error| wrong(error.message().to_owned()))?;
    serde_json::from_value(upgraded).map_err(undecodable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;
    use serde::{Deserialize, Serialize};

    fn cipher(keys: &[&str]) -> Cipher {
        let encryption_keys = keys.iter().map(|key| Secret::new(*key)).collect();
        Cipher::new(&JobsSection { encryption_keys, ..JobsSection::default() })
    }

    #[test]
    fn what_is_encrypted_opens_with_its_key_for_its_job_only() {
        let (old, both) = (cipher(&["old"]), cipher(&["new", "old"]));
        let id = uuid::Uuid::from_u128(7);
        let sealed = kept(&old, true, "a.b", id, b"secret words".to_vec()).expect("seals");
        assert!(!sealed.windows(6).any(|window| window == b"secret"));
        assert_eq!(plain(&both, true, "a.b", id, &sealed).expect("opens"), b"secret words");
        assert!(plain(&both, true, "a.c", id, &sealed).is_err());
        assert!(plain(&both, true, "a.b", uuid::Uuid::from_u128(8), &sealed).is_err());
        assert!(plain(&cipher(&["new"]), true, "a.b", id, &sealed).is_err());
        assert!(plain(&both, true, "a.b", id, b"short").is_err());
        assert!(kept(&cipher(&[]), true, "a.b", id, Vec::new()).is_err());
    }

    #[derive(Debug, Serialize, Deserialize)]
    struct Second {
        words: Vec<String>,
    }

    impl Job for Second {
        const KIND: &'static str = "test.second";
        const VERSION: u32 = 2;
        fn upgrade(version: u32, mut arguments: serde_json::Value) -> Result<serde_json::Value> {
            match version {
                1 => Ok(serde_json::json!({"words": [arguments["word"].take()]})),
                _ => Err(Error::invalid("version 0 was never released")),
            }
        }
    }

    #[test]
    fn old_arguments_are_upgraded_and_wrong_ones_say_why() {
        assert_eq!(read::<Second>(1, br#"{"word":"a"}"#).expect("upgraded").words, ["a"]);
        for (version, arguments, says) in
            [(3, "{}", "this build knows 2"), (2, "{}", "missing field"), (0, "{}", "never released"), (2, "{", "EOF")]
        {
            let error = read::<Second>(version, arguments.as_bytes()).expect_err("is wrong");
            assert!(error.message().contains(says), "{error}");
            assert_eq!(error.kind(), Kind::Invalid);
        }
    }
}
