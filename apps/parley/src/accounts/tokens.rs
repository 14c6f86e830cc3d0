//! Tokens for programs: shown once, kept as a hash, and good until they are deleted.

use super::store::StoredToken;
use super::{Module, names};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sarsen::{Error, Result, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::time::Duration;
use uuid::Uuid;

/// How every token starts, so that people and scanners of leaked secrets recognise it.
const PREFIX: &str = "parley_";

/// Most tokens of one user.
const MAX_TOKENS: usize = 50;

/// How exactly the last use of a token is known: it is written at most this often.
const USE_PRECISION: Duration = Duration::from_secs(60);

/// A token as it is listed.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Token {
    id: Uuid,
    name: String,
    created_at: Timestamp,
    used_at: Option<Timestamp>,
}

/// A token that was just made, with its secret.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct NewToken {
    id: Uuid,
    name: String,
    created_at: Timestamp,
    used_at: Option<Timestamp>,
    /// What goes after `Authorization: Bearer`; it is not shown again.
    token: String,
}

impl Module {
    /// The tokens of a user, oldest first.
    pub(super) async fn tokens(&self, user: Uuid) -> Result<Vec<Token>> {
        let tokens = self.store.tokens(user).await?.into_iter();
        let view = |StoredToken { id, name, created_at, used_at }| Token { id, name, created_at, used_at };
        Ok(tokens.map(view).collect())
    }

    /// Makes a token that acts for `user`.
    pub(super) async fn make_token(&self, user: Uuid, name: String) -> Result<NewToken> {
        names::check_token_name(&name)?;
        if self.store.tokens(user).await?.len() >= MAX_TOKENS {
            return Err(Error::conflict(format!("you have {MAX_TOKENS} tokens already: delete one first")));
        }
        let token = secret()?;
        let stored = StoredToken { id: self.clock.id(), name, created_at: self.clock.now(), used_at: None };
        self.store.insert_token(user, &stored, hash(&token)).await?;
        let StoredToken { id, name, created_at, used_at } = stored;
        Ok(NewToken { id, name, created_at, used_at, token })
    }

    /// Deletes a token of `user`; it stops working at once.
    pub(super) async fn delete_token(&self, user: Uuid, id: Uuid) -> Result<()> {
        match self.store.delete_token(user, id).await? {
            0 => Err(Error::not_found(format!("you have no token {id}"))),
            _ => Ok(()),
        }
    }

    /// Whom a bearer token stands for.
    pub(super) async fn authenticate(&self, token: &str) -> Result<Option<Uuid>> {
        if !token.starts_with(PREFIX) {
            return Ok(None);
        }
        let Some(bearer) = self.store.bearer(hash(token)).await? else { return Ok(None) };
        let now = self.clock.now();
        if bearer.used_at.is_none_or(|used_at| now.since(used_at) >= USE_PRECISION) {
            self.store.touch_token(bearer.id, now).await?;
        }
        Ok(Some(bearer.user_id))
    }
}

fn secret() -> Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| Error::internal(format!("no random token: {error}")))?;
    Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// Tokens are random and long, so a plain hash is enough; looking it up by the hash gives away nothing by its time.
fn hash(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_long_and_differ() {
        let (one, two) = (secret().expect("random"), secret().expect("random"));
        assert_ne!(one, two);
        assert_eq!(one.len(), PREFIX.len() + 43);
        assert_eq!(hash(&one).len(), 32);
    }
}
