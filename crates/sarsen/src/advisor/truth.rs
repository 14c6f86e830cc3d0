//! The truth table: what was planted, and the word and the culprit that must come of it.

use super::scene::{self, Part, get, holder, job, query, stall, wait, with_tail};
use super::{Judgement, Level, Word, judge};
use crate::telemetry::{Budget, CauseSpan, OperationSpan, Over, QueueState, Snapshot, WaitKind, kb, ms};
use std::time::Duration;

/// One planted fault.
struct Planted {
    name: &'static str,
    snapshot: Snapshot,
    word: Word,
    culprit: &'static str,
    rule: &'static str,
}

fn planted(name: &'static str, word: Word, culprit: &'static str, rule: &'static str, snapshot: Snapshot) -> Planted {
    Planted { name, snapshot, word, culprit, rule }
}

/// With a budget of 80 ms that all of them broke.
fn late(mut operation: OperationSpan) -> OperationSpan {
    operation.budget = Some(Budget::p99(ms(80)));
    operation.over = Over { time: operation.all.count, ..Over::default() };
    operation
}

fn with(mut snapshot: Snapshot, change: impl FnOnce(&mut Snapshot)) -> Snapshot {
    change(&mut snapshot);
    snapshot
}

const SEARCH: &str = "SELECT id FROM messages WHERE channel_id = ? ORDER BY id DESC LIMIT ?";

fn of_database() -> Vec<Planted> {
    let missing_index = |part: Part| {
        let operations =
            vec![late(get("/a", 100, &[(part, 120.0), (Part::Cpu, 2.0)])), get("/b", 500, &[(Part::Cpu, 0.5)])];
        with(scene::of(operations), |snapshot| {
            snapshot.causes = vec![CauseSpan { examined: 9_000_000, ..query("GET /a", SEARCH, 100, 120.0) }];
        })
    };
    let mut on_a_server = missing_index(Part::Database);
    on_a_server.causes[0].examined = 0;
    let many = CauseSpan {
        operations: 100,
        repeated: 100,
        ..query("GET /a", "SELECT name FROM users WHERE id = ?", 4000, 2.0)
    };
    let n_plus_one = |part: Part| {
        with(scene::of(vec![late(get("/a", 100, &[(part, 80.0), (Part::Cpu, 20.0)]))]), |snapshot| {
            snapshot.causes = vec![many.clone()]
        })
    };
    let commits = scene::of(vec![
        late(get("/a", 100, &[(Part::Inline, 100.0), (Part::Cpu, 2.0)])),
        late(get("/b", 100, &[(Part::Pool, 90.0), (Part::Inline, 2.0)])),
    ]);
    let commits = with(commits, |snapshot| {
        snapshot.causes = vec![
            wait("GET /a", WaitKind::Database, "commit", 100, 95.0),
            query("GET /a", "UPDATE t SET a = ? WHERE id = ?", 100, 2.0),
        ];
        snapshot.holders = vec![holder(WaitKind::DatabasePool, "writer", 1, 9000.0, &[("GET /a", 9900.0, 100)])];
    });
    let inserts = with(scene::of(vec![late(get("/a", 100, &[(Part::Database, 100.0)]))]), |snapshot| {
        snapshot.causes = vec![query("GET /a", "INSERT INTO messages (id, text) VALUES (?)", 100, 98.0)];
    });
    vec![
        planted(
            "missing index, inside polls",
            Word::Db,
            "src/a/store.rs:41",
            "over_fetch",
            missing_index(Part::Inline),
        ),
        planted("missing index, on a server", Word::Db, "FROM messages", "verdict", on_a_server),
        planted("n+1, inside polls", Word::Db, "FROM users", "n_plus_one", n_plus_one(Part::Inline)),
        planted("n+1, on a server", Word::Db, "src/a/store.rs:41", "n_plus_one", n_plus_one(Part::Database)),
        planted("slow disk, commits", Word::Disk, "commits of GET /a", "verdict", commits),
        planted("slow disk, inserts", Word::Disk, "INSERT INTO messages", "verdict", inserts),
    ]
}

