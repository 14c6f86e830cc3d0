//! The thread that looks each second, and writes down what is to outlive the process.

use super::Insight;
use super::store::{Place, Store};
use crate::clock;
use crate::data::Db;
use crate::error::Result;
use crate::lifecycle;
use std::time::Duration;
use tokio::sync::oneshot;

/// How often the collector looks.
const TICK: Duration = Duration::from_secs(1);
/// It writes after so many looks: so much is lost when the process is killed.
const WRITE_EVERY: u64 = 10;
/// How long the last write may take.
const LAST: Duration = Duration::from_secs(5);

/// The collector at work; dropped without [`Collector::stop`], it goes on until the process ends.
#[derive(Debug)]
#[must_use = "what is collected last is to be written down"]
pub(crate) struct Collector {
    stop: oneshot::Sender<()>,
    ended: oneshot::Receiver<()>,
}

impl Insight {
    /// Collects each second, on a thread of its own that nothing else holds up. Where there is a store, what an earlier
    /// process left is read first, and what happens is written to it every ten seconds.
    pub(crate) fn start(&self, place: Option<Place>) -> Result<Collector> {
        let ((stop, stopping), (end, ended)) = (oneshot::channel(), oneshot::channel());
        let insight = self.clone();
        lifecycle::spawn_thread("insight", async move {
            insight.run(place, stopping).await;
            let _ = end.send(());
        })?;
        Ok(Collector { stop, ended })
    }

    async fn run(&self, place: Option<Place>, mut stopping: oneshot::Receiver<()>) {
        self.find_build();
        let mut writer = Writer::open(self, place).await;
        for number in 1_u64.. {
            let asked = clock::until(clock::monotonic() + TICK, &mut stopping).await;
            self.collect();
            // A collector that was let go collects on.
            if matches!(asked, Ok(Ok(()))) {
                break;
            }
            if asked.is_ok() {
                clock::pause(TICK).await;
            }
            // Soon for the first time: what dies early leaves a trace too.
            if number.is_multiple_of(WRITE_EVERY) || number == 2 {
                writer.write(self).await;
            }
        }
        writer.write(self).await;
        writer.close().await;
    }
}

impl Collector {
    /// Collects and writes for the last time; waits for it at most five seconds.
    pub(crate) async fn stop(self) {
        let _ = self.stop.send(());
        let _ = clock::until(clock::monotonic() + LAST, self.ended).await;
    }
}

/// Who writes to the store, as long as there is one.
#[derive(Debug)]
struct Writer {
    store: Option<Store>,
    place: Option<Place>,
    failing: bool,
}

impl Writer {
    async fn open(insight: &Insight, place: Option<Place>) -> Self {
        let mut writer = Self { store: None, place, failing: false };
        writer.open_store(insight).await;
        writer
    }

    async fn open_store(&mut self, insight: &Insight) {
        let Some(place) = &self.place else { return };
        match Store::open(place, &insight.build(), insight.clock()).await {
            Ok((store, restored)) => {
                insight.restore(store.db().clone(), restored);
                self.store = Some(store);
            }
            Err(error) => {
                tracing::warn!(
                    store = %place.path.display(),
                    "the store of what is recorded cannot be used, so its history ends with this process: {}",
                    error.report()
                );
            }
        }
    }

    async fn write(&mut self, insight: &Insight) {
        let news = insight.take_news(self.store.is_some());
        let Some(store) = &mut self.store else { return };
        match store.write(news).await {
            Ok(()) => self.failing = false,
            Err(error) if Db::is_damage(&error) => {
                insight.forget_store();
                if let Some(store) = self.store.take() {
                    store.close().await;
                }
                self.open_store(insight).await;
            }
            Err(error) if !self.failing => {
                tracing::warn!("what is recorded cannot be written down: {}", error.report());
                self.failing = true;
            }
            Err(_) => {}
        }
    }

    async fn close(self) {
        if let Some(store) = self.store {
            store.close().await;
        }
    }
}
