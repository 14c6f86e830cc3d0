//! Stand-in until schedules are there.
/// A firing.
#[derive(Debug)]
pub struct Firing {
    /// When.
    pub at: crate::Timestamp,
    /// Which.
    pub name: &'static str,
}
/// What of those that were missed.
#[derive(Debug)]
pub enum Missed {
    /// Once.
    Once,
}
/// A schedule.
#[derive(Debug)]
pub struct Schedule;
impl Schedule {
    /// By cron.
    pub const fn cron(_: &'static str, _: &'static str) -> Self {
        Schedule
    }
    /// Missed.
    #[must_use]
    pub const fn missed(self, _: Missed) -> Self {
        Schedule
    }
}
impl super::Jobs {
    /// Stand-in.
    pub async fn progress_of(&self, _: uuid::Uuid) -> crate::Result<Option<super::JobState>> {
        Ok(None)
    }
    /// Stand-in.
    pub async fn cancel(&self, _: uuid::Uuid) -> crate::Result<bool> {
        Ok(false)
    }
}
