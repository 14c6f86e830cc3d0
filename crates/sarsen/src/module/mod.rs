//! A bounded part of the application: what it owns, what others may call, and how it lives.
//!
//! ```
//! use sarsen::{App, Config, Declare, Init, Module, NoApi, Result};
//!
//! struct Greetings;
//!
//! impl Module for Greetings {
//!     const NAME: &'static str = "greetings";
//!     type Api = NoApi;
//!     type Deps = ();
//!     type Config = ();
//!     fn declare(declare: &mut Declare<Self>) {
//!         declare.tables(["greetings"]);
//!     }
//!     async fn init(_: Init<Self>) -> Result<Self> {
//!         Ok(Greetings)
//!     }
//! }
//!
//! let mut app = App::new("hello", "1.0.0", Config::default());
//! app.mount::<Greetings>(());
//! assert!(app.check().is_ok());
//! ```

mod api;
mod call;
mod declare;
mod deps;
mod mounted;

pub use api::{Api, ApiDesc, Crosses, MethodDesc, NoApi, ServedBy};
#[doc(hidden)]
pub use api::{BoxFuture, Slot, crosses};
#[doc(hidden)]
pub use call::call;
pub use call::{CallCount, CallError, CallFailure};
pub use declare::Declare;
pub use deps::{Dependency, Deps};
pub use mounted::ModuleInfo;
pub(crate) use mounted::{Live, Mounted, Surroundings};

use crate::blobs::Blobs;
use crate::cache::Cache;
use crate::clock::Clock;
use crate::config::Config;
use crate::data::Db;
use crate::error::Result;
use crate::events::Events;
use crate::jobs::Jobs;
use crate::lifecycle::Lifecycle;
use crate::realtime::Realtime;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// One bounded part of the application.
pub trait Module: Sized + Send + Sync + 'static {
    /// Its name: lower-case letters, digits and `_`.
    const NAME: &'static str;
    /// The handle that others get; [`NoApi`] when nobody calls it.
    type Api: ServedBy<Self>;
    /// The handles that it needs; `()` when it calls nobody.
    type Deps: Deps;
    /// Its section of the configuration, `[modules.NAME.config]`; `()` when there is nothing to configure.
    type Config: Default + Serialize + DeserializeOwned + Send;

    /// Says what it owns and serves.
    fn declare(declare: &mut Declare<Self>);

    /// Says what is wrong with its section where the rest of the configuration is as it is: a key that this environment
    /// or one of these roles needs. An error stops the start; it names the key and the fix.
    fn check(config: &Self::Config, app: &Config) -> Result<()> {
        let _ = (config, app);
        Ok(())
    }

    /// Makes it. The modules that it depends on are up; it has 30 seconds.
    fn init(init: Init<Self>) -> impl Future<Output = Result<Self>> + Send;

    /// Starts background work, once every module is made.
    fn start(self: &Arc<Self>) -> impl Future<Output = Result<()>> + Send {
        std::future::ready(Ok(()))
    }

    /// Finishes what is at work; nothing new arrives, and every other module still answers.
    fn drain(self: &Arc<Self>) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// Lets go of what it holds; the modules that call it have stopped.
    fn stop(self: &Arc<Self>) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// Whether it can do its work now; an error takes this process out of the balance.
    fn health(self: &Arc<Self>) -> impl Future<Output = Result<()>> + Send {
        std::future::ready(Ok(()))
    }
}

/// What a module is made from.
#[derive(Debug)]
pub struct Init<M: Module> {
    /// The handles it asked for.
    pub deps: M::Deps,
    /// Its section of the configuration.
    pub config: M::Config,
    /// The database, in the name of this module.
    pub db: Db,
    /// Enqueues jobs.
    pub jobs: Jobs,
    /// Publishes events.
    pub events: Events,
    /// Broadcasts to topics.
    pub realtime: Realtime,
    /// Stores files.
    pub blobs: Blobs,
    /// Keeps what is read often.
    pub cache: Cache,
    /// The clock of the application.
    pub clock: Clock,
    /// The address people use, without a slash at its end: what links in a mail begin with.
    pub public_url: String,
    /// Says when the application stops.
    pub lifecycle: Lifecycle,
}
