//! Password hashes: argon2id, a few at a time, and as slow for a stranger as for a user.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use sarsen::telemetry::{self, WaitKind};
use sarsen::{Error, Result};
use std::ops::RangeInclusive;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long a password is, in characters.
const PASSWORD_LENGTH: RangeInclusive<usize> = 8..=256;

/// Most hashes computed at once: with 19 MiB each, passwords never take more than 57 MiB.
const MAX_AT_ONCE: usize = 3;

/// Most that wait for a place: about two seconds of work. More are turned away at once, so that a flood of sign-ins
/// leaves room for everybody else's requests.
const MAX_WAITING: usize = 256;

/// Makes and checks password hashes.
#[derive(Debug)]
pub(super) struct Passwords {
    argon2: Argon2<'static>,
    /// What a password is checked against where there is no user, so that it takes the same time.
    stand_in: String,
    places: Arc<Semaphore>,
    queue: Semaphore,
}

impl Passwords {
    /// Hashes that take `memory_kib` and `iterations`, on one thread each.
    pub(super) async fn new(memory_kib: u32, iterations: u32) -> Result<Self> {
        let params = Params::new(memory_kib, iterations, 1, None).map_err(|error| {
            Error::invalid(format!("the password parameters are wrong: {error}"))
                .hint("leave `password_memory_kib` and `password_iterations` in [modules.accounts.config] out")
        })?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let places = Arc::new(Semaphore::new(MAX_AT_ONCE));
        let queue = Semaphore::new(MAX_WAITING);
        let mut passwords = Self { argon2, stand_in: String::new(), places, queue };
        passwords.stand_in = passwords.hash("nobody has this password".to_owned()).await?;
        Ok(passwords)
    }

    /// The hash to keep for `password`.
    pub(super) async fn hash(&self, password: String) -> Result<String> {
        let argon2 = self.argon2.clone();
        self.blocking(move || {
            let mut salt = [0; 16];
            getrandom::fill(&mut salt).map_err(|error| Error::internal(format!("no random salt: {error}")))?;
            let hash = argon2.hash_password_with_salt(password.as_bytes(), &salt);
            hash.map(|hash| hash.to_string()).map_err(|error| Error::internal(format!("argon2: {error}")))
        })
        .await
    }

    /// Whether `hash` is of `password`; no hash is never right, and takes as long to say.
    pub(super) async fn verify(&self, password: String, hash: Option<String>) -> Result<bool> {
        let (argon2, has_hash) = (self.argon2.clone(), hash.is_some());
        let hash = hash.unwrap_or_else(|| self.stand_in.clone());
        self.blocking(move || {
            let hash = PasswordHash::new(&hash)
                .map_err(|error| Error::internal(format!("a stored password hash cannot be read: {error}")))?;
            Ok(argon2.verify_password(password.as_bytes(), &hash).is_ok() && has_hash)
        })
        .await
    }

    /// Runs `work` on a thread for blocking work when a place is free; it keeps the place even if nobody waits any more.
    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let place = self.place().await?;
        let done = telemetry::blocking("argon2", move || {
            let _place = place;
            work()
        });
        done.await?
    }

    async fn place(&self) -> Result<OwnedSemaphorePermit> {
        let busy = |_| Error::unavailable("too many people are signing in at once: try again in a few seconds");
        let _waiting = self.queue.try_acquire().map_err(busy)?;
        let free = telemetry::wait(WaitKind::Queue, "argon2", Arc::clone(&self.places).acquire_owned());
        telemetry::within_deadline(free).await?.map_err(|error| Error::internal(format!("argon2: {error}")))
    }
}

/// A new password: 8 to 256 characters of any kind.
pub(super) fn check_new(field: &str, password: &str) -> Result<()> {
    match password.chars().take(PASSWORD_LENGTH.end() + 1).count() {
        length if length < *PASSWORD_LENGTH.start() => Err(Error::invalid_field(field, "is shorter than 8 characters")),
        length if length > *PASSWORD_LENGTH.end() => Err(Error::invalid_field(field, "is longer than 256 characters")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_is_of_its_password_only() {
        let passwords = Passwords::new(64, 1).await.expect("starts");
        let hash = passwords.hash("correct horse".to_owned()).await.expect("hashes");
        assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{hash}");
        assert!(passwords.verify("correct horse".to_owned(), Some(hash.clone())).await.expect("verifies"));
        assert!(!passwords.verify("Correct horse".to_owned(), Some(hash)).await.expect("verifies"));
        assert!(!passwords.verify("nobody has this password".to_owned(), None).await.expect("verifies"));
    }

    #[test]
    fn new_passwords_have_8_to_256_characters() {
        for (length, good) in [(7, false), (8, true), (256, true), (257, false)] {
            assert_eq!(check_new("password", &"ä".repeat(length)).is_ok(), good, "{length}");
        }
    }
}
