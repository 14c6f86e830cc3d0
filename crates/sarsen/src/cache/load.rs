//! The way of a call that has found nothing fresh.

use super::entry::{Began, Entry, Shared};
use super::flight::{Flight, Lead, Outcome, Place, error_of};
use super::keep::Keep;
use super::key::{Key, Tag};
use super::node::{Found, Node};
use super::state::Family;
use crate::clock::Ticks;
use crate::error::{Error, Kind, Result};
use crate::lifecycle;
use crate::telemetry::{self, Child, Operation, OperationKind, Trace, WaitKind};
use futures_util::future::BoxFuture;
use serde::Serialize;
use smallvec::SmallVec;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// What a load gives.
pub(super) struct Loaded {
    value: Option<Shared>,
    tags: SmallVec<[Tag; 2]>,
    bytes: u64,
}

impl Loaded {
    pub(super) fn new<T>(value: Option<T>, tags: impl IntoIterator<Item = Tag>) -> Result<Self>
    where
        T: Serialize + Send + Sync + 'static,
    {
        let bytes = value.as_ref().map_or(Ok(0), bytes_of)?;
        Ok(Self { value: value.map(|value| Arc::new(value) as Shared), tags: tags.into_iter().collect(), bytes })
    }
}

/// What a value takes, about: its length as JSON, and at least its size.
fn bytes_of<T: Serialize>(value: &T) -> Result<u64> {
    struct Count(u64);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len() as u64;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    serde_json::to_writer(&mut count, value)
        .map_err(|error| Error::internal("a value of the cache cannot be written as JSON").source(error))?;
    Ok(count.0.max(size_of::<T>() as u64))
}

/// A load that has not begun.
pub(super) type Load = Box<dyn FnOnce() -> BoxFuture<'static, Result<Loaded>> + Send>;

/// Gives the value of `key`: from the cache, from a load that is at work, or from one of its own.
pub(super) async fn fetch(node: &Arc<Node>, key: Key, keep: Keep, load: Load) -> Result<Arc<Entry>> {
    let family = node.family(&key);
    let (asked, mut load) = (node.begin(), Some(load));
    loop {
        let old = match node.find(&key) {
            Found::Fresh(entry) => return Ok(hit(entry)),
            Found::Due(entry) => {
                if entry.claim()
                    && let Some(load) = load.take()
                {
                    refresh(node, &key, keep, load, &entry);
                }
                return Ok(hit(entry));
            }
            Found::Old(entry) if entry.rests(node.clock.ticks()) => return Ok(stale(entry)),
            Found::Old(entry) => Some(entry),
            Found::Changed => {
                family.invalidated.fetch_add(1, Ordering::Relaxed);
                None
            }
            Found::Nothing => None,
        };
        let (flight, child) = match enter(node, &key) {
            Place::There(entry) => return Ok(hit(entry)),
            Place::Joined(flight) => {
                family.joined.fetch_add(1, Ordering::Relaxed);
                (flight, None)
            }
            Place::Leads(lead) => {
                let load = load.take().ok_or_else(|| Error::internal("a load was to begin twice"))?;
                let (node, keep, flight) = (node.clone(), keep.clone(), lead.flight.clone());
                (flight, Some(telemetry::spawn("load", run(node, family.clone(), lead, keep, load))))
            }
        };
        let leads = child.is_some();
        let serves = old.as_deref().zip(keep.soft);
        let error = match wait(node, &family, &flight, child, serves).await {
            Ok(Some(Outcome::Loaded(entry))) if leads || is_of_now(node, &flight, &entry, asked) => return Ok(entry),
            // It began before something was committed of which this caller may know.
            Ok(Some(Outcome::Loaded(_))) => continue,
            // The time of another caller was over, not of this one.
            Ok(Some(Outcome::Late(_))) if !leads && telemetry::check_deadline().is_ok() => continue,
            Ok(Some(Outcome::Late(error) | Outcome::Failed(error))) => Some(error_of(&error)),
            Ok(None) => None,
            Err(late) => Some(late),
        };
        return match (old.filter(|old| node.may_serve(old)), error) {
            (Some(old), _) => {
                old.rest(node.clock.ticks(), node.section.retry_after.0);
                Ok(stale(old))
            }
            (None, Some(error)) => Err(error),
            // It was invalidated just now.
            (None, None) => continue,
        };
    }
}

fn hit(entry: Arc<Entry>) -> Arc<Entry> {
    entry.family.hits.fetch_add(1, Ordering::Relaxed);
    entry
}

