//! The centre of one process: its topics with their subscribers, and how a message reaches all of them.

use super::driver::{self, Driver, Passing};
use super::history::{self, Recent, Ring};
use super::link::Link;
use super::presence::{Change, MOST_NAMED, Presence};
use super::protocol::{self, Message};
use super::queue::{Frame, Pushed};
use super::registry::Registry;
use super::state::Counts;
use super::topic::{Class, Topic};
use super::wheel::Wheel;
use crate::cache::Cache;
use crate::clock;
use crate::config::RealtimeSection;
use crate::data::Db;
use crate::error::{Error, Result};
use crate::lifecycle::Lifecycle;
use crate::telemetry::{self, Recorder, WaitKind};
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OnceCell, Semaphore, watch};
use uuid::Uuid;

/// Topics are spread over this many locks.
const SHARDS: usize = 16;
/// Queries for what was missed that run at once: a storm of returning clients leaves connections for others.
const READS: usize = 4;
/// How long is waited for a position that a client has seen at another process.
const AHEAD: Duration = Duration::from_secs(2);
/// Most keys of one conflated topic.
const MAX_KEYS: usize = 1_000;

/// A topic that somebody hears, or of which something is kept.
pub(super) struct Live {
    /// Tells it from an earlier one of the same name, whose offsets mean nothing here.
    pub(super) number: u64,
    pub(super) subscribers: Vec<Subscriber>,
    pub(super) ring: Ring,
    pub(super) latest: HashMap<String, Frame>,
}

/// One connection that hears a topic.
pub(super) struct Subscriber {
    pub(super) link: Arc<Link>,
    /// What came while what was missed is being read.
    pub(super) held: Option<Vec<Frame>>,
}

pub(super) type Shard = HashMap<Topic, Live>;

/// See the module.
pub(crate) struct Hub {
    pub(super) section: RealtimeSection,
    pub(super) registry: Registry,
    pub(super) db: Db,
    /// Hears of what was invalidated before anybody is told: who is told to look sees it.
    pub(super) cache: Cache,
    pub(super) recorder: Recorder,
    pub(super) lifecycle: Lifecycle,
    /// This process; also the epoch of what is kept in its memory.
    pub(super) process: Uuid,
    pub(super) wheel: Wheel,
    pub(super) counts: Counts,
    /// Counts what was revoked, so that nobody is let in who was sent away meanwhile.
    pub(super) revoked: AtomicU64,
    driver: Box<dyn Driver>,
    hasher: RandomState,
    made: AtomicU64,
    shards: [Mutex<Shard>; SHARDS],
    presence: Mutex<Presence>,
    recent: Mutex<Recent>,
    position: watch::Sender<i64>,
    reads: Semaphore,
    epoch: OnceCell<String>,
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("process", &self.process).field("driver", &self.driver).finish_non_exhaustive()
    }
}

impl Hub {
    pub(super) fn new(
        db: &Db,
        section: &RealtimeSection,
        registry: Registry,
        cache: &Cache,
        recorder: &Recorder,
        lifecycle: &Lifecycle,
    ) -> Result<Self> {
        let (db, process) = (db.primary(), db.clock().id());
        Ok(Self {
            driver: driver::connect(&section.url, &db)?,
            wheel: Wheel::new(section.ping.0),
            counts: Counts::new(registry.kinds()),
            section: section.clone(),
            registry,
            db,
            cache: cache.clone(),
            recorder: recorder.clone(),
            lifecycle: lifecycle.clone(),
            process,
            revoked: AtomicU64::new(0),
            hasher: RandomState::new(),
            made: AtomicU64::new(0),
            shards: std::array::from_fn(|_| Mutex::default()),
            presence: Mutex::new(Presence::new(process)),
            recent: Mutex::new(Recent::new(0, 0)),
            position: watch::Sender::new(0),
            reads: Semaphore::new(READS),
            epoch: OnceCell::new(),
        })
    }

    pub(super) fn driver(&self) -> &dyn Driver {
        self.driver.as_ref()
    }

    /// Begins to hear, at the first connection: a process that only writes pays nothing.
    pub(super) async fn start(self: &Arc<Self>) -> Result<&str> {
        let begin = async {
            let epoch = history::epoch(&self.db).await?;
            let mark = self.db.log().mark().await?;
            *self.recent() = Recent::new(mark, usize::try_from(self.section.recent.0).unwrap_or(usize::MAX));
            self.position.send_replace(mark);
            super::tail::start(self);
            super::wheel::start(self);
            self.send_presence(vec![Passing::Hello { process: self.process }]);
            Ok(epoch)
        };
        self.epoch.get_or_try_init(|| begin).await.map(String::as_str)
    }

