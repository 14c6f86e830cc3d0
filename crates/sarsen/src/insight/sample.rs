//! Operations that are kept whole: of each name and hour the slowest, a few that were slow, a few by chance, a few that failed.

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::telemetry::{Leaf, LeafSample, Operation, OperationKind, Outcome, Reason, Record, Sample, squeeze};
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Write};
use std::sync::Arc;

/// So many of each sort, of each name and hour.
const EACH: usize = 5;
/// Most bytes of all of them.
const MAX_BYTES: usize = 16 << 20;
/// What a sample takes beside its packed bytes, about.
const OVERHEAD: usize = 300;
/// Most bytes that a packed sample may unfold to.
const MAX_UNPACKED: u64 = 4 << 20;

/// Which samples.
#[derive(Clone, Debug, Default)]
pub struct SampleFilter {
    /// Of these Operations.
    pub operation: Option<(OperationKind, String)>,
    /// Kept for this reason.
    pub reason: Option<Reason>,
    /// At most so many, and at most 1,000; 0 is 50.
    pub limit: usize,
}

impl SampleFilter {
    pub(super) fn most(&self) -> usize {
        if self.limit == 0 { 50 } else { self.limit.min(1_000) }
    }

    fn fits(&self, head: &Head) -> bool {
        self.operation.as_ref().is_none_or(|operation| *operation == head.operation)
            && self.reason.is_none_or(|reason| reason == head.reason)
    }
}

/// What is known of a sample without unpacking it.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) id: String,
    pub(super) operation: (OperationKind, String),
    pub(super) reason: Reason,
    pub(super) at: Timestamp,
    pub(super) wall: u64,
}

/// A sample, packed.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) head: Head,
    pub(super) packed: Arc<[u8]>,
}

/// The four sorts of an hour and a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Sort {
    Slowest,
    Slow,
    Random,
    Failed,
}

/// The samples of one sort: their numbers, and how many came along.
#[derive(Debug, Default)]
struct Bin {
    kept: Vec<(u64, u64)>,
    offered: u64,
}

/// All samples of this process, bounded.
#[derive(Debug, Default)]
pub(super) struct Samples {
    /// By number, rising: the oldest first.
    all: BTreeMap<u64, Kept>,
    by_id: HashMap<String, u64>,
    bins: HashMap<(OperationKind, String, i64, Sort), Bin>,
    /// Those that are not in the store yet.
    new: Vec<u64>,
    next: u64,
    bytes: usize,
}

impl Samples {
    /// Keeps the Operation if it belongs to those of its hour; gives the id.
    pub(super) fn offer(&mut self, reason: Reason, operation: &Operation, at: Timestamp) -> Option<String> {
        let record = operation.record();
        let wall = record.account.wall;
        let sort = match reason {
            Reason::Failed => Sort::Failed,
            Reason::Random => Sort::Random,
            Reason::Slow => Sort::Slowest,
        };
        let hour = at.as_micros().div_euclid(3_600_000_000);
        let key = |sort| (operation.kind(), record.name.as_str().to_owned(), hour, sort);
        let mut place = self.place_for(key(sort), wall);
        let mut bin = key(sort);
        if place.is_none() && sort == Sort::Slowest {
            bin = key(Sort::Slow);
            place = self.place_for(bin.clone(), wall);
        }
        let leaves_for = place?;
        let sample = sample_of(operation, &record, reason, at);
        let packed = pack(&sample).ok()?;
        let number = self.add(Kept {
            head: Head { id: sample.id.clone(), operation: sample.operation, reason, at, wall },
            packed: packed.into(),
        });
        let bin = self.bins.entry(bin).or_default();
        match leaves_for {
            Some(old) => {
                bin.kept.retain(|(kept, _)| *kept != old);
                bin.kept.push((number, wall));
                self.remove(old);
            }
            None => bin.kept.push((number, wall)),
        }
        Some(sample.id)
    }

