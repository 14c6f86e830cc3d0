//! The Parley binary: its server and its CLI.

use sarsen::config::{Config, DatabaseSection, Url};
use sarsen::{App, Result};

#[tokio::main]
async fn main() -> Result<()> {
    let config = Config {
        database: DatabaseSection { url: Url::new("sqlite:data/parley.db"), ..DatabaseSection::default() },
        ..Config::default()
    };
    let mut config = Config::load(None, &std::env::vars().collect(), &config)?;
    config.http.listen = std::env::args().nth(1).unwrap_or(config.http.listen);
    sarsen::telemetry::init_logging(&config.log)?;
    let mut app = App::new("parley", env!("CARGO_PKG_VERSION"), config);
    let handles = parley::mount(&mut app);
    app.assets(parley::client::assets()?);
    let running = app.start().await?;
    let who = parley::seed::seed(&running, &handles).await?;
    tracing::info!(?who, "seeded");
    running.stop().await;
    let mut app = App::new(
        "parley",
        env!("CARGO_PKG_VERSION"),
        Config::load(
            None,
            &std::env::vars().collect(),
            &Config {
                database: DatabaseSection { url: Url::new("sqlite:data/parley.db"), ..DatabaseSection::default() },
                ..Config::default()
            },
        )?,
    );
    parley::mount(&mut app);
    app.assets(parley::client::assets()?);
    app.serve().await
}
