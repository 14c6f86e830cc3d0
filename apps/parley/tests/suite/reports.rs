//! Reports: what they count, who gets them, and that the numbers are those of the messages themselves.

use crate::world::{Person, World};
use futures_util::future::join_all;
use parley::messages::api::ImportedMessage;
use sarsen::Timestamp;
use sarsen::clock::id_at;
use sarsen::jobs::Filter;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

/// A row of a report, by the names of its columns.
type Row = HashMap<String, String>;

/// Takes CSV apart, by a reader of its own.
fn rows(csv: &str) -> Vec<Row> {
    let (mut lines, mut line, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut rest = csv.chars().peekable();
    while let Some(character) = rest.next() {
        match (character, quoted) {
            ('"', true) if rest.peek() == Some(&'"') => cell.extend(rest.next()),
            ('"', _) => quoted = !quoted,
            (',', false) => line.push(std::mem::take(&mut cell)),
            ('\r', false) => {}
            ('\n', false) => {
                line.push(std::mem::take(&mut cell));
                lines.push(std::mem::take(&mut line));
            }
            (other, _) => cell.push(other),
        }
    }
    let mut lines = lines.into_iter();
    let head: Vec<String> = lines.next().expect("a head");
    lines.map(|line: Vec<String>| head.iter().cloned().zip(line).collect()).collect()
}

/// Channel, member, and numbers: messages, replies, threads and reactions, then by day, then by hour.
type Numbers = BTreeMap<(String, String), (Vec<u64>, BTreeMap<String, u64>)>;

/// Counts what the API shows, one message at a time.
async fn counted(person: &Person, channels: &[(&str, &str)], from: &str, until: &str) -> Numbers {
    let mut numbers = Numbers::new();
    for (id, name) in channels {
        let mut messages = person.pages(&format!("/v1/channels/{id}/messages?limit=100")).await;
        for root in messages.clone().iter().filter(|it| it["reply_count"] != 0) {
            messages.extend(person.pages(&format!("/v1/messages/{}/replies", root["id"].as_str().expect("id"))).await);
        }
        for message in messages.iter().filter(|it| it["deleted"] == false) {
            let at = message["posted_at"].as_str().expect("a time");
            if at[..10] < *from || at[..10] > *until {
                continue;
            }
            let member = message["author"]["display_name"].as_str().expect("a name").to_owned();
            let (sums, places) = numbers.entry(((*name).to_owned(), member)).or_insert((vec![0; 4], BTreeMap::new()));
            let reactions = message["reactions"].as_array().expect("a list").iter();
            let reactions: u64 = reactions.map(|it| it["count"].as_u64().expect("a number")).sum();
            let more =
                [1, u64::from(message["thread_id"].is_string()), u64::from(message["reply_count"] != 0), reactions];
            sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
            *places.entry(at[..10].to_owned()).or_default() += 1;
            *places.entry(format!("{}h", &at[11..13])).or_default() += 1;
        }
    }
    numbers
}

fn reported(rows: &[Row]) -> Numbers {
    let number = |row: &Row, name: &str| row[name].parse::<u64>().expect("a number");
    let numbers = rows.iter().map(|row| {
        let sums = ["messages", "replies", "threads", "reactions"].map(|name| number(row, name)).to_vec();
        let is_place = |name: &&String| name.starts_with("20") || (name.ends_with('h') && name.len() == 3);
        let places = row.keys().filter(is_place).map(|name| (name.clone(), number(row, name)));
        let places = places.filter(|(_, count)| *count > 0).collect();
        ((row["channel"].clone(), row["member"].clone()), (sums, places))
    });
    numbers.collect()
}

fn id(value: &Value) -> String {
    value["id"].as_str().expect("an id").to_owned()
}

/// Two channels with a week of talk, a third that nobody else may read, and a reader.
async fn talk(world: &World) -> (Person, Vec<(String, &'static str)>) {
    let (mira, tomas) = (world.sign_up("mira").await, world.sign_up("tomas").await);
    let general = mira.channel("general", "public").await;
    let plans = mira.channel("plans", "private").await;
    let hidden = tomas.channel("hidden", "private").await;
    tomas.post(&format!("/v1/channels/{general}/join"), json!({})).await.expect(200);
    tomas.say(&hidden, "nobody else counts this").await;
    tomas.post("/v1/direct", json!({"user_ids": [mira.user_id()]})).await.expect(200);
    import(world, &general, &[&mira, &tomas], 2_345).await;
    import(world, &plans, &[&mira], 7).await;
    let root = id(&mira.say(&general, "shall we?").await);
    for (person, text) in [(&tomas, "yes"), (&mira, "good"), (&tomas, "now")] {
        let reply = json!({"text": text, "thread_id": root});
        person.post(&format!("/v1/channels/{general}/messages"), reply).await.expect(201);
    }
    for (person, emoji) in [(&tomas, "%2B1"), (&mira, "%2B1"), (&tomas, "tada")] {
        person.put(&format!("/v1/messages/{root}/reactions/{emoji}")).await.expect(200);
    }
    let gone = id(&tomas.say(&general, "oops").await);
    tomas.delete(&format!("/v1/messages/{gone}")).await.expect(204);
    (mira, vec![(general, "general"), (plans, "plans")])
}

/// Says `count` things in turn, one every few minutes before now, for more than a week.
async fn import(world: &World, channel: &str, people: &[&Person], count: u32) {
    let now = world.clock().now();
    let message = |number: u32| {
        let posted_at = now - Duration::from_secs(u64::from(number + 1) * 331);
        let author = people[number as usize % people.len()].user_id().parse().expect("an id");
        ImportedMessage { id: id_at(posted_at), author, text: format!("message {number}"), posted_at }
    };
    let all: Vec<ImportedMessage> = (0..count).map(message).collect();
    for some in all.chunks(500) {
        let channel = channel.parse().expect("an id");
        world.handles().messages.import_batch(channel, some.to_vec()).await.expect("imports");
    }
}

async fn made(world: &World, person: &Person, range: Value) -> (String, Vec<Row>) {
    let report = id(&person.post("/v1/reports", range).await.expect(201));
    world.run_jobs().await;
    let shown = person.get(&format!("/v1/reports/{report}")).await.expect(200);
    assert_eq!(shown["state"], "ready", "{shown}");
    let rows = rows(&person.text(&format!("/v1/reports/{report}.csv")).await);
    let listed = world.jobs().admin().list(&Filter { kind: "reports.make".to_owned(), ..Filter::default() }).await;
    let progress = listed.expect("jobs").jobs.swap_remove(0).progress.expect("it said how far it was");
    assert_eq!((progress.done, progress.note.as_str()), (progress.total, "done"));
    let sum: u64 = rows.iter().map(|row| row["messages"].parse::<u64>().expect("a number")).sum();
    assert_eq!(shown["messages"], sum);
    (report, rows)
}

pub(crate) async fn a_report_has_the_numbers_of_the_messages(world: World) {
    let (mira, channels) = talk(&world).await;
    let channels: Vec<(&str, &str)> = channels.iter().map(|(id, name)| (id.as_str(), *name)).collect();
    // The clock stands at the first moment of the year, so the last week is the last of the old year.
    let (_, week) = made(&world, &mira, json!({})).await;
    let expected = counted(&mira, &channels, "2025-12-25", "2025-12-31").await;
    assert!(expected.values().map(|(sums, _)| sums[0]).sum::<u64>() > 1_500, "more than a page of one channel");
    assert_eq!(reported(&week), expected);
    let (_, today) = made(&world, &mira, json!({"first_day": "2025-12-28", "last_day": "2026-01-01"})).await;
    let expected = counted(&mira, &channels, "2025-12-28", "2026-01-01").await;
    assert_eq!(reported(&today), expected);
    let general = expected.get(&("general".to_owned(), "mira".to_owned())).expect("she wrote there");
    assert_eq!(general.0[1..], [1, 1, 3], "a reply, a thread, and three reactions");
    assert!(today.iter().all(|row| row["channel"] != "hidden"), "{today:?}");
}

pub(crate) async fn a_report_is_made_once_at_a_time_and_seen_by_its_owner_only(world: World) {
    let (mira, other) = (world.sign_up("mira").await, world.sign_up("tomas").await);
    let first = mira.post("/v1/reports", json!({})).await.expect(201);
    assert_eq!(first["state"], "waiting", "{first}");
    let many = join_all((0..5).map(|_| mira.post("/v1/reports", json!({})))).await;
    assert!(many.into_iter().all(|answer| answer.expect(201)["id"] == first["id"]), "one for these days");
    let path = format!("/v1/reports/{}", id(&first));
    other.get(&path).await.expect(404);
    other.get(&format!("{path}.csv")).await.expect(404);
    other.delete(&path).await.expect(404);
    mira.get(&format!("{path}.csv")).await.expect(409);
    world.run_jobs().await;
    assert_eq!(mira.get(&path).await.expect(200)["state"], "ready");
    let again = mira.post("/v1/reports", json!({})).await.expect(201);
    assert_ne!(again["id"], first["id"], "the first is done");
    assert_eq!(mira.items("/v1/reports").await.len(), 2);
    assert_eq!(other.items("/v1/reports").await.len(), 0);
    mira.delete(&path).await.expect(204);
    mira.get(&path).await.expect(404);
    mira.get(&format!("{path}.csv")).await.expect(404);
}

pub(crate) async fn few_reports_of_a_person_are_made_at_once(world: World) {
    let mira = world.sign_up("mira").await;
    for day in ["2025-12-01", "2025-12-02", "2025-12-03"] {
        mira.post("/v1/reports", json!({"first_day": day, "last_day": day})).await.expect(201);
    }
    let more = json!({"first_day": "2025-12-04", "last_day": "2025-12-04"});
    mira.post("/v1/reports", more.clone()).await.expect(429);
    assert_eq!(mira.items("/v1/reports").await.len(), 3);
    world.run_jobs().await;
    mira.post("/v1/reports", more).await.expect(201);
}

pub(crate) async fn days_that_cannot_be_counted_are_refused(world: World) {
    let mira = world.sign_up("mira").await;
    for (range, field) in [
        (json!({"first_day": "soon"}), "first_day"),
        (json!({"last_day": "2026-01-02"}), "last_day"),
        (json!({"first_day": "2025-11-01"}), "first_day"),
        (json!({"first_day": "2025-12-31", "last_day": "2025-12-30"}), "first_day"),
    ] {
        let problem = mira.post("/v1/reports", range.clone()).await.expect(422);
        assert_eq!(problem["errors"][0]["field"], field, "{range}");
    }
    assert_eq!(mira.get("/v1/reports/no-id").await.expect(422)["errors"][0]["field"], "id");
}

pub(crate) async fn names_in_a_table_are_never_computed(world: World) {
    let mira = world.sign_up("mira").await;
    let name = "=HYPERLINK(\"http://evil.test\", \"click, please\")";
    mira.patch("/v1/me", json!({"display_name": name})).await.expect(200);
    let channel = mira.channel("-2-3", "public").await;
    mira.say(&channel, "hello").await;
    world.clock().advance(DAY);
    let (report, rows) = made(&world, &mira, json!({})).await;
    assert_eq!((&rows[0]["channel"], &rows[0]["member"]), (&"'-2-3".to_owned(), &format!("'{name}")));
    let csv = mira.text(&format!("/v1/reports/{report}.csv")).await;
    let line = "'-2-3,\"'=HYPERLINK(\"\"http://evil.test\"\", \"\"click, please\"\")\",1,0,0,0,00h,";
    assert!(csv.contains(line), "{csv}");
}

pub(crate) async fn every_monday_at_eight_subscribers_get_one(world: World) {
    let (mira, other) = (world.sign_up("mira").await, world.sign_up("tomas").await);
    let path = "/v1/me/weekly-report";
    assert_eq!(mira.get(path).await.expect(200)["subscribed"], false);
    mira.put(path).await.expect(204);
    mira.put(path).await.expect(204);
    assert_eq!(mira.get(path).await.expect(200)["subscribed"], true);
    // The clock begins on a Thursday.
    world.run_jobs().await;
    assert_eq!(mira.items("/v1/reports").await.len(), 0);
    let monday: Timestamp = "2026-01-05T08:00:00Z".parse().expect("a time");
    world.clock().advance(monday.since(world.clock().now()));
    world.run_jobs().await;
    let reports = mira.items("/v1/reports").await;
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert_eq!((&reports[0]["first_day"], &reports[0]["last_day"]), (&json!("2025-12-29"), &json!("2026-01-04")));
    assert_eq!(reports[0]["state"], "ready");
    assert_eq!(other.items("/v1/reports").await.len(), 0);
    mira.delete(path).await.expect(204);
    world.clock().advance(7 * DAY);
    world.run_jobs().await;
    assert_eq!(mira.items("/v1/reports").await.len(), 1);
}

/// On the clock of the team, an hour before that of the server.
pub(crate) async fn monday_at_eight_is_by_the_zone_of_the_configuration(_: World) {
    let world = World::start_in(json!({"reports": {"zone": "Europe/Berlin"}})).await;
    let mira = world.sign_up("mira").await;
    mira.put("/v1/me/weekly-report").await.expect(204);
    world.run_jobs().await;
    let monday: Timestamp = "2026-01-05T06:59:59Z".parse().expect("a time");
    world.clock().advance(monday.since(world.clock().now()));
    world.run_jobs().await;
    assert_eq!(mira.items("/v1/reports").await.len(), 0);
    world.clock().advance(Duration::from_secs(1));
    world.run_jobs().await;
    let reports = mira.items("/v1/reports").await;
    assert_eq!((reports.len(), &reports[0]["zone"]), (1, &json!("Europe/Berlin")));
}

pub(crate) async fn a_report_that_waits_for_a_worker_shows_it(world: World) {
    let mira = world.sign_up("mira").await;
    let report = mira.post("/v1/reports", json!({})).await.expect(201);
    assert_eq!((&report["state"], &report["progress"]), (&json!("waiting"), &Value::Null));
    world.clock().advance(2 * DAY);
    let given_up = mira.get(&format!("/v1/reports/{}", id(&report))).await.expect(200);
    assert_eq!((&given_up["state"], &given_up["error"]), (&json!("failed"), &json!("it could not be made")));
}
