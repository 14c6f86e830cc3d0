//! Which index is missing: proposed from the queries that were run, and tried on a copy before anything is said.

mod candidate;
mod shape;

pub use candidate::Draft;

use crate::data::{Db, Plan, TableFacts, Workbench, plannable};
use crate::error::Result;
use crate::telemetry::Snapshot;
use serde::{Deserialize, Serialize};
use shape::Shape;
use std::collections::{BTreeMap, BTreeSet};

/// Rows of each table that are copied, and fewest of a table for which an index is worth its writes.
const ROWS: u64 = 20_000;
const FEWEST_ROWS: u64 = 500;
/// Most queries that are looked at in one go, the first ones first.
pub const MOST_QUERIES: usize = 200;
/// What an index must save of a query's cost.
const SAVES: f64 = 0.25;
/// Costs that differ less are the same.
const SAME: f64 = 1.02;

/// An index that would help.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    /// What to make.
    pub index: Draft,
    /// The statement that makes it.
    pub sql: String,
    /// The queries that it helps, each with its plan before and after.
    pub queries: Vec<Tried>,
}

/// A query, and what an index does for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// Its normalised text.
    pub text: String,
    /// What is done without the index.
    pub before: Plan,
    /// What is done with it.
    pub after: Plan,
}

/// What came of the queries.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Advice {
    /// Indexes that would help, the most saving first.
    pub proposals: Vec<Proposal>,
    /// Queries that could not be tried, and why.
    pub skipped: Vec<(String, String)>,
}

/// The texts of the recorded queries, those that took the most time first: what [`advise`] asks for.
pub fn recorded(snapshot: &Snapshot) -> Vec<String> {
    let mut by_time: BTreeMap<&str, u64> = BTreeMap::new();
    for cause in snapshot.causes.iter().filter(|cause| cause.query && !cause.text.is_empty()) {
        *by_time.entry(&cause.text).or_default() += cause.share;
    }
    let mut texts: Vec<(&str, u64)> = by_time.into_iter().collect();
    texts.sort_by_key(|(_, time)| std::cmp::Reverse(*time));
    texts.into_iter().map(|(text, _)| text.to_owned()).collect()
}

/// Proposes indexes for queries, given by their normalised texts, those that took the most time first.
///
/// Nothing changes in the database: at most 20,000 rows of each table are copied, and what is proposed was made and used
/// there. Values of parameters are not known; what stands for them comes from the copy.
pub async fn advise(db: &Db, texts: &[String]) -> Result<Advice> {
    let queries = shapes(texts);
    let mut bench = db.workbench(tables(&queries), ROWS).await?;
    let facts = bench.tables().to_vec();
    let mut advice = Advice::default();
    for query in &queries {
        match attempt(&mut bench, &facts, query).await {
            Ok(Some((draft, tried))) => put(&mut advice.proposals, draft, tried),
            Ok(None) => {}
            Err(error) => advice.skipped.push((query.text.clone(), error.message().to_owned())),
        }
    }
    fold_prefixes(&mut advice.proposals);
    let saved =
        |proposal: &Proposal| proposal.queries.iter().map(|tried| tried.before.cost - tried.after.cost).sum::<f64>();
    advice.proposals.sort_by(|one, other| saved(other).total_cmp(&saved(one)));
    Ok(advice)
}

/// What is done for each query as things are; an error where it cannot be planned.
pub async fn plans(db: &Db, texts: &[String]) -> Result<Vec<(String, Result<Plan>)>> {
    let queries = shapes(texts);
    let mut bench = db.workbench(tables(&queries), ROWS).await?;
    let facts = bench.tables().to_vec();
    let mut plans = Vec::with_capacity(queries.len());
    for query in &queries {
        let shape = query.resolved(&facts);
        plans.push((query.text.clone(), bench.plan(&shape.sql, &shape.given).await));
    }
    Ok(plans)
}

fn shapes(texts: &[String]) -> Vec<Shape> {
    texts.iter().take(MOST_QUERIES).filter_map(|text| Shape::of(text, &plannable(text))).collect()
}

fn tables(queries: &[Shape]) -> Vec<String> {
    let named = queries.iter().flat_map(|query| query.tables.iter().map(|(table, _)| table.clone()));
    named.collect::<BTreeSet<String>>().into_iter().collect()
}

/// Tries what could help one query; gives the best that helps enough.
async fn attempt(bench: &mut Workbench, facts: &[TableFacts], query: &Shape) -> Result<Option<(Draft, Tried)>> {
    let large: Vec<&TableFacts> =
        facts.iter().filter(|table| table.rows >= FEWEST_ROWS && query.reads(&table.name)).collect();
    if large.is_empty() {
        return Ok(None);
    }
    let shape = query.resolved(facts);
    let before = bench.plan(&shape.sql, &shape.given).await?;
    let mut best: Option<(Draft, Plan)> = None;
    for draft in large.iter().flat_map(|table| candidate::of(&shape, table)) {
        bench.add(&draft.name(), &draft.sql()).await?;
        let after = bench.plan(&shape.sql, &shape.given).await;
        bench.remove(&draft.name()).await?;
        let after = after?;
        let better = |(other, plan): &(Draft, Plan)| {
            let cheaper = after.cost * SAME < plan.cost;
            cheaper || after.cost <= plan.cost * SAME && draft.simpler(other)
        };
        if best.as_ref().is_none_or(better) {
            best = Some((draft, after));
        }
    }
    let helps = best.filter(|(_, after)| after.cost <= before.cost * (1.0 - SAVES));
    Ok(helps.map(|(draft, after)| (draft, Tried { text: query.text.clone(), before, after })))
}

fn put(proposals: &mut Vec<Proposal>, index: Draft, tried: Tried) {
    match proposals.iter_mut().find(|proposal| proposal.index == index) {
        Some(proposal) => proposal.queries.push(tried),
        None => proposals.push(Proposal { sql: index.sql(), index, queries: vec![tried] }),
    }
}

/// An index whose columns are the first ones of another does nothing that the other does not.
fn fold_prefixes(proposals: &mut Vec<Proposal>) {
    let mut kept: Vec<Proposal> = Vec::new();
    let mut all = std::mem::take(proposals);
    all.sort_by_key(|proposal| std::cmp::Reverse(proposal.index.columns.len()));
    for proposal in all {
        match kept.iter_mut().find(|longer| longer.index.covers(&proposal.index)) {
            Some(longer) => longer.queries.extend(proposal.queries),
            None => kept.push(proposal),
        }
    }
    *proposals = kept;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::CauseSpan;

    #[test]
    fn queries_are_looked_at_by_their_time() {
        let cause = |text: &str, share| CauseSpan { query: true, text: text.to_owned(), share, ..CauseSpan::default() };
        let causes = vec![cause("a", 5), cause("b", 9), cause("a", 6), CauseSpan::default()];
        assert_eq!(recorded(&Snapshot { causes, ..Snapshot::default() }), ["a", "b"]);
    }
}
