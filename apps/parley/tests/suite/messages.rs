//! Posting, editing, threads, reactions and mentions.

use crate::world::{Person, World};
use serde_json::json;

pub(crate) async fn a_message_is_posted_and_read(world: World) {
    let ada = world.sign_up("ada").await;
    let channel = ada.channel("general", "public").await;
    let text = "Grüße 👩‍👩‍👧‍👦\n<b>'; DROP TABLE messages; --</b>";
    let posted = ada.say(&channel, text).await;
    assert_eq!((&posted["text"], &posted["author"]["username"]), (&json!(text), &json!("ada")));
    for (field, value) in [
        ("edited_at", json!(null)),
        ("deleted", json!(false)),
        ("thread_id", json!(null)),
        ("reply_count", json!(0)),
        ("last_reply_at", json!(null)),
        ("reactions", json!([])),
        ("mentions", json!([])),
        ("revision", json!(1)),
    ] {
        assert_eq!(posted[field], value, "{field}");
    }
    let path = format!("/v1/messages/{}", posted["id"].as_str().expect("an id"));
    assert_eq!(ada.get(&path).await.expect(200), posted);
    let history = ada.get(&format!("/v1/channels/{channel}/messages")).await.expect(200);
    assert_eq!(
        (&history["items"], &history["next"], &history["revision"]),
        (&json!([posted]), &json!(null), &json!(1))
    );
    world.anonymous().get(&path).await.expect(401);
}

pub(crate) async fn texts_have_limits(world: World) {
    let ada = world.sign_up("ada").await;
    let channel = ada.channel("general", "public").await;
    let path = format!("/v1/channels/{channel}/messages");
    ada.say(&channel, &"ä".repeat(8000)).await;
    for (body, field) in [
        (json!({"text": ""}), "text"),
        (json!({"text": " \n"}), "text"),
        (json!({"text": "a\u{0}"}), "text"),
        (json!({"text": "ä".repeat(8001)}), "text"),
        (json!({"text": 1}), "text"),
        (json!({"text": "a", "nonce": "x".repeat(65)}), "nonce"),
        (json!({"text": "a", "nonce": "a\u{0}"}), "nonce"),
        (json!({"text": "a", "thread_id": "00000000-0000-0000-0000-000000000000"}), "thread_id"),
        (json!({"text": "a", "thread_id": "x"}), "thread_id"),
    ] {
        assert_eq!(ada.post(&path, body).await.expect_problem()["errors"][0]["field"], field);
    }
    assert_eq!(ada.get(&path).await.expect(200)["items"].as_array().expect("items").len(), 1);
    ada.post("/v1/channels/00000000-0000-0000-0000-000000000000/messages", json!({"text": "a"})).await.expect(404);
}

pub(crate) async fn a_repeated_nonce_gives_the_first_message(world: World) {
    let (ada, bob) = (world.sign_up("ada").await, world.sign_up("bob").await);
    let channel = ada.channel("general", "public").await;
    bob.post(&format!("/v1/channels/{channel}/join"), json!(null)).await.expect(200);
    let path = format!("/v1/channels/{channel}/messages");
    let first = ada.post(&path, json!({"text": "once", "nonce": "n1"})).await.expect(201);
    let again = ada.post(&path, json!({"text": "once", "nonce": "n1"})).await.expect(201);
    assert_eq!(first, again);
    let others = bob.post(&path, json!({"text": "once", "nonce": "n1"})).await.expect(201);
    assert_ne!(first["id"], others["id"]);
    ada.post(&path, json!({"text": "once", "nonce": "n2"})).await.expect(201);
    let history = ada.get(&path).await.expect(200);
    assert_eq!((history["items"].as_array().map(Vec::len), &history["revision"]), (Some(3), &json!(3)));
    let elsewhere = format!("/v1/channels/{}/messages", ada.channel("elsewhere", "public").await);
    let refused = ada.post(&elsewhere, json!({"text": "once", "nonce": "n1"})).await.expect(409);
    assert_eq!(refused["errors"][0]["field"], "nonce");
    assert_eq!(ada.items(&elsewhere).await.len(), 0);
}

