//! From the rounds of all contenders to lines of the report.

use std::fmt;

use super::NAME;
use super::peers::{Contender, Peer};
use crate::bench::report::{Measurement, Report};

/// What one round shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Figure {
    /// Jobs a second.
    Rate(f64),
    /// Milliseconds.
    Latency { p50: f64, p99: f64 },
}

impl fmt::Display for Figure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Figure::Rate(rate) => write!(formatter, "{rate:.0} jobs/s"),
            Figure::Latency { p50, p99 } => write!(formatter, "p50 {p50:.2} ms, p99 {p99:.2} ms"),
        }
    }
}

impl Figure {
    /// The medians of several rounds.
    fn median(rounds: &[Figure]) -> Option<Figure> {
        let of = |part: fn(&Figure) -> f64| middle(rounds.iter().map(part).collect());
        match rounds.first()? {
            Figure::Rate(_) => Some(Figure::Rate(of(Figure::first)?)),
            Figure::Latency { .. } => Some(Figure::Latency { p50: of(Figure::first)?, p99: of(Figure::second)? }),
        }
    }

    fn first(&self) -> f64 {
        match self {
            Figure::Rate(rate) => *rate,
            Figure::Latency { p50, .. } => *p50,
        }
    }

    fn second(&self) -> f64 {
        match self {
            Figure::Rate(rate) => *rate,
            Figure::Latency { p99, .. } => *p99,
        }
    }

    fn is_better_than(&self, other: &Figure) -> bool {
        match self {
            Figure::Rate(rate) => *rate > other.first(),
            Figure::Latency { p50, .. } => *p50 < other.first(),
        }
    }

    /// What stands in the report: the case with its addition, the value and its unit.
    fn rows(self, case: &str) -> Vec<(String, f64, &'static str)> {
        match self {
            Figure::Rate(rate) => vec![(case.to_owned(), rate, "jobs/s")],
            Figure::Latency { p50, p99 } => {
                vec![(format!("{case}, p50"), p50, "ms"), (format!("{case}, p99"), p99, "ms")]
            }
        }
    }
}

