//! Whose queues are compared, on which stores, and how their programs are called.

use std::fmt;
use std::path::PathBuf;
use std::process::Command;

use clap::ValueEnum;

use super::cases::Work;
use super::node::Node;
use super::stores::Store;
use crate::Outcome;
use crate::bench::peers as programs;

/// A queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Peer {
    /// Ours.
    Sarsen,
    /// Of Rust.
    Apalis,
    /// Of Node.js, on PostgreSQL.
    GraphileWorker,
    /// Of Node.js, on PostgreSQL.
    PgBoss,
    /// Of Node.js, on Redis.
    Bullmq,
}

/// How a queue is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variant {
    /// With its defaults.
    Plain,
    /// As quick as we found out to make it.
    Tuned,
}

/// A queue on a store, set up in one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Contender {
    pub(super) peer: Peer,
    pub(super) store: Store,
    pub(super) variant: Variant,
}

impl Peer {
    pub(super) const OURS: Peer = Peer::Sarsen;

    fn name(self) -> &'static str {
        match self {
            Peer::Sarsen => "sarsen",
            Peer::Apalis => "apalis",
            Peer::GraphileWorker => "graphile-worker",
            Peer::PgBoss => "pg-boss",
            Peer::Bullmq => "bullmq",
        }
    }

    fn is_of_node(self) -> bool {
        matches!(self, Peer::GraphileWorker | Peer::PgBoss | Peer::Bullmq)
    }

    fn stores(self) -> &'static [Store] {
        match self {
            Peer::Sarsen | Peer::Apalis => &[Store::Postgres, Store::SqliteNormal, Store::SqliteFull],
            Peer::GraphileWorker | Peer::PgBoss => &[Store::Postgres],
            Peer::Bullmq => &[Store::Redis],
        }
    }

    /// Ours as an application gets it, the others also at their best; where nothing can be tuned, there is one variant.
    fn variants(self) -> &'static [Variant] {
        match self {
            Peer::Sarsen | Peer::Bullmq => &[Variant::Plain],
            _ => &[Variant::Plain, Variant::Tuned],
        }
    }
}

impl Contender {
    /// Whether the peer is there in more than one variant.
    pub(super) fn has_a_choice(&self) -> bool {
        self.peer.variants().len() > 1
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.variant {
            _ if !self.has_a_choice() => formatter.write_str(self.peer.name()),
            Variant::Plain => write!(formatter, "{} (as it comes)", self.peer.name()),
            Variant::Tuned => write!(formatter, "{} (tuned)", self.peer.name()),
        }
    }
}

/// Everybody, in the order of the report.
pub(super) fn all() -> Vec<Contender> {
    let mut all = Vec::new();
    for peer in Peer::value_variants() {
        for store in peer.stores() {
            all.extend(peer.variants().iter().map(|variant| Contender {
                peer: *peer,
                store: *store,
                variant: *variant,
            }));
        }
    }
    all
}

/// Where the peers' programs are.
#[derive(Debug)]
pub(super) struct Programs {
    rust: PathBuf,
    node: Option<Node>,
}

impl Programs {
    /// Builds and installs what the contenders need; without Node.js its peers are left out, and that is said.
    pub(super) fn ready(mut contenders: Vec<Contender>) -> Outcome<(Programs, Vec<Contender>)> {
        let rust = programs::build()?;
        let mut node = None;
        if contenders.iter().any(|contender| contender.peer.is_of_node()) {
            match Node::ready() {
                Ok(ready) => node = Some(ready),
                Err(reason) => {
                    eprintln!("skipped graphile-worker, pg-boss and bullmq: Node.js {reason}");
                    contenders.retain(|contender| !contender.peer.is_of_node());
                }
            }
        }
        if contenders.is_empty() {
            return Err("nothing is left to measure; ask for other queues or stores".to_owned());
        }
        Ok((Programs { rust, node }, contenders))
    }

    /// A process of this contender for this work.
    pub(super) fn command(&self, who: &Contender, work: &Work, url: &str) -> Command {
        let mut command = match self.node.as_ref().filter(|_| who.peer.is_of_node()) {
            Some(node) => node.command(),
            None => Command::new(&self.rust),
        };
        if !who.peer.is_of_node() {
            command.arg("jobs");
        }
        command.args([who.peer.name(), work.bench, "--url", url]);
        command.args(["--variant", if who.variant == Variant::Plain { "plain" } else { "tuned" }]);
        let numbers = [
            ("--count", work.count),
            ("--waiting", work.waiting),
            ("--concurrency", work.concurrency),
            ("--seconds", work.seconds),
        ];
        for (name, number) in numbers {
            command.args([name, &number.to_string()]);
        }
        if let Some(synchronous) = who.store.synchronous() {
            command.args(["--synchronous", synchronous]);
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_how_it_is_set_up_where_there_is_a_choice() {
        let name = |peer, variant| Contender { peer, store: Store::Postgres, variant }.to_string();
        assert_eq!(name(Peer::Apalis, Variant::Tuned), "apalis (tuned)");
        assert_eq!(name(Peer::PgBoss, Variant::Plain), "pg-boss (as it comes)");
        assert_eq!(name(Peer::Bullmq, Variant::Plain), "bullmq");
    }

    #[test]
    fn names_are_those_of_the_command_line() {
        for peer in Peer::value_variants() {
            assert_eq!(peer.to_possible_value().unwrap().get_name(), peer.name());
        }
    }
}
