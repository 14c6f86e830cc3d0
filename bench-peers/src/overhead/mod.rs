//! What a request costs through Sarsen's whole stack, with everything recorded, beside the same handler on bare parts.

pub(crate) mod bare;
mod exported;
mod ours;
mod recording;
mod sockets;
mod with_sqlx;

use crate::pipe::Pipe;
use crate::rounds::{Alone, Plan, Times, alone, boxed, interleave};
use crate::sample::{self, CHANNEL, NUMBER, Product};
use crate::{Options, Outcome, report, wrong};

const NAME: &str = "overhead";

/// Runs all cases, one after another; the contenders of a case are interleaved.
pub(crate) fn run(options: &Options) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("bench.db").display().to_string();
    sample::prepare(&format!("sqlite:{file}"), Product::Sqlite)?;
    recording::run(&file, options.quick)?;
    sockets::run(&file, options.quick)?;
    embedded(&file, options.quick)?;
    options.postgres.as_deref().map_or(Ok(()), |url| server(url, options.quick))
}

fn embedded(file: &str, quick: bool) -> Outcome<()> {
    let url = format!("sqlite:{file}");
    let names = ["sarsen", "axum + rusqlite", "axum + sqlx"];
    for (case, path, count) in cases("sqlite") {
        let ours = alone(async { ours::Stacked::new(&sample::connect(&url).await?)?.pipe(&path).await })?;
        let bare = alone(async { bare::sqlite(file)?.pipe(&path).await })?;
        let sqlx = alone(async { with_sqlx::sqlite(file).await?.pipe(&path).await })?;
        let pipes = if case == "hello" { vec![ours, bare] } else { vec![ours, bare, sqlx] };
        let costs = interleave(Plan::new(4_000, count, quick), &mut contenders(&case, &names, pipes)?)?;
        report::compare(NAME, &case, &names, &costs)?;
    }
    Ok(())
}

fn server(url: &str, quick: bool) -> Outcome<()> {
    sample::prepare(url, Product::Postgres)?;
    let names = ["sarsen", "axum + tokio-postgres", "axum + sqlx"];
    for (case, path, _) in cases("postgres").into_iter().skip(1) {
        let mut times = Times::default();
        for _ in 0..sample::CONNECTIONS {
            let ours = alone(async { ours::Stacked::new(&sample::connect(url).await?)?.pipe(&path).await })?;
            let bare = alone(async { bare::postgres(url)?.pipe(&path).await })?;
            let sqlx = alone(async { with_sqlx::postgres(url).await?.pipe(&path).await })?;
            times.add(Plan::new(200, 10, quick), &mut contenders(&case, &names, vec![ours, bare, sqlx])?)?;
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

/// The pipes, when all of them say the same.
fn contenders(case: &str, names: &[&str], pipes: Vec<Alone<Pipe>>) -> Outcome<Vec<Alone>> {
    for (name, (_, pipe)) in names.iter().zip(&pipes) {
        if pipe.body() != pipes[0].1.body() {
            return Err(wrong(format!("{case}: {name} does not answer as {} does", names[0])));
        }
    }
    Ok(pipes.into_iter().map(boxed).collect())
}