fn of_pools() -> Vec<Planted> {
    let small_pool =
        with(scene::of(vec![late(get("/a", 300, &[(Part::Pool, 200.0), (Part::Database, 20.0)]))]), |snapshot| {
            snapshot.causes = vec![query("GET /a", "SELECT name FROM users WHERE id = ?", 300, 20.0)];
            snapshot.holders = vec![holder(WaitKind::DatabasePool, "pool", 1, 60_000.0, &[("GET /a", 6000.0, 300)])];
        });
    let held_outside = |writer: &str| {
        let operations = vec![
            late(get("/call", 50, &[(Part::Http, 150.0), (Part::Database, 2.0)])),
            late(get("/a", 300, &[(Part::Pool, 200.0), (Part::Database, 2.0)])),
        ];
        with(scene::of(operations), |snapshot| {
            let call = wait("GET /call", WaitKind::Http, "oracle", 50, 150.0);
            snapshot.causes = vec![CauseSpan { while_holding: 50, while_holding_wall: call.wall, ..call }];
            snapshot.holders = vec![holder(
                WaitKind::DatabasePool,
                writer,
                1,
                60_000.0,
                &[("GET /call", 7600.0, 50), ("GET /a", 600.0, 300)],
            )];
        })
    };
    vec![
        planted("pool too small", Word::DbPool, "`pool` of 1", "verdict", small_pool),
        planted(
            "a call while holding the pool",
            Word::DbPool,
            "oracle",
            "external_while_holding",
            held_outside("pool"),
        ),
        planted(
            "a call while holding the writer",
            Word::DbPool,
            "GET /call",
            "external_while_holding",
            held_outside("writer"),
        ),
    ]
}

fn of_holders() -> Vec<Planted> {
    let lock = with(
        scene::of(vec![
            late(get("/slow", 40, &[(Part::Sleep, 100.0), (Part::Lock, 50.0)])),
            late(get("/a", 300, &[(Part::Lock, 120.0), (Part::Cpu, 1.0)])),
        ]),
        |snapshot| {
            snapshot.causes = vec![wait("GET /a", WaitKind::Lock, "ledger", 300, 120.0)];
            snapshot.holders = vec![holder(
                WaitKind::Lock,
                "ledger",
                1,
                38_000.0,
                &[("GET /slow", 4000.0, 40), ("GET /a", 300.0, 300)],
            )];
        },
    );
    let slow_query = with(
        scene::of(vec![
            late(get("/a", 300, &[(Part::Pool, 200.0), (Part::Database, 2.0)])),
            late(get("/report", 60, &[(Part::Database, 500.0)])),
        ]),
        |snapshot| {
            snapshot.causes = vec![query("GET /report", SEARCH, 60, 500.0)];
            snapshot.holders = vec![holder(
                WaitKind::DatabasePool,
                "pool",
                4,
                60_000.0,
                &[("GET /report", 30_000.0, 60), ("GET /a", 600.0, 300)],
            )];
        },
    );
    let long = with(
        scene::of(vec![
            late(get("/a", 300, &[(Part::Pool, 200.0), (Part::Database, 2.0)])),
            get("/slow", 40, &[(Part::Other, 90.0), (Part::Database, 5.0)]),
        ]),
        |snapshot| {
            snapshot.causes = vec![query("GET /slow", "UPDATE t SET a = ? WHERE id = ?", 40, 5.0)];
            snapshot.holders = vec![holder(
                WaitKind::DatabasePool,
                "writer",
                1,
                60_000.0,
                &[("GET /slow", 3800.0, 40), ("GET /a", 600.0, 300)],
            )];
        },
    );
    vec![
        planted("lock contention", Word::Lock, "`ledger`, held by GET /slow", "verdict", lock),
        planted("a slow query fills the pool", Word::Db, "FROM messages", "verdict", slow_query),
        planted("a transaction that idles", Word::DbPool, "GET /slow", "long_transaction", long),
    ]
}

