//! What the jobs of a test did, in which order, and how many at once.

use sarsen::{Deps, Result, clock, module::Dependency};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

/// How long a test waits for what has to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What was seen; clones see the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    here: Arc<Place>,
    /// Everything that was seen in all processes of the test, where this is one of them.
    all: Option<Arc<Place>>,
    gate: Arc<Gate>,
}

#[derive(Debug, Default)]
struct Place {
    log: Mutex<Log>,
    changed: watch::Sender<()>,
}

#[derive(Debug)]
struct Gate(watch::Sender<bool>);

impl Default for Gate {
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

/// What happened.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    /// Each run, by the name of its job, as they began.
    pub(crate) begun: Vec<String>,
    /// The same with the number of the attempt: `name 2`.
    pub(crate) attempts: Vec<String>,
    pub(crate) ended: usize,
    pub(crate) at_work: usize,
    /// Most at work at once.
    pub(crate) most: usize,
    /// Most at work at once of one key.
    pub(crate) most_of_key: usize,
    keys: HashMap<String, usize>,
}

impl Deps for Seen {
    fn dependencies(&self) -> Vec<Dependency> {
        Vec::new()
    }
}

impl Seen {
    /// What is seen in one more process.
    pub(crate) fn beside(all: &Seen) -> Self {
        Self { here: Arc::default(), all: Some(all.here.clone()), gate: all.gate.clone() }
    }

    /// A run begins; it ends when the answer is dropped.
    pub(crate) fn begin(&self, name: &str, key: &str, attempt: u32) -> AtWork {
        let places: Vec<Arc<Place>> = std::iter::once(self.here.clone()).chain(self.all.clone()).collect();
        for place in &places {
            place.change(|log| {
                log.begun.push(name.to_owned());
                log.attempts.push(format!("{name} {attempt}"));
                log.at_work += 1;
                log.most = log.most.max(log.at_work);
                let of_key = log.keys.entry(key.to_owned()).or_default();
                *of_key += 1;
                log.most_of_key = log.most_of_key.max(*of_key);
            });
        }
        AtWork { places, key: key.to_owned() }
    }

    pub(crate) fn log(&self) -> Log {
        self.here.log.lock().unwrap().clone()
    }

    /// The names of the jobs that began, in order.
    pub(crate) fn begun(&self) -> Vec<String> {
        self.log().begun
    }

    /// The attempts of the jobs of this key, in order.
    pub(crate) fn attempts_of(&self, key: &str) -> Vec<String> {
        let start = format!("{key} ");
        self.log().attempts.into_iter().filter(|attempt| attempt.starts_with(&start)).collect()
    }

    /// How many runs of this job began.
    pub(crate) fn times(&self, name: &str) -> usize {
        self.log().begun.iter().filter(|begun| *begun == name).count()
    }

    /// Waits until what was seen is enough.
    pub(crate) async fn until(&self, what: &str, enough: impl Fn(&Log) -> bool) {
        let mut changed = self.here.changed.subscribe();
        let waited = clock::until(clock::monotonic() + PATIENCE, async {
            while !enough(&self.log()) {
                changed.changed().await.unwrap();
            }
        });
        if waited.await.is_err() {
            let log = self.log();
            let last: Vec<&String> = log.attempts.iter().rev().take(20).collect();
            panic!("{what} has not happened; {} began, {} at work, the last: {last:?}", log.begun.len(), log.at_work);
        }
    }

    /// Waits until this job has begun.
    pub(crate) async fn until_begun(&self, name: &str) {
        self.until(name, |log| log.begun.iter().any(|begun| begun == name)).await;
    }

    /// Lets go the jobs that wait, in all processes.
    pub(crate) fn open(&self) {
        self.gate.0.send_replace(true);
    }

    pub(crate) async fn opened(&self) -> Result<()> {
        self.gate.0.subscribe().wait_for(|open| *open).await.unwrap();
        Ok(())
    }

    /// Keeps this thread busy until the gate opens.
    pub(crate) fn spin(&self) -> Result<()> {
        let late = clock::monotonic() + PATIENCE;
        while !*self.gate.0.borrow() && clock::monotonic() < late {
            std::hint::spin_loop();
        }
        Ok(())
    }
}

impl Log {
    /// The keys that the jobs were told.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.keys.keys().cloned().collect()
    }
}

impl Place {
    fn change(&self, change: impl FnOnce(&mut Log)) {
        change(&mut self.log.lock().unwrap());
        self.changed.send_replace(());
    }
}

/// A run that has not ended.
pub(crate) struct AtWork {
    places: Vec<Arc<Place>>,
    key: String,
}

impl Drop for AtWork {
    fn drop(&mut self) {
        for place in &self.places {
            place.change(|log| {
                log.ended += 1;
                log.at_work -= 1;
                *log.keys.entry(self.key.clone()).or_default() -= 1;
            });
        }
    }
}
