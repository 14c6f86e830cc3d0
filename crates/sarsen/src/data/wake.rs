//! Wakes: "look again" for whoever waits for work, in this process at once and in others soon after.

use crate::lifecycle;
use crate::telemetry::{self, WaitKind};
use futures_util::future::BoxFuture;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The channels of a database in this process, and who listens to them.
#[derive(Debug, Default)]
pub(super) struct Wakes(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Each counts its wakes. There are as many as the program has names for them.
    channels: HashMap<&'static str, watch::Sender<u64>>,
    listeners: usize,
    /// Hears of other processes, while there are listeners.
    watching: Option<JoinHandle<()>>,
    closed: bool,
}

impl State {
    fn stop_watching(&mut self) {
        if let Some(watching) = self.watching.take() {
            watching.abort();
        }
    }
}

impl Wakes {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the listeners of `channel` in this process.
    pub(super) fn wake(&self, channel: &str) {
        if let Some(channel) = self.state().channels.get(channel) {
            channel.send_modify(|count| *count += 1);
        }
    }

    /// Wakes every listener: it is not known what was missed.
    pub(super) fn wake_all(&self) {
        self.state().channels.values().for_each(|channel| channel.send_modify(|count| *count += 1));
    }

    /// A listener of `channel`; the first one starts what `watch` gives.
    pub(super) fn listen(
        self: &Arc<Self>,
        channel: &'static str,
        watch: impl FnOnce(Arc<Wakes>) -> BoxFuture<'static, ()>,
    ) -> Listener {
        let mut state = self.state();
        let receiver = state.channels.entry(channel).or_default().subscribe();
        state.listeners += 1;
        if state.watching.is_none() && !state.closed {
            state.watching = Some(lifecycle::spawn_background(watch(self.clone())));
        }
        Listener { wakes: self.clone(), channel, receiver }
    }

    /// Stops to hear of other processes, for good.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.stop_watching();
    }
}

/// Hears the wakes of one channel; made by [`Db::listen`](super::Db::listen).
#[derive(Debug)]
pub struct Listener {
    wakes: Arc<Wakes>,
    channel: &'static str,
    receiver: watch::Receiver<u64>,
}

impl Listener {
    /// Waits for a wake; returns at once when there was one since the last call, so none is missed while working.
    ///
    /// Several wakes may be one, and there may be one without a cause: look whether there is something to do. Dropped
    /// while it waits it loses nothing.
    pub async fn woken(&mut self) {
        // The sender lives as long as this does.
        let _ = telemetry::wait(WaitKind::Queue, self.channel, self.receiver.changed()).await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut state = self.wakes.state();
        state.listeners -= 1;
        if state.listeners == 0 {
            state.stop_watching();
        }
    }
}
