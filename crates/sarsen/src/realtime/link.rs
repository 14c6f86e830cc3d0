//! One connection: what its client asks for, and what it hears.

use super::driver;
use super::history;
use super::hub::{Hub, Live, Subscriber};
use super::protocol::{self, Inbound, Position};
use super::queue::{End, Frame, Next, Queue};
use super::rate::Rate;
use super::registry::TopicsInfo;
use super::topic::{Asked, Class, Grant, Topic};
use crate::clock;
use crate::error::{Error, Kind, Result};
use crate::lifecycle;
use crate::telemetry::{Operation, OperationKind, Outcome, Trace};
use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How long one message of a client may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// One connection, as the centre knows it.
pub(super) struct Link {
    pub(super) id: u64,
    pub(super) actor: Option<Uuid>,
    pub(super) queue: Queue,
    pub(super) heard: AtomicBool,
    /// Whether it was asked if it is there.
    pub(super) asked: AtomicBool,
    /// When it was opened.
    pub(super) since: Instant,
    subscriptions: Mutex<Vec<Subscription>>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("id", &self.id).field("actor", &self.actor).finish_non_exhaustive()
    }
}

/// What a connection hears, and until when that holds.
#[derive(Debug)]
struct Subscription {
    topic: Topic,
    until: Instant,
    publish: bool,
    /// Whether it is one of those who are there.
    member: bool,
}

impl Link {
    pub(super) fn new(id: u64, actor: Option<Uuid>) -> Self {
        Self {
            id,
            actor,
            queue: Queue::default(),
            heard: AtomicBool::new(true),
            asked: AtomicBool::new(false),
            since: clock::monotonic(),
            subscriptions: Mutex::default(),
        }
    }

    fn subscriptions(&self) -> MutexGuard<'_, Vec<Subscription>> {
        self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn end(&self, end: End) {
        self.queue.end(end);
    }

    /// Whether something it may do ends before `by`.
    pub(super) fn is_due(&self, by: Instant) -> bool {
        self.subscriptions().iter().any(|one| one.until <= by)
    }
}

/// A connection, held by the transport that serves it; dropped, its client has gone.
#[derive(Debug)]
pub struct Connection {
    hub: Arc<Hub>,
    link: Arc<Link>,
    rate: Mutex<Rate>,
}

impl Connection {
    pub(super) fn new(hub: Arc<Hub>, link: Arc<Link>) -> Self {
        let rate = Mutex::new(Rate::new(hub.section.inbound_rate, hub.section.inbound_burst));
        Self { hub, link, rate }
    }

