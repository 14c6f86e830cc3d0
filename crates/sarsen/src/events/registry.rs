//! Who subscribes to what, and which projections there are, in an application.

use super::projection::{Projection, ProjectionHandler};
use super::subscription::Subscribed;
use crate::error::{Error, Result};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::OnceLock;

/// The subscribers and projections of an application; the projections' handlers come when its modules are up.
#[derive(Default)]
pub(crate) struct Registry {
    subscribers: BTreeMap<&'static str, Vec<Subscribed>>,
    projections: BTreeMap<&'static str, Projection>,
    handlers: OnceLock<HashMap<&'static str, ProjectionHandler>>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (events, projections) = (self.subscribers.keys(), self.projections.keys());
        f.debug_struct("Registry").field("events", &events).field("projections", &projections).finish()
    }
}

impl Registry {
    /// Puts together what the modules declare; gives everything that is wrong with it.
    pub(crate) fn new(
        subscribed: impl IntoIterator<Item = Subscribed>,
        projections: impl IntoIterator<Item = Projection>,
    ) -> (Self, Vec<Error>) {
        let (mut registry, mut problems) = (Self::default(), Vec::new());
        for one in subscribed {
            registry.subscribers.entry(one.event).or_default().push(one);
        }
        for projection in projections {
            problems.extend(projection.check().err());
            if registry.projections.insert(projection.name, projection.clone()).is_some() {
                problems.push(
                    Error::invalid(format!("projection `{}` is declared twice", projection.name))
                        .hint("give one of them another name"),
                );
            }
        }
        (registry, problems)
    }

    /// Says how each projection is built, once the modules are up. The first call holds.
    pub(crate) fn bind(&self, handlers: HashMap<&'static str, ProjectionHandler>) {
        let _ = self.handlers.set(handlers);
    }

    pub(super) fn handler(&self, projection: &str) -> Result<ProjectionHandler> {
        let handler = self.handlers.get().and_then(|handlers| handlers.get(projection).cloned());
        handler.ok_or_else(|| Error::internal(format!("the module of projection `{projection}` is not up")))
    }

    pub(super) fn subscribers(&self, event: &str) -> impl Iterator<Item = &Subscribed> {
        self.subscribers.get(event).into_iter().flatten()
    }

    /// What one subscriber hears of.
    pub(super) fn heard_by(&self, subscriber: &str) -> Vec<&'static str> {
        let all = self.subscribers.values().flatten();
        all.filter(|one| one.subscriber == subscriber).map(|one| one.event).collect()
    }

    /// Every subscription.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Subscribed> {
        self.subscribers.values().flatten()
    }

    pub(crate) fn projections(&self) -> impl Iterator<Item = &Projection> {
        self.projections.values()
    }

    pub(super) fn projection(&self, name: &str) -> Result<&Projection> {
        self.projections.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.projections.keys().copied().collect();
            Error::not_found(format!("there is no projection `{name}`")).hint(format!("known: {}", known.join(", ")))
        })
    }
}