pub(crate) async fn only_the_author_edits_and_deletes(world: World) {
    let (ada, bob) = (world.sign_up("ada").await, world.sign_up("bob").await);
    let channel = ada.channel("general", "public").await;
    bob.post(&format!("/v1/channels/{channel}/join"), json!(null)).await.expect(200);
    let posted = ada.say(&channel, "helo").await;
    let path = format!("/v1/messages/{}", posted["id"].as_str().expect("an id"));
    bob.patch(&path, json!({"text": "mine"})).await.expect(403);
    bob.delete(&path).await.expect(403);
    let edited = ada.patch(&path, json!({"text": "hello"})).await.expect(200);
    assert!(edited["edited_at"].is_string() && edited["text"] == "hello" && edited["revision"] == 2, "{edited}");
    assert_eq!(ada.patch(&path, json!({"text": ""})).await.expect_problem()["errors"][0]["field"], "text");
    bob.put(&format!("{path}/reactions/%F0%9F%91%8D")).await.expect(200);
    ada.delete(&path).await.expect(204);
    ada.delete(&path).await.expect(204);
    let tombstone = ada.get(&path).await.expect(200);
    assert_eq!(
        (&tombstone["deleted"], &tombstone["text"], &tombstone["reactions"]),
        (&json!(true), &json!(""), &json!([]))
    );
    assert_eq!(tombstone["revision"], 4);
    ada.patch(&path, json!({"text": "back"})).await.expect(409);
    bob.put(&format!("{path}/reactions/x")).await.expect(409);
    assert_eq!(ada.items("/v1/search?q=hello").await.len(), 0);
}

pub(crate) async fn replies_form_a_thread(world: World) {
    let ada = world.sign_up("ada").await;
    let (channel, other) = (ada.channel("general", "public").await, ada.channel("other", "public").await);
    let root = ada.say(&channel, "what do you think?").await;
    let root_id = root["id"].as_str().expect("an id").to_owned();
    let path = format!("/v1/channels/{channel}/messages");
    let mut replies = Vec::new();
    for text in ["one", "two", "three"] {
        replies.push(ada.post(&path, json!({"text": text, "thread_id": root_id})).await.expect(201));
    }
    assert_eq!(replies[0]["thread_id"], json!(root_id));
    assert_eq!(ada.pages(&format!("/v1/messages/{root_id}/replies?limit=2")).await, replies);
    let shown = ada.get(&format!("/v1/messages/{root_id}")).await.expect(200);
    assert_eq!((&shown["reply_count"], &shown["last_reply_at"]), (&json!(3), &replies[2]["posted_at"]));
    assert_eq!(ada.items(&path).await.len(), 1);
    let nested = json!({"text": "nested", "thread_id": replies[0]["id"]});
    assert_eq!(ada.post(&path, nested).await.expect_problem()["errors"][0]["field"], "thread_id");
    let elsewhere = json!({"text": "elsewhere", "thread_id": root_id});
    ada.post(&format!("/v1/channels/{other}/messages"), elsewhere).await.expect_problem();
    assert_eq!(ada.get(&format!("/v1/channels/{other}/messages")).await.expect(200)["revision"], 0);
}

pub(crate) async fn reactions_are_counted_once_for_each_person(world: World) {
    let (ada, bob) = (world.sign_up("ada").await, world.sign_up("bob").await);
    let channel = ada.channel("general", "public").await;
    let posted = ada.say(&channel, "done").await;
    let path = format!("/v1/messages/{}/reactions", posted["id"].as_str().expect("an id"));
    bob.put(&format!("{path}/x")).await.expect(403);
    bob.post(&format!("/v1/channels/{channel}/join"), json!(null)).await.expect(200);
    let thumb = format!("{path}/%F0%9F%91%8D");
    ada.put(&thumb).await.expect(200);
    let again = ada.put(&thumb).await.expect(200);
    assert_eq!(
        (&again["reactions"], &again["revision"]),
        (&json!([{"emoji": "👍", "count": 1, "mine": true}]), &json!(2))
    );
    ada.put(&format!("{path}/%3Atada%3A")).await.expect(200);
    let seen = bob.put(&thumb).await.expect(200);
    let expected = json!([{"emoji": "👍", "count": 2, "mine": true}, {"emoji": ":tada:", "count": 1, "mine": false}]);
    assert_eq!(seen["reactions"], expected);
    let left = ada.delete(&thumb).await.expect(200);
    // Bob's thumb came after the tada, so now it stands behind it.
    assert_eq!(left["reactions"][1], json!({"emoji": "👍", "count": 1, "mine": false}));
    assert_eq!(ada.delete(&thumb).await.expect(200)["revision"], left["revision"]);
    for bad in ["a%20b", "%00", &"x".repeat(33)] {
        ada.put(&format!("{path}/{bad}")).await.expect_problem();
    }
    for number in 0..48 {
        ada.put(&format!("{path}/e{number}")).await.expect(200);
    }
    ada.put(&format!("{path}/one-too-many")).await.expect(409);
}

