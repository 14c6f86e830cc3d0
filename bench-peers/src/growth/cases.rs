//! The requests of each case, and their times on both sides.

use super::fill::{Filled, fill};
use super::site::Site;
use super::words::{planted, word};
use super::{NAME, read_all};
use crate::Outcome;
use crate::report::Measurement;
use crate::rounds::percentile;
use sarsen::clock;
use std::time::Duration;

/// A slow case ends after this time, when there are enough rounds for a percentile.
const PATIENCE: Duration = Duration::from_secs(30);
const ENOUGH: usize = 200;
/// Different requests of one case, so that no single page or word is measured.
const VARIETY: usize = 20;

/// A server, filled, with cursors all over its history.
pub(super) struct Side {
    site: Site,
    filled: Filled,
    cursors: Vec<String>,
}

impl Side {
    pub(super) async fn new(address: &str, database: &str, messages: u64) -> Outcome<Self> {
        let mut site = Site::join(address).await?;
        let filled = fill(&mut site, database, messages).await?;
        let mut cursors = Vec::new();
        read_all(&mut site, &filled, |cursor| cursors.push(cursor.to_owned())).await?;
        Ok(Self { site, filled, cursors })
    }

    /// What is asked for in each case.
    fn cases(&self) -> Vec<(&'static str, Vec<String>)> {
        let history = format!("/v1/channels/{}/messages?limit=50", self.filled.main);
        let pages = |from: usize, count: usize| {
            let step = (count / VARIETY).max(1);
            let cursors = self.cursors.iter().skip(from).step_by(step).take(VARIETY.min(count));
            cursors.map(|cursor| format!("{history}&cursor={cursor}")).collect::<Vec<_>>()
        };
        let last = self.cursors.len() - 1;
        let mut cases = vec![
            ("history, first page", vec![history.clone()]),
            ("history, middle pages", pages(last / 10, last * 8 / 10)),
            ("history, last page", pages(last, 1)),
        ];
        let inside = [
            "search one channel, common word",
            "search one channel, medium word",
            "search one channel, rare word",
            "search one channel, two words",
            "search one channel, absent word",
        ];
        let everywhere = [
            "search all channels, common word",
            "search all channels, medium word",
            "search all channels, rare word",
            "search all channels, two words",
            "search all channels, absent word",
        ];
        let words: [Vec<String>; 5] = [
            (0..VARIETY).map(|number| word(number % 5)).collect(),
            // From 1 % down to 0.1 % of all messages.
            (0..VARIETY).map(|number| word(100 + 45 * number)).collect(),
            (0..VARIETY).map(planted).collect(),
            (0..VARIETY).map(|number| format!("{}%20{}", word(60 + 3 * number), word(120 + 20 * number))).collect(),
            (0..VARIETY).map(|number| format!("absent{number}")).collect(),
        ];
        let search = |words: &[String], end: &str| {
            words.iter().map(|word| format!("/v1/search?limit=50&q={word}{end}")).collect::<Vec<_>>()
        };
        let main = format!("&channel={}", self.filled.main);
        cases.extend(inside.into_iter().zip(&words).map(|(name, words)| (name, search(words, &main))));
        let old = format!("&channel={}", self.filled.old);
        cases.push(("search an old small channel, common word", search(&words[0], &old)));
        cases.extend(everywhere.into_iter().zip(&words).map(|(name, words)| (name, search(words, ""))));
        cases
    }

    async fn ask(&mut self, paths: &[String], round: usize) -> Outcome<f64> {
        // A step that has no factor in common with the variety, so that both sides are asked for the same.
        let (_, took) = self.site.get(&paths[round * 7 % paths.len()]).await?;
        Ok(took.as_nanos() as f64)
    }
}

/// Asks both sides in turns; the ratio is large through small, so less is better.
pub(super) async fn measure(small: &mut Side, large: &mut Side, rounds: usize) -> Outcome<()> {
    small.site.reconnect().await?;
    large.site.reconnect().await?;
    for ((case, few), (_, many)) in small.cases().into_iter().zip(large.cases()) {
        let (started, mut times) = (clock::monotonic(), [Vec::new(), Vec::new()]);
        for round in 0..rounds + VARIETY {
            let pair = [small.ask(&few, round).await?, large.ask(&many, round).await?];
            // The first time of each request is a warm-up: caches, and the mean that decides where a statement runs.
            if round >= VARIETY {
                times.iter_mut().zip(pair).for_each(|(times, took)| times.push(took));
            }
            if clock::monotonic() - started > PATIENCE && round > ENOUGH {
                break;
            }
        }
        times.iter_mut().for_each(|times| times.sort_by(f64::total_cmp));
        for percent in [50, 99] {
            let [against_value, value] = [&times[0], &times[1]].map(|times| percentile(times, percent));
            let case = format!("{case}, p{percent} of {}", large.filled.messages);
            let against = format!("{} messages", small.filled.messages);
            let ratio = value / against_value;
            Measurement { bench: NAME, case: &case, value, unit: "ns", against: &against, against_value, ratio }
                .print()?;
        }
    }
    Ok(())
}
