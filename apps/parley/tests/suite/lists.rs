//! Long lists: pages by keyset, search, imports, and a number of queries that does not grow.

use crate::world::{Person, World};
use parley::messages::api::ImportedMessage;
use sarsen::Timestamp;
use serde_json::json;
use std::collections::HashSet;
use uuid::Uuid;

/// Messages as an importer makes them; those whose number has the same tens have the same time.
fn imported(author: Uuid, numbers: std::ops::Range<u128>) -> Vec<ImportedMessage> {
    let message = |number: u128| ImportedMessage {
        id: Uuid::from_u128(0x7000_8000_0000_0000_0000 + number),
        author,
        text: format!("imported number{number} line"),
        posted_at: Timestamp::from_micros(1_000_000_000_000_000 + i64::try_from(number / 10).unwrap_or(0)),
    };
    numbers.map(message).collect()
}

async fn channel_of(world: &World, person: &Person, count: u128) -> String {
    let channel = person.channel("history", "public").await;
    let author = world.handles().accounts.import_people(vec!["old_hand".to_owned()]).await.expect("imports")[0].id;
    let id = channel.parse().expect("an id");
    let inserted = world.handles().messages.import_batch(id, imported(author, 0..count)).await.expect("imports");
    assert_eq!(u128::from(inserted), count);
    channel
}

pub(crate) async fn a_long_history_is_read_by_pages_without_gap_or_repeat(world: World) {
    let ada = world.sign_up("ada").await;
    let channel = channel_of(&world, &ada, 300).await;
    let items = ada.pages(&format!("/v1/channels/{channel}/messages?limit=7")).await;
    let ids: HashSet<String> = items.iter().map(|it| it["id"].to_string()).collect();
    assert_eq!((items.len(), ids.len()), (300, 300));
    let keys: Vec<_> = items.iter().map(|it| (it["posted_at"].to_string(), it["id"].to_string())).collect();
    assert!(keys.windows(2).all(|pair| pair[0] > pair[1]), "newest first");
    let first = ada.get(&format!("/v1/channels/{channel}/messages?limit=7")).await.expect(200);
    ada.say(&channel, "a new one shifts nothing").await;
    let next = first["next"].as_str().expect("more");
    let second = ada.items(&format!("/v1/channels/{channel}/messages?limit=7&cursor={next}")).await;
    assert_eq!(second, items[7..14]);
}

pub(crate) async fn forged_cursors_are_refused(world: World) {
    let ada = world.sign_up("ada").await;
    let channel = channel_of(&world, &ada, 60).await;
    let history = format!("/v1/channels/{channel}/messages?limit=5");
    let next = ada.get(&history).await.expect(200)["next"].as_str().expect("more").to_owned();
    let mut forged = next.clone().into_bytes();
    let middle = forged.len() / 2;
    forged[middle] = if forged[middle] == b'A' { b'B' } else { b'A' };
    let forged = String::from_utf8(forged).expect("ascii");
    for cursor in [forged.as_str(), "x", "", "AAAA", "%00", "..%2F"] {
        let problem = ada.get(&format!("{history}&cursor={cursor}")).await.expect_problem();
        assert_eq!(problem["errors"][0]["field"], "cursor", "{cursor}: {problem}");
        let problem = ada.get(&format!("/v1/search?q=imported&limit=5&cursor={cursor}")).await.expect_problem();
        assert_eq!(problem["errors"][0]["field"], "cursor", "{cursor}: {problem}");
    }
    ada.get(&format!("/v1/search?q=imported&cursor={next}")).await.expect_problem();
    ada.get(&format!("/v1/channels?cursor={next}")).await.expect_problem();
}

