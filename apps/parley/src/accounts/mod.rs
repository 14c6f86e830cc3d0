//! Accounts: who people are, how they sign in, and the tokens of their programs.

mod account;
pub mod api;
mod attempts;
mod emails;
mod http;
mod names;
mod passwords;
mod store;
mod tokens;

use account::Account;
use api::{Accounts, AccountsApi, AccountsError, MAX_NAMES, MAX_USERS, Mailbox, NewAccount, User, user_tag};
use attempts::Attempts;
use passwords::Passwords;
use sarsen::cache::{Cache, Keep, key};
use sarsen::events::Events;
use sarsen::realtime::{Asked, Grant, Realtime, Topics};
use sarsen::{Clock, Declare, Error, Init, Result};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use store::{Credentials, NewUser, Store};
use uuid::Uuid;

/// For how long what is known of a user serves that nothing has changed.
const KEEP: Duration = Duration::from_secs(600);

/// Most users that one search gives.
const MAX_FOUND: u32 = 100;

/// The module.
#[derive(Debug)]
pub struct Module {
    store: Store,
    clock: Clock,
    events: Events,
    realtime: Realtime,
    cache: Cache,
    passwords: Passwords,
    attempts: Attempts,
}

/// Section `[modules.accounts.config]`. The defaults are what OWASP recommends for argon2id; tests may take less.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Memory that hashing a password takes.
    pub password_memory_kib: u32,
    /// How often it goes through that memory.
    pub password_iterations: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { password_memory_kib: 19 * 1024, password_iterations: 2 }
    }
}

impl sarsen::Module for Module {
    const NAME: &'static str = "accounts";
    type Api = Accounts;
    type Deps = ();
    type Config = Config;

    fn declare(d: &mut Declare<Self>) {
        d.tables(["users", "tokens"])
            .migrations(sarsen::migrations!["migrations/0001_create.sql", "migrations/0002_email.sql"])
            .routes(http::routes)
            .authenticate(authenticate)
            .topics(Topics::ephemeral("people").with_presence(), may_see_people);
    }

    async fn init(i: Init<Self>) -> Result<Self> {
        let passwords = Passwords::new(i.config.password_memory_kib, i.config.password_iterations).await?;
        let (store, attempts) = (Store::new(i.db), Attempts::default());
        Ok(Module {
            store,
            clock: i.clock,
            events: i.events,
            realtime: i.realtime,
            cache: i.cache,
            passwords,
            attempts,
        })
    }
}

/// Everybody who is signed in sees who else is there: the topic `people:all`.
async fn may_see_people(_: Arc<Module>, asked: Asked) -> Result<Grant> {
    asked.actor()?;
    if asked.topic.id() == "all" { Ok(Grant::hear()) } else { Err(Error::not_found("there is only people:all")) }
}

async fn authenticate(module: Arc<Module>, token: String) -> Result<Option<Uuid>> {
    module.authenticate(&token).await
}

impl Module {
    /// The user who has this name and password.
    async fn sign_in(&self, username: &str, password: String) -> Result<Account> {
        let handle = names::handle(username);
        if let Some(handle) = &handle {
            self.attempts.admit(handle, self.clock.now())?;
        }
        let found = match &handle {
            Some(handle) => self.store.credentials(handle).await?,
            None => None,
        };
        let id = self.verified(found, password).await?.ok_or_else(wrong_password)?;
        if let Some(handle) = &handle {
            self.attempts.forget(handle);
        }
        Ok(self.account(id).await?)
    }

    /// Sets a new password for somebody who knows the current one.
    async fn change_password(&self, user: Uuid, current: String, new: String) -> Result<()> {
        passwords::check_new("new", &new)?;
        let key = user.to_string();
        self.attempts.admit(&key, self.clock.now())?;
        let found = self.store.credentials_of(user).await?;
        if self.verified(found, current).await?.is_none() {
            return Err(Error::invalid_field("current", "is not your password"));
        }
        self.attempts.forget(&key);
        self.store.set_password(user, self.passwords.hash(new).await?).await
    }

    /// Ends the live connections of somebody whose sessions are fewer now; those with a session come back by themselves.
    async fn end_connections(&self, user: Uuid) -> Result<()> {
        let tx = self.store.begin().await?;
        self.realtime.revoke(&tx, user, None).await?;
        tx.commit().await
    }

    async fn verified(&self, found: Option<Credentials>, password: String) -> Result<Option<Uuid>> {
        let (id, hash) = found.map_or((None, None), |found| (Some(found.id), found.password));
        Ok(if self.passwords.verify(password, hash).await? { id } else { None })
    }