fn stale(entry: Arc<Entry>) -> Arc<Entry> {
    entry.family.stale.fetch_add(1, Ordering::Relaxed);
    entry
}

fn enter(node: &Node, key: &Key) -> Place {
    let there = || match node.find(key) {
        Found::Fresh(entry) | Found::Due(entry) => Some(entry),
        Found::Old(_) | Found::Changed | Found::Nothing => None,
    };
    node.flights.enter(key, there, || node.begin())
}

/// Whether what another caller has loaded holds for one who came at `asked`: it was read a moment ago and after all that was heard
/// of by then, or it is still right.
fn is_of_now(node: &Node, flight: &Flight, entry: &Entry, asked: Began) -> bool {
    let changed = node.versions.changed(&entry.tags, entry.since);
    let recent = asked.at - flight.began.at <= node.section.max_silence.0;
    (recent && (flight.began.since >= asked.since || !changed)) || (!changed && !node.is_unsure(entry))
}

/// Waits for the end of a load; nothing when it takes long and an old value may serve meanwhile.
async fn wait(
    node: &Node,
    family: &Family,
    flight: &Flight,
    child: Option<Child<bool>>,
    serves: Option<(&Entry, Duration)>,
) -> Result<Option<Outcome>> {
    let ended = async {
        if let Some(child) = child {
            // Should it not finish, the flight knows.
            let _ = child.await;
        }
        flight.outcome().await
    };
    let ended = telemetry::wait(WaitKind::Cache, family.label.clone(), telemetry::within_deadline(ended));
    tokio::pin!(ended);
    if let Some((old, soft)) = serves {
        tokio::select! {
            biased;
            ended = &mut ended => return ended.map(Some),
            () = node.clock.sleep(soft) => if node.may_serve(old) { return Ok(None) },
        }
    }
    ended.await.map(Some)
}

/// Loads, keeps, and tells those who wait; whoever asked may have gone. Says whether it went well.
async fn run(node: Arc<Node>, family: Arc<Family>, lead: Lead, keep: Keep, load: Load) -> bool {
    let (began, started) = (lead.flight.began, Ticks::now());
    let limit = keep.limit.unwrap_or(node.section.load_timeout.0);
    let loaded = tokio::select! {
        biased;
        loaded = load() => loaded,
        () = node.clock.sleep(limit) => Err(too_long(&family, limit)),
    };
    family.loaded(Ticks::now() - started, loaded.is_ok());
    let made = loaded.and_then(|Loaded { value, tags, bytes }| {
        let tags = keep.tags.iter().chain(&tags).map(Tag::hash).collect::<Result<_>>()?;
        Ok(Arc::new(Entry::new(value, bytes, family, tags, &keep, began)))
    });
    match made {
        Ok(entry) => {
            node.keep(lead.key(), &entry);
            lead.end(Outcome::Loaded(entry));
            true
        }
        Err(error) if error.kind() == Kind::Timeout && telemetry::check_deadline().is_err() => {
            lead.end(Outcome::Late(Arc::new(error)));
            false
        }
        Err(error) => {
            lead.end(Outcome::Failed(Arc::new(error)));
            false
        }
    }
}

fn too_long(family: &Family, limit: Duration) -> Error {
    Error::new(Kind::Timeout, format!("loading `{}` took longer than {limit:?}", family.label))
        .hint("make it quicker, or allow more with `Keep::load_within` or cache.load_timeout")
}

/// Loads in the background, in an Operation of its own, because `entry` will soon be old.
fn refresh(node: &Arc<Node>, key: &Key, keep: Keep, load: Load, entry: &Arc<Entry>) {
    let lead = match node.flights.enter(key, || None, || node.begin()) {
        Place::Leads(lead) => lead,
        Place::Joined(_) | Place::There(_) => return entry.rest(node.clock.ticks(), node.section.retry_after.0),
    };
    let (node, entry, family) = (node.clone(), entry.clone(), entry.family.clone());
    let name = node.recorder.name(OperationKind::Job, key.module, &format!("refresh {}", family.label));
    lifecycle::spawn(async move {
        let operation = Operation::open_in(name, Trace::new(), &node.recorder);
        family.refreshed.fetch_add(1, Ordering::Relaxed);
        let well = operation.scope(run(node.clone(), family, lead, keep, load)).await;
        if !well {
            entry.rest(node.clock.ticks(), node.section.retry_after.0);
        }
        operation.close(if well { telemetry::Outcome::Done } else { telemetry::Outcome::Failed });
    });
}