    /// Whether there is a place, and whose it was.
    fn place_for(&mut self, key: (OperationKind, String, i64, Sort), wall: u64) -> Option<Option<u64>> {
        let sort = key.3;
        let bin = self.bins.entry(key).or_default();
        bin.offered += 1;
        if bin.kept.len() < EACH {
            return Some(None);
        }
        if sort == Sort::Slowest {
            let (number, least) = *bin.kept.iter().min_by_key(|(_, wall)| *wall)?;
            return (wall > least).then_some(Some(number));
        }
        // Each that came along has the same chance (Vitter, "Random sampling with a reservoir").
        let place = usize::try_from(fastrand::u64(..bin.offered)).unwrap_or(usize::MAX);
        bin.kept.get(place).map(|(number, _)| Some(*number))
    }

    fn add(&mut self, kept: Kept) -> u64 {
        let number = self.next;
        self.next += 1;
        self.bytes += kept.packed.len() + OVERHEAD;
        self.by_id.insert(kept.head.id.clone(), number);
        self.all.insert(number, kept);
        self.new.push(number);
        while self.bytes > MAX_BYTES {
            let Some(oldest) = self.all.keys().next().copied() else { break };
            self.remove(oldest);
        }
        number
    }

    fn remove(&mut self, number: u64) {
        if let Some(kept) = self.all.remove(&number) {
            self.bytes -= kept.packed.len() + OVERHEAD;
            self.by_id.remove(&kept.head.id);
        }
    }

    /// Forgets which hours are over; their samples stay while there is room.
    pub(super) fn forget(&mut self, at: Timestamp) {
        let hour = at.as_micros().div_euclid(3_600_000_000);
        self.bins.retain(|(_, _, its, _), _| *its >= hour - 1);
    }

    pub(super) fn find(&self, id: &str) -> Option<&Kept> {
        self.by_id.get(id).and_then(|number| self.all.get(number))
    }

    /// Those that fit, the slowest first.
    pub(super) fn list(&self, filter: &SampleFilter) -> Vec<Kept> {
        let mut found: Vec<_> = self.all.values().filter(|kept| filter.fits(&kept.head)).cloned().collect();
        found.sort_by_key(|kept| std::cmp::Reverse(kept.head.wall));
        found.truncate(filter.most());
        found
    }

    /// Ids of the slowest ones of each name since a moment, slowest first, at most ten each.
    pub(super) fn ids_since(&self, since: Timestamp) -> HashMap<(OperationKind, &str), Vec<String>> {
        let mut heads: Vec<&Head> = self.all.values().map(|kept| &kept.head).filter(|head| head.at >= since).collect();
        heads.sort_by_key(|head| std::cmp::Reverse(head.wall));
        let mut ids: HashMap<(OperationKind, &str), Vec<String>> = HashMap::new();
        for head in heads {
            let ids = ids.entry((head.operation.0, &head.operation.1)).or_default();
            if ids.len() < 2 * EACH {
                ids.push(head.id.clone());
            }
        }
        ids
    }

    /// Takes those that the store does not have.
    pub(super) fn take_new(&mut self) -> Vec<Kept> {
        std::mem::take(&mut self.new).iter().filter_map(|number| self.all.get(number).cloned()).collect()
    }

    /// About how many bytes all of them take.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

fn sample_of(operation: &Operation, record: &Record, reason: Reason, at: Timestamp) -> Sample {
    let trace = operation.trace();
    Sample {
        id: trace.span_id(),
        operation: (operation.kind(), record.name.as_str().to_owned()),
        module: record.module().to_owned(),
        at,
        reason,
        trace: trace.id(),
        span: trace.span_id(),
        parent: trace.parent_id().unwrap_or_default(),
        outcome: match record.outcome {
            Outcome::Status(status) => status.to_string(),
            Outcome::Done => "done".into(),
            Outcome::Failed => "failed".into(),
            Outcome::Cancelled => "cancelled".into(),
            Outcome::Open => "open".into(),
        },
        error: record.error.as_deref().map(squeeze),
        account: record.account,
        allocated: record.allocated,
        leaves: record.leaves.iter().map(leaf_of).collect(),
    }
}

fn leaf_of(leaf: &Leaf) -> LeafSample {
    let query = leaf.query.as_ref();
    LeafSample {
        kind: leaf.kind,
        label: query.map_or_else(|| leaf.label.to_string(), |query| format!("{:016x}", query.statement.fingerprint)),
        text: query.map(|query| query.statement.normalised.clone()).unwrap_or_default(),
        site: query.map(|query| format!("{}:{}", query.site.file(), query.site.line())).unwrap_or_default(),
        from: leaf.from,
        to: leaf.to,
        share: leaf.share,
        critical: leaf.critical,
        sync: leaf.sync,
        cancelled: leaf.cancelled,
        rows: query.map_or(0, |query| query.rows),
        parameters: query.map_or(0, |query| query.parameters),
    }
}

fn pack(sample: &Sample) -> Result<Vec<u8>> {
    let json =
        serde_json::to_vec(sample).map_err(|error| Error::internal("a sample cannot be written").source(error))?;
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&json)?;
    Ok(encoder.finish()?)
}

