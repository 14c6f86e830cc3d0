//! An axum application that is none of Sarsen's, measured like one: its Operations, its queries, the pages and the metrics.

use crate::app::{App, Running, Watching};
use crate::config::Config;
use crate::data::Db;
use crate::error::Result;
use crate::http::Stack;
use crate::insight::Insight;
use crate::ops;
use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;

/// What is served beside the routes that were there: `/ops` and `/metrics`, where these are on.
const BESIDE: [&str; 3] = ["/ops", "/ops/{*rest}", "/metrics"];

/// Everything that measures an application which is none of Sarsen's. It ends with [`Adopted::stop`].
///
/// ```
/// # async fn example() -> sarsen::Result<()> {
/// use axum::{Router, routing::get};
/// let adopted = sarsen::adopt("shop", "1.0.0", sarsen::Config::default()).await?;
/// let db = adopted.db().clone();
/// let router = Router::new().route("/items", get(async move || db.query("SELECT 1").scalar::<i64>().await.map(|n| n.to_string())));
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// axum::serve(listener, adopted.wrap(router)).await?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Adopted {
    running: Running,
    watching: Watching,
}

/// Starts what measures an axum application: its database, and who looks at what is recorded. The configuration is that of
/// any application of Sarsen; of `[http]` only the listener that was there before counts.
pub async fn adopt(name: &'static str, version: &'static str, config: Config) -> Result<Adopted> {
    let mut app = App::new(name, version, config);
    ops::mount(&mut app);
    let running = app.start().await?;
    let watching = running.watch()?;
    Ok(Adopted { running, watching })
}

impl Adopted {
    /// The database. What goes through it is measured: time, rows, the line that asked, and what repeats.
    pub fn db(&self) -> &Db {
        self.running.db()
    }

    /// What was recorded lately.
    pub fn insight(&self) -> &Insight {
        self.running.insight()
    }

    /// Makes each request of `router` an Operation, named after the pattern that it matched, and serves the pages beside it.
    #[must_use = "the router that was given is not changed"]
    pub fn wrap(&self, router: Router) -> Router {
        let measured = self.running.stack().measured(router);
        BESIDE.iter().fold(measured, |router, path| router.route(path, self.beside()))
    }

    /// Tells and writes down what is left, and closes the database.
    pub async fn stop(self) {
        self.running.stop().await;
        self.watching.end().await;
    }

    fn beside(&self) -> axum::routing::MethodRouter {
        async fn answer(State(stack): State<Stack>, request: Request) -> Response {
            stack.call(request).await
        }
        axum::routing::any(answer).with_state(self.running.stack().clone())
    }
}