/// Faults that break no promise, as `cargo xtask verdicts` plants them.
fn without_budgets() -> Vec<Planted> {
    let index = with(scene::of(vec![get("/a", 250, &[(Part::Database, 12.0), (Part::Cpu, 1.0)])]), |snapshot| {
        snapshot.causes = vec![query("GET /a", SEARCH, 250, 12.0)];
    });
    let many = with(scene::of(vec![get("/a", 700, &[(Part::Inline, 0.4), (Part::Cpu, 0.3)])]), |snapshot| {
        let text = "SELECT total FROM orders WHERE id = ?";
        snapshot.causes = vec![CauseSpan { operations: 700, repeated: 700, ..query("GET /a", text, 21_000, 0.013) }];
    });
    let pool = with(
        scene::of(vec![get("/a", 600, &[(Part::Pool, 70.0), (Part::Sleep, 30.0), (Part::Database, 2.0)])]),
        |snapshot| {
            snapshot.causes = vec![query("GET /a", "INSERT INTO writes (id, at) VALUES (?)", 600, 1.0)];
            snapshot.holders = vec![holder(WaitKind::DatabasePool, "pool", 2, 42_000.0, &[("GET /a", 19_000.0, 600)])];
        },
    );
    let cpu = with(scene::of(vec![get("/a", 250, &[(Part::Cpu, 15.0)])]), |snapshot| {
        snapshot.stalls = vec![stall("GET /a", 15.0, 0.97, "", 200)];
    });
    let blocking = with(scene::of(vec![get("/a", 140, &[(Part::Cpu, 40.0)])]), |snapshot| {
        snapshot.stalls = vec![stall("GET /a", 40.0, 0.01, "hrtimer_nanosleep", 130)];
        snapshot.operations[0].all.account.longest_poll = 40_000_000;
    });
    let lock = with(scene::of(vec![get("/a", 450, &[(Part::Lock, 140.0), (Part::Sleep, 20.0)])]), |snapshot| {
        snapshot.causes = vec![
            wait("GET /a", WaitKind::Lock, "report", 450, 140.0),
            wait("GET /a", WaitKind::Sleep, "counting", 450, 20.0),
        ];
        snapshot.holders = vec![holder(WaitKind::Lock, "report", 1, 63_000.0, &[("GET /a", 9_500.0, 450)])];
    });
    let memory = with(scene::of(vec![get("/a", 240, &[(Part::Cpu, 2.0)])]), |snapshot| {
        (snapshot.operations[0].all.allocated, snapshot.operations[0].all.kept) = (240 * (4 << 20), 240 * (4 << 20));
        (snapshot.process.resident, snapshot.process.memory_limit) = (380 << 20, 400 << 20);
    });
    let disk = with(scene::of(vec![get("/a", 350, &[(Part::Pool, 70.0), (Part::Database, 31.0)])]), |snapshot| {
        snapshot.causes = vec![
            query("GET /a", "INSERT INTO writes (id, at) VALUES (?)", 350, 0.1),
            wait("GET /a", WaitKind::Database, "offloaded", 350, 31.0),
        ];
        snapshot.holders = vec![holder(WaitKind::DatabasePool, "writer", 1, 24_000.0, &[("GET /a", 9_900.0, 350)])];
    });
    vec![
        planted("quick scans", Word::Db, "FROM messages", "verdict", index),
        planted("quick n+1", Word::Db, "FROM orders", "n_plus_one", many),
        planted("pool held by a pause", Word::DbPool, "GET /a", "long_transaction", pool),
        planted("short CPU loop", Word::Cpu, "GET /a at src/a/http.rs:77", "blocking_handler", cpu),
        planted("short block", Word::Blocking, "src/a/http.rs:77", "blocking_handler", blocking),
        planted("short lock", Word::Lock, "`report`", "verdict", lock),
        planted("what is kept", Word::Memory, "GET /a", "memory", memory),
        planted("slow disk behind the writer", Word::Disk, "commits of GET /a", "verdict", disk),
    ]
}

