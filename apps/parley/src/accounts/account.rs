//! Your own account: what only its owner sees and changes.

use super::api::{AccountRegistered, AccountsError, NewAccount, User, user_tag};
use super::store::{Changed, NewUser};
use super::{KEEP, Module, emails, names, passwords};
use sarsen::cache::{Keep, key};
use sarsen::{Result, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An account as its owner sees it: the user, and where their mail goes.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, sarsen::FromRow)]
pub(super) struct Account {
    pub(super) id: Uuid,
    pub(super) username: String,
    display_name: String,
    about: String,
    created_at: Timestamp,
    /// Nobody else sees it; nothing when you gave none.
    email: Option<String>,
    /// Whether you get a mail when somebody mentions you.
    mention_mails: bool,
}

/// What changes of an account; what is nothing stays as it is.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) display_name: Option<String>,
    pub(super) about: Option<String>,
    /// Empty takes the address away.
    pub(super) email: Option<String>,
    pub(super) mention_mails: Option<bool>,
}

impl Module {
    /// Makes the account of a person. Whoever listens hears of it in the same commit.
    pub(super) async fn sign_up(&self, new: NewAccount) -> Result<Account, AccountsError> {
        let NewAccount { username, password, display_name, email } = new;
        names::check_username(&username)?;
        passwords::check_new("password", &password)?;
        let email = emails::given(email)?;
        let display_name = names::display_name(display_name.as_deref(), &username)?;
        let password = Some(self.passwords.hash(password).await?);
        let user = self.new_user(username, display_name);
        let account = own(user.clone(), email.clone());
        let handle = user.username.to_ascii_lowercase();
        let searched = names::searched(&user.username, &user.display_name);
        let new = NewUser { user, handle, searched, password, email, imported: false };
        if self.register_once(new).await? { Ok(account) } else { Err(AccountsError::UsernameTaken(account.username)) }
    }

    /// The transaction of a sign-up; `false` when the name is taken.
    async fn register_once(&self, new: NewUser) -> Result<bool> {
        let event = AccountRegistered { user: new.user.id, at: new.user.created_at };
        let tx = self.store.begin().await?;
        if self.store.insert(&tx, vec![new]).await? == 0 {
            tx.rollback().await?;
            return Ok(false);
        }
        self.events.publish(&tx, event).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// One's own account.
    pub(super) async fn account(&self, id: Uuid) -> Result<Account, AccountsError> {
        let (store, keep) = (self.store.clone(), Keep::new(KEEP).tag(user_tag(id)));
        let load = move || async move { store.account(id).await };
        let found = self.cache.fetch_optional(key("account").with(id), keep, load).await?;
        found.map(|account| (*account).clone()).ok_or(AccountsError::NoSuchUser(id))
    }

    /// Changes what is given of an account.
    pub(super) async fn update(&self, id: Uuid, changes: Changes) -> Result<Account> {
        let Account { username, .. } = self.account(id).await?;
        let Changes { display_name, about, email, mention_mails } = changes;
        about.as_deref().map_or(Ok(()), names::check_about)?;
        let email = email.map(|email| emails::given(Some(email))).transpose()?;
        let display_name = display_name.map(|wanted| names::display_name(Some(&wanted), &username)).transpose()?;
        let searched = display_name.as_ref().map(|display_name| names::searched(&username, display_name));
        let tx = self.store.begin().await?;
        let changed = Changed { display_name, searched, about, email, mention_mails };
        let changed = self.store.update(&tx, id, changed).await?.ok_or(AccountsError::NoSuchUser(id))?;
        self.cache.invalidate(&tx, [user_tag(id)]).await?;
        tx.commit().await?;
        Ok(changed)
    }
}

/// The account of somebody who has just come.
fn own(user: User, email: Option<String>) -> Account {
    let User { id, username, display_name, about, created_at } = user;
    Account { id, username, display_name, about, created_at, email, mention_mails: true }
}
