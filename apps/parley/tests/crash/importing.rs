//! An import that is killed again and again, and then finished, is like one that was never disturbed.

use crate::program::client::Person;
use crate::program::place::{Database, Place};
use crate::program::random::Random;
use sarsen::clock;
use serde_json::Value;
use std::fmt::Write;

/// Lines of the log: several batches of the importer.
const LINES: usize = 10_000;
/// How often it is killed.
const KILLS: usize = 8;
const CHANNEL: &str = "crashes";

pub(crate) async fn is_finished_by_the_next(database: Database) {
    let (Some(calm), Some(stormy)) = (Place::new(database).await, Place::new(database).await) else { return };
    let log = log();
    let [calm_file, stormy_file] = [&calm, &stormy].map(|place| place.folder().join("made-up-2031-04-05.txt"));
    for file in [&calm_file, &stormy_file] {
        std::fs::write(file, &log).unwrap();
    }

    let started = clock::monotonic();
    let undisturbed = calm.import(&calm_file, CHANNEL).await;
    let took = clock::monotonic() - started;

    let (mut random, mut killed) = (Random::new(7), 0);
    let file = stormy_file.display().to_string();
    for _ in 0..KILLS {
        let mut command = stormy.command(&["import", "irc", &file, "--channel", CHANNEL, "--json"]);
        let mut child = command.spawn().unwrap();
        clock::pause(random.within(took / 3)).await;
        killed += usize::from(child.try_wait().unwrap().is_none());
        child.start_kill().ok();
        child.wait().await.unwrap();
        stormy.check_database().await;
    }
    let finished = stormy.import(&stormy_file, CHANNEL).await;
    println!("{database:?}: killed {killed} of {KILLS} imports of {took:.1?}; the last one: {finished}");
    assert!(killed > 0, "every import was done before it was killed");
    assert_eq!(added_and_known(&finished), added_and_known(&undisturbed));
    assert_eq!(imported(&stormy).await, imported(&calm).await);
    let again = stormy.import(&stormy_file, CHANNEL).await;
    assert_eq!(again["added"], 0, "{again}");
    stormy.check_database().await;
}

fn added_and_known(report: &Value) -> u64 {
    report["added"].as_u64().unwrap() + report["known"].as_u64().unwrap()
}

/// All that an import leaves, as a user sees it, without what was drawn at random.
async fn imported(place: &Place) -> (Value, Vec<Value>) {
    let server = place.serve().await;
    let mut reader = Person::sign_up(server.address, "reader").await;
    let channel = reader.channel_named(CHANNEL).await.unwrap();
    let path = format!("/v1/channels/{}/messages", channel["id"].as_str().unwrap());
    let messages = reader.pages(&path).await;
    server.kill().await;
    let shown = messages.iter().map(|message| {
        serde_json::json!([message["id"], message["author"]["username"], message["text"], message["posted_at"]])
    });
    // It is known to the second.
    let last = channel["last_message_at"].as_str().unwrap().get(..19);
    (serde_json::json!([channel["member_count"], last]), shown.collect())
}

/// A made-up log: people come, talk and repeat themselves.
fn log() -> String {
    let mut random = Random::new(3);
    let nicks = ["mira", "tom`away", "[Zed]", "o_o", "Æsa", "bot-7", "k|lo", "x"];
    let words =
        ["the", "lamp", "is", "green", "again", "ok", "why", "naïve", "→", "🙂", "http://example.test/?a=1&b=<2>"];
    let mut log = String::new();
    for line in 0..LINES {
        let (hour, minute) = (line / 600, line / 10 % 60);
        if random.below(20) == 0 {
            writeln!(log, "=== {} [~x@host.test] has joined #made-up", random.pick(&nicks)).unwrap();
            continue;
        }
        let text: Vec<&str> = (0..=random.below(6)).map(|_| random.pick(&words)).collect();
        writeln!(log, "[{hour:02}:{minute:02}] <{}> {}", random.pick(&nicks), text.join(" ")).unwrap();
    }
    log
}
