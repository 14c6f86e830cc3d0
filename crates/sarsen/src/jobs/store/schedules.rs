//! The schedules: when each is due next, shared by all processes that fire them.

use super::Store;
use crate::clock::Timestamp;
use crate::data::Tx;
use crate::error::Result;
use crate::jobs::schedule::Plan;

/// A schedule as the table has it.
#[derive(Clone, Debug, PartialEq, Eq, crate::FromRow)]
pub(crate) struct ScheduleRow {
    pub(crate) name: String,
    pub(crate) kind: String,
    /// The expression, or `every 300s`.
    pub(crate) cron: String,
    pub(crate) zone: String,
    /// The first time that has not been fired; 0 asks a scheduler to reckon it anew.
    pub(crate) next_at: i64,
    /// The last time that was fired.
    pub(crate) last_at: Option<i64>,
    pub(crate) paused: i64,
}

impl Store {
    /// All schedules, by name.
    pub(crate) async fn schedules(&self) -> Result<Vec<ScheduleRow>> {
        let sql =
            "SELECT name, kind, cron, zone, next_at, last_at, paused FROM sarsen_schedules ORDER BY name LIMIT 10000";
        self.db.query(sql).all().await
    }

    /// Writes a schedule down as the code has it. One that is known and says the same keeps the time at which it is due.
    pub(crate) async fn put_schedule(&self, row: &ScheduleRow) -> Result<()> {
        let sql = "INSERT INTO sarsen_schedules (name, kind, cron, zone, next_at) VALUES (?, ?, ?, ?, ?) \
                   ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, cron = excluded.cron, zone = excluded.zone, \
                   next_at = CASE WHEN sarsen_schedules.cron = excluded.cron AND sarsen_schedules.zone = excluded.zone \
                   THEN sarsen_schedules.next_at ELSE excluded.next_at END";
        let query = self.db.query(sql).bind(row.name.as_str()).bind(row.kind.as_str()).bind(row.cron.as_str());
        query.bind(row.zone.as_str()).bind(row.next_at).execute().await.map(drop)
    }

    /// Says anew when a schedule is due, where the table asks for it.
    pub(crate) async fn reckon_schedule(&self, name: &str, next: Timestamp) -> Result<()> {
        let sql = "UPDATE sarsen_schedules SET next_at = ? WHERE name = ? AND next_at = 0";
        self.db.query(sql).bind(next.as_micros()).bind(name).execute().await.map(drop)
    }

    /// Takes what is due for this process: true for one only, however many try, once the transaction commits.
    pub(crate) async fn take_firing(tx: &Tx, row: &ScheduleRow, plan: &Plan) -> Result<bool> {
        // A process with another expression, older or newer, leaves it to those whose expression is written down.
        let sql = "UPDATE sarsen_schedules SET next_at = ?, last_at = COALESCE(CAST(? AS BIGINT), last_at) \
                   WHERE name = ? AND next_at = ? AND cron = ? AND zone = ? AND paused = 0";
        let last = plan.fire.last().map(|at| at.as_micros());
        let query = tx.own(sql).bind(plan.next.as_micros()).bind(last).bind(row.name.as_str()).bind(row.next_at);
        Ok(query.bind(row.cron.as_str()).bind(row.zone.as_str()).execute().await? == 1)
    }

    /// Lets a schedule stand still, or go on from now: what fell into the pause is not made up for. False when there is none.
    pub(crate) async fn pause_schedule(&self, name: &str, paused: bool) -> Result<bool> {
        let sql = if paused {
            "UPDATE sarsen_schedules SET paused = 1 WHERE name = ?"
        } else {
            "UPDATE sarsen_schedules SET paused = 0, next_at = 0 WHERE name = ?"
        };
        Ok(self.db.query(sql).bind(name).execute().await? == 1)
    }
}