fn of_threads() -> Vec<Planted> {
    let victim = |wait: f64| late(get("/a", 500, &[(Part::Runnable, wait), (Part::Cpu, 0.5)]));
    let cpu = with(scene::of(vec![late(get("/burn", 60, &[(Part::Cpu, 150.0)])), victim(90.0)]), |snapshot| {
        snapshot.stalls = vec![stall("GET /burn", 150.0, 0.97, "", 60)];
        (snapshot.process.cpu, snapshot.process.machine_cpu) = (1.2, 0.9);
    });
    let preempted = with(cpu.clone(), |snapshot| {
        // Other programs take half of its time; it still computes.
        snapshot.stalls[0].on_core = 0.5;
        (snapshot.process.cpu, snapshot.process.machine_cpu, snapshot.process.pressure_cpu) = (0.5, 1.0, 60.0);
    });
    let blocking = with(scene::of(vec![late(get("/block", 60, &[(Part::Cpu, 120.0)])), victim(60.0)]), |snapshot| {
        snapshot.stalls = vec![stall("GET /block", 120.0, 0.01, "hrtimer_nanosleep", 60)];
        snapshot.operations[0].all.account.longest_poll = 120_000_000;
    });
    // Without the line: the kernel's clock tells.
    let unseen = with(scene::of(vec![late(get("/block", 60, &[(Part::Cpu, 120.0)]))]), |snapshot| {
        let all = &mut snapshot.operations[0].all;
        (all.account.longest_poll, all.cpu, all.cpu_wall) = (120_000_000, 1_000_000, 240_000_000);
    });
    let noisy = with(
        scene::of(vec![
            get("/burn", 30, &[(Part::Cpu, 90.0)]),
            late(get("/a", 500, &[(Part::Runnable, 90.0), (Part::Cpu, 0.5)])),
        ]),
        |snapshot| {
            snapshot.stalls = vec![stall("GET /burn", 90.0, 0.97, "", 30)];
        },
    );
    let host = with(scene::of(vec![victim(120.0)]), |snapshot| {
        (snapshot.process.cpu, snapshot.process.machine_cpu, snapshot.process.pressure_cpu) = (0.2, 1.0, 80.0);
    });
    let memory = with(scene::of(vec![late(get("/hog", 60, &[(Part::Cpu, 120.0)]))]), |snapshot| {
        snapshot.operations[0].all.allocated = 60 * (200 << 20)
    });
    vec![
        planted("CPU loop", Word::Cpu, "GET /burn at src/a/http.rs:77", "blocking_handler", cpu),
        planted("CPU loop on a busy machine", Word::Cpu, "GET /burn", "verdict", preempted),
        planted("blocking call", Word::Blocking, "src/a/http.rs:77", "blocking_handler", blocking),
        planted("blocking call, line unknown", Word::Blocking, "GET /block", "verdict", unseen),
        planted("noisy neighbour", Word::Cpu, "GET /burn", "blocking_handler", noisy),
        planted("others use the machine", Word::Host, "the machine", "verdict", host),
        planted("memory hog", Word::Memory, "GET /hog", "memory", memory),
    ]
}

fn of_others() -> Vec<Planted> {
    let third_party =
        with(scene::of(vec![late(get("/a", 100, &[(Part::Http, 300.0), (Part::Database, 2.0)]))]), |snapshot| {
            snapshot.causes = vec![wait("GET /a", WaitKind::Http, "oracle", 100, 300.0)];
        });
    let in_a_job =
        with(scene::of(vec![job("webhooks.deliver", 40, &[(Part::Http, 900.0), (Part::Database, 5.0)])]), |snapshot| {
            snapshot.causes = vec![wait("job webhooks.deliver", WaitKind::Http, "webhook", 40, 900.0)];
        });
    let starved = with(scene::of(vec![get("/a", 500, &[(Part::Cpu, 0.5)])]), |snapshot| {
        snapshot.queues = vec![QueueState {
            name: "mail".to_owned(),
            available: 50,
            concurrency: 2,
            running: 2,
            oldest: Duration::from_secs(8),
            arrival: 5.0,
            ..QueueState::default()
        }];
    });
    let behind = with(scene::of(vec![late_job(job("mail.send", 100, &[(Part::Cpu, 5.0)]))]), |snapshot| {
        snapshot.queues = vec![QueueState {
            name: "mail".to_owned(),
            available: 80,
            concurrency: 1,
            running: 1,
            oldest: Duration::from_secs(20),
            arrival: 30.0,
            settled: 10.0,
            ..QueueState::default()
        }];
    });
    let upload = scene::of(vec![late(get("/a", 100, &[(Part::BodyIn, 900.0), (Part::Cpu, 2.0)]))]);
    let undeclared = scene::of(vec![late(get("/a", 100, &[(Part::Other, 200.0), (Part::Cpu, 2.0)]))]);
    let child = with(scene::of(vec![late(get("/a", 100, &[(Part::Child, 200.0), (Part::Cpu, 2.0)]))]), |snapshot| {
        let inside = CauseSpan { share: 0, ..wait("GET /a", WaitKind::Http, "oracle", 100, 190.0) };
        snapshot.causes = vec![wait("GET /a", WaitKind::Child, "ask", 100, 200.0), inside];
    });
    let tail = with(scene::of(vec![get("/a", 0, &[])]), |snapshot| {
        // The usual one is quick and computes; the slow ones wait for a lock.
        let usual = get("/a", 1000, &[(Part::Cpu, 20.0)]);
        snapshot.operations = vec![late(with_tail(usual, 60, &[(Part::Cpu, 22.0), (Part::Lock, 300.0)]))];
        snapshot.causes = vec![wait("GET /a", WaitKind::Lock, "ledger", 60, 300.0)];
    });
    let files = with(scene::of(vec![late(get("/a", 100, &[(Part::File, 200.0)]))]), |snapshot| {
        snapshot.causes = vec![wait("GET /a", WaitKind::File, "attachment", 100, 200.0)];
    });
    vec![
        planted("slow third party", Word::External, "oracle", "verdict", third_party),
        planted("slow third party of a job", Word::External, "webhook", "verdict", in_a_job),
        planted("starved queue", Word::Queue, "queue `mail`", "nothing_moves", starved),
        planted("a queue that falls behind", Word::Queue, "queue `mail`", "growing_backlog", behind),
        planted("slow client", Word::Client, "send slowly", "verdict", upload),
        planted("an await that nobody declared", Word::Unknown, "GET /a", "verdict", undeclared),
        planted("a child task", Word::External, "oracle", "verdict", child),
        planted("only the slow ones wait", Word::Lock, "ledger", "verdict", tail),
        planted("slow files", Word::File, "attachment", "verdict", files),
    ]
}

