//! HTTP: the way of a request, from the listener through the [`Stack`] to ordinary axum handlers and back.
//!
//! Routes are built with [`Routes`] and [`routing`], so the OpenAPI document follows from the handlers' types. Handlers
//! take [`Json`], [`Query`] and [`Path`], and return [`Result`](crate::Result); errors become problem documents.

mod assets;
mod auth;
mod beside;
mod blobs;
mod body;
pub(crate) mod budget;
mod caching;
pub(crate) mod client;
mod connection;
mod cookie;
mod describe;
mod docs;
mod extract;
mod file;
mod guard;
mod headers;
mod health;
mod live;
mod measured;
mod openapi;
mod origin;
mod path;
mod problem;
mod reference;
mod routes;
pub mod routing;
mod server;
mod session;
mod signed;
mod stack;
mod straight;

pub use assets::{Asset, Assets};
pub use auth::{Actor, Authenticate, MaybeActor, Session};
pub(crate) use auth::{bearer, unseen};
pub use blobs::{Download, UploadPart, Uploads, Wanted};
pub use budget::Promises;
pub use caching::{CacheControl, CdnTags, Etag, IfChanged, Unchanged, Version, Versioned};
pub use extract::{Created, Json, NoContent, Path, Query};
pub use health::Health;
pub use openapi::{About, any_origin};
pub use problem::{Problem, ProblemField};
pub use routes::ModuleRoutes;
pub use routing::Routes;
pub use server::serve;
pub use session::{MODULE, SessionInfo, Sessions};
pub use signed::{Headers, Raw};
pub use stack::{Stack, StackParts};
