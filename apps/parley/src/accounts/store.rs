//! The rows of accounts: users and tokens.

use super::account::Account;
use super::api::{Mailbox, User};
use sarsen::{Db, Result, Timestamp, Tx};
use uuid::Uuid;

macro_rules! users {
    ($rest:literal) => {
        concat!("SELECT id, username, display_name, about, created_at FROM users ", $rest)
    };
}

/// What signing in needs.
#[derive(Debug, sarsen::FromRow)]
pub(super) struct Credentials {
    pub(super) id: Uuid,
    pub(super) password: Option<String>,
}

/// A token without its hash, which is all that is ever read.
#[derive(Debug, sarsen::FromRow)]
pub(super) struct StoredToken {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) created_at: Timestamp,
    pub(super) used_at: Option<Timestamp>,
}

/// Whom a token stands for, and when it was last used.
#[derive(Debug, sarsen::FromRow)]
pub(super) struct Bearer {
    pub(super) id: Uuid,
    pub(super) user_id: Uuid,
    pub(super) used_at: Option<Timestamp>,
}

/// A user to insert.
#[derive(Debug)]
pub(super) struct NewUser {
    pub(super) user: User,
    pub(super) handle: String,
    pub(super) searched: String,
    pub(super) password: Option<String>,
    pub(super) email: Option<String>,
    pub(super) imported: bool,
}

/// What changes of a user; what is nothing stays as it is.
#[derive(Debug)]
pub(super) struct Changed {
    pub(super) display_name: Option<String>,
    pub(super) searched: Option<String>,
    pub(super) about: Option<String>,
    /// Another address, or none.
    pub(super) email: Option<Option<String>>,
    pub(super) mention_mails: Option<bool>,
}

/// The rows of accounts.
#[derive(Clone, Debug)]
pub(super) struct Store {
    db: Db,
}

impl Store {
    pub(super) fn new(db: Db) -> Self {
        Self { db }
    }

    pub(super) async fn begin(&self) -> Result<Tx> {
        self.db.begin().await
    }

    pub(super) async fn user(&self, id: Uuid) -> Result<Option<User>> {
        self.db.query(users!("WHERE id = ?")).bind(id).optional().await
    }

    pub(super) async fn users(&self, ids: Vec<Uuid>) -> Result<Vec<User>> {
        self.db.query(users!("WHERE id IN (?)")).bind_list(ids).all().await
    }

    pub(super) async fn account(&self, id: Uuid) -> Result<Option<Account>> {
        let sql = "SELECT id, username, display_name, about, created_at, email, mention_mails FROM users WHERE id = ?";
        self.db.query(sql).bind(id).optional().await
    }

    pub(super) async fn mailboxes(&self, ids: Vec<Uuid>) -> Result<Vec<Mailbox>> {
        let sql = "SELECT id, display_name, email, mention_mails FROM users WHERE id IN (?) AND email IS NOT NULL";
        self.db.query(sql).bind_list(ids).all().await
    }

    pub(super) async fn by_handles(&self, handles: Vec<String>, imported: bool) -> Result<Vec<User>> {
        let sql = users!("WHERE handle IN (?) AND imported = ?");
        self.db.query(sql).bind_list(handles).bind(imported).all().await
    }

    pub(super) async fn credentials(&self, handle: &str) -> Result<Option<Credentials>> {
        let sql = "SELECT id, password FROM users WHERE handle = ? AND imported = FALSE";
        self.db.query(sql).bind(handle).optional().await
    }

    pub(super) async fn credentials_of(&self, id: Uuid) -> Result<Option<Credentials>> {
        self.db.query("SELECT id, password FROM users WHERE id = ?").bind(id).optional().await
    }

