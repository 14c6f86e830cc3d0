//! The application: modules put together, checked, started in order and stopped in reverse.

mod also;
mod check;
mod graph;
mod secret;
mod start;
mod watch;
mod work;

pub use also::{Authorize, Parts};
pub use start::{Route, Running};
pub(crate) use watch::Watching;
pub use work::Working;

use also::Also;

use crate::clock::Clock;
use crate::config::{Config, ModuleSection};
use crate::data::{Db, MigrationFiles, MigrationReport, MigrationState, ModuleMigrations, Owners};
use crate::error::{Error, Result};
use crate::events::{self, Events};
use crate::http::{self, Assets};
use crate::jobs::Jobs;
use crate::jobs::registry::Registry;
use crate::module::{Module, ModuleInfo, Mounted};
use crate::realtime;

/// The framework's own migrations, in order, whichever folder they are of.
const MIGRATIONS: MigrationFiles = crate::migrations![
    "../http/migrations/0001_sessions.sql",
    "../data/migrations/0002_log.sql",
    "../jobs/migrations/0003_jobs.sql",
    "../jobs/migrations/0003_jobs_tuning.postgres.sql",
    "../events/migrations/0004_events.sql",
    "../realtime/migrations/0005_realtime.sql",
    "../blobs/migrations/0006_blobs.sql",
    "../jobs/migrations/0007_job_bundles.postgres.sql",
    "../jobs/migrations/0007_job_bundles.sqlite.sql",
    "../cache/migrations/0008_cache.sql"
];

/// The tables that they make.
const TABLES: [&str; 21] = [
    "sarsen_sessions",
    "sarsen_migrations",
    "sarsen_log",
    "sarsen_checkpoints",
    "sarsen_jobs",
    "sarsen_job_history",
    "sarsen_job_errors",
    "sarsen_job_unique",
    "sarsen_job_queues",
    "sarsen_job_orders",
    "sarsen_job_rates",
    "sarsen_job_batches",
    "sarsen_job_bundles",
    "sarsen_job_bundled",
    "sarsen_workers",
    "sarsen_schedules",
    "sarsen_inbox",
    "sarsen_projections",
    "sarsen_realtime",
    "sarsen_blobs",
    "sarsen_blob_stores",
];

/// The migrations of the framework itself, which an application applies first: for tests of a [`Db`] without one.
pub fn own_migrations() -> ModuleMigrations {
    ModuleMigrations { module: http::MODULE, files: MIGRATIONS }
}

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
    also: Also,
}

impl App {
    /// An application without modules.
    pub fn new(name: &'static str, version: &'static str, config: Config) -> Self {
        Self { name, version, config, clock: Clock::real(), modules: Vec::new(), assets: None, also: Also::default() }
    }

    /// Takes time from `clock`; tests give a simulated one.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Adds a module, and gives the handle on it, which answers once the application has started.
    pub fn mount<M: Module>(&mut self, deps: M::Deps) -> M::Api {
        let (mounted, handle) = Mounted::new::<M>(deps, &self.config);
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
        std::iter::once(own_migrations()).chain(self.modules.iter().map(|module| module.migrations)).collect()
    }

    /// The module that owns `table`, with its migrations.
    pub(crate) fn migrations_of(&self, table: &str) -> Option<ModuleMigrations> {
        let owner = self.owners().ok()?.owner(table)?;
        self.migrations().into_iter().find(|migrations| migrations.module == owner)
    }

    /// Who owns which table.
    fn owners(&self) -> Result<Owners> {
        let mut owners = Owners::new();
        TABLES.iter().try_for_each(|table| owners.own(http::MODULE, table))?;
        for module in self.modules() {
            module.tables.iter().try_for_each(|table| owners.own(module.name, table))?;
        }
        Ok(owners)
    }

    /// The kinds of jobs, the queues and the schedules of all modules, and what is wrong with them.
    fn registry(&self) -> (Registry, Vec<Error>) {
        let kinds = self.modules().flat_map(|module| module.jobs.clone());
        let (mut registry, mut problems) =
            Registry::new(kinds, self.modules().flat_map(|module| module.queues.clone()));
        problems.extend(registry.add_schedules(self.modules.iter().flat_map(|module| module.schedules.clone())));
        (registry, problems)
    }

    /// The subscribers and projections of all modules, and what is wrong with them.
    fn events(&self) -> (events::Registry, Vec<Error>) {
        let subscribed = self.modules().flat_map(|module| module.subscriptions.clone());
        events::Registry::new(subscribed, self.modules().flat_map(|module| module.projections.clone()))
    }

    /// The topics of all modules, and what is wrong with them.
    fn topics(&self) -> (realtime::Registry, Vec<Error>) {
        realtime::Registry::new(self.modules().flat_map(|module| module.topics.clone()))
    }

    /// The handles on jobs and events without modules, for looking at them.
    pub(crate) fn handles_on(&self, db: &Db) -> (Jobs, Events) {
        let jobs = Jobs::new(db, &self.config.jobs, self.registry().0);
        let events = Events::new(&jobs, &self.config.events, self.events().0, self.name);
        (jobs, events)
    }
}
