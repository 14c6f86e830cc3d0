//! Which kinds of jobs and which queues an application has.

use super::job::{Job, Policy, check_name};
use super::payload;
use super::queue::Queue;
use super::run::Run;
use super::schedule::{Declared, Scheduled};
use crate::error::{Error, Result};
use futures_util::future::BoxFuture;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

/// What is known of a kind before anything runs.
#[derive(Clone, Copy, Debug)]
pub struct KindInfo {
    /// Its name.
    pub kind: &'static str,
    /// The module that does it.
    pub module: &'static str,
    /// The form of its arguments.
    pub version: u32,
    /// How it runs.
    pub policy: Policy,
    /// Fails when JSON is not what its arguments are in their present form.
    pub(crate) check: fn(&[u8]) -> Result<()>,
}

impl KindInfo {
    /// What the type says of itself.
    pub(crate) fn of<J: Job>(module: &'static str) -> Self {
        let check = |plain: &[u8]| payload::read::<J>(J::VERSION, plain).map(drop);
        Self { kind: J::KIND, module, version: J::VERSION, policy: J::policy().settled(), check }
    }
}

/// Does a job whose arguments are JSON of a version.
pub(crate) type Handler = Arc<dyn Fn(u32, Vec<u8>, Run) -> BoxFuture<'static, Result<()>> + Send + Sync>;

/// The handler that decodes the arguments and calls `work`.
pub(crate) fn handler<J, F, Done>(work: F) -> Handler
where
    J: Job,
    F: Fn(J, Run) -> Done + Send + Sync + 'static,
    Done: Future<Output = Result<()>> + Send + 'static,
{
    Arc::new(move |version, arguments, run| match payload::read::<J>(version, &arguments) {
        Ok(job) => Box::pin(work(job, run)),
        Err(error) => Box::pin(std::future::ready(Err(error))),
    })
}

/// The kinds and queues of an application; the handlers come when its modules are up.
#[derive(Default)]
pub(crate) struct Registry {
    kinds: BTreeMap<&'static str, KindInfo>,
    queues: BTreeMap<&'static str, Queue>,
    schedules: Vec<Scheduled>,
    handlers: OnceLock<HashMap<&'static str, Handler>>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("kinds", &self.kinds.keys()).field("queues", &self.queues.keys()).finish()
    }
}

impl Registry {
    /// Puts together what the modules declare; gives everything that is wrong with it.
    pub(crate) fn new(
        kinds: impl IntoIterator<Item = KindInfo>,
        queues: impl IntoIterator<Item = Queue>,
    ) -> (Self, Vec<Error>) {
        let (mut registry, mut problems) = (Self::default(), Vec::new());
        for queue in queues {
            problems.extend(registry.add_queue(queue).err());
        }
        for info in kinds {
            problems.extend(registry.add_kind(info).err());
        }
        problems.extend(registry.mixed());
        registry.queues.keys().for_each(|name| intern(name));
        (registry, problems)
    }

    /// Adds the schedules, once the kinds are known; gives everything that is wrong with them.
    pub(crate) fn add_schedules(&mut self, declared: impl IntoIterator<Item = Declared>) -> Vec<Error> {
        let mut problems = Vec::new();
        for declared in declared {
            match declared.scheduled() {
                Ok(scheduled) => self.schedules.push(scheduled),
                Err(error) => problems.push(error),
            }
        }
        problems.extend(Scheduled::problems(&self.schedules, self));
        problems
    }

    fn add_queue(&mut self, queue: Queue) -> Result<()> {
        check_name("queue", queue.name, 64)?;
        match self.queues.insert(queue.name, queue) {
            Some(before) if before != queue => {
                Err(Error::invalid(format!("queue `{}` is declared twice, with different limits", queue.name))
                    .hint("declare it in one place; a job of any module may name it"))
            }
            _ => Ok(()),
        }
    }

    fn add_kind(&mut self, info: KindInfo) -> Result<()> {
        check_name("kind of job", info.kind, 100)?;
        check_name("queue", info.policy.queue, 64)?;
        if !(1..=9).contains(&info.policy.priority) {
            return Err(Error::invalid(format!("job `{}` has priority {}", info.kind, info.policy.priority))
                .hint("1 runs first, 9 last"));
        }
        self.queues.entry(info.policy.queue).or_insert(Queue::new(info.policy.queue));
        match self.kinds.insert(info.kind, info) {
            Some(before) => Err(Error::invalid(format!(
                "job `{}` is declared by both `{}` and `{}`",
                info.kind, before.module, info.module
            ))
            .hint("a kind is done by one module; give one of them another `KIND`")),
            None => Ok(()),
        }
    }

    /// Jobs that block would take all places of a queue from those that do not.
    fn mixed(&self) -> Vec<Error> {
        let kinds = |queue: &str, blocking: bool| {
            self.kinds()
                .find(|info| info.policy.queue == queue && info.policy.blocking == blocking)
                .map(|info| info.kind)
        };
        let mixed = self.queues.keys().filter_map(|queue| Some((queue, kinds(queue, true)?, kinds(queue, false)?)));
        mixed
            .map(|(queue, blocking, other)| {
                Error::invalid(format!(
                    "queue `{queue}` holds `{blocking}`, which blocks, and `{other}`, which does not"
                ))
                .hint("give the job that blocks a queue of its own")
            })
            .collect()
    }

    /// Says who does which kind, once the modules are up. The first call holds.
    pub(crate) fn bind(&self, handlers: HashMap<&'static str, Handler>) {
        let _ = self.handlers.set(handlers);
    }

    pub(crate) fn handler(&self, kind: &str) -> Option<Handler> {
        self.handlers.get()?.get(kind).cloned()
    }

    pub(crate) fn kind(&self, kind: &str) -> Option<&KindInfo> {
        self.kinds.get(kind)
    }

    pub(crate) fn kinds(&self) -> impl Iterator<Item = &KindInfo> {
        self.kinds.values()
    }

    pub(crate) fn schedules(&self) -> &[Scheduled] {
        &self.schedules
    }

    pub(crate) fn queues(&self) -> impl Iterator<Item = &Queue> {
        self.queues.values()
    }

    /// The queue of this name; one that nobody declared has no limits.
    pub(crate) fn queue(&self, name: &'static str) -> Queue {
        self.queues.get(name).copied().unwrap_or(Queue::new(name))
    }

    /// Whether the jobs of this queue run on threads of their own.
    pub(crate) fn is_blocking(&self, queue: &str) -> bool {
        self.kinds().any(|info| info.policy.queue == queue && info.policy.blocking)
    }

    /// How many processes may die of a job of this kind.
    pub(crate) fn crashes(&self, kind: &str) -> u32 {
        self.kind(kind).map_or(Policy::new().crashes, |info| info.policy.crashes)
    }
}

/// The names of queues, which are also the channels on which their workers are woken.
static CHANNELS: RwLock<BTreeSet<&'static str>> = RwLock::new(BTreeSet::new());

fn intern(name: &'static str) {
    CHANNELS.write().unwrap_or_else(PoisonError::into_inner).insert(name);
}

/// The channel of a queue whose name came from the database; nothing when no worker of this build listens to it.
pub(crate) fn channel(queue: &str) -> Option<&'static str> {
    CHANNELS.read().unwrap_or_else(PoisonError::into_inner).get(queue).copied()
}