pub(crate) async fn an_import_can_be_repeated(world: World) {
    let ada = world.sign_up("ada").await;
    let channel = channel_of(&world, &ada, 20).await;
    let (messages, id) = (&world.handles().messages, channel.parse().expect("an id"));
    let author = world.handles().accounts.import_people(vec!["old_hand".to_owned()]).await.expect("imports")[0].id;
    let path = format!("/v1/channels/{channel}/messages");
    assert_eq!(ada.get(&path).await.expect(200)["revision"], 20);
    assert_eq!(messages.import_batch(id, imported(author, 0..20)).await.expect("imports"), 0);
    assert_eq!(ada.get(&path).await.expect(200)["revision"], 20);
    assert_eq!(messages.import_batch(id, imported(author, 10..30)).await.expect("imports"), 10);
    assert_eq!(messages.import_batch(id, Vec::new()).await.expect("imports"), 0);
    assert_eq!(ada.pages(&path).await.len(), 30);
    assert_eq!(ada.items("/v1/search?q=number25").await.len(), 1);
    let changes = ada.get(&format!("/v1/channels/{channel}/changes?since=20")).await.expect(200);
    assert_eq!(changes["items"].as_array().map(Vec::len), Some(10));
    let mut bad = imported(author, 30..32);
    bad[1].text = "a\u{0}".to_owned();
    assert!(messages.import_batch(id, bad).await.is_err());
    assert!(messages.import_batch(id, imported(author, 0..501)).await.is_err());
    assert_eq!(ada.pages(&path).await.len(), 30);
}

