//! The rows of reports.

use super::calendar::Days;
use sarsen::data::{Order, Page, PageRequest, Tx};
use sarsen::{Db, Result, Timestamp};
use uuid::Uuid;

macro_rules! reports {
    ($rest:literal) => {
        concat!(
            "SELECT id, owner_id, job_id, first_day, last_day, zone, created_at, finished_at, messages, error \
             FROM reports ",
            $rest
        )
    };
}

/// Newest first: ids rise with time.
const NEWEST_FIRST: &[Order] = &[Order::desc("id")];

/// A report as it is stored.
#[derive(Clone, Debug, sarsen::FromRow)]
pub(super) struct Stored {
    pub(super) id: Uuid,
    pub(super) owner_id: Uuid,
    pub(super) job_id: Uuid,
    pub(super) first_day: String,
    pub(super) last_day: String,
    pub(super) zone: String,
    pub(super) created_at: Timestamp,
    pub(super) finished_at: Option<Timestamp>,
    pub(super) messages: Option<i64>,
    pub(super) error: Option<String>,
}

impl Stored {
    pub(super) fn days(&self) -> Result<Days> {
        Days::stored(&self.zone, &self.first_day, &self.last_day)
    }
}

/// The rows of reports.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) db: Db,
}

impl Store {
    pub(super) fn new(db: Db) -> Self {
        Self { db }
    }

    pub(super) async fn report(&self, id: Uuid) -> Result<Option<Stored>> {
        self.db.query(reports!("WHERE id = ?")).bind(id).optional().await
    }

    pub(super) async fn of_job(&self, job: Uuid) -> Result<Option<Stored>> {
        self.db.query(reports!("WHERE job_id = ?")).bind(job).optional().await
    }

    /// Those of one person, newest first.
    pub(super) async fn of_owner(&self, owner: Uuid, page: &PageRequest) -> Result<Page<Stored>> {
        self.db.query(reports!("WHERE owner_id = ?")).bind(owner).page_by(NEWEST_FIRST, page).await
    }

    /// How many of one person are not done, of those begun since `since`.
    pub(super) async fn unfinished(&self, owner: Uuid, since: Timestamp) -> Result<i64> {
        let sql = "SELECT CAST(COUNT(*) AS BIGINT) FROM reports WHERE owner_id = ? AND finished_at IS NULL \
                   AND error IS NULL AND created_at >= ?";
        self.db.query(sql).bind(owner).bind(since).scalar().await
    }

    /// Whether somebody has a report of these days that did not fail.
    pub(super) async fn has(&self, owner: Uuid, days: &Days) -> Result<bool> {
        let sql = "SELECT CAST(COUNT(*) AS BIGINT) FROM reports WHERE owner_id = ? AND first_day = ? AND last_day = ? \
                   AND error IS NULL";
        let count: i64 = self.db.query(sql).bind(owner).bind(days.first()).bind(days.last()).scalar().await?;
        Ok(count > 0)
    }

    pub(super) async fn csv(&self, report: Uuid) -> Result<Option<String>> {
        let found = self.db.query("SELECT csv FROM report_files WHERE report_id = ?").bind(report);
        Ok(found.optional::<(String,)>().await?.map(|(csv,)| csv))
    }

    /// Notes why a report will never be done.
    pub(super) async fn fail(&self, id: Uuid, error: &str) -> Result<()> {
        self.db.query("UPDATE reports SET error = ? WHERE id = ?").bind(error).bind(id).execute().await.map(drop)
    }

    pub(super) async fn delete(&self, owner: Uuid, id: Uuid) -> Result<bool> {
        let tx = self.db.begin().await?;
        let deleted = tx.query("DELETE FROM reports WHERE id = ? AND owner_id = ?").bind(id).bind(owner).execute();
        let deleted = deleted.await?;
        if deleted > 0 {
            tx.query("DELETE FROM report_files WHERE report_id = ?").bind(id).execute().await?;
        }
        tx.commit().await?;
        Ok(deleted > 0)
    }

    pub(super) async fn is_subscriber(&self, user: Uuid) -> Result<bool> {
        let sql = "SELECT CAST(COUNT(*) AS BIGINT) FROM report_subscribers WHERE user_id = ?";
        Ok(self.db.query(sql).bind(user).scalar::<i64>().await? > 0)
    }

    /// Who wants a report every week, after `after`.
    pub(super) async fn subscribers(&self, after: Uuid, limit: i64) -> Result<Vec<Uuid>> {
        let sql = "SELECT user_id FROM report_subscribers WHERE user_id > ? ORDER BY user_id LIMIT ?";
        let found = self.db.query(sql).bind(after).bind(limit).all::<(Uuid,)>().await?;
        Ok(found.into_iter().map(|(user,)| user).collect())
    }

    pub(super) async fn subscribe(&self, user: Uuid, since: Timestamp) -> Result<()> {
        let sql = "INSERT INTO report_subscribers (user_id, since) VALUES (?, ?) ON CONFLICT (user_id) DO NOTHING";
        self.db.query(sql).bind(user).bind(since).execute().await.map(drop)
    }

    pub(super) async fn unsubscribe(&self, user: Uuid) -> Result<()> {
        self.db.query("DELETE FROM report_subscribers WHERE user_id = ?").bind(user).execute().await.map(drop)
    }
}

pub(super) async fn insert(tx: &Tx, new: &Stored) -> Result<()> {
    let sql = "INSERT INTO reports (id, owner_id, job_id, first_day, last_day, zone, created_at) \
               VALUES (?, ?, ?, ?, ?, ?, ?)";
    let query = tx.query(sql).bind(new.id).bind(new.owner_id).bind(new.job_id).bind(new.first_day.as_str());
    let query = query.bind(new.last_day.as_str()).bind(new.zone.as_str()).bind(new.created_at);
    query.execute().await.map(drop)
}

/// Keeps what was counted; `false` when nobody wants it any more.
pub(super) async fn finish(tx: &Tx, id: Uuid, csv: String, messages: u64, at: Timestamp) -> Result<bool> {
    let messages = i64::try_from(messages).unwrap_or(i64::MAX);
    let done = tx.query("UPDATE reports SET finished_at = ?, messages = ?, error = NULL WHERE id = ?");
    if done.bind(at).bind(messages).bind(id).execute().await? == 0 {
        return Ok(false);
    }
    let sql = "INSERT INTO report_files (report_id, csv) VALUES (?, ?) \
               ON CONFLICT (report_id) DO UPDATE SET csv = excluded.csv";
    tx.query(sql).bind(id).bind(csv).execute().await?;
    Ok(true)
}
