//! What is served beside the modules by folders above this one, and who may see it.

use super::App;
use super::secret;
use crate::blobs::Blobs;
use crate::cache::Cache;
use crate::clock::Clock;
use crate::config::{Config, Secret};
use crate::data::Db;
use crate::error::Result;
use crate::events::Events;
use crate::http::ModuleRoutes;
use crate::insight::Insight;
use crate::jobs::Jobs;
use crate::module::ModuleInfo;
use crate::realtime::Realtime;
use futures_util::future::BoxFuture;
use std::fmt;
use std::sync::Arc;
use uuid::Uuid;

/// Whether somebody who is signed in may see the pages of the operators.
pub type Authorize = Arc<dyn Fn(Uuid) -> BoxFuture<'static, Result<bool>> + Send + Sync>;

/// What a running application consists of, for what looks at it.
#[derive(Clone)]
pub struct Parts {
    /// The name of the application.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// What it was configured with.
    pub config: Arc<Config>,
    /// The configuration as it may be shown: as TOML, secrets redacted.
    pub shown_config: String,
    /// The database, in nobody's name.
    pub db: Db,
    /// The handle on jobs.
    pub jobs: Jobs,
    /// The handle on events.
    pub events: Events,
    /// The handle on real time.
    pub realtime: Realtime,
    /// The handle on blobs.
    pub blobs: Blobs,
    /// The handle on the cache.
    pub cache: Cache,
    /// What was done lately, and how long it took.
    pub insight: Insight,
    /// The clock of the application.
    pub clock: Clock,
    /// What is known about each module, in the order in which they start.
    pub modules: Vec<ModuleInfo>,
    /// What opens the pages of the operators.
    pub ops_token: Secret,
    /// Who else may see them.
    pub authorize: Option<Authorize>,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").field("name", &self.name).field("modules", &self.modules.len()).finish_non_exhaustive()
    }
}

/// Makes routes of a running application.
type Make = Box<dyn FnOnce(&Parts) -> Result<ModuleRoutes> + Send>;

/// What an application serves beside its modules.
#[derive(Default)]
pub(super) struct Also {
    pub(super) make: Vec<Make>,
    pub(super) authorize: Option<Authorize>,
}

impl fmt::Debug for Also {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Also").field("make", &self.make.len()).finish_non_exhaustive()
    }
}

impl App {
    /// Serves what `make` makes of the application once its modules are up: `sarsen::ops::mount(&mut app)` uses it.
    pub fn also_serve(&mut self, make: impl FnOnce(&Parts) -> Result<ModuleRoutes> + Send + 'static) {
        self.also.make.push(Box::new(make));
    }

    /// Lets people who are signed in see the pages at `/ops` when `who` says so, beside those who have the token. To all
    /// others the pages are not there.
    ///
    /// ```
    /// # let mut app = sarsen::App::new("hello", "1.0.0", sarsen::Config::default());
    /// # let operators: Vec<uuid::Uuid> = Vec::new();
    /// app.authorize_ops(move |person| {
    ///     let known = operators.contains(&person);
    ///     async move { Ok(known) }
    /// });
    /// ```
    pub fn authorize_ops<Answer>(&mut self, who: impl Fn(Uuid) -> Answer + Send + Sync + 'static)
    where
        Answer: Future<Output = Result<bool>> + Send + 'static,
    {
        self.also.authorize = Some(Arc::new(move |person| Box::pin(who(person))));
    }

    /// What opens the pages at `/ops` in production: `ops.token`, or a token made from `app.secret`.
    pub fn ops_token(&self) -> Result<Secret> {
        let configured = &self.config.ops.token;
        if !configured.expose().is_empty() {
            return Ok(configured.clone());
        }
        Ok(secret::operators_token(&secret::of_app(&self.config.app)?))
    }
}
