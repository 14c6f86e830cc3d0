//! Rows of numbers as few bytes: most of them are zero, and most others are small.

use crate::telemetry::{
    CauseValues, Histogram, OverValues, REGISTERS, Registers, SumValues, merge_registers, part, sum,
};

/// Where the parts of a row begin. The store keeps rows, so what has a number keeps it.
mod place {
    pub(super) const ALL: usize = 0;
    pub(super) const TAIL: usize = 100;
    pub(super) const OVER: usize = 200;
    pub(super) const LONGEST: usize = 210;
    pub(super) const SLOW_AFTER: usize = 220;
    pub(super) const HISTOGRAM: usize = 1_000;
    pub(super) const CAUSE: usize = 0;
    pub(super) const MOST: usize = 50;
    pub(super) const REGISTERS: usize = 60;
}

/// What Operations of one name did in a span.
#[derive(Clone, Debug, Default)]
pub(super) struct NameRow {
    pub(super) all: SumValues,
    pub(super) tail: SumValues,
    pub(super) over: OverValues,
    pub(super) longest: [u64; 3],
    pub(super) slow_after: u64,
    pub(super) histogram: Histogram,
}

impl NameRow {
    pub(super) fn add(&mut self, other: &NameRow) {
        self.all.add(&other.all);
        self.tail.add(&other.tail);
        self.over.add(&other.over);
        self.longest.iter_mut().zip(other.longest).for_each(|(mine, theirs)| *mine = theirs.max(*mine));
        if other.slow_after > 0 {
            self.slow_after = other.slow_after;
        }
        self.histogram.add(&other.histogram);
    }

    /// The time of all of them.
    pub(super) fn wall(&self) -> u64 {
        self.all.0[sum::WALL]
    }

    /// How many there were.
    pub(super) fn count(&self) -> u64 {
        self.all.0[sum::COUNT]
    }

    /// CPU, queries, bytes from the heap, and time, of all of them.
    pub(super) fn costs(&self) -> (u64, u64, u64, u64) {
        let sums = self.all.sums(0);
        let polled = sums.account.on_cpu + sums.account.sync.iter().sum::<u64>();
        // What was sampled says how much of the time inside polls was spent on a core.
        let on_core = if sums.cpu_wall > 0 { sums.cpu as f64 / sums.cpu_wall as f64 } else { 1.0 };
        ((polled as f64 * on_core) as u64, sums.queries, sums.allocated, sums.account.wall)
    }

    pub(super) fn pack(&self) -> Box<[u8]> {
        let mut row = Packer::default();
        row.numbers(place::ALL, &self.all.0);
        row.numbers(place::TAIL, &self.tail.0);
        row.numbers(place::OVER, &self.over.0);
        row.numbers(place::LONGEST, &self.longest);
        row.number(place::SLOW_AFTER, self.slow_after);
        for (bucket, count) in &self.histogram.counts {
            row.number(place::HISTOGRAM + usize::from(*bucket), *count);
        }
        row.bytes.into()
    }

    /// What is not known here is left out: another version may have written it.
    pub(super) fn unpack(bytes: &[u8]) -> Self {
        let mut row = Self::default();
        for (at, value) in numbers(bytes) {
            let place = match at {
                place::HISTOGRAM.. => {
                    if let Ok(bucket) = u16::try_from(at - place::HISTOGRAM) {
                        row.histogram.counts.push((bucket, value));
                    }
                    continue;
                }
                place::SLOW_AFTER => Some(&mut row.slow_after),
                place::LONGEST.. => row.longest.get_mut(at - place::LONGEST),
                place::OVER.. => row.over.0.get_mut(at - place::OVER),
                place::TAIL.. => row.tail.0.get_mut(at - place::TAIL),
                _ => row.all.0.get_mut(at - place::ALL),
            };
            place.into_iter().for_each(|place| *place = value);
        }
        row
    }
}

