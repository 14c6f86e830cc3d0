//! The last seconds, minutes and hours: rings of frames, each coarser and longer than the one before.

use super::frame::{Frame, Gathered};
use crate::clock::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// How long the frames of each ring are, and how many it keeps.
const RINGS: [(Duration, usize); 4] = [
    (Duration::from_secs(1), 70),
    (Duration::from_secs(10), 30),
    (Duration::from_secs(60), 120),
    (Duration::from_secs(3_600), 72),
];

/// Most bytes of all frames; beyond it the oldest of the largest ring go.
const MAX_BYTES: usize = 24 << 20;

/// The frames of a process.
#[derive(Debug, Default)]
pub(super) struct Windows {
    rings: [VecDeque<Frame>; RINGS.len()],
}

impl Windows {
    /// Adds the frame of a tick; gives back the minute that it ends.
    pub(super) fn push(&mut self, frame: Frame) -> Option<&Frame> {
        let at = frame.to;
        let mut minute = false;
        self.rings[0].push_back(frame);
        for ring in 1..RINGS.len() {
            let Some(since) = self.is_over(ring, at) else { break };
            self.close(ring, since);
            minute |= ring == 2;
        }
        self.bound();
        if minute { self.rings[2].back() } else { None }
    }

    /// The beginning of what the ring does not have yet, where a span of its length ended at `at`.
    fn is_over(&self, ring: usize, at: Timestamp) -> Option<Timestamp> {
        let since = self.rings[ring].back().map(|frame| frame.to);
        let first = self.rings[ring - 1].iter().find(|frame| since.is_none_or(|since| frame.from >= since))?;
        let length = i64::try_from(RINGS[ring].0.as_micros()).unwrap_or(i64::MAX);
        let number = |time: Timestamp| time.as_micros().div_euclid(length);
        (number(at) > number(first.from)).then_some(first.from)
    }

    /// Adds up the finer frames since then as one.
    fn close(&mut self, ring: usize, since: Timestamp) {
        let mut gathered = Gathered::default();
        self.rings[ring - 1].iter().filter(|frame| frame.from >= since).for_each(|frame| gathered.add(frame));
        self.rings[ring].push_back(gathered.frame());
    }

    fn bound(&mut self) {
        for (ring, (_, most)) in self.rings.iter_mut().zip(RINGS) {
            while ring.len() > most {
                ring.pop_front();
            }
        }
        let size = |ring: &VecDeque<Frame>| ring.iter().map(|frame| frame.bytes).sum::<usize>();
        let mut sizes = self.rings.each_ref().map(size);
        while sizes.iter().sum::<usize>() > MAX_BYTES {
            let Some(largest) = (0..RINGS.len()).max_by_key(|ring| sizes[*ring]) else { return };
            let Some(frame) = self.rings[largest].pop_front() else { return };
            sizes[largest] -= frame.bytes;
        }
    }

    /// Takes frames of an earlier life: minutes, oldest first.
    pub(super) fn restore(&mut self, minutes: Vec<Frame>) {
        for minute in minutes {
            self.rings[2].push_back(minute);
            let at = self.rings[2].back().map(|frame| frame.to).unwrap_or_default();
            if let Some(since) = self.is_over(3, at) {
                self.close(3, since);
            }
        }
        self.bound();
    }

    /// The frames of the last `span` before `now`, oldest first, each moment once: as fine as they are kept for so long.
    pub(super) fn last(&self, now: Timestamp, span: Duration) -> Vec<&Frame> {
        let mut since = now - span;
        let fits = |ring: &usize| span <= RINGS[*ring].0 * u32::try_from(RINGS[*ring].1).unwrap_or(1) || *ring == 3;
        let coarsest = (0..RINGS.len()).find(fits).unwrap_or(0);
        // A tick is never on the second.
        let slack = Duration::from_millis(100);
        let mut frames = Vec::new();
        for ring in (0..=coarsest).rev() {
            let later = self.rings[ring].iter().filter(|frame| frame.from + slack >= since && frame.to <= now);
            frames.extend(later);
            since = frames.last().map_or(since, |frame| frame.to);
        }
        frames
    }

    /// The frames of the finest ring that reaches back so far, within the last `span`, oldest first.
    pub(super) fn of_one_length(&self, span: Duration) -> impl Iterator<Item = &Frame> {
        let reaches = |(length, count): &(Duration, usize)| span <= *length * u32::try_from(*count).unwrap_or(1);
        let ring = RINGS.iter().position(reaches).unwrap_or(RINGS.len() - 1);
        let since = self.now() - span;
        self.rings[ring].iter().filter(move |frame| frame.to > since)
    }

    /// The end of the last tick.
    pub(super) fn now(&self) -> Timestamp {
        self.rings[0].back().map(|frame| frame.to).unwrap_or_default()
    }

    /// All minutes, oldest first.
    pub(super) fn minutes(&self) -> impl Iterator<Item = &Frame> {
        self.rings[2].iter()
    }

    /// About how many bytes all frames take.
    pub(super) fn size(&self) -> usize {
        self.rings.iter().flatten().map(|frame| frame.bytes).sum()
    }
}
