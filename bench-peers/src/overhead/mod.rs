//! What a request costs through Sarsen's whole stack, with everything recorded, beside the same handler on bare parts.

pub(crate) mod bare;
mod ours;
mod with_sqlx;

use crate::pipe::Pipe;
use crate::rounds::{Contender, Plan, Times, interleave};
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
    for (case, path, _) in cases("postgres").into_iter().skip(1) {
        let mut times = Times::default();
        for _ in 0..sample::CONNECTIONS {
            let db = sample::connect(url).await?;
            let (ours, bare, sqlx) = (ours::Stacked::new(&db)?, bare::postgres(url)?, with_sqlx::postgres(url).await?);
            let pipes = vec![ours.pipe(&path).await?, bare.pipe(&path).await?, sqlx.pipe(&path).await?];
            times.add(Plan::new(200, 10, quick), &mut contenders(&case, &names, pipes)?).await?;
        }
        report::compare(NAME, &case, &names, &times.costs())?;
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
    let costs = interleave(plan, &mut contenders(case, names, pipes)?).await?;
    report::compare(NAME, case, names, &costs)
}

/// The pipes, when all of them say the same.
fn contenders(case: &str, names: &[&str], pipes: Vec<Pipe>) -> Outcome<Vec<Box<dyn Contender>>> {
    for (name, pipe) in names.iter().zip(&pipes) {
        if pipe.body() != pipes[0].body() {
            return Err(wrong(format!("{case}: {name} does not answer as {} does", names[0])));
        }
    }
    Ok(pipes.into_iter().map(|pipe| Box::new(pipe) as Box<dyn Contender>).collect())
}
