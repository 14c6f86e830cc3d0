//! What a request costs through Sarsen's whole stack, with everything recorded, beside the same handler on bare parts.

pub(crate) mod bare;
mod ours;
mod with_sqlx;

use crate::pipe::Pipe;
use crate::rounds::{Contender, Plan, interleave};
use crate::sample::{self, CHANNEL, NUMBER, Product};
use crate::{Options, Outcome, report, wrong};

const NAME: &str = "overhead";

/// Runs all cases, one after another; the contenders of a case are interleaved.
pub(crate) async fn run(options: &Options) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("bench.db").display().to_string();
    embedded(&file, options.quick).await?;
    match &options.postgres {
        Some(url) => server(url, options.quick).await,
        None => Ok(()),
    }
}

async fn embedded(file: &str, quick: bool) -> Outcome<()> {
    let db = sample::connect(&format!("sqlite:{file}")).await?;
    sample::fill(&db, Product::Sqlite).await?;
    let names = ["sarsen", "axum + rusqlite", "axum + sqlx"];
    let (ours, bare, sqlx) = (ours::Stacked::new(&db)?, bare::sqlite(file)?, with_sqlx::sqlite(file).await?);
    for (case, path, count) in cases("sqlite") {
        let pipes = vec![ours.pipe(&path).await?, bare.pipe(&path).await?, sqlx.pipe(&path).await?];
        let pipes = if case == "hello" { pipes.into_iter().take(2).collect() } else { pipes };
        measure(&case, &names, pipes, Plan::new(4_000, count, quick)).await?;
    }
    Ok(())
}

async fn server(url: &str, quick: bool) -> Outcome<()> {
    let db = sample::connect(url).await?;
    sample::fill(&db, Product::Postgres).await?;
    let names = ["sarsen", "axum + tokio-postgres", "axum + sqlx"];
    let (ours, bare, sqlx) = (ours::Stacked::new(&db)?, bare::postgres(url)?, with_sqlx::postgres(url).await?);
    for (case, path, _) in cases("postgres").into_iter().skip(1) {
        let pipes = vec![ours.pipe(&path).await?, bare.pipe(&path).await?, sqlx.pipe(&path).await?];
        measure(&case, &names, pipes, Plan::new(1_000, 10, quick)).await?;
    }
    Ok(())
}

/// Name, path, and requests of a round: about a tenth of a millisecond for each contender.
fn cases(product: &str) -> [(String, String, usize); 3] {
    [
        ("hello".to_owned(), "/hello".to_owned(), 25),
        (format!("{product} point read"), format!("/messages/{}", sample::id_of(NUMBER)), 20),
        (format!("{product} list of 20"), format!("/channels/{CHANNEL}/messages"), 10),
    ]
}

async fn measure(case: &str, names: &[&str], pipes: Vec<Pipe>, plan: Plan) -> Outcome<()> {
    for (name, pipe) in names.iter().zip(&pipes) {
        if pipe.body() != pipes[0].body() {
            return Err(wrong(format!("{case}: {name} does not answer as {} does", names[0])));
        }
    }
    let mut contenders: Vec<Box<dyn Contender>> =
        pipes.into_iter().map(|pipe| Box::new(pipe) as Box<dyn Contender>).collect();
    let costs = interleave(plan, &mut contenders).await?;
    report::compare(NAME, case, names, &costs)
}