    pub(super) fn shard(&self, topic: &Topic) -> MutexGuard<'_, Shard> {
        let hash = usize::try_from(self.hasher.hash_one(topic) % SHARDS as u64).unwrap_or(0);
        self.shards[hash].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The topic, made when it is not there.
    pub(super) fn live<'s>(&self, shard: &'s mut Shard, topic: &Topic) -> &'s mut Live {
        shard.entry(topic.clone()).or_insert_with(|| Live {
            number: self.made.fetch_add(1, Ordering::Relaxed),
            subscribers: Vec::new(),
            ring: Ring::default(),
            latest: HashMap::new(),
        })
    }

    pub(super) fn presence(&self) -> MutexGuard<'_, Presence> {
        self.presence.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Up to where the log was given out.
    pub(super) fn position(&self) -> i64 {
        *self.position.borrow()
    }

    /// All before `position` was given out.
    pub(super) fn set_position(&self, position: i64) {
        self.position.send_if_modified(|at| position > std::mem::replace(at, (*at).max(position)));
    }

    /// Gives a durable message to all who hear its topic.
    pub(super) fn deliver(&self, topic: &Topic, offset: i64, data: &str) {
        let frame = Message { topic, offset: Some(offset), key: None, by: None, data }.frame(Class::Durable);
        self.recent().push(offset, topic, &frame);
        let mut shard = self.shard(topic);
        // Under the lock: who subscribes now knows exactly what it still needs.
        self.set_position(offset);
        if let Some(live) = shard.get_mut(topic) {
            self.fan_out(topic, live, &frame);
        }
    }

    /// Does what passed between the processes.
    pub(super) fn passed(&self, passing: Passing) {
        let now = clock::monotonic();
        match passing {
            Passing::Message { topic, key, by, data } => {
                if let Ok(topic) = Topic::parse(&topic) {
                    self.pass(&topic, key.as_deref(), by, data.get());
                }
            }
            Passing::Moved { process, topic, joined, left } => {
                let Ok(topic) = Topic::parse(&topic) else { return };
                let mut presence = self.presence();
                if let Some(change) = presence.moved(process, &topic, &joined, &left, now) {
                    self.tell_change(&change);
                }
            }
            Passing::Present { process, topics } => {
                let mut presence = self.presence();
                presence.present(process, &topics, now).iter().for_each(|change| self.tell_change(change));
            }
            Passing::Hello { process } if process != self.process => {
                let told = self.presence().told();
                self.send_presence(vec![told]);
            }
            Passing::Hello { .. } => {}
            Passing::Revoke { actor, topic } => {
                self.revoke_here(actor, topic.and_then(|topic| Topic::parse(&topic).ok()).as_ref())
            }
        }
    }

    /// Gives a message that is not durable to all who hear its topic.
    fn pass(&self, topic: &Topic, key: Option<&str>, by: Option<Uuid>, data: &str) {
        let Ok(info) = self.registry.of(topic) else { return };
        let class = info.topics.class;
        let mut shard = self.shard(topic);
        let message = Message { topic, offset: None, key, by, data };
        if class == Class::Ephemeral {
            if let Some(live) = shard.get_mut(topic) {
                self.fan_out(topic, live, &message.frame(class));
            }
            return;
        }
        if !shard.contains_key(topic) && shard.len() * SHARDS >= self.section.max_topics {
            // Nobody hears it, and there is no room to keep it: whoever comes is told to load.
            return;
        }
        let live = self.live(&mut shard, topic);
        let frame = Message { offset: Some(live.ring.next()), ..message }.frame(class);
        if class == Class::Hot {
            live.ring.push(frame.clone(), clock::monotonic(), self.section.hot_messages);
        } else if live.latest.len() < MAX_KEYS || key.is_some_and(|key| live.latest.contains_key(key)) {
            live.ring.push(frame.clone(), clock::monotonic(), 0);
            live.latest.insert(key.unwrap_or_default().to_owned(), frame.clone());
        }
        self.fan_out(topic, live, &frame);
    }

    fn fan_out(&self, topic: &Topic, live: &mut Live, frame: &Frame) {
        let (mut delivered, mut left_out, mut slow) = (0, 0, 0);
        for subscriber in &mut live.subscribers {
            match self.push_to(subscriber, frame) {
                Pushed::Queued => delivered += 1,
                Pushed::Less => left_out += 1,
                Pushed::Slow => slow += 1,
                Pushed::Over => {}
            }
        }
        if let Some(count) = self.counts.of(topic) {
            count.delivered.fetch_add(delivered, Ordering::Relaxed);
            count.left_out.fetch_add(left_out, Ordering::Relaxed);
            count.slow.fetch_add(slow, Ordering::Relaxed);
        }
    }

    /// What is held until what was missed has been read is counted when that is queued.
    fn push_to(&self, subscriber: &mut Subscriber, frame: &Frame) -> Pushed {
        match &mut subscriber.held {
            Some(held) if held.len() < self.section.max_recovered as usize => held.push(frame.clone()),
            Some(_) => {
                subscriber.link.end(super::End::Slow);
                self.counts.slow.fetch_add(1, Ordering::Relaxed);
                return Pushed::Slow;
            }
            None => return self.push(&subscriber.link, frame.clone()),
        }
        Pushed::Over
    }

    /// Queues a frame for a connection.
    pub(super) fn push(&self, link: &Link, frame: Frame) -> Pushed {
        let limit = usize::try_from(self.section.queue.0).unwrap_or(usize::MAX);
        let pushed = link.queue.push(frame, limit);
        match pushed {
            Pushed::Less => drop(self.counts.left_out.fetch_add(1, Ordering::Relaxed)),
            Pushed::Slow => drop(self.counts.slow.fetch_add(1, Ordering::Relaxed)),
            Pushed::Queued | Pushed::Over => {}
        }
        pushed
    }

    /// Tells those who hear a topic who came and who left. The presence is locked, so that they hear it in its order.
    pub(super) fn tell_change(&self, change: &Change) {
        if change.joined.is_empty() && change.left.is_empty() {
            return;
        }
        let frame = match change.count {
            count if count > MOST_NAMED => protocol::presence_count(&change.topic, count),
            _ => protocol::presence(&change.topic, &change.joined, &change.left),
        };
        if let Some(live) = self.shard(&change.topic).get_mut(&change.topic) {
            for subscriber in &mut live.subscribers {
                self.push_to(subscriber, &frame);
            }
        }
    }

    /// Sends notes to the other processes, in a task of its own: who came or left does not wait for it.
    pub(super) fn send_presence(&self, notes: Vec<Passing>) {
        if notes.is_empty() || self.driver.name() == "memory" {
            return;
        }
        self.wheel.outbox().extend(notes);
        self.wheel.something.notify_one();
    }

    /// The durable messages of `topic` after `since` up to `until`; nothing when they cannot all be given.
    pub(super) async fn missed(&self, topic: &Topic, since: i64, until: i64) -> Result<Option<Vec<Frame>>> {
        if since > until {
            return Ok(self.comes_to(since).await.then(Vec::new));
        }
        let recent = self.recent().after(topic, since, until);
        let missed = match recent {
            Some(missed) => Some(missed),
            None => {
                let _place = telemetry::wait(WaitKind::Queue, "realtime reads", self.reads.acquire()).await;
                history::read(&self.db, topic, since, until, self.section.max_recovered).await?
            }
        };
        Ok(missed.filter(|missed| self.fits(missed)))
    }

    /// More than half of a queue at once would end the connection that it is to help.
    pub(super) fn fits(&self, missed: &[Frame]) -> bool {
        let bytes: usize = missed.iter().map(|frame| frame.text.len() + 64).sum();
        missed.len() <= self.section.max_recovered as usize && (bytes as u64) < self.section.queue.0 / 2
    }

    /// Waits until the log was read up to a position that a client has heard of elsewhere; false when there is none.
    async fn comes_to(&self, position: i64) -> bool {
        let mut at = self.position.subscribe();
        let come = clock::until(clock::monotonic() + AHEAD, at.wait_for(|at| *at >= position));
        telemetry::wait(WaitKind::Named, "realtime tail", come).await.is_ok_and(|come| come.is_ok())
    }

    fn revoke_here(&self, actor: Uuid, topic: Option<&Topic>) {
        self.revoked.fetch_add(1, Ordering::SeqCst);
        for link in self.wheel.links().into_iter().filter(|link| link.actor == Some(actor)) {
            match topic {
                None => link.end(super::End::Revoked),
                Some(topic) => {
                    let error = Error::forbidden(format!("you may hear {topic} no longer"));
                    self.drop_subscription(&link, topic, Some(&error));
                }
            }
        }
    }

    /// Forgets topics that nobody hears and of which nothing is kept any more.
    pub(super) fn expire(&self) {
        let from = clock::monotonic().checked_sub(self.section.hot_for.0);
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.retain(|_, live| {
                if let Some(from) = from {
                    live.ring.expire(from);
                }
                !live.subscribers.is_empty() || !live.ring.is_empty() || !live.latest.is_empty()
            });
        }
    }

    /// Topics and their subscribers, counted.
    pub(super) fn topics(&self) -> Vec<(Topic, usize)> {
        let mut topics = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            topics.extend(shard.iter().map(|(topic, live)| (topic.clone(), live.subscribers.len())));
        }
        topics
    }
}
