//! What a module owns and serves, said before anything runs.

use super::Module;
use super::api::BoxFuture;
use crate::data::MigrationFiles;
use crate::error::Result;
use crate::http::Routes;
use std::fmt;
use std::sync::Arc;
use uuid::Uuid;

type Authenticate<M> = Box<dyn Fn(Arc<M>, String) -> BoxFuture<'static, Result<Option<Uuid>>> + Send + Sync>;

/// What a module declares of itself; see [`Module::declare`].
///
/// These are names and functions only: checking and drawing an application needs no database.
pub struct Declare<M> {
    pub(super) tables: Vec<&'static str>,
    pub(super) migrations: MigrationFiles,
    pub(super) routes: Option<fn(Arc<M>) -> Routes>,
    pub(super) plain_routes: Option<fn(Arc<M>) -> axum::Router>,
    pub(super) authenticate: Option<Authenticate<M>>,
}

impl<M: Module> Declare<M> {
    pub(super) fn of_module() -> Self {
        let mut declared =
            Self { tables: Vec::new(), migrations: &[], routes: None, plain_routes: None, authenticate: None };
        M::declare(&mut declared);
        declared
    }

    /// The tables of this module. In development and tests, SQL of another module on one of them is an error.
    pub fn tables<const N: usize>(&mut self, tables: [&'static str; N]) -> &mut Self {
        self.tables.extend(tables);
        self
    }

    /// The files that make its tables: `sarsen::migrations!["migrations/0001_create.sql"]`.
    pub fn migrations(&mut self, files: MigrationFiles) -> &mut Self {
        self.migrations = files;
        self
    }

    /// The HTTP routes, documented from their types; their state is the module.
    pub fn routes(&mut self, routes: fn(Arc<M>) -> Routes) -> &mut Self {
        self.routes = Some(routes);
        self
    }

    /// Routes of an ordinary axum router, which stay out of the OpenAPI document.
    pub fn plain_routes(&mut self, routes: fn(Arc<M>) -> axum::Router) -> &mut Self {
        self.plain_routes = Some(routes);
        self
    }

    /// Says who a bearer token stands for, or that it is none of this module's; modules are asked in the order they start.
    pub fn authenticate<F, Answer>(&mut self, who: F) -> &mut Self
    where
        F: Fn(Arc<M>, String) -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Result<Option<Uuid>>> + Send + 'static,
    {
        self.authenticate = Some(Box::new(move |module, token| Box::pin(who(module, token))));
        self
    }
}

impl<M> fmt::Debug for Declare<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Declare").field("tables", &self.tables).finish_non_exhaustive()
    }
}
