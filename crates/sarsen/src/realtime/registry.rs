//! Which kinds of topics an application has, and who may hear them.

use super::topic::{Authorize, Topic, Topics};
use crate::error::{Error, Result};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::OnceLock;

/// A kind of topics and the module that declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicsInfo {
    /// What is declared.
    pub topics: Topics,
    /// Whose it is.
    pub module: &'static str,
}

/// The kinds of an application; who may hear them is known when its modules are up.
#[derive(Default)]
pub(crate) struct Registry {
    kinds: BTreeMap<&'static str, TopicsInfo>,
    authorize: OnceLock<HashMap<&'static str, Authorize>>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("kinds", &self.kinds.keys()).finish_non_exhaustive()
    }
}

impl Registry {
    /// Puts together what the modules declare; gives everything that is wrong with it.
    pub(crate) fn new(declared: impl IntoIterator<Item = TopicsInfo>) -> (Self, Vec<Error>) {
        let (mut registry, mut problems) = (Self::default(), Vec::new());
        for info in declared {
            let name = info.topics.name;
            if Topic::parse(&format!("{name}:1")).is_err() || name.contains(':') {
                problems.push(
                    Error::invalid(format!("`{name}` is no name for a kind of topics")).hint("use one plain word"),
                );
            }
            if let Some(before) = registry.kinds.insert(name, info) {
                problems.push(
                    Error::invalid(format!(
                        "topics `{name}` are declared by `{}` and `{}`",
                        before.module, info.module
                    ))
                    .hint("give one of them another name"),
                );
            }
        }
        (registry, problems)
    }

    /// Says who may hear each kind, once the modules are up. The first call holds.
    pub(crate) fn bind(&self, authorize: HashMap<&'static str, Authorize>) {
        let _ = self.authorize.set(authorize);
    }

    /// Whether there are any.
    pub(crate) fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    pub(super) fn kinds(&self) -> impl Iterator<Item = &TopicsInfo> {
        self.kinds.values()
    }

    /// The kind of a topic.
    pub(super) fn of(&self, topic: &Topic) -> Result<TopicsInfo> {
        let found = self.kinds.get(topic.kind()).copied();
        found.ok_or_else(|| Error::not_found(format!("there are no topics `{}`", topic.kind())))
    }

    pub(super) fn authorize(&self, kind: &str) -> Result<&Authorize> {
        let found = self.authorize.get().and_then(|all| all.get(kind));
        found.ok_or_else(|| Error::internal(format!("the module of the topics `{kind}` is not up")))
    }
}