pub(crate) async fn mentions_find_people_where_they_can_read(world: World) {
    let (ada, bob) = (world.sign_up("ada").await, world.sign_up("bob").await);
    let (open, closed) = (ada.channel("general", "public").await, ada.channel("secret", "private").await);
    let posted = ada.say(&open, "ask @BOB. or @nobody, not x@bob and @ada").await;
    let mut names: Vec<_> =
        posted["mentions"].as_array().expect("people").iter().map(|it| it["username"].clone()).collect();
    names.sort_by_key(ToString::to_string);
    assert_eq!(names, ["ada", "bob"]);
    assert_eq!(ada.get(&format!("/v1/messages/{}", posted["id"].as_str().expect("an id"))).await.expect(200), posted);
    ada.say(&closed, "do not tell @bob").await;
    assert_eq!(bob.items("/v1/me/mentions").await, std::slice::from_ref(&posted));
    ada.post(&format!("/v1/channels/{closed}/members"), json!({"user_id": bob.user_id()})).await.expect(204);
    let texts: Vec<_> = bob.pages("/v1/me/mentions?limit=1").await.iter().map(|it| it["text"].clone()).collect();
    assert_eq!(texts, ["do not tell @bob", "ask @BOB. or @nobody, not x@bob and @ada"]);
    let path = format!("/v1/messages/{}", posted["id"].as_str().expect("an id"));
    let edited = ada.patch(&path, json!({"text": "never mind"})).await.expect(200);
    assert_eq!(edited["mentions"], json!([]));
    assert_eq!(bob.items("/v1/me/mentions").await.len(), 1);
}

pub(crate) async fn changes_are_followed_by_revision(world: World) {
    let ada = world.sign_up("ada").await;
    let channel = ada.channel("general", "public").await;
    let changes = format!("/v1/channels/{channel}/changes");
    let empty = ada.get(&changes).await.expect(200);
    assert_eq!(empty, json!({"items": [], "revision": 0, "more": false}));
    let root = ada.say(&channel, "root").await;
    let root_id = root["id"].as_str().expect("an id").to_owned();
    let second = ada.say(&channel, "second").await;
    let reply = json!({"text": "reply", "thread_id": root_id});
    ada.post(&format!("/v1/channels/{channel}/messages"), reply).await.expect(201);
    let all = ada.get(&format!("{changes}?since=0")).await.expect(200);
    let seen: Vec<_> =
        all["items"].as_array().expect("items").iter().map(|it| (it["text"].clone(), it["revision"].clone())).collect();
    assert_eq!(seen, [(json!("second"), json!(2)), (json!("reply"), json!(3)), (json!("root"), json!(4))]);
    assert_eq!((&all["revision"], &all["more"]), (&json!(4), &json!(false)));
    let mut since = json!(0);
    let mut walked = Vec::new();
    loop {
        let part = ada.get(&format!("{changes}?since={since}&limit=1")).await.expect(200);
        walked.extend(part["items"].as_array().expect("items").iter().map(|it| it["text"].clone()));
        since = part["revision"].clone();
        if part["more"] == false {
            break;
        }
    }
    assert_eq!(walked, ["second", "reply", "root"]);
    let path = format!("/v1/messages/{}", second["id"].as_str().expect("an id"));
    ada.put(&format!("{path}/reactions/x")).await.expect(200);
    ada.delete(&path).await.expect(204);
    let after = ada.get(&format!("{changes}?since=4")).await.expect(200);
    assert_eq!((&after["items"][0]["deleted"], &after["revision"]), (&json!(true), &json!(6)));
    assert_eq!(after["items"].as_array().map(Vec::len), Some(1));
    ada.get(&format!("{changes}?since=x")).await.expect_problem();
    ada.get(&format!("{changes}?limit=101")).await.expect_problem();
}

