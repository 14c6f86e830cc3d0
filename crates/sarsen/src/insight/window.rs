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

/// As far back as the frames in memory go.
pub(super) const LONGEST: Duration = Duration::from_secs(72 * 3_600);

/// Most bytes of all frames; beyond it the oldest of the largest ring go.
const MAX_BYTES: usize = 24 << 20;

/// The frames of a process.
#[derive(Debug, Default)]
pub(super) struct Windows {
    rings: [VecDeque<Frame>; RINGS.len()],
}

impl Windows {
    /// Adds the frame of a tick; gives back the minute and the hour that it ends, with their lengths.
    pub(super) fn push(&mut self, frame: Frame) -> Vec<(Duration, Frame)> {
        let at = frame.to;
        let mut ended = Vec::new();
        self.rings[0].push_back(frame);
        for (ring, (length, _)) in RINGS.iter().enumerate().skip(1) {
            let Some(since) = self.is_over(ring, at) else { break };
            self.close(ring, since);
            if let (2.., Some(frame)) = (ring, self.rings[ring].back()) {
                ended.push((*length, frame.clone()));
            }
        }
        self.bound();
        ended
    }

    /// The minute at hand, as far as it is.
    pub(super) fn minute_at_hand(&self) -> Option<Frame> {
        let since = self.rings[2].back().map(|frame| frame.to);
        let mut gathered = Gathered::default();
        self.rings[0]
            .iter()
            .filter(|frame| since.is_none_or(|since| frame.from >= since))
            .for_each(|frame| gathered.add(frame));
        (!gathered.span.is_zero()).then(|| gathered.frame())
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

    /// Takes frames of an earlier life, oldest first, before there are others.
    pub(super) fn restore(&mut self, hours: Vec<Frame>, minutes: Vec<Frame>) {
        self.rings[3].extend(hours);
        for minute in minutes {
            let at = minute.to;
            self.rings[2].push_back(minute);
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::insight::frame::NameKey;
    use crate::insight::row::NameRow;
    use crate::telemetry::{OperationKind, sum};
    use std::sync::Arc;

    const START: i64 = 1_767_225_600_000_000;

    /// A second with one Operation of each name.
    fn second(number: i64, names: &[Arc<NameKey>]) -> Frame {
        let mut row = NameRow::default();
        row.all.0[sum::COUNT] = 1;
        row.all.0[sum::WALL] = 1_000;
        row.histogram.counts = vec![(7, 1)];
        let from = Timestamp::from_micros(START + number * 1_000_000);
        let mut gathered = Gathered { from, to: from + Duration::from_secs(1), ..Gathered::default() };
        gathered.span = Duration::from_secs(1);
        gathered.names = names.iter().map(|name| (name.clone(), row.clone())).collect();
        gathered.frame()
    }

    fn names(many: usize) -> Vec<Arc<NameKey>> {
        let name = |number| NameKey { kind: OperationKind::Job, name: format!("job {number}"), module: String::new() };
        (0..many).map(|number| Arc::new(name(number))).collect()
    }

    fn count(windows: &Windows, seconds: u64) -> (u64, u64) {
        let mut gathered = Gathered::default();
        let frames = windows.last(windows.now(), Duration::from_secs(seconds));
        frames.into_iter().for_each(|frame| gathered.add(frame));
        (gathered.names.values().map(NameRow::count).sum(), gathered.span.as_secs())
    }

    #[test]
    fn each_second_is_counted_once_however_far_one_looks_back() {
        let (mut windows, one) = (Windows::default(), names(1));
        let mut ended = Vec::new();
        for number in 0..9_030 {
            ended.extend(windows.push(second(number, &one)).into_iter().map(|(length, _)| length.as_secs()));
        }
        for seconds in [1, 7, 10, 60] {
            assert_eq!(count(&windows, seconds), (seconds, seconds));
        }
        for (seconds, coarse) in [(90, 10), (300, 10), (900, 60), (7_200, 60), (9_000, 3_600)] {
            let (found, span) = count(&windows, seconds);
            assert_eq!(found, span, "of {seconds} s");
            assert!(found <= seconds && found + coarse > seconds, "{found} of {seconds}");
        }
        assert_eq!(ended.iter().filter(|length| **length == 60).count(), 150);
        assert_eq!(ended.iter().filter(|length| **length == 3_600).count(), 2);
        assert_eq!(windows.minute_at_hand().expect("began").span.as_secs(), 30);
    }

    #[test]
    fn a_look_back_beyond_the_beginning_finds_the_beginning() {
        let (mut windows, one) = (Windows::default(), names(2));
        (0..45).for_each(|number| drop(windows.push(second(number, &one))));
        for seconds in [45, 60, 300, 7_200, 100_000] {
            assert_eq!(count(&windows, seconds), (90, 45));
        }
    }

    #[test]
    fn many_names_for_days_stay_within_the_bytes() {
        let (mut windows, many) = (Windows::default(), names(3_000));
        for number in 0..200 {
            windows.push(second(number * 60, &many));
            let bytes: usize = windows.rings.iter().flatten().map(|frame| frame.bytes).sum();
            assert!(bytes <= MAX_BYTES);
        }
        assert_eq!(count(&windows, 1).0, 500, "those that took the most time");
    }
}