pub(super) fn unpack(packed: &[u8]) -> Result<Sample> {
    let mut json = Vec::new();
    DeflateDecoder::new(packed).take(MAX_UNPACKED).read_to_end(&mut json)?;
    serde_json::from_slice(&json).map_err(|error| Error::internal("a sample cannot be read").source(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{Recorder, WaitKind};

    fn closed(recorder: &Recorder, name: &str, wall: u64, leaves: usize) -> Operation {
        let operation = Operation::open(OperationKind::Request, name, recorder);
        {
            let mut record = operation.record();
            record.account.wall = wall;
            let leaf = Leaf { kind: WaitKind::Http, label: "host".into(), to: wall, ..Leaf::default() };
            record.leaves = vec![leaf; leaves];
        }
        operation
    }

    #[test]
    fn the_slowest_stay_and_chance_chooses_among_the_others() {
        let (recorder, mut samples) = (Recorder::new(1), Samples::default());
        let at = Timestamp::from_micros(1_767_225_600_000_000);
        for wall in (1..=1_000).map(|number| number * 619 % 1_000 + 1) {
            samples.offer(Reason::Slow, &closed(&recorder, "GET /a", wall, 1), at);
            samples.offer(Reason::Random, &closed(&recorder, "GET /a", wall, 1), at);
            samples.offer(Reason::Failed, &closed(&recorder, "GET /a", wall, 1), at);
        }
        let walls = |reason| {
            let filter = SampleFilter { reason: Some(reason), ..SampleFilter::default() };
            samples.list(&filter).iter().map(|kept| kept.head.wall).collect::<Vec<_>>()
        };
        let slow = walls(Reason::Slow);
        assert_eq!((&slow[..5], slow.len()), (&[1_000, 999, 998, 997, 996][..], 10));
        assert_eq!((walls(Reason::Random).len(), walls(Reason::Failed).len()), (5, 5));
        let ids = samples.ids_since(at);
        assert_eq!(ids[&(OperationKind::Request, "GET /a")].len(), 10);
        assert_eq!(samples.take_new().len(), 20);
    }

    #[test]
    fn a_sample_comes_back_whole_and_all_of_them_are_bounded() {
        crate::telemetry::resource::FULL.set(true);
        let (recorder, mut samples) = (Recorder::new(1), Samples::default());
        let at = Timestamp::from_micros(1_767_225_600_000_000);
        let one = closed(&recorder, "GET /a", 7, 3);
        one.record().error = Some("user `ada` has 5 left".to_owned());
        let id = samples.offer(Reason::Failed, &one, at).expect("is kept");
        let sample = unpack(&samples.find(&id).expect("is there").packed).expect("reads");
        assert_eq!((sample.leaves.len(), sample.error.as_deref()), (3, Some("user `…` has # left")));
        assert_eq!((sample.trace, sample.span), (one.trace().id(), id.clone()));
        for number in 0..1_200 {
            let noise = closed(&recorder, &format!("GET /{number}"), 7, 500);
            noise.record().leaves.iter_mut().for_each(|leaf| {
                (leaf.from, leaf.to, leaf.share) = (fastrand::u64(..), fastrand::u64(..), fastrand::u64(..));
            });
            samples.offer(Reason::Slow, &noise, at);
        }
        assert!(samples.bytes() <= MAX_BYTES && samples.find(&id).is_none(), "{}", samples.bytes());
    }
}
