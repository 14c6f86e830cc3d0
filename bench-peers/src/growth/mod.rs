//! Parley's reads on a small and on a large channel, in turns, through its real routes.

mod cases;
mod fill;
mod site;
mod words;

use crate::{Outcome, report};
use cases::Side;
use clap::Args;
use fill::{Filled, fill};
use sarsen::clock;
use site::Site;

const NAME: &str = "data-growth";

/// Two running servers, which this account and these messages are new to.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    #[arg(long)]
    small_site: String,
    #[arg(long)]
    small_database: String,
    #[arg(long)]
    small_messages: u64,
    #[arg(long)]
    large_site: String,
    #[arg(long)]
    large_database: String,
    #[arg(long)]
    large_messages: u64,
    /// A tenth of the requests.
    #[arg(long)]
    quick: bool,
}

/// Fills both and measures.
pub(crate) async fn run(options: &Options) -> Outcome<()> {
    let mut small = Side::new(&options.small_site, &options.small_database, options.small_messages).await?;
    let mut large = Side::new(&options.large_site, &options.large_database, options.large_messages).await?;
    let rounds = if options.quick { 100 } else { 1_000 };
    cases::measure(&mut small, &mut large, rounds).await
}

/// One running server, whose history is read once from end to end.
#[derive(Args, Clone, Debug)]
pub(crate) struct WalkOptions {
    #[arg(long)]
    site: String,
    #[arg(long)]
    database: String,
    #[arg(long)]
    messages: u64,
}

/// Fills a channel and reads all of it.
pub(crate) async fn walk(options: &WalkOptions) -> Outcome<()> {
    let mut site = Site::join(&options.site).await?;
    let filled = fill(&mut site, &options.database, options.messages).await?;
    let started = clock::monotonic();
    read_all(&mut site, &filled, |_| ()).await?;
    let took = clock::monotonic() - started;
    report::progress(&format!("read {} messages in {took:.0?}", filled.messages));
    Ok(())
}

/// Reads the history of the main channel, newest first, in the largest pages, and shows each cursor.
async fn read_all(site: &mut Site, filled: &Filled, mut see: impl FnMut(&str)) -> Outcome<()> {
    let first = format!("/v1/channels/{}/messages?limit=100", filled.main);
    let (mut path, mut read) = (first.clone(), 0);
    loop {
        let page = site.page(&path).await?;
        read += page["items"].as_array().map_or(0, Vec::len) as u64;
        let Some(cursor) = page["next"].as_str() else { break };
        see(cursor);
        path = format!("{first}&cursor={cursor}");
    }
    if read == filled.messages {
        return Ok(());
    }
    Err(crate::wrong(format!("the history has {read} messages instead of {}", filled.messages)))
}