fn late_job(mut operation: OperationSpan) -> OperationSpan {
    operation.budget = Some(Budget::new().wait(ms(1000)));
    operation.over.wait = operation.all.count;
    operation.all.queued = 9_000_000_000 * operation.all.count;
    operation
}

fn shown(judgement: &Judgement) -> String {
    let line = |finding: &super::Finding| {
        format!(
            "  {} {} {} [{}] {}",
            finding.level.as_str(),
            finding.word,
            finding.culprit,
            finding.rule,
            finding.sentence
        )
    };
    judgement.verdicts.iter().chain(&judgement.findings).map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn each_planted_fault_has_its_word_and_its_culprit() {
    let mut wrong = Vec::new();
    for fault in
        [of_database(), of_pools(), of_holders(), of_threads(), of_others(), without_budgets()].into_iter().flatten()
    {
        let judgement = judge(&fault.snapshot);
        let found = &judgement.process;
        if found.word != fault.word || !found.culprit.contains(fault.culprit) || found.rule != fault.rule {
            wrong.push(format!(
                "{}: {} [{}] {}\n{}",
                fault.name,
                found.word,
                found.rule,
                found.culprit,
                shown(&judgement)
            ));
        }
        assert!(!found.advice.is_empty() && found.level >= Level::Warn, "{}", fault.name);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_healthy_application_is_not_blamed() {
    let budget = |mut operation: OperationSpan, over: u64| {
        operation.budget = Some(Budget::p99(ms(80)).queries(6).allocated(kb(512)).error_rate(0.01));
        operation.over.time = over;
        operation
    };
    let usual = get("/a", 2000, &[(Part::Cpu, 1.0), (Part::Inline, 2.0), (Part::Pool, 0.2), (Part::Runnable, 0.3)]);
    let few_slow = budget(with_tail(usual, 40, &[(Part::Cpu, 2.0), (Part::Inline, 20.0), (Part::Runnable, 10.0)]), 8);
    let stream = get("/events", 50, &[(Part::BodyOut, 20_000.0)]);
    let hashes = get("/login", 40, &[(Part::Blocking, 60.0)]);
    let mut snapshot =
        scene::of(vec![few_slow, stream, hashes, job("mail.send", 100, &[(Part::Http, 80.0), (Part::Database, 5.0)])]);
    snapshot.causes =
        vec![query("GET /a", SEARCH, 2000, 2.0), wait("job mail.send", WaitKind::Mail, "relay", 100, 80.0)];
    snapshot.holders = vec![holder(
        WaitKind::DatabasePool,
        "writer",
        1,
        400.0,
        &[("job mail.send", 500.0, 100), ("GET /a", 200.0, 400)],
    )];
    snapshot.stalls = vec![stall("GET /a", 15.0, 0.2, "", 3)];
    snapshot.process.canary_p99 = 8_000_000;
    snapshot.queues = vec![QueueState {
        name: "mail".to_owned(),
        available: 3,
        concurrency: 4,
        running: 2,
        settled: 10.0,
        arrival: 10.0,
        ..QueueState::default()
    }];
    let judgement = judge(&snapshot);
    assert_eq!(judgement.process.word, Word::Healthy, "{}", shown(&judgement));
    assert!(judgement.sentence.starts_with("Nothing is wrong"));
    let all = judgement.verdicts.iter().chain(&judgement.findings);
    assert_eq!(all.filter(|finding| finding.level > Level::Note).count(), 0, "{}", shown(&judgement));
}

#[test]
fn few_operations_say_nothing() {
    let judgement = judge(&scene::of(vec![late(get("/a", 12, &[(Part::Http, 300.0)]))]));
    assert_eq!((judgement.process.word, judgement.verdicts[0].word), (Word::TooFew, Word::TooFew));
    assert!(
        judgement.verdicts[0].sentence.contains("too few to say (12 of 30), so far 100 % EXTERNAL"),
        "{}",
        judgement.verdicts[0].sentence
    );
}

#[test]
fn the_sentence_says_all_of_it() {
    let mut snapshot =
        scene::of(vec![late(get("/v1/channels/{id}/messages", 100, &[(Part::Database, 270.0), (Part::Cpu, 110.0)]))]);
    snapshot.causes = vec![CauseSpan {
        operations: 100,
        repeated: 100,
        ..query("GET /v1/channels/{id}/messages", "SELECT name FROM users WHERE id = ?", 1100, 24.5)
    }];
    assert_eq!(
        judge(&snapshot).sentence,
        "GET /v1/channels/{id}/messages: p99 380 ms of 80 ms; 71 % DB: SELECT name FROM users WHERE id = ? at src/a/store.rs:41, \
         11 calls each → read all 11 rows of users at once: with `IN (?)`, or with a JOIN in the query before"
    );
}

#[test]
fn who_suffers_from_another_stands_behind_it() {
    let fault = of_threads().remove(0);
    let judgement = judge(&fault.snapshot);
    assert_eq!(judgement.verdicts[0].subject(), "GET /burn");
    assert!(judgement.verdicts[0].evidence.contains(&("also slows".to_owned(), "GET /a".to_owned())));
    assert!(judgement.verdicts[1].evidence.iter().any(|(name, _)| name == "because of"));
}

#[test]
fn a_broken_budget_of_queries_stands_under_its_n_plus_one() {
    let mut operation = get("/a", 100, &[(Part::Database, 6.0), (Part::Cpu, 2.0)]);
    operation.budget = Some(Budget::p99(ms(80)).queries(6));
    operation.over.queries = 100;
    let mut snapshot = scene::of(vec![operation]);
    let text = "SELECT name FROM users WHERE id = ?";
    snapshot.causes = vec![CauseSpan { operations: 100, repeated: 100, ..query("GET /a", text, 1100, 0.5) }];
    let judgement = judge(&snapshot);
    let found: Vec<_> = judgement.verdicts.iter().map(|finding| (finding.rule.as_str(), finding.level)).collect();
    assert_eq!(found, [("n_plus_one", Level::Fail)], "{}", shown(&judgement));
    assert_eq!(judgement.process.rule, "n_plus_one");
}

#[test]
fn a_noisy_neighbour_is_named_beside_its_own_verdict() {
    let fault = of_threads().into_iter().find(|fault| fault.name == "noisy neighbour").expect("is there");
    let judgement = judge(&fault.snapshot);
    let noisy = judgement.verdicts.iter().find(|verdict| verdict.rule == "noisy_neighbour").expect("is found");
    assert_eq!((noisy.word, noisy.subject()), (Word::Runtime, "GET /a".to_owned()));
    assert!(noisy.culprit.contains("GET /burn"), "{}", noisy.culprit);
}

#[test]
fn two_faults_at_once_are_both_told() {
    let mut snapshot =
        scene::of(vec![late(get("/a", 100, &[(Part::Http, 300.0)])), late(get("/b", 100, &[(Part::Database, 150.0)]))]);
    snapshot.causes = vec![wait("GET /a", WaitKind::Http, "oracle", 100, 300.0), query("GET /b", SEARCH, 100, 150.0)];
    let words: Vec<Word> = judge(&snapshot).verdicts.iter().map(|verdict| verdict.word).collect();
    assert_eq!(words, [Word::External, Word::Db]);
}