fn middle(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// All rounds of one case.
#[derive(Debug)]
pub(super) struct Results {
    of: Vec<(Contender, Vec<Figure>, Option<String>)>,
}

impl Results {
    pub(super) fn new(contenders: &[Contender]) -> Self {
        Self { of: contenders.iter().map(|contender| (*contender, Vec::new(), None)).collect() }
    }

    pub(super) fn has_failed(&self, contender: &Contender) -> bool {
        self.of.iter().any(|(who, _, failure)| who == contender && failure.is_some())
    }

    pub(super) fn add(&mut self, contender: &Contender, round: Result<Figure, String>) {
        let Some((_, figures, failure)) = self.of.iter_mut().find(|(who, _, _)| who == contender) else { return };
        match round {
            Ok(figure) => figures.push(figure),
            Err(reason) => *failure = Some(reason),
        }
    }

    /// Each peer by the best of its variants, beside ours where there is one; then what failed, and why.
    pub(super) fn report(&self, case: &str, report: &Report) {
        for measurement in self.measurements(case) {
            report.add(&measurement);
        }
        for (contender, _, failure) in &self.of {
            if let Some(reason) = failure {
                report.add_failure(NAME, case, &contender.to_string(), reason);
            }
        }
    }

    fn measurements(&self, case: &str) -> Vec<Measurement> {
        let best = self.best();
        let ours = best.iter().find(|(contender, _)| contender.peer == Peer::OURS).map(|(_, figure)| *figure);
        let mut measurements = Vec::new();
        for (contender, figure) in
            best.into_iter().filter(|(contender, _)| ours.is_none() || contender.peer != Peer::OURS)
        {
            match ours {
                Some(ours) => measurements.extend(compared(case, ours, &contender, figure)),
                None => measurements.extend(
                    figure
                        .rows(&format!("{case}: {contender}"))
                        .into_iter()
                        .map(|(case, value, unit)| Measurement::alone(NAME, &case, value, unit)),
                ),
            }
        }
        measurements
    }

    /// Of each peer the variant that does best; a variant that failed once has no figure.
    fn best(&self) -> Vec<(Contender, Figure)> {
        let mut best: Vec<(Contender, Figure)> = Vec::new();
        for (contender, rounds, _) in self.of.iter().filter(|(_, _, failure)| failure.is_none()) {
            let Some(figure) = Figure::median(rounds) else { continue };
            match best.iter_mut().find(|(other, _)| other.peer == contender.peer) {
                Some(other) if figure.is_better_than(&other.1) => *other = (*contender, figure),
                Some(_) => {}
                None => best.push((*contender, figure)),
            }
        }
        best
    }
}

/// The ratio is above 1 where ours is better.
fn compared(case: &str, ours: Figure, contender: &Contender, theirs: Figure) -> Vec<Measurement> {
    let rows = ours.rows(case).into_iter().zip(theirs.rows(case));
    let measurements = rows.map(|((case, value, unit), (_, against_value, _))| {
        let ratio = if unit == "ms" { against_value / value } else { value / against_value };
        let alone = Measurement::alone(NAME, &case, value, unit);
        Measurement { against: contender.to_string(), against_value, ratio, ..alone }
    });
    measurements.collect()
}

#[cfg(test)]
mod tests {
    use super::super::peers::Variant;
    use super::super::stores::Store;
    use super::*;

    fn contender(peer: Peer, variant: Variant) -> Contender {
        Contender { peer, store: Store::Postgres, variant }
    }

    const APALIS: [(Peer, Variant); 2] = [(Peer::Apalis, Variant::Plain), (Peer::Apalis, Variant::Tuned)];

    fn results(rounds: &[(Contender, &[Result<Figure, String>])]) -> Results {
        let contenders: Vec<Contender> = rounds.iter().map(|(contender, _)| *contender).collect();
        let mut results = Results::new(&contenders);
        for (contender, figures) in rounds {
            figures.iter().for_each(|figure| results.add(contender, figure.clone()));
        }
        results
    }

    #[test]
    fn the_median_of_the_better_variant_is_shown() {
        let [plain, tuned] = APALIS.map(|(peer, variant)| contender(peer, variant));
        let rates = |rates: [f64; 3]| rates.map(|rate| Ok(Figure::Rate(rate)));
        let results = results(&[(plain, &rates([900.0, 10.0, 20.0])), (tuned, &rates([50.0, 40.0, 60.0]))]);
        let rows: Vec<_> = results.measurements("drain").into_iter().map(|row| (row.case, row.value)).collect();
        assert_eq!(rows, [("drain: apalis (tuned)".to_owned(), 50.0)]);
    }

    #[test]
    fn a_variant_that_failed_once_has_no_figure() {
        let [plain, tuned] = APALIS.map(|(peer, variant)| contender(peer, variant));
        let results =
            results(&[(plain, &[Ok(Figure::Rate(1.0))]), (tuned, &[Ok(Figure::Rate(9.0)), Err("stood still".into())])]);
        assert!(results.has_failed(&tuned) && !results.has_failed(&plain));
        assert_eq!(results.measurements("drain")[0].case, "drain: apalis (as it comes)");
    }

    #[test]
    fn ours_stands_before_the_others_and_above_1_is_better() {
        let ours = contender(Peer::OURS, Variant::Plain);
        let theirs = contender(Peer::Apalis, Variant::Tuned);
        let of = |ours_is: Figure, theirs_is| results(&[(ours, &[Ok(ours_is)]), (theirs, &[Ok(theirs_is)])]);
        let rate = of(Figure::Rate(300.0), Figure::Rate(100.0)).measurements("drain");
        assert_eq!((rate.len(), rate[0].against.as_str(), rate[0].ratio), (1, "apalis (tuned)", 3.0));
        let latency = of(Figure::Latency { p50: 1.0, p99: 4.0 }, Figure::Latency { p50: 2.0, p99: 2.0 });
        let latency: Vec<_> = latency.measurements("start").into_iter().map(|row| (row.case, row.ratio)).collect();
        assert_eq!(latency, [("start, p50".to_owned(), 2.0), ("start, p99".to_owned(), 0.5)]);
    }
}