    /// People whose names contain `part`, which is lowered; those whose username starts with it come first.
    ///
    /// It reads every user: the tables of a team have thousands of them, not millions.
    pub(super) async fn search(&self, part: &str, limit: u32) -> Result<Vec<User>> {
        let escaped = part.replace('!', "!!").replace('%', "!%").replace('_', "!_");
        let sql = users!(
            "WHERE imported = FALSE AND searched LIKE ? ESCAPE '!' \
             ORDER BY CASE WHEN handle LIKE ? ESCAPE '!' THEN 0 ELSE 1 END, handle LIMIT ?"
        );
        let query = self.db.query(sql).bind(format!("%{escaped}%")).bind(format!("{escaped}%"));
        query.bind(i64::from(limit)).all().await
    }

    /// Inserts users and leaves out those whose handle exists; says how many are new.
    pub(super) async fn insert(&self, tx: &Tx, users: Vec<NewUser>) -> Result<u64> {
        let groups = vec!["(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"; users.len()].join(", ");
        let sql = format!(
            "INSERT INTO users (id, handle, username, display_name, about, searched, password, email, imported, \
             created_at) VALUES {groups} ON CONFLICT (handle, imported) DO NOTHING"
        );
        let query = users.into_iter().fold(tx.query(sql), |query, new| {
            let NewUser { user, handle, searched, password, email, imported } = new;
            let query = query.bind(user.id).bind(handle).bind(user.username).bind(user.display_name).bind(user.about);
            query.bind(searched).bind(password).bind(email).bind(imported).bind(user.created_at)
        });
        query.execute().await
    }

    /// Changes what is given and leaves the rest as it is now, so that of two changes at once none is lost.
    pub(super) async fn update(&self, tx: &Tx, id: Uuid, changed: Changed) -> Result<Option<Account>> {
        let Changed { display_name, searched, about, email, mention_mails } = changed;
        let sql = "UPDATE users SET display_name = COALESCE(?, display_name), searched = COALESCE(?, searched), \
                   about = COALESCE(?, about), email = CASE WHEN ? THEN ? ELSE email END, \
                   mention_mails = COALESCE(?, mention_mails) WHERE id = ? \
                   RETURNING id, username, display_name, about, created_at, email, mention_mails";
        let query = tx.query(sql).bind(display_name).bind(searched).bind(about);
        query.bind(email.is_some()).bind(email.flatten()).bind(mention_mails).bind(id).optional().await
    }

    pub(super) async fn set_password(&self, user: Uuid, hash: String) -> Result<()> {
        self.db.query("UPDATE users SET password = ? WHERE id = ?").bind(hash).bind(user).execute().await.map(drop)
    }

    pub(super) async fn tokens(&self, user: Uuid) -> Result<Vec<StoredToken>> {
        let sql = "SELECT id, name, created_at, used_at FROM tokens WHERE user_id = ? ORDER BY id";
        self.db.query(sql).bind(user).all().await
    }

    pub(super) async fn insert_token(&self, user: Uuid, token: &StoredToken, hash: Vec<u8>) -> Result<()> {
        let sql = "INSERT INTO tokens (id, user_id, name, hash, created_at) VALUES (?, ?, ?, ?, ?)";
        let query = self.db.query(sql).bind(token.id).bind(user).bind(token.name.as_str()).bind(hash);
        query.bind(token.created_at).execute().await.map(drop)
    }

    pub(super) async fn delete_token(&self, user: Uuid, id: Uuid) -> Result<u64> {
        self.db.query("DELETE FROM tokens WHERE id = ? AND user_id = ?").bind(id).bind(user).execute().await
    }

    pub(super) async fn bearer(&self, hash: Vec<u8>) -> Result<Option<Bearer>> {
        self.db.query("SELECT id, user_id, used_at FROM tokens WHERE hash = ?").bind(hash).optional().await
    }

    pub(super) async fn touch_token(&self, id: Uuid, at: Timestamp) -> Result<()> {
        self.db.query("UPDATE tokens SET used_at = ? WHERE id = ?").bind(at).bind(id).execute().await.map(drop)
    }
}