pub(crate) async fn search_finds_all_words_in_what_one_may_read(world: World) {
    let (ada, bob) = (world.sign_up("ada").await, world.sign_up("bob").await);
    let (open, closed) = (ada.channel("general", "public").await, ada.channel("secret", "private").await);
    for text in ["The quick Brown fox", "a brown \"quoted\" dog", "Grüße aus Köln", "日本 語", "it's 100% AND not OR x"]
    {
        ada.say(&open, text).await;
    }
    ada.say(&closed, "brown secret").await;
    let found = async |person: &Person, query: &str| -> Vec<String> {
        let items = person.items(&format!("/v1/search?q={query}")).await;
        items.iter().map(|it| it["text"].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(found(&ada, "BROWN").await, ["brown secret", "a brown \"quoted\" dog", "The quick Brown fox"]);
    assert_eq!(found(&bob, "brown").await.len(), 2);
    assert_eq!(found(&ada, "fox+brown").await, ["The quick Brown fox"]);
    assert_eq!(found(&ada, "fox+dog").await, [""; 0]);
    assert_eq!(found(&ada, "%22quoted%22").await.len(), 1);
    assert_eq!(found(&ada, "gr%C3%BC%C3%9Fe").await.len(), 1);
    assert_eq!(found(&ada, "%E6%97%A5%E6%9C%AC").await.len(), 1);
    assert_eq!(found(&ada, "NOT+AND+OR").await.len(), 1);
    for odd in [
        "%22",
        "*",
        "brown*",
        "NEAR(a)",
        "text:fox",
        "'",
        "';--",
        "brown+%22",
        "%26%20|%20!",
        "a:*",
        "%5C",
        "%25",
        "(",
        "fox)",
        "^fox",
    ] {
        ada.get(&format!("/v1/search?q={odd}")).await.expect(200);
    }
    for bad in ["", "+", "%00"] {
        let problem = ada.get(&format!("/v1/search?q={bad}")).await.expect_problem();
        assert_eq!(problem["errors"][0]["field"], "q");
    }
    ada.get(&format!("/v1/search?q={}", "x".repeat(201))).await.expect_problem();
    ada.get("/v1/search").await.expect_problem();
    assert_eq!(ada.items(&format!("/v1/search?q=brown&channel={closed}")).await.len(), 1);
    let posted = ada.say(&open, "first words").await;
    let path = format!("/v1/messages/{}", posted["id"].as_str().expect("an id"));
    ada.patch(&path, json!({"text": "other terms"})).await.expect(200);
    assert_eq!(found(&ada, "words").await, [""; 0]);
    assert_eq!(found(&ada, "terms").await, ["other terms"]);
}

pub(crate) async fn search_knows_the_same_words_on_every_database(world: World) {
    let ada = world.sign_up("ada").await;
    let channel = ada.channel("general", "public").await;
    ada.say(&channel, "see https://docs.example.org/guide/first-steps.html?lang=de&x=1").await;
    ada.say(&channel, "snake_case, kebab-case, dotted.name, a/b/path.txt, ada@example.net, v1.2.3, -42, 3e10").await;
    ada.say(&channel, "ÄRGER IN KÖLN, ΟΔΥΣΣΕΥΣ, İstanbul").await;
    let found = async |query: &str| ada.items(&format!("/v1/search?q={query}")).await.len();
    for word in ["docs", "example", "org", "guide", "first", "steps", "html", "lang", "de", "x"] {
        assert!(found(word).await >= 1, "{word}");
    }
    for word in ["snake", "case", "kebab", "dotted", "name", "a", "b", "path", "txt", "net", "v1", "2", "42", "3e10"] {
        assert!(found(word).await >= 1, "{word}");
    }
    for words in [
        "snake_case",
        "kebab-case",
        "dotted.name",
        "docs.example.org",
        "ada%40example.net",
        "v1.2.3",
        "a%2Fb%2Fpath.txt",
    ] {
        assert_eq!(found(words).await, 1, "{words}");
    }
    for word in ["%C3%A4rger", "k%C3%B6ln", "K%C3%96LN", "%CE%9F%CE%94%CE%A5%CE%A3%CE%A3%CE%95%CE%A5%CE%A3"] {
        assert_eq!(found(word).await, 1, "{word}");
    }
    assert_eq!(found("koln").await, 0, "accents count");
}

pub(crate) async fn search_results_come_by_pages(world: World) {
    let ada = world.sign_up("ada").await;
    channel_of(&world, &ada, 45).await;
    let items = ada.pages("/v1/search?q=imported+line&limit=10").await;
    let ids: HashSet<String> = items.iter().map(|it| it["id"].to_string()).collect();
    assert_eq!((items.len(), ids.len()), (45, 45));
}

/// Fills every list with `count` items and says how many queries each takes.
async fn queries(world: &World, count: u128) -> Vec<(String, u64)> {
    let (ada, bob) = (world.sign_up("ada").await, world.sign_up("bob").await);
    let channel = ada.channel("general", "public").await;
    let path = format!("/v1/channels/{channel}/messages");
    let root = ada.say(&channel, "@bob root of @ada").await["id"].as_str().expect("an id").to_owned();
    for number in 0..count {
        let person = world.sign_up(&format!("person{number}")).await;
        person.post(&format!("/v1/channels/{channel}/join"), json!(null)).await.expect(200);
        let file = person.upload(&channel, "a.txt", "a file").await.expect(201);
        let said = json!({"text": format!("hello @bob from @person{number}"), "files": [file["id"]]});
        let posted = person.post(&path, said).await.expect(201);
        let id = posted["id"].as_str().expect("an id").to_owned();
        person.put(&format!("/v1/messages/{id}/reactions/x")).await.expect(200);
        person.post(&path, json!({"text": "reply", "thread_id": root})).await.expect(201);
        bob.channel(&format!("channel-{number}"), "public").await;
        bob.post("/v1/direct", json!({"user_ids": [person.user_id()]})).await.expect(200);
    }
    let lists = [
        "/v1/channels?limit=100".to_owned(),
        "/v1/channels?scope=all&limit=100".to_owned(),
        format!("/v1/channels/{channel}/members?limit=100"),
        format!("{path}?limit=100"),
        format!("/v1/channels/{channel}/changes?limit=100"),
        format!("/v1/messages/{root}/replies?limit=100"),
        "/v1/search?q=hello&limit=100".to_owned(),
        "/v1/me/mentions?limit=100".to_owned(),
        "/v1/users?query=person&limit=100".to_owned(),
        "/v1/audit?limit=100".to_owned(),
    ];
    world.run_jobs().await;
    let mut counts = Vec::new();
    for list in lists {
        let answer = bob.get(&list).await;
        let queries = answer.queries();
        let items = answer.expect(200)["items"].as_array().map_or(0, Vec::len);
        assert!(items as u128 >= count, "{list} has {items} items");
        counts.push((list.split('?').next().unwrap_or_default().replace(&channel, "ID").replace(&root, "ID"), queries));
    }
    counts
}

pub(crate) async fn lists_take_as_many_queries_for_3_items_as_for_60(few: World, many: World) {
    let (few, many) = (queries(&few, 3).await, queries(&many, 60).await);
    assert_eq!(few, many);
    assert!(few.iter().all(|(_, queries)| (1..=10).contains(queries)), "{few:?}");
}
