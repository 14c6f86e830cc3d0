//! What other modules may know of accounts: users, how to find or make them, and where their mail goes.

use crate::Failure;
use sarsen::cache::{Tag, tag};
use sarsen::events::Event;
use sarsen::{Error, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

/// Most ids that one call of [`AccountsApi::users`] takes: a page of 100 messages with 20 mentions each, and some.
pub const MAX_USERS: usize = 2_500;

/// Most names that one call of [`AccountsApi::by_usernames`] or [`AccountsApi::import_people`] takes.
pub const MAX_NAMES: usize = 500;

/// Somebody who can write messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, sarsen::FromRow)]
pub struct User {
    /// Who it is, whatever the names become.
    pub id: Uuid,
    /// The name to sign in with and to mention.
    pub username: String,
    /// The name to show.
    pub display_name: String,
    /// What the user says of themselves.
    pub about: String,
    /// When the account was made.
    pub created_at: Timestamp,
}

/// What everything kept in the cache hangs on that shows this user.
pub fn user_tag(user: Uuid) -> Tag {
    tag("user", user)
}

/// Where the mail of a user goes. Not for others to see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, sarsen::FromRow)]
pub struct Mailbox {
    /// Whose it is.
    pub id: Uuid,
    /// How to call them.
    pub display_name: String,
    /// The address.
    pub email: String,
    /// Whether they want a mail when somebody mentions them.
    pub mention_mails: bool,
}

/// What somebody signs up with.
#[derive(Clone, Serialize, Deserialize)]
pub struct NewAccount {
    /// The name to sign in with.
    pub username: String,
    /// The password, as it was typed.
    pub password: String,
    /// The name to show; the username when there is none.
    pub display_name: Option<String>,
    /// Where mail goes.
    pub email: Option<String>,
}

impl fmt::Debug for NewAccount {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewAccount").field("username", &self.username).finish_non_exhaustive()
    }
}

/// Somebody signed up. People who are imported do not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRegistered {
    /// Who.
    pub user: Uuid,
    /// When.
    pub at: Timestamp,
}

impl Event for AccountRegistered {
    const NAME: &'static str = "accounts.registered";

    fn key(&self) -> Option<String> {
        Some(self.user.to_string())
    }
}

/// How the username of every bot ends, and of no person.
pub(crate) const BOT_SUFFIX: &str = "[bot]";

impl User {
    /// Whether a program posts as this user.
    pub fn is_bot(&self) -> bool {
        self.username.ends_with(BOT_SUFFIX)
    }
}

/// Why accounts did not do it.
#[derive(Clone, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum AccountsError {
    /// No user has this id.
    #[error("there is no user {0}")]
    NoSuchUser(Uuid),
    /// Somebody has this username already.
    #[error("the username `{0}` is taken")]
    UsernameTaken(String),
    /// Anything else.
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl From<Error> for AccountsError {
    fn from(error: Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<AccountsError> for Error {
    fn from(error: AccountsError) -> Self {
        match error {
            AccountsError::NoSuchUser(_) => Error::not_found(error.to_string()),
            AccountsError::UsernameTaken(_) => Error::conflict(error.to_string()).field("username", "is taken"),
            AccountsError::Failed(failure) => failure.into(),
        }
    }
}

/// Users, and how to find or make them.
#[sarsen::api(name = "accounts", handle = Accounts)]
pub trait AccountsApi {
    /// One user.
    #[idempotent]
    async fn user(&self, id: Uuid) -> Result<User, AccountsError>;

    /// Many users in one call, in no order, without those that do not exist; at most [`MAX_USERS`].
    #[idempotent]
    async fn users(&self, ids: Vec<Uuid>) -> Result<Vec<User>, AccountsError>;

    /// The people with these usernames, in any case of letters; names that nobody has are left out.
    #[idempotent]
    async fn by_usernames(&self, usernames: Vec<String>) -> Result<Vec<User>, AccountsError>;

    /// People whose username or display name contains `query`, best first; at most 100.
    #[idempotent]
    async fn search(&self, query: String, limit: u32) -> Result<Vec<User>, AccountsError>;

    /// Finds or makes the imported user of every nick, in the order of the nicks; imported users cannot sign in.
    #[idempotent]
    async fn import_people(&self, nicks: Vec<String>) -> Result<Vec<User>, AccountsError>;

    /// Where the mail of these users goes, in no order, without those who gave no address; at most [`MAX_USERS`].
    #[idempotent]
    async fn mailboxes(&self, ids: Vec<Uuid>) -> Result<Vec<Mailbox>, AccountsError>;

    /// Finds or makes the user that a program posts as. It cannot sign in, nobody finds or mentions it, and its username
    /// ends in `[bot]`, which no person's can.
    #[idempotent]
    async fn ensure_bot(&self, id: Uuid, name: String) -> Result<User, AccountsError>;

    /// Makes the account of a person.
    async fn register(&self, new: NewAccount) -> Result<User, AccountsError>;
}
