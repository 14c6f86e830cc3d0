//! The readers: read-only connections, taken last in, first out, so that few caches stay warm.

use super::connection::Connection;
use crate::clock::{self, Ticks};
use crate::config::DatabaseSection;
use crate::data::{no_connection, observe};
use crate::error::Result;
use crate::telemetry::{self, Holder, Holding, WaitKind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The connections that read; they are opened when they are needed, at most `database.connections`.
#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    section: DatabaseSection,
    /// Whose statements they run, and for how long.
    pub(super) reading: Holder,
    state: Mutex<State>,
    returned: Notify,
}

#[derive(Debug, Default)]
#[expect(clippy::vec_box, reason = "a connection is large, and is moved out and in for each statement")]
struct State {
    idle: Vec<Box<Connection>>,
    /// Idle or in use.
    open: usize,
    /// Whether anybody ever waited for one: only then there is somebody to tell that one was given back.
    waited_for: bool,
}

/// What there is for one who wants to read.
enum Found {
    Idle(Box<Connection>),
    MayOpen,
    AllInUse,
}

impl Readers {
    pub(super) fn new(path: PathBuf, section: DatabaseSection) -> Arc<Self> {
        let reading = Holder::new(WaitKind::DatabasePool, "sqlite reader", section.connections.max(1) as u64);
        Arc::new(Self { path, section, reading, state: Mutex::default(), returned: Notify::new() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` on an idle reader, if there is one.
    #[inline]
    pub(super) fn with_idle<T>(&self, work: impl FnOnce(&Connection) -> T) -> Option<T> {
        let connection = self.state().idle.pop()?;
        let held = Held { readers: self, connection: Some(connection) };
        held.connection.as_deref().map(work)
    }

    /// A reader, waited for at most `database.acquire_timeout` or until the Operation's deadline.
    pub(super) async fn take(self: &Arc<Self>) -> Result<Reader> {
        let started = Ticks::now();
        let taken = clock::until(observe::deadline(started, self.section.acquire_timeout.0), self.wait_for_one());
        let taken = telemetry::wait(WaitKind::DatabasePool, "sqlite reader", self.reading.waiting_for(taken)).await;
        let connection = taken.map_err(|_| no_connection(started, ""))??;
        Ok(Reader { readers: self.clone(), connection: Some(connection), held: self.reading.hold() })
    }

    async fn wait_for_one(self: &Arc<Self>) -> Result<Box<Connection>> {
        loop {
            // Made before the look: what is given back in between wakes it.
            let returned = self.returned.notified();
            match self.find() {
                Found::Idle(connection) => return Ok(connection),
                Found::MayOpen => return self.open().await,
                Found::AllInUse => returned.await,
            }
        }
    }

    fn find(&self) -> Found {
        let mut state = self.state();
        if let Some(connection) = state.idle.pop() {
            return Found::Idle(connection);
        }
        if state.open < self.section.connections.max(1) {
            state.open += 1;
            return Found::MayOpen;
        }
        state.waited_for = true;
        Found::AllInUse
    }

    async fn open(self: &Arc<Self>) -> Result<Box<Connection>> {
        let mut place = Place { readers: self.clone(), used: false };
        let readers = self.clone();
        let open = move || Connection::open(&readers.path, &readers.section, true);
        let connection = telemetry::blocking("open a reader", open).await??;
        place.used = true;
        Ok(Box::new(connection))
    }

    fn give_back(&self, connection: Option<Box<Connection>>) {
        if let Some(connection) = connection {
            let mut state = self.state();
            state.idle.push(connection);
            let waited_for = state.waited_for;
            drop(state);
            if waited_for {
                self.returned.notify_one();
            }
        }
    }

    /// Closes what is idle.
    pub(super) fn close_idle(&self) {
        let mut state = self.state();
        state.open -= state.idle.len();
        state.idle.clear();
    }
}

/// A place among the open readers, given up when the opening fails or is dropped.
struct Place {
    readers: Arc<Readers>,
    used: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.used {
            self.readers.state().open -= 1;
            self.readers.returned.notify_one();
        }
    }
}

/// A reader in use on this thread; it goes back when it is dropped.
struct Held<'a> {
    readers: &'a Readers,
    connection: Option<Box<Connection>>,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.readers.give_back(self.connection.take());
    }
}

/// A reader in use; it goes back when it is dropped, on whatever thread.
#[derive(Debug)]
pub(super) struct Reader {
    readers: Arc<Readers>,
    connection: Option<Box<Connection>>,
    held: Holding,
}

impl Reader {
    pub(super) fn connection(&self) -> &Connection {
        match &self.connection {
            Some(connection) => connection,
            None => unreachable!("a reader has its connection until it is dropped"),
        }
    }

    /// What the Operation waits for from now on counts as waited for with a connection in its hands.
    pub(super) fn for_long(mut self) -> Self {
        self.held.tell_operation();
        self
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.readers.give_back(self.connection.take());
    }
}
