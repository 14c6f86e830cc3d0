//! Holds the only lock for writing of an embedded database.

use sarsen::app::Running;
use sarsen::{Error, Result, clock};
use std::time::Duration;

/// Holds it for so long, and says when it has it.
pub(crate) async fn run(app: Running, seconds: &str) -> Result<()> {
    let seconds = seconds.parse().map_err(|_| Error::invalid(format!("`{seconds}` is no number of seconds")))?;
    let tx = app.db().begin().await?;
    tx.query("UPDATE customers SET last = last").execute().await?;
    println!("held");
    clock::pause(Duration::from_secs(seconds)).await;
    tx.rollback().await?;
    app.stop().await;
    Ok(())
}
