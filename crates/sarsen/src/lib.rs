//! Build one monolith, and grow it: a framework and runtime for backend systems.
//!
//! Start at [`App`] and [`Module`]; the parts are used through handles: [`Db`], and the [`http`] extractors.

mod adopt;
pub mod advisor;
pub mod app;
pub mod blobs;
pub mod cache;
pub mod cli;
pub mod clock;
pub mod config;
pub mod data;
pub mod error;
pub mod events;
pub mod export;
pub mod http;
pub mod insight;
pub mod jobs;
pub mod lifecycle;
pub mod module;
pub mod ops;
pub mod realtime;
pub mod resilience;
pub mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;

pub use adopt::{Adopted, adopt};
pub use app::App;
pub use clock::{Clock, Timestamp};
pub use config::Config;
pub use data::{Db, Queryable, Tx};
pub use error::{Error, Result};
pub use module::{CallError, CallFailure, Declare, Deps, Init, Module, NoApi};
pub use sarsen_macros::{Deps, FromRow, api};

/// The code of `docs/jobs.md`, which the tests of the documentation compile.
#[cfg(all(doctest, feature = "testing"))]
#[doc = include_str!("../../../docs/jobs.md")]
#[derive(Debug)]
pub struct JobsGuide;

// The macros write `::sarsen::…`, here too.
extern crate self as sarsen;
