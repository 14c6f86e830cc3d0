//! What is killed how often.

use super::Database;

/// What is killed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Case {
    /// One of two workers, at a random moment.
    Worker,
    /// The process that enqueues and publishes, at a random moment.
    Web,
    /// The database server, at a random moment.
    Server,
    /// A process, at a point that it passes.
    Point(Point),
}

/// A point at which the framework lets itself be killed, and the role that passes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) name: String,
    pub(super) role: String,
}

impl Point {
    /// The passing at which to die is at most this one; the rare points are not passed often.
    pub(super) fn most_passings(&self) -> usize {
        let rare = ["jobs.rescu", "jobs.unfolding", "events.rebuilding", "events.swapping"];
        if rare.iter().any(|start| self.name.starts_with(start)) { 1 } else { 20 }
    }

    /// Whether it is passed when another process has died.
    pub(super) fn is_rescue(&self) -> bool {
        self.name.starts_with("jobs.rescu") || self.name == "jobs.unfolding"
    }
}

impl Case {
    fn name(&self) -> &str {
        match self {
            Case::Worker => "worker",
            Case::Web => "web",
            Case::Server => "server",
            Case::Point(point) => &point.name,
        }
    }
}

/// Runs on one database, after which everything is checked.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) cases: Vec<Case>,
}

/// All cases of a database.
pub(super) fn cases(database: Database, points: &[Point]) -> Vec<Case> {
    let mut cases = vec![Case::Worker, Case::Web];
    if database == Database::Postgres {
        cases.push(Case::Server);
    }
    cases.extend(points.iter().cloned().map(Case::Point));
    cases
}

/// Spreads the runs over the cases whose name has `text` in it. Where there are fewer runs than cases, one group has some
/// of each sort.
pub(super) fn groups(cases: Vec<Case>, runs: usize, text: &str) -> Vec<Group> {
    let cases: Vec<Case> = cases.into_iter().filter(|case| case.name().contains(text)).collect();
    let count = cases.len();
    if runs < count {
        let some = (0..runs).map(|run| cases[run * count / runs].clone());
        return vec![Group { name: "mixed".to_owned(), cases: some.collect() }];
    }
    let of_case = |(index, case): (usize, Case)| {
        let runs = runs / count + usize::from(index < runs % count);
        Group { name: case.name().to_owned(), cases: vec![case; runs] }
    };
    cases.into_iter().enumerate().map(of_case).collect()
}

/// Even random numbers: xorshift.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(super) fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.next() % (most - least + 1)
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(count: usize) -> Vec<Point> {
        (0..count).map(|number| Point { name: format!("jobs.p{number}"), role: "worker".into() }).collect()
    }

    #[test]
    fn every_run_has_a_case_and_every_case_its_runs() {
        let all = groups(cases(Database::Postgres, &points(4)), 200, "");
        assert_eq!(all.iter().map(|group| group.cases.len()).sum::<usize>(), 200);
        assert!(all.len() == 7 && all.iter().all(|group| (28..=29).contains(&group.cases.len())));
        let few = groups(cases(Database::Sqlite, &points(16)), 6, "");
        assert_eq!((few.len(), few[0].cases.len()), (1, 6));
        assert_eq!(groups(cases(Database::Sqlite, &points(16)), 6, "jobs.p3").len(), 1);
    }
}
