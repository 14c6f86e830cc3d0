//! The application: modules put together, checked, started in order and stopped in reverse.

mod check;
mod graph;
mod secret;
mod start;

pub use start::{Route, Running};

use crate::clock::Clock;
use crate::config::{Config, ModuleSection};
use crate::data::{Db, MigrationReport, MigrationState, ModuleMigrations, Owners};
use crate::error::Result;
use crate::http::{self, Assets};
use crate::module::{Module, ModuleInfo, Mounted};

/// An application before it starts: its modules, its configuration, and the files that it serves.
///
/// Modules are mounted with the handles that they use, so a missing one is an error of the compiler and a cycle cannot be
/// written: `let accounts = app.mount::<accounts::Module>(());` and then
/// `app.mount::<messages::Module>(messages::Deps { accounts });`. The order of the lines is the order of the start.
#[derive(Debug)]
pub struct App {
    name: &'static str,
    version: &'static str,
    config: Config,
    clock: Clock,
    modules: Vec<Mounted>,
    assets: Option<Assets>,
}

impl App {
    /// An application without modules.
    pub fn new(name: &'static str, version: &'static str, config: Config) -> Self {
        Self { name, version, config, clock: Clock::real(), modules: Vec::new(), assets: None }
    }

    /// Takes time from `clock`; tests give a simulated one.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Adds a module, and gives the handle on it, which answers once the application has started.
    pub fn mount<M: Module>(&mut self, deps: M::Deps) -> M::Api {
        let (mounted, handle) = Mounted::new::<M>(deps);
        self.modules.push(mounted);
        handle
    }

    /// Serves a web client beside the routes of the modules.
    pub fn assets(&mut self, assets: Assets) {
        self.assets = Some(assets);
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its version.
    pub fn version(&self) -> &'static str {
        self.version
    }

    /// What it was configured with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The configuration as it may be shown: each module's section whole, and secrets redacted.
    pub fn shown_config(&self) -> Result<String> {
        let mut config = self.config.clone();
        for module in &self.modules {
            let shown = (module.show_config)(&self.config)?;
            if !shown.is_empty() {
                config.modules.insert(module.info.name.to_owned(), ModuleSection { config: shown });
            }
        }
        Ok(config.to_toml())
    }

    /// What is known about each module, in the order in which they start.
    pub fn modules(&self) -> impl Iterator<Item = &ModuleInfo> {
        self.modules.iter().map(|module| &module.info)
    }

    /// Applies the migrations that are missing, and starts nothing.
    pub async fn migrate(&self) -> Result<MigrationReport> {
        let db = self.connect().await?;
        let report = db.migrate(&self.migrations()).await;
        db.close().await;
        report
    }

    /// Every migration and when it was applied; changes nothing.
    pub async fn migration_status(&self) -> Result<Vec<MigrationState>> {
        let db = self.connect().await?;
        let states = self.migration_status_on(&db).await;
        db.close().await;
        states
    }

    pub(crate) async fn migration_status_on(&self, db: &Db) -> Result<Vec<MigrationState>> {
        db.migration_status(&self.migrations()).await
    }

    /// The database without modules, for looking at it.
    pub(crate) async fn connect(&self) -> Result<Db> {
        Db::connect(&self.config.database, &self.clock).await
    }

    /// The framework's own come first.
    fn migrations(&self) -> Vec<ModuleMigrations> {
        let own = ModuleMigrations { module: http::MODULE, files: http::migrations() };
        std::iter::once(own).chain(self.modules.iter().map(|module| module.migrations)).collect()
    }

    /// Who owns which table.
    fn owners(&self) -> Result<Owners> {
        let mut owners = Owners::new();
        owners.own(http::MODULE, "sarsen_sessions")?;
        for module in self.modules() {
            module.tables.iter().try_for_each(|table| owners.own(module.name, table))?;
        }
        Ok(owners)
    }
}
