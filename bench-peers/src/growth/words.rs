//! Made-up text: 20,000 words whose frequency falls with their rank, as in any language, and a few that are planted.

use fastrand::Rng;

/// Words of the vocabulary.
const WORDS: usize = 20_000;
/// Words that stand in exactly [`PLANTED_COPIES`] messages.
const PLANTED: usize = 20;
/// Messages that hold one of the planted words.
pub(super) const PLANTED_COPIES: u64 = 5;

const SYLLABLES: [&str; 28] = [
    "ba", "ce", "di", "fo", "gu", "ha", "je", "ki", "lo", "mu", "na", "pe", "qui", "ro", "su", "ta", "ve", "wi", "xo",
    "yu", "za", "ble", "cri", "dro", "fla", "gre", "sto", "tru",
];

/// The word of this rank; 0 is the most frequent one.
pub(super) fn word(rank: usize) -> String {
    let count = SYLLABLES.len();
    [rank / count / count, rank / count % count, rank % count].map(|index| SYLLABLES[index % count]).concat()
}

/// A word that stands nowhere but where it is planted.
pub(super) fn planted(number: usize) -> String {
    format!("planted{}", number % PLANTED)
}

/// A source of messages; the same seed gives the same ones.
#[derive(Debug)]
pub(super) struct Writer {
    random: Rng,
    /// Share of all words up to a rank, times 2³².
    cumulated: Vec<u32>,
    words: Vec<String>,
}

impl Writer {
    pub(super) fn new(seed: u64) -> Self {
        let whole: f64 = (1..=WORDS).map(|rank| 1.0 / rank as f64).sum();
        let mut sum = 0.0;
        let shares = (1..=WORDS).map(|rank| {
            sum += 1.0 / rank as f64 / whole;
            (sum * f64::from(u32::MAX)) as u32
        });
        Self { random: Rng::with_seed(seed), cumulated: shares.collect(), words: (0..WORDS).map(word).collect() }
    }

    /// The text of message `number` of `total`: 4 to 20 words.
    pub(super) fn text(&mut self, number: u64, total: u64) -> String {
        let count = self.random.usize(4..=20);
        let mut text = String::with_capacity(count * 8);
        for _ in 0..count {
            let share = self.random.u32(..);
            let rank = self.cumulated.partition_point(|sum| *sum < share).min(WORDS - 1);
            text.push_str(&self.words[rank]);
            text.push(' ');
        }
        if let Some(planted) = planted_in(number, total) {
            text.push_str(&planted);
        }
        text.truncate(text.trim_end().len());
        text
    }
}

/// Which word is planted in this message: each [`PLANTED_COPIES`] times, spread evenly over all messages.
fn planted_in(number: u64, total: u64) -> Option<String> {
    let step = (total / (PLANTED as u64 * PLANTED_COPIES)).max(1);
    let place = number / step;
    // Odd places: message 0 of every sixteenth goes into a side channel.
    (number % step == (step / 2) | 1 && place < PLANTED as u64 * PLANTED_COPIES).then(|| planted(place as usize))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn words_differ_and_frequencies_fall() {
        assert_eq!((0..WORDS).map(word).collect::<HashSet<_>>().len(), WORDS);
        let mut writer = Writer::new(1);
        let texts: Vec<String> = (0..10_000).map(|number| writer.text(number, 10_000)).collect();
        let with = |word: &str| texts.iter().filter(|text| text.split(' ').any(|other| other == word)).count();
        assert!(with(&word(0)) > 4_000 && (20..200).contains(&with(&word(100))));
        assert!((0..PLANTED).all(|number| with(&planted(number)) == PLANTED_COPIES as usize));
    }
}
