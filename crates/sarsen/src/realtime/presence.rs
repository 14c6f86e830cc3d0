//! Who is where: counted by process, with a grace in which one who comes back has not left.

use super::driver::Passing;
use super::protocol::Members;
use super::topic::Topic;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// More members than this are counted, and not named.
pub(super) const MOST_NAMED: usize = 1_000;
/// How often a process says who is there, and for how long that is believed.
pub(super) const TELL_EVERY: Duration = Duration::from_secs(20);
const BELIEVED: Duration = Duration::from_secs(65);

/// Somebody at this process.
#[derive(Clone, Copy, Debug)]
struct Here {
    connections: u32,
    /// Until when they may come back, once all their connections are gone.
    leaving: Option<Instant>,
}

/// The members of one topic.
#[derive(Debug, Default)]
struct Room {
    here: HashMap<Uuid, Here>,
    elsewhere: HashMap<Uuid, BTreeSet<Uuid>>,
}

impl Room {
    fn is_present(&self, actor: Uuid) -> bool {
        self.here.contains_key(&actor) || self.elsewhere.values().any(|there| there.contains(&actor))
    }

    fn everybody(&self) -> BTreeSet<Uuid> {
        let elsewhere = self.elsewhere.values().flatten().copied();
        self.here.keys().copied().chain(elsewhere).collect()
    }

    fn is_empty(&self) -> bool {
        self.here.is_empty() && self.elsewhere.values().all(BTreeSet::is_empty)
    }
}

/// What changed in a topic, for those who hear it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) topic: Topic,
    pub(super) joined: Vec<Uuid>,
    pub(super) left: Vec<Uuid>,
    /// How many are there now.
    pub(super) count: usize,
}

/// The members of all topics.
#[derive(Debug)]
pub(super) struct Presence {
    process: Uuid,
    rooms: BTreeMap<Topic, Room>,
    heard: HashMap<Uuid, Instant>,
}

impl Presence {
    pub(super) fn new(process: Uuid) -> Self {
        Self { process, rooms: BTreeMap::new(), heard: HashMap::new() }
    }

    /// A connection of `actor` hears `topic`. Gives what others are to know.
    pub(super) fn join(&mut self, topic: &Topic, actor: Uuid) -> Option<(Change, Passing)> {
        let process = self.process;
        let room = self.rooms.entry(topic.clone()).or_default();
        let (new, new_here) = (!room.is_present(actor), !room.here.contains_key(&actor));
        let here = room.here.entry(actor).or_insert(Here { connections: 0, leaving: None });
        (here.connections, here.leaving) = (here.connections + 1, None);
        let joined = if new { vec![actor] } else { Vec::new() };
        let note = moved(process, topic, vec![actor], Vec::new());
        let count = room.everybody().len();
        new_here.then(|| (Change { topic: topic.clone(), joined, left: Vec::new(), count }, note))
    }

    /// A connection of `actor` hears it no longer; they have left when `until` comes and none came back.
    pub(super) fn leave(&mut self, topic: &Topic, actor: Uuid, until: Instant) {
        let Some(here) = self.rooms.get_mut(topic).and_then(|room| room.here.get_mut(&actor)) else { return };
        here.connections = here.connections.saturating_sub(1);
        if here.connections == 0 {
            here.leaving = Some(until);
        }
    }

    /// Who has really left by now.
    pub(super) fn settle(&mut self, now: Instant) -> Vec<(Change, Passing)> {
        let (process, mut changes) = (self.process, Vec::new());
        for (topic, room) in &mut self.rooms {
            let gone = |here: &Here| here.leaving.is_some_and(|until| until <= now);
            let left: Vec<Uuid> = room.here.iter().filter(|(_, here)| gone(here)).map(|(actor, _)| *actor).collect();
            if left.is_empty() {
                continue;
            }
            room.here.retain(|_, here| !gone(here));
            let note = moved(process, topic, Vec::new(), left.clone());
            let left = left.into_iter().filter(|actor| !room.is_present(*actor)).collect();
            let count = room.everybody().len();
            changes.push((Change { topic: topic.clone(), joined: Vec::new(), left, count }, note));
        }
        self.tidy();
        changes
    }

    /// What another process says of who came and left there.
    pub(super) fn moved(
        &mut self,
        process: Uuid,
        topic: &Topic,
        joined: &[Uuid],
        left: &[Uuid],
        now: Instant,
    ) -> Option<Change> {
        if process == self.process {
            return None;
        }
        self.heard.insert(process, now);
        let before = self.rooms.get(topic).map(Room::everybody).unwrap_or_default();
        let there = self.rooms.entry(topic.clone()).or_default().elsewhere.entry(process).or_default();
        there.extend(joined);
        there.retain(|actor| !left.contains(actor));
        let change = self.change(topic, &before);
        self.tidy();
        change
    }

