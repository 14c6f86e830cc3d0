//! The faults: what is set up, what load shows them, and which verdict is right.

use super::load::Stream;

/// What is set up for a fault, beside its load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Setting {
    /// Connections of the pool; the default where it is zero.
    pub(super) connections: u32,
    /// How long the other service thinks, in milliseconds.
    pub(super) third_party_ms: u64,
    /// How much longer each write to the disk takes, in milliseconds.
    pub(super) disk_ms: u64,
    /// Most memory, in megabytes; what the machine has where it is zero.
    pub(super) memory_mb: u64,
    /// Threads of the runtime; one for each core where it is zero.
    pub(super) threads: u32,
    /// An index of Parley that is taken away.
    pub(super) dropped: &'static [&'static str],
    /// Messages in the channel that is read.
    pub(super) messages: u32,
}

/// A fault, and how it shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    pub(super) name: &'static str,
    pub(super) setting: Setting,
    pub(super) load: &'static [Stream],
    /// The words that are right.
    pub(super) words: &'static [&'static str],
    /// What the culprit, or the sentence, must name: one of these.
    pub(super) culprits: &'static [&'static str],
    /// The rule that must have found it, where the word alone does not say it.
    pub(super) rule: Option<&'static str>,
}

pub(super) const PLAIN: Setting =
    Setting { connections: 0, third_party_ms: 0, disk_ms: 0, memory_mb: 0, threads: 0, dropped: &[], messages: 200 };

/// What people do meanwhile, and what is right.
pub(super) const HEALTHY: &[Stream] = &[
    Stream::get("/v1/channels", 1, 100),
    Stream::get("/v1/channels/{channel}/messages", 1, 100),
    Stream::post("/v1/channels/{channel}/messages", r#"{"text":"hello everybody"}"#, 1, 250),
    Stream::get("/v1/planted/healthy/{n}", 1, 50),
];

/// All of them.
pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "missing index",
        setting: PLAIN,
        load: &[Stream::get("/v1/planted/missing-index/{n}", 2, 60)],
        words: &["DB"],
        culprits: &["planted_orders"],
        rule: None,
    },
    Fault {
        name: "dropped index",
        setting: Setting {
            dropped: &["messages_history", "messages_activity", "messages_thread"],
            messages: 40_000,
            ..PLAIN
        },
        load: &[Stream::get("/v1/channels/{channel}/messages", 2, 60)],
        words: &["DB"],
        culprits: &["messages"],
        rule: None,
    },
    Fault {
        name: "N+1",
        setting: PLAIN,
        load: &[Stream::get("/v1/planted/n-plus-one", 3, 40)],
        words: &["DB"],
        culprits: &["planted"],
        rule: Some("n_plus_one"),
    },
    Fault {
        name: "pool too small",
        setting: Setting { connections: 2, ..PLAIN },
        load: &[Stream::get("/v1/planted/holding", 8, 20)],
        words: &["DB_POOL"],
        culprits: &["/v1/planted/holding"],
        rule: None,
    },
    Fault {
        name: "CPU loop",
        setting: PLAIN,
        load: &[Stream::get("/v1/planted/cpu", 1, 25)],
        words: &["CPU"],
        culprits: &["/v1/planted/cpu", "planted/work.rs"],
        rule: None,
    },
    Fault {
        name: "blocking call",
        setting: PLAIN,
        load: &[Stream::get("/v1/planted/blocking", 1, 30)],
        words: &["BLOCKING"],
        culprits: &["planted/work.rs", "/v1/planted/blocking"],
        rule: None,
    },
    Fault {
        name: "slow third party",
        setting: Setting { third_party_ms: 250, ..PLAIN },
        load: &[Stream::get("/v1/planted/third-party", 6, 10)],
        words: &["EXTERNAL"],
        culprits: &["oracle"],
        rule: None,
    },
    Fault {
        name: "call while holding",
        setting: Setting { third_party_ms: 120, connections: 4, ..PLAIN },
        load: &[Stream::get("/v1/planted/call-while-holding", 8, 20)],
        words: &["DB_POOL", "EXTERNAL"],
        culprits: &["/v1/planted/call-while-holding", "oracle"],
        rule: Some("external_while_holding"),
    },
    Fault {
        name: "lock contention",
        setting: PLAIN,
        load: &[Stream::get("/v1/planted/lock", 8, 10)],
        words: &["LOCK"],
        culprits: &["report"],
        rule: None,
    },
    Fault {
        name: "memory hog",
        setting: Setting { memory_mb: 400, ..PLAIN },
        load: &[Stream::get("/v1/planted/memory", 2, 80)],
        words: &["MEMORY"],
        culprits: &["/v1/planted/memory"],
        rule: None,
    },
    Fault {
        name: "noisy neighbour",
        setting: Setting { threads: 1, ..PLAIN },
        load: &[Stream::get("/v1/planted/noisy", 3, 50), Stream::get("/v1/planted/healthy/{n}", 4, 10)],
        words: &["RUNTIME", "CPU"],
        culprits: &["/v1/planted/noisy"],
        rule: None,
    },
    Fault {
        name: "starved queue",
        setting: PLAIN,
        load: &[Stream::post("/v1/planted/queue", "{}", 1, 200)],
        words: &["QUEUE"],
        culprits: &["planted"],
        rule: None,
    },
    Fault {
        name: "slow disk",
        setting: Setting { disk_ms: 30, ..PLAIN },
        load: &[Stream::post("/v1/planted/write", "{}", 4, 20)],
        words: &["DISK"],
        culprits: &["/v1/planted/write", "commit", "COMMIT"],
        rule: None,
    },
];