pub(crate) async fn writers_at_once_leave_no_gap_in_the_changes(world: World) {
    let ada = world.sign_up("ada").await;
    let channel = ada.channel("general", "public").await;
    let path = format!("/v1/channels/{channel}/messages");
    let changes = format!("/v1/channels/{channel}/changes?limit=100");
    let mut seen = std::collections::HashSet::new();
    let mut since = 0;
    for round in 0..10 {
        let post = |number: u32| {
            let text = format!("{round} {number}");
            ada.post(&path, json!({"text": text, "nonce": text}))
        };
        let poll = format!("{changes}&since={since}");
        let (a, b, c, d, polled) = tokio::join!(post(1), post(2), post(3), post(1), ada.get(&poll));
        let _posted = [a, b, c, d].map(|answer| answer.expect(201));
        let polled = polled.expect(200);
        since = polled["revision"].as_i64().expect("a revision");
        seen.extend(polled["items"].as_array().expect("items").iter().map(|it| it["id"].to_string()));
    }
    let rest = ada.get(&format!("{changes}&since={since}")).await.expect(200);
    seen.extend(rest["items"].as_array().expect("items").iter().map(|it| it["id"].to_string()));
    assert_eq!((seen.len(), &rest["revision"]), (30, &json!(30)));
}

/// One person's share of the work in a channel.
async fn work(person: &Person, channel: &str, root: &str) {
    let path = format!("/v1/channels/{channel}/messages");
    person.post(&format!("/v1/channels/{channel}/join"), json!(null)).await.expect(200);
    for round in 0..5 {
        person.put(&format!("/v1/messages/{root}/reactions/r{round}")).await.expect(200);
        person.post(&path, json!({"text": "a reply", "thread_id": root})).await.expect(201);
        let own = person.say(channel, "to be edited").await;
        let own = format!("/v1/messages/{}", own["id"].as_str().expect("an id"));
        person.patch(&own, json!({"text": "edited for @ada"})).await.expect(200);
        person.put(&format!("{own}/reactions/x")).await.expect(200);
        person.delete(&own).await.expect(204);
    }
}

pub(crate) async fn much_at_once_in_one_channel_loses_nothing(world: World) {
    let ada = world.sign_up("ada").await;
    let channel = ada.channel("general", "public").await;
    let root = ada.say(&channel, "root").await["id"].as_str().expect("an id").to_owned();
    let (one, two) = (world.sign_up("one").await, world.sign_up("two").await);
    let (three, four) = (world.sign_up("three").await, world.sign_up("four").await);
    let share = |person| work(person, &channel, &root);
    tokio::join!(share(&one), share(&two), share(&three), share(&four));
    let shown = ada.get(&format!("/v1/messages/{root}")).await.expect(200);
    assert_eq!(shown["reply_count"], 20);
    let counts: Vec<_> =
        shown["reactions"].as_array().expect("reactions").iter().map(|it| it["count"].clone()).collect();
    assert_eq!(counts, [4; 5]);
    let changes = ada.get(&format!("/v1/channels/{channel}/changes?limit=100")).await.expect(200);
    let revisions: Vec<_> =
        changes["items"].as_array().expect("items").iter().map(|it| it["revision"].as_i64()).collect();
    assert_eq!(revisions.len(), 41);
    assert!(revisions.windows(2).all(|pair| pair[0] < pair[1]), "each change has a revision of its own");
    // A root, and for each of 20 rounds: a reaction, a reply (two), a post, an edit, a reaction, and a deletion.
    assert_eq!(changes["revision"], 1 + 20 * 7);
    assert_eq!(ada.items("/v1/me/mentions").await.len(), 0);
}