    /// What the transport is to do next; only one task asks.
    pub async fn next(&self) -> Next {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// Like [`Connection::next`], for a transport that is polled itself.
    pub fn poll_next(&self, context: &mut Context<'_>) -> Poll<Next> {
        self.link.queue.poll_next(context)
    }

    /// Up to where the log was given out, and the epoch of its offsets.
    pub async fn position(&self) -> Result<Position> {
        Ok(Position { epoch: self.hub.start().await?.to_owned(), offset: self.hub.position() })
    }

    /// Ready when the client is not to be waited for any more: a write that hangs is given up.
    pub async fn cut(&self) {
        poll_fn(|context| self.link.queue.poll_cut(context)).await;
    }

    /// Notes that the client gave a sign of life.
    pub fn heard(&self) {
        self.link.heard.store(true, Ordering::Relaxed);
        self.link.asked.store(false, Ordering::Relaxed);
    }

    /// Ends it.
    pub fn end(&self, end: End) {
        self.link.end(end);
    }

    /// Largest message that a client may send.
    pub fn max_message(&self) -> usize {
        usize::try_from(self.hub.section.max_message.0).unwrap_or(usize::MAX)
    }

    /// Does what a message of the client asks for, as an Operation of its own; what goes wrong, the client is told.
    pub async fn receive(&self, text: &str) {
        self.heard();
        if !self.rate.lock().unwrap_or_else(PoisonError::into_inner).allows(clock::monotonic()) {
            self.hub.counts.floods.fetch_add(1, Ordering::Relaxed);
            let error = Error::new(Kind::TooMany, "that is more than realtime.inbound_rate allows");
            self.push(protocol::failed(None, &error));
            return self.end(End::Flood);
        }
        let inbound = Inbound::read(text);
        let operation = self.operation(inbound.as_ref().ok());
        operation.set_deadline(clock::monotonic() + PATIENCE);
        let done = operation.scope(async { self.obey(inbound?).await }).await;
        match done {
            Ok(()) => operation.close(Outcome::Done),
            Err(error) => {
                let topic = topic_of(text);
                self.push(protocol::failed(topic.as_deref(), &error));
                if error.kind() == Kind::Internal {
                    operation.set_error(&error);
                    operation.close(Outcome::Failed);
                } else {
                    operation.close(Outcome::Status(400));
                }
            }
        }
    }

    /// Its name is of the kind of the topic, never of the topic.
    fn operation(&self, inbound: Option<&Inbound<'_>>) -> Operation {
        let recorder = &self.hub.recorder;
        let info = inbound.and_then(|inbound| self.hub.registry.of(&inbound.topic().ok()?).ok());
        let verb = match inbound.map(|inbound| inbound.t.as_ref()) {
            Some("sub") => "sub",
            Some("unsub") => "unsub",
            Some("pub") => "pub",
            Some("ping") => "ping",
            _ => "(no message)",
        };
        let name = match info {
            Some(TopicsInfo { topics, module }) => {
                recorder.name(OperationKind::Request, module, &format!("LIVE {verb} {}", topics.name))
            }
            None => recorder.name(OperationKind::Request, "", &format!("LIVE {verb}")),
        };
        let operation = Operation::open_woken(name, Trace::new(), recorder);
        if let Some(actor) = self.link.actor {
            operation.set_actor(actor);
        }
        operation
    }

    async fn obey(&self, inbound: Inbound<'_>) -> Result<()> {
        match inbound.t.as_ref() {
            "sub" => self.subscribe(&inbound.topic()?, inbound.since.as_ref(), inbound.passive).await,
            "unsub" => {
                self.hub.drop_subscription(&self.link, &inbound.topic()?, None);
                Ok(())
            }
            "pub" => self.publish(&inbound.topic()?, inbound.data()?.get()).await,
            "ping" => {
                self.push(protocol::pong());
                Ok(())
            }
            other => {
                Err(Error::invalid(format!("there is no message `{}`", other.chars().take(20).collect::<String>()))
                    .hint("send sub, unsub, pub or ping"))
            }
        }
    }

    /// Hears a topic from now on, and first what came after `since` where that can be given whole.
    pub async fn subscribe(&self, topic: &Topic, since: Option<&Position>, passive: bool) -> Result<()> {
        let info = self.hub.registry.of(topic)?;
        {
            let subscriptions = self.link.subscriptions();
            if subscriptions.iter().any(|one| one.topic == *topic) {
                return Err(Error::conflict(format!("{topic} is heard already")));
            }
            if subscriptions.len() >= self.hub.section.max_subscriptions {
                return Err(Error::new(Kind::TooMany, "that is more topics than realtime.max_subscriptions"));
            }
        }
        self.admit(topic, info, passive).await?;
        let begun = match info.topics.class {
            Class::Durable => self.begin_durable(topic, since).await,
            _ => {
                self.begin_in_memory(topic, info.topics.class, since);
                Ok(())
            }
        };
        if begun.is_err() {
            self.hub.forget(&self.link, topic);
        } else if !self.link.subscriptions().iter().any(|one| one.topic == *topic) {
            // They were sent away meanwhile, and have been told.
            self.hub.leave(&self.link, topic, info.topics.presence && !passive);
        }
        begun
    }

    /// Asks who may hear it, and again when somebody was sent away meanwhile.
    async fn admit(&self, topic: &Topic, info: TopicsInfo, passive: bool) -> Result<()> {
        let member = info.topics.presence && !passive;
        loop {
            let revoked = self.hub.revoked.load(Ordering::SeqCst);
            let grant = self.hub.grant(self.link.actor, topic).await?;
            let until = self.hub.until(&grant);
            let one = Subscription { topic: topic.clone(), until, publish: grant.publish, member };
            self.link.subscriptions().push(one);
            if self.hub.revoked.load(Ordering::SeqCst) == revoked {
                return Ok(());
            }
            self.link.subscriptions().retain(|one| one.topic != *topic);
        }
    }

    /// The subscriber stands before anything is read, so nothing falls between what was missed and what comes.
    async fn begin_durable(&self, topic: &Topic, since: Option<&Position>) -> Result<()> {
        let hub = &self.hub;
        let epoch = hub.start().await?.to_owned();
        let upto = {
            let mut shard = hub.shard(topic);
            let subscriber = Subscriber { link: self.link.clone(), held: Some(Vec::new()) };
            hub.live(&mut shard, topic).subscribers.push(subscriber);
            hub.position()
        };
        let since = history::known(since, &epoch);
        let missed = match since {
            Some(since) => hub.missed(topic, since, upto).await?,
            None => None,
        };
        let (from, recovered) = (since.filter(|_| missed.is_some()).unwrap_or(upto).max(upto), missed.is_some());
        hub.counts.came_back(since.is_some(), recovered);
        let members = self.join(topic);
        let first = protocol::subscribed(topic, Some(&Position { epoch, offset: from }), recovered, members.as_ref());
        let mut shard = hub.shard(topic);
        let Some(subscriber) = shard.get_mut(topic).and_then(|live| live.find(&self.link)) else { return Ok(()) };
        let held = subscriber.held.take().unwrap_or_default();
        let newer = held.into_iter().filter(|frame| frame.offset.is_none_or(|offset| offset > from));
        for frame in std::iter::once(first).chain(missed.unwrap_or_default()).chain(newer) {
            self.push(frame);
        }
        Ok(())
    }

    fn begin_in_memory(&self, topic: &Topic, class: Class, since: Option<&Position>) {
        let hub = &self.hub;
        let members = self.join(topic);
        let mut shard = hub.shard(topic);
        let live = hub.live(&mut shard, topic);
        let position =
            Position { epoch: format!("{}.{}", hub.process.simple(), live.number), offset: live.ring.last() };
        let since = history::known(since, &position.epoch);
        let kept = match class {
            Class::Hot => since.and_then(|since| live.ring.after(since)).filter(|missed| hub.fits(missed)),
            Class::Conflated => Some(live.latest.values().cloned().collect()),
            Class::Ephemeral | Class::Durable => None,
        };
        let position = Some(&position).filter(|_| class == Class::Hot);
        if class == Class::Hot {
            hub.counts.came_back(since.is_some(), kept.is_some());
        }
        self.push(protocol::subscribed(topic, position, kept.is_some(), members.as_ref()));
        for frame in kept.unwrap_or_default() {
            self.push(frame);
        }
        live.subscribers.push(Subscriber { link: self.link.clone(), held: None });
    }

    /// Is there from now on, where that is told; gives who is there.
    fn join(&self, topic: &Topic) -> Option<protocol::Members> {
        if !self.hub.registry.of(topic).is_ok_and(|info| info.topics.presence) {
            return None;
        }
        let member = self.link.subscriptions().iter().any(|one| one.topic == *topic && one.member);
        let mut presence = self.hub.presence();
        if let (true, Some(actor)) = (member, self.link.actor)
            && let Some((change, note)) = presence.join(topic, actor)
        {
            self.hub.tell_change(&change);
            self.hub.send_presence(vec![note]);
        }
        // What was told until now is among the members.
        if let Some(subscriber) = self.hub.shard(topic).get_mut(topic).and_then(|live| live.find(&self.link))
            && let Some(held) = &mut subscriber.held
        {
            held.retain(|frame| frame.offset.is_some());
        }
        Some(presence.members(topic))
    }

    /// Sends a message of the client to all who hear the topic, where it may.
    async fn publish(&self, topic: &Topic, data: &str) -> Result<()> {
        let info = self.hub.registry.of(topic)?;
        let may = self.link.subscriptions().iter().any(|one| one.topic == *topic && one.publish);
        if !may || info.topics.class == Class::Durable {
            return Err(Error::forbidden(format!("you may not publish to {topic}")));
        }
        let key = (info.topics.class == Class::Conflated).then(|| self.link.actor.unwrap_or_default().to_string());
        let note = driver::message(topic, key.as_deref(), self.link.actor, data.to_owned())?;
        self.hub.driver().send(&self.hub, note).await
    }

    /// Asks again who may hear what has expired.
    pub async fn recheck(&self) {
        self.hub.recheck(&self.link).await;
    }

    /// Like [`Connection::recheck`], for a transport that cannot wait.
    pub fn recheck_apart(&self) {
        let (hub, link) = (self.hub.clone(), self.link.clone());
        lifecycle::spawn_background(async move { hub.recheck(&link).await });
    }

    fn push(&self, frame: Frame) {
        self.hub.push(&self.link, frame);
    }

    pub(super) fn greet(&self) {
        self.push(protocol::hello(self.hub.section.ping.0, self.hub.section.max_message.0));
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.link.end(End::Expired);
        self.hub.wheel.remove(&self.link);
        for one in std::mem::take(&mut *self.link.subscriptions()) {
            self.hub.leave(&self.link, &one.topic, one.member);
        }
    }
}

impl Live {
    fn find(&mut self, link: &Arc<Link>) -> Option<&mut Subscriber> {
        self.subscribers.iter_mut().find(|one| Arc::ptr_eq(&one.link, link))
    }
}

impl Hub {
    async fn recheck(&self, link: &Arc<Link>) {
        // What would expire before this connection is looked at again is asked for now.
        let (now, by) = (clock::monotonic(), clock::monotonic() + self.section.ping.0);
        let due: Vec<Topic> =
            link.subscriptions().iter().filter(|one| one.until <= by).map(|one| one.topic.clone()).collect();
        let name = self.recorder.name(OperationKind::Request, "", "LIVE recheck");
        let operation = Operation::open_in(name, Trace::new(), &self.recorder);
        operation.set_deadline(now + PATIENCE);
        for topic in due {
            match operation.scope(self.grant(link.actor, &topic)).await {
                Ok(grant) => {
                    let until = self.until(&grant);
                    let mut subscriptions = link.subscriptions();
                    if let Some(one) = subscriptions.iter_mut().find(|one| one.topic == topic) {
                        (one.until, one.publish) = (until, grant.publish);
                    }
                }
                // Nobody can say: it stays as it is, and is asked for again.
                Err(error) if error.kind().is_transient() => {}
                Err(error) => self.drop_subscription(link, &topic, Some(&error)),
            }
        }
        operation.close(Outcome::Done);
    }

