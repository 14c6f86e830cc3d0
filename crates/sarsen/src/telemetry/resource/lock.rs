//! A lock whose waits and holders are seen.

use super::holder::{Holder, Holding};
use crate::telemetry::{WaitKind, wait};
use std::ops::{Deref, DerefMut};
use tokio::sync::{Mutex, MutexGuard};

/// An asynchronous lock that says who waits for it and who holds it.
///
/// Use it where a lock may be contended. Operations wait for it with the kind `lock` and its name, and the share of the time
/// that each name of Operations held it is what the others are told. Many locks may have one name.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let report = sarsen::telemetry::Lock::new("report", Vec::new());
/// report.lock().await.push("a line");
/// assert_eq!(report.lock().await.len(), 1);
/// # }
/// ```
#[derive(Debug)]
pub struct Lock<T> {
    name: &'static str,
    holder: Holder,
    value: Mutex<T>,
}

/// The value of a [`Lock`] in the hands of one.
#[derive(Debug)]
#[must_use = "it is held until this is dropped"]
pub struct Locked<'a, T> {
    // Dropped in this order: the lock is free before the time is booked.
    value: MutexGuard<'a, T>,
    _held: Holding,
}

impl<T> Lock<T> {
    /// A lock around `value`.
    pub fn new(name: &'static str, value: T) -> Self {
        Self { name, holder: Holder::new(WaitKind::Lock, name, 1), value: Mutex::new(value) }
    }

    /// Waits until nobody holds it.
    pub async fn lock(&self) -> Locked<'_, T> {
        let value = match self.value.try_lock() {
            Ok(value) => value,
            Err(_) => wait(WaitKind::Lock, self.name, self.holder.waiting_for(self.value.lock())).await,
        };
        Locked { value, _held: self.holder.hold() }
    }

    /// Takes it if nobody holds it.
    pub fn try_lock(&self) -> Option<Locked<'_, T>> {
        let value = self.value.try_lock().ok()?;
        Some(Locked { value, _held: self.holder.hold() })
    }
}

impl<T> Deref for Locked<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Locked<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}