/// What one cause did in a span.
#[derive(Clone, Debug)]
pub(super) struct CauseRow {
    pub(super) values: CauseValues,
    pub(super) most: u64,
    pub(super) registers: Registers,
}

impl Default for CauseRow {
    fn default() -> Self {
        Self { values: CauseValues::default(), most: 0, registers: [0; REGISTERS] }
    }
}

impl CauseRow {
    pub(super) fn add(&mut self, other: &CauseRow) {
        self.values.add(&other.values);
        self.most = self.most.max(other.most);
        merge_registers(&mut self.registers, &other.registers);
    }

    /// The time that Operations spent in it.
    pub(super) fn share(&self) -> u64 {
        self.values.0[part::SHARE]
    }

    pub(super) fn pack(&self) -> Box<[u8]> {
        let mut row = Packer::default();
        row.numbers(place::CAUSE, &self.values.0);
        row.number(place::MOST, self.most);
        let (words, _) = self.registers.as_chunks::<8>();
        for (at, word) in words.iter().enumerate() {
            row.number(place::REGISTERS + at, u64::from_le_bytes(*word));
        }
        row.bytes.into()
    }

    pub(super) fn unpack(bytes: &[u8]) -> Self {
        let mut row = Self::default();
        for (at, value) in numbers(bytes) {
            match at {
                place::REGISTERS.. => {
                    if let Some(word) = row.registers.as_chunks_mut::<8>().0.get_mut(at - place::REGISTERS) {
                        *word = value.to_le_bytes();
                    }
                }
                place::MOST => row.most = value,
                _ => row.values.0.get_mut(at - place::CAUSE).into_iter().for_each(|place| *place = value),
            }
        }
        row
    }
}

/// Writes pairs of a step and a number, in seven bits a byte; zeros are left out.
#[derive(Default)]
struct Packer {
    bytes: Vec<u8>,
    at: usize,
}

impl Packer {
    fn numbers(&mut self, from: usize, numbers: &[u64]) {
        numbers.iter().enumerate().for_each(|(at, number)| self.number(from + at, *number));
    }

    fn number(&mut self, at: usize, number: u64) {
        if number != 0 {
            self.write((at - self.at) as u64);
            self.write(number);
            self.at = at;
        }
    }

    fn write(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }
}

/// The pairs of a place and a number; what is broken ends them.
fn numbers(bytes: &[u8]) -> impl Iterator<Item = (usize, u64)> {
    let (mut left, mut at) = (bytes.iter(), 0_usize);
    std::iter::from_fn(move || {
        at = at.checked_add(usize::try_from(read(&mut left)?).ok()?)?;
        Some((at, read(&mut left)?))
    })
}

fn read(bytes: &mut std::slice::Iter<'_, u8>) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.next()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_out_as_it_was() {
        let mut row = NameRow { slow_after: 7, longest: [u64::MAX, 0, 3], ..NameRow::default() };
        (row.all.0[0], row.all.0[7], row.tail.0[56], row.over.0[4]) = (12, u64::MAX - 4, 9, 1);
        row.histogram.counts = vec![(0, 3), (447, 9)];
        let back = NameRow::unpack(&row.pack());
        assert_eq!((back.all, back.tail, back.over), (row.all, row.tail, row.over));
        assert_eq!((back.longest, back.slow_after, back.histogram), (row.longest, 7, row.histogram));

        let mut cause = CauseRow { most: 300, ..CauseRow::default() };
        (cause.values.0[14], cause.registers[0], cause.registers[63]) = (5, 9, 44);
        let back = CauseRow::unpack(&cause.pack());
        assert_eq!((back.values, back.most, back.registers), (cause.values, 300, cause.registers));
    }

    #[test]
    fn rubbish_is_no_panic() {
        for length in 0..200 {
            let bytes: Vec<u8> = (0..length).map(|_| fastrand::u8(..)).collect();
            let _ = (NameRow::unpack(&bytes), CauseRow::unpack(&bytes));
        }
    }
}
