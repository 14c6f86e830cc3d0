//! Wakes between processes: NOTIFY on a connection of its own, never in the application's transactions, and LISTEN on
//! another.
//!
//! A transaction that notifies holds a lock of the whole server while it commits, so transactions of the application
//! would commit one after another. Here a process asks for it after its commits, and many wakes become one.

use super::Shared;
use super::error::explain;
use crate::clock;
use crate::data::wake::Wakes;
use crate::error::Result;
use crate::lifecycle;
use crate::telemetry::{self, WaitKind};
use futures_util::future::poll_fn;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_postgres::{AsyncMessage, Client, Config};

/// A channel is told at once, and then at most once in this time.
const TELL_EVERY: Duration = Duration::from_millis(5);
/// How long the server may take to answer on these connections.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the connection that listens is tried: one that broke silently would never hear anything.
const TRY_EVERY: Duration = Duration::from_secs(30);
/// The pauses between attempts to connect double, from and to.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Tells other processes of wakes, until it is dropped.
#[derive(Debug)]
pub(super) struct Teller {
    asked: Arc<Asked>,
    task: JoinHandle<()>,
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.close();
    }
}

impl Teller {
    pub(super) fn start(shared: Arc<Shared>) -> Self {
        let asked = Arc::new(Asked::default());
        Self { task: lifecycle::spawn_background(tell_all(shared, asked.clone())), asked }
    }

    pub(super) fn tell(&self, channel: &'static str) {
        self.asked.ask(channel);
    }

    pub(super) fn close(&self) {
        self.task.abort();
    }
}

/// What is to be told, and when it was told last.
#[derive(Debug, Default)]
struct Asked {
    channels: Mutex<HashMap<&'static str, Channel>>,
    something: Notify,
}

#[derive(Debug, Default)]
struct Channel {
    waits: bool,
    told: Option<Instant>,
}

impl Asked {
    fn channels(&self) -> MutexGuard<'_, HashMap<&'static str, Channel>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, channel: &'static str) {
        if !std::mem::replace(&mut self.channels().entry(channel).or_default().waits, true) {
            self.something.notify_one();
        }
    }

    /// The channels to tell now; or, when there is none, the moment of the next.
    fn due(&self, now: Instant) -> (Vec<&'static str>, Option<Instant>) {
        let (mut due, mut next) = (Vec::new(), None::<Instant>);
        for (name, channel) in self.channels().iter_mut().filter(|(_, channel)| channel.waits) {
            match channel.told.map(|told| told + TELL_EVERY).filter(|from| *from > now) {
                Some(from) => next = Some(next.map_or(from, |next| next.min(from))),
                None => {
                    *channel = Channel { waits: false, told: Some(now) };
                    due.push(*name);
                }
            }
        }
        (due, next)
    }

    async fn wait(&self, next: Option<Instant>) {
        let something = self.something.notified();
        match next {
            Some(next) => drop(clock::until(next, something).await),
            None => something.await,
        }
    }
}

async fn tell_all(shared: Arc<Shared>, asked: Arc<Asked>) {
    let (mut client, mut pause) = (None, PAUSES.0);
    loop {
        let (due, next) = asked.due(clock::monotonic());
        if due.is_empty() {
            asked.wait(next).await;
            continue;
        }
        match tell(&shared, &mut client, &due).await {
            Ok(()) => pause = PAUSES.0,
            Err(error) => {
                tracing::warn!("other processes cannot be woken, and will look later: {}", error.report());
                client = None;
                pause = wait_for(pause).await;
                due.into_iter().for_each(|channel| asked.ask(channel));
            }
        }
    }
}

async fn tell(shared: &Shared, client: &mut Option<Client>, channels: &[&str]) -> Result<()> {
    let open = match client.take().filter(|client| !client.is_closed()) {
        Some(open) => open,
        None => connect(shared, |_| {}).await?.0,
    };
    let mut script = String::new();
    for channel in channels {
        script += &format!("NOTIFY sarsen_wake, '{} {}'; ", shared.process, channel.replace('\'', "''"));
    }
    answer(open.batch_execute(&script)).await?;
    *client = Some(open);
    Ok(())
}

/// Listens until it is dropped; after each time that it could not, everybody is woken.
pub(super) async fn listen(shared: Arc<Shared>, wakes: Arc<Wakes>) {
    let mut pause = PAUSES.0;
    loop {
        let (mine, heard) = (shared.process.clone(), wakes.clone());
        let hear = move |payload: &str| match payload.split_once(' ') {
            Some((process, channel)) if process != mine => heard.wake(channel),
            _ => {}
        };
        let started = clock::monotonic();
        if let Err(error) = listen_once(&shared, &wakes, hear).await {
            tracing::warn!("wakes of other processes are not heard: {}", error.report());
        }
        if clock::monotonic() - started > TRY_EVERY {
            pause = PAUSES.0;
        }
        pause = wait_for(pause).await;
    }
}

/// Listens on one connection until it breaks.
async fn listen_once(shared: &Shared, wakes: &Wakes, hear: impl FnMut(&str) + Send + 'static) -> Result<()> {
    let (client, mut connection) = connect(shared, hear).await?;
    answer(client.batch_execute("LISTEN sarsen_wake")).await?;
    // What was told before is not heard any more.
    wakes.wake_all();
    while clock::until(clock::monotonic() + TRY_EVERY, &mut connection).await.is_err() {
        answer(client.batch_execute("")).await?;
    }
    Ok(())
}

/// Pauses, and says how long the next pause is.
async fn wait_for(pause: Duration) -> Duration {
    clock::pause(pause).await;
    (pause * 2).min(PAUSES.1)
}

async fn answer(asked: impl Future<Output = Result<(), tokio_postgres::Error>>) -> Result<()> {
    let asked = clock::until(clock::monotonic() + PATIENCE, asked);
    telemetry::wait(WaitKind::Database, "wakes", asked).await?.map_err(|error| explain(&error, "wakes"))
}

/// A connection of its own, and the task that ends with it; `hear` is given what it is notified of.
async fn connect(shared: &Shared, mut hear: impl FnMut(&str) + Send + 'static) -> Result<(Client, JoinHandle<()>)> {
    let mut config: Config = shared.config.clone();
    config.keepalives_idle(TRY_EVERY);
    let connecting = clock::until(clock::monotonic() + PATIENCE, config.connect(shared.tls.clone()));
    let connected = telemetry::wait(WaitKind::DatabasePool, "wakes", connecting).await?;
    let (client, mut connection) = connected.map_err(|error| explain(&error, "connect"))?;
    let driving = lifecycle::spawn_background(async move {
        while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
            if let AsyncMessage::Notification(notification) = message {
                hear(notification.payload());
            }
        }
    });
    Ok((client, driving))
}