    /// What another process says of who is there, all of them.
    pub(super) fn present(&mut self, process: Uuid, topics: &BTreeMap<String, Vec<Uuid>>, now: Instant) -> Vec<Change> {
        if process == self.process {
            return Vec::new();
        }
        self.heard.insert(process, now);
        let there: BTreeMap<Topic, BTreeSet<Uuid>> = topics
            .iter()
            .filter_map(|(topic, all)| Some((Topic::parse(topic).ok()?, all.iter().copied().collect())))
            .collect();
        self.replace(process, there)
    }

    /// Forgets processes that have not been heard of.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<Change> {
        let silent: Vec<Uuid> =
            self.heard.iter().filter(|(_, at)| **at + BELIEVED < now).map(|(process, _)| *process).collect();
        silent
            .into_iter()
            .flat_map(|process| {
                self.heard.remove(&process);
                self.replace(process, BTreeMap::new())
            })
            .collect()
    }

    fn replace(&mut self, process: Uuid, mut there: BTreeMap<Topic, BTreeSet<Uuid>>) -> Vec<Change> {
        let known = self.rooms.iter().filter(|(_, room)| room.elsewhere.contains_key(&process)).map(|(topic, _)| topic);
        let topics: BTreeSet<Topic> = known.chain(there.keys()).cloned().collect();
        let mut changes = Vec::new();
        for topic in topics {
            let room = self.rooms.entry(topic.clone()).or_default();
            let before = room.everybody();
            match there.remove(&topic) {
                Some(now) => drop(room.elsewhere.insert(process, now)),
                None => drop(room.elsewhere.remove(&process)),
            }
            changes.extend(self.change(&topic, &before));
        }
        self.tidy();
        changes
    }

    fn change(&self, topic: &Topic, before: &BTreeSet<Uuid>) -> Option<Change> {
        let now = self.rooms.get(topic).map(Room::everybody).unwrap_or_default();
        let (joined, left) = (now.difference(before).copied().collect(), before.difference(&now).copied().collect());
        let change = Change { topic: topic.clone(), joined, left, count: now.len() };
        (!change.joined.is_empty() || !change.left.is_empty()).then_some(change)
    }

    fn tidy(&mut self) {
        self.rooms.retain(|_, room| !room.is_empty());
    }

    /// Who is in a topic.
    pub(super) fn members(&self, topic: &Topic) -> Members {
        let all = self.rooms.get(topic).map(Room::everybody).unwrap_or_default();
        if all.len() > MOST_NAMED { Members::Count(all.len()) } else { Members::These(all.into_iter().collect()) }
    }

    /// What this process says of who is here.
    pub(super) fn told(&self) -> Passing {
        let here = |room: &Room| room.here.keys().copied().collect::<Vec<_>>();
        let topics = self.rooms.iter().filter(|(_, room)| !room.here.is_empty());
        let topics = topics.map(|(topic, room)| (topic.as_str().to_owned(), here(room))).collect();
        Passing::Present { process: self.process, topics }
    }
}

fn moved(process: Uuid, topic: &Topic, joined: Vec<Uuid>, left: Vec<Uuid>) -> Passing {
    Passing::Moved { process, topic: topic.as_str().to_owned(), joined, left }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn who(number: u128) -> Uuid {
        Uuid::from_u128(number)
    }

    #[test]
    fn one_who_comes_back_in_time_has_not_left() {
        let (mut presence, topic, now) = (Presence::new(who(0)), Topic::new("room", 1), clock::monotonic());
        let grace = now + Duration::from_secs(15);
        let (change, _) = presence.join(&topic, who(7)).expect("is new");
        assert_eq!((change.joined, change.count), (vec![who(7)], 1));
        assert!(presence.join(&topic, who(7)).is_none(), "a second window is nothing new");
        presence.leave(&topic, who(7), grace);
        presence.leave(&topic, who(7), grace);
        assert!(presence.settle(now).is_empty());
        assert!(presence.join(&topic, who(7)).is_none(), "nobody saw them go");
        presence.leave(&topic, who(7), grace);
        let changes = presence.settle(grace);
        assert_eq!((changes[0].0.left.clone(), changes[0].0.count), (vec![who(7)], 0));
        assert_eq!(presence.members(&topic), Members::These(vec![]));
    }

    #[test]
    fn one_who_is_at_two_processes_leaves_when_both_are_left() {
        let (mut presence, topic, now) = (Presence::new(who(0)), Topic::new("room", 1), clock::monotonic());
        presence.join(&topic, who(7));
        assert_eq!(presence.moved(who(1), &topic, &[who(7), who(8)], &[], now).expect("one is new").joined, [who(8)]);
        presence.leave(&topic, who(7), now);
        assert!(presence.settle(now)[0].0.left.is_empty(), "they are still there");
        let changes = presence.present(who(1), &BTreeMap::from([("room:1".into(), vec![who(8)])]), now);
        assert_eq!(changes[0].left, [who(7)]);
        let changes = presence.expire(now + BELIEVED + Duration::from_secs(1));
        assert_eq!(changes[0].left, [who(8)], "a process that died takes its people along");
    }
}
