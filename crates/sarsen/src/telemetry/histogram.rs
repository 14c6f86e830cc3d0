//! A log-linear histogram of times: 16 buckets an octave, so what is read from it is at most 3 % off.

/// Buckets: from a sixteenth of a microsecond to 134 s; what is longer counts as the last one.
pub(crate) const BUCKETS: usize = 28 * 16;

/// The bucket of so many nanoseconds.
#[inline]
pub(crate) fn bucket_of(nanoseconds: u64) -> usize {
    // In 64 ns: near enough to a sixteenth of a microsecond, and a shift.
    let steps = nanoseconds >> 6;
    if steps < 16 {
        return steps as usize;
    }
    let octave = u64::from(63 - steps.leading_zeros());
    let bucket = (octave - 3) * 16 + ((steps >> (octave - 4)) & 15);
    (bucket as usize).min(BUCKETS - 1)
}

/// The least time of a bucket, and the least of the one above it.
fn bounds_of(bucket: usize) -> (u64, u64) {
    let least = |bucket: usize| {
        let bucket = bucket as u64;
        if bucket < 16 { bucket } else { ((bucket & 15) + 16) << (bucket / 16 - 1) }
    };
    (least(bucket) << 6, least(bucket + 1) << 6)
}

fn middle_of(bucket: u16) -> u64 {
    let (least, above) = bounds_of(usize::from(bucket));
    least.midpoint(above)
}

/// How many were in each bucket; only those that are not empty are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Histogram {
    /// By bucket, rising.
    pub(crate) counts: Vec<(u16, u64)>,
}

impl Histogram {
    /// Adds another one.
    pub(crate) fn add(&mut self, other: &Histogram) {
        if other.counts.is_empty() {
            return;
        }
        let (mut merged, mut mine) =
            (Vec::with_capacity(self.counts.len() + 4), self.counts.iter().copied().peekable());
        for &(bucket, count) in &other.counts {
            while let Some(lower) = mine.next_if(|(own, _)| *own < bucket) {
                merged.push(lower);
            }
            let same = mine.next_if(|(own, _)| *own == bucket).map_or(0, |(_, count)| count);
            merged.push((bucket, same + count));
        }
        merged.extend(mine);
        self.counts = merged;
    }

    /// How many there are.
    pub(crate) fn total(&self) -> u64 {
        self.counts.iter().map(|(_, count)| count).sum()
    }

    /// The upper bound of each bucket that is not empty, and how many are in it.
    pub(crate) fn upper_bounds(&self) -> impl Iterator<Item = (u64, u64)> {
        self.counts.iter().map(|(bucket, count)| (bounds_of(usize::from(*bucket)).1, *count))
    }

    /// The middle of each bucket that is not empty, and how many are in it.
    pub(crate) fn middles(&self) -> impl Iterator<Item = (u64, u64)> {
        self.counts.iter().map(|(bucket, count)| (middle_of(*bucket), *count))
    }

    /// The time that `part` of all (0 to 1) are not above; the middle of its bucket. Zero where there is nothing.
    pub(crate) fn quantile(&self, part: f64) -> u64 {
        let wanted = (self.total() as f64 * part).ceil().max(1.0) as u64;
        let mut seen = 0;
        let found = self.counts.iter().find(|(_, count)| {
            seen += count;
            seen >= wanted
        });
        found.map_or(0, |(bucket, _)| middle_of(*bucket))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(times: impl IntoIterator<Item = u64>) -> Histogram {
        let mut all = Histogram::default();
        for time in times {
            all.add(&Histogram { counts: vec![(bucket_of(time) as u16, 1)] });
        }
        all
    }

    #[test]
    fn a_quantile_is_at_most_three_percent_off() {
        let mut time = 2_000_u64;
        while time < 130_000_000_000 {
            let read = of([time]).quantile(0.5);
            let off = read.abs_diff(time) as f64 / time as f64;
            assert!(off <= 0.034, "{time} ns was read as {read}: {off}");
            time = time * 103 / 100;
        }
    }

    #[test]
    fn buckets_rise_with_the_time_and_touch_each_other() {
        for bucket in 1..BUCKETS - 1 {
            let (least, above) = bounds_of(bucket);
            assert_eq!((bucket_of(least), bucket_of(above - 1), bucket_of(above)), (bucket, bucket, bucket + 1));
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_of_many_stand_where_they_should() {
        let all = of((1..=1000).map(|ms| ms * 1_000_000));
        for (part, wanted) in [(0.5, 500.0), (0.95, 950.0), (0.99, 990.0)] {
            let read = all.quantile(part) as f64 / 1e6;
            assert!((read - wanted).abs() / wanted < 0.035, "{part}: {read}");
        }
        assert_eq!((all.total(), Histogram::default().quantile(0.99)), (1000, 0));
    }
}