    async fn grant(&self, actor: Option<Uuid>, topic: &Topic) -> Result<Grant> {
        let authorize = self.registry.authorize(topic.kind())?;
        authorize(Asked { actor, topic: topic.clone() }).await
    }

    fn until(&self, grant: &Grant) -> Instant {
        clock::monotonic() + grant.lasts.unwrap_or(self.section.grant.0).min(self.section.grant.0)
    }

    /// Ends a subscription and says so; `error` is why, when the client did not ask for it.
    pub(super) fn drop_subscription(&self, link: &Arc<Link>, topic: &Topic, error: Option<&Error>) {
        if self.forget(link, topic) {
            self.push(link, protocol::unsubscribed(topic, error));
        }
    }

    /// Whether there was one.
    fn forget(&self, link: &Arc<Link>, topic: &Topic) -> bool {
        let mut subscriptions = link.subscriptions();
        let Some(at) = subscriptions.iter().position(|one| one.topic == *topic) else { return false };
        let one = subscriptions.swap_remove(at);
        drop(subscriptions);
        self.leave(link, topic, one.member);
        true
    }

    fn leave(&self, link: &Arc<Link>, topic: &Topic, member: bool) {
        let mut shard = self.shard(topic);
        if let Some(live) = shard.get_mut(topic) {
            if let Some(at) = live.subscribers.iter().position(|one| Arc::ptr_eq(&one.link, link)) {
                live.subscribers.swap_remove(at);
            }
            if live.subscribers.is_empty() && live.ring.last() == 0 && live.latest.is_empty() {
                shard.remove(topic);
            }
        }
        drop(shard);
        if let (true, Some(actor)) = (member, link.actor) {
            self.presence().leave(topic, actor, clock::monotonic() + self.section.presence_grace.0);
        }
    }
}

/// The topic of a message that could not be done, as far as it can be read.
fn topic_of(text: &str) -> Option<String> {
    Some(Inbound::read(text).ok()?.topic().ok()?.as_str().to_owned())
}