    fn new_user(&self, username: String, display_name: String) -> User {
        User { id: self.clock.id(), username, display_name, about: String::new(), created_at: self.clock.now() }
    }

    /// Inserts users who did not sign up; those that are there are left as they are.
    async fn insert_imported(&self, new: Vec<NewUser>) -> Result<()> {
        let tx = self.store.begin().await?;
        self.store.insert(&tx, new).await?;
        tx.commit().await
    }

    fn imported(&self, nick: &str) -> Result<NewUser> {
        names::check_nick(nick)?;
        let user = self.new_user(nick.to_owned(), nick.to_owned());
        let (handle, searched) = (nick.to_owned(), names::searched(nick, nick));
        Ok(NewUser { user, handle, searched, password: None, email: None, imported: true })
    }
}

/// One answer for a wrong name and a wrong password, so that nobody learns which names exist by trying.
fn wrong_password() -> Error {
    Error::unauthenticated("the username or the password is wrong")
}

fn check_count(field: &str, count: usize, most: usize) -> Result<()> {
    if count > most {
        return Err(Error::invalid_field(field, format!("has {count} entries; at most {most} go in one call")));
    }
    Ok(())
}

impl AccountsApi for Module {
    async fn user(&self, id: Uuid) -> Result<User, AccountsError> {
        let (store, keep) = (self.store.clone(), Keep::new(KEEP).tag(user_tag(id)));
        let load = move || async move { store.user(id).await };
        // That there is none is not kept: bots are made with ids that others knew before.
        let found = self.cache.fetch_optional(key("user").with(id), keep.nothing_for(Duration::ZERO), load).await?;
        found.map(|user| (*user).clone()).ok_or(AccountsError::NoSuchUser(id))
    }

    async fn users(&self, ids: Vec<Uuid>) -> Result<Vec<User>, AccountsError> {
        check_count("ids", ids.len(), MAX_USERS)?;
        Ok(if ids.is_empty() { Vec::new() } else { self.store.users(ids).await? })
    }

    async fn by_usernames(&self, usernames: Vec<String>) -> Result<Vec<User>, AccountsError> {
        check_count("usernames", usernames.len(), MAX_NAMES)?;
        let handles: Vec<String> = usernames.iter().filter_map(|username| names::handle(username)).collect();
        Ok(if handles.is_empty() { Vec::new() } else { self.store.by_handles(handles, false).await? })
    }

    async fn search(&self, query: String, limit: u32) -> Result<Vec<User>, AccountsError> {
        crate::text::check_line("query", &query, names::MAX_NAME)?;
        Ok(self.store.search(&query.trim().to_lowercase(), limit.clamp(1, MAX_FOUND)).await?)
    }

    async fn import_people(&self, nicks: Vec<String>) -> Result<Vec<User>, AccountsError> {
        check_count("nicks", nicks.len(), MAX_NAMES)?;
        let new = nicks.iter().map(|nick| self.imported(nick)).collect::<Result<Vec<NewUser>>>()?;
        if new.is_empty() {
            return Ok(Vec::new());
        }
        self.insert_imported(new).await?;
        let found = self.store.by_handles(nicks.clone(), true).await?;
        let by_nick: HashMap<String, User> = found.into_iter().map(|user| (user.username.clone(), user)).collect();
        Ok(nicks.iter().filter_map(|nick| by_nick.get(nick).cloned()).collect())
    }

    async fn mailboxes(&self, ids: Vec<Uuid>) -> Result<Vec<Mailbox>, AccountsError> {
        check_count("ids", ids.len(), MAX_USERS)?;
        Ok(if ids.is_empty() { Vec::new() } else { self.store.mailboxes(ids).await? })
    }

    async fn ensure_bot(&self, id: Uuid, name: String) -> Result<User, AccountsError> {
        let username = names::bot_username(&name)?;
        let (about, created_at) = ("Posts for a program.".to_owned(), self.clock.now());
        let user = User { id, username, display_name: name.trim().to_owned(), about, created_at };
        // It is found by its id only, and `imported` keeps it out of every search for people.
        let (handle, searched) = (format!("bot {id}"), String::new());
        let new = NewUser { user, handle, searched, password: None, email: None, imported: true };
        self.insert_imported(vec![new]).await?;
        AccountsApi::user(self, id).await
    }

    async fn register(&self, new: NewAccount) -> Result<User, AccountsError> {
        let Account { id, .. } = self.sign_up(new).await?;
        AccountsApi::user(self, id).await
    }
}
