//! Who finds, reads, joins and changes channels.

use crate::world::World;
use serde_json::json;

pub(crate) async fn a_public_channel_is_found_and_joined_by_everybody(world: World) {
    let (ada, bob) = (world.sign_up("ada").await, world.sign_up("bob").await);
    let new = json!({"name": "general", "topic": "Everything", "kind": "public"});
    let made = ada.post("/v1/channels", new).await.expect(201);
    assert_eq!(
        (&made["joined"], &made["member_count"], &made["topic"]),
        (&json!(true), &json!(1), &json!("Everything"))
    );
    assert_eq!((&made["last_message_at"], &made["members"]), (&json!(null), &json!([])));
    let path = format!("/v1/channels/{}", made["id"].as_str().expect("an id"));
    assert_eq!(bob.get(&path).await.expect(200)["joined"], false);
    assert_eq!(bob.items("/v1/channels").await.len(), 0);
    assert_eq!(bob.items("/v1/channels?scope=all").await.len(), 1);
    bob.get(&format!("{path}/messages")).await.expect(200);
    bob.post(&format!("{path}/messages"), json!({"text": "hello"})).await.expect(403);
    bob.patch(&path, json!({"topic": "Mine"})).await.expect(403);
    let joined = bob.post(&format!("{path}/join"), json!(null)).await.expect(200);
    assert_eq!((&joined["joined"], &joined["member_count"]), (&json!(true), &json!(2)));
    bob.post(&format!("{path}/join"), json!(null)).await.expect(200);
    bob.post(&format!("{path}/messages"), json!({"text": "hello"})).await.expect(201);
    assert!(ada.get(&path).await.expect(200)["last_message_at"].is_string());
    let names: Vec<_> = ada.items(&format!("{path}/members")).await.iter().map(|it| it["username"].clone()).collect();
    assert_eq!(names, ["ada", "bob"]);
    bob.post(&format!("{path}/leave"), json!(null)).await.expect(204);
    assert_eq!(bob.items("/v1/channels?scope=joined").await.len(), 0);
    bob.post(&format!("{path}/messages"), json!({"text": "hello"})).await.expect(403);
}

pub(crate) async fn a_private_channel_does_not_exist_for_others(world: World) {
    let (ada, bob) = (world.sign_up("ada").await, world.sign_up("bob").await);
    let channel = ada.channel("secret", "private").await;
    let path = format!("/v1/channels/{channel}");
    let posted = ada.say(&channel, "for us only").await;
    let message = format!("/v1/messages/{}", posted["id"].as_str().expect("an id"));
    assert_eq!(bob.items("/v1/channels?scope=all").await.len(), 0);
    for hidden in [
        path.clone(),
        format!("{path}/messages"),
        format!("{path}/changes"),
        format!("{path}/members"),
        message.clone(),
        format!("{message}/replies"),
    ] {
        bob.get(&hidden).await.expect(404);
    }
    bob.get(&format!("/v1/search?q=only&channel={channel}")).await.expect(404);
    assert_eq!(bob.items("/v1/search?q=only").await.len(), 0);
    for doing in [format!("{path}/join"), format!("{path}/leave")] {
        bob.post(&doing, json!(null)).await.expect(404);
    }
    bob.post(&format!("{path}/messages"), json!({"text": "hello"})).await.expect(404);
    bob.post(&format!("{path}/members"), json!({"user_id": bob.user_id()})).await.expect(404);
    bob.patch(&path, json!({"topic": "Mine"})).await.expect(404);
    bob.patch(&message, json!({"text": "Mine"})).await.expect(404);
    bob.delete(&message).await.expect(404);
    bob.put(&format!("{message}/reactions/x")).await.expect(404);
    ada.post(&format!("{path}/members"), json!({"user_id": bob.user_id()})).await.expect(204);
    assert_eq!(bob.get(&path).await.expect(200)["joined"], true);
    bob.say(&channel, "thank you").await;
    assert_eq!(bob.items("/v1/search?q=only").await.len(), 1);
    bob.post(&format!("{path}/leave"), json!(null)).await.expect(204);
    bob.get(&message).await.expect(404);
}

pub(crate) async fn a_direct_conversation_is_one_for_each_set_of_people(world: World) {
    let (ada, bob, eve) = (world.sign_up("ada").await, world.sign_up("bob").await, world.sign_up("eve").await);
    let made = ada.post("/v1/direct", json!({"user_ids": [bob.user_id()]})).await.expect(200);
    assert_eq!((&made["kind"], &made["name"], &made["member_count"]), (&json!("direct"), &json!(null), &json!(2)));
    assert_eq!(made["members"].as_array().expect("people").len(), 2);
    let same =
        bob.post("/v1/direct", json!({"user_ids": [ada.user_id(), bob.user_id(), ada.user_id()]})).await.expect(200);
    assert_eq!(made["id"], same["id"]);
    let three = ada.post("/v1/direct", json!({"user_ids": [bob.user_id(), eve.user_id()]})).await.expect(200);
    assert_ne!(three["id"], made["id"]);
    let path = format!("/v1/channels/{}", made["id"].as_str().expect("an id"));
    eve.get(&path).await.expect(404);
    assert_eq!(bob.items("/v1/channels").await.len(), 2);
    ada.post(&format!("{path}/leave"), json!(null)).await.expect(409);
    ada.patch(&path, json!({"name": "ours"})).await.expect(409);
    ada.post(&format!("{path}/members"), json!({"user_id": eve.user_id()})).await.expect(409);
    for bad in [json!([]), json!([ada.user_id()]), json!(["00000000-0000-0000-0000-000000000000"])] {
        let problem = ada.post("/v1/direct", json!({"user_ids": bad})).await.expect_problem();
        assert_eq!(problem["errors"][0]["field"], "user_ids");
    }
}

pub(crate) async fn two_who_write_each_other_at_once_meet(world: World) {
    let (ada, bob) = (world.sign_up("ada").await, world.sign_up("bob").await);
    let (hers, his) = (json!({"user_ids": [bob.user_id()]}), json!({"user_ids": [ada.user_id()]}));
    let (first, second) = tokio::join!(ada.post("/v1/direct", hers), bob.post("/v1/direct", his));
    let (first, second) = (first.expect(200), second.expect(200));
    assert_eq!((&first["id"], &first["member_count"]), (&second["id"], &json!(2)));
}

pub(crate) async fn names_are_unique_and_members_change_them(world: World) {
    let ada = world.sign_up("ada").await;
    let channel = ada.channel("general", "public").await;
    ada.channel("random", "public").await;
    let taken = json!({"name": "general", "kind": "private"});
    assert_eq!(ada.post("/v1/channels", taken).await.expect(409)["errors"][0]["field"], "name");
    let path = format!("/v1/channels/{channel}");
    assert_eq!(ada.patch(&path, json!({"name": "random"})).await.expect(409)["errors"][0]["field"], "name");
    let changed = ada.patch(&path, json!({"name": "lobby"})).await.expect(200);
    assert_eq!((&changed["name"], &changed["topic"]), (&json!("lobby"), &json!("")));
    assert_eq!(ada.patch(&path, json!({"topic": "Hello"})).await.expect(200)["name"], "lobby");
    for (body, field) in [
        (json!({"name": "No Spaces", "kind": "public"}), "name"),
        (json!({"name": "", "kind": "public"}), "name"),
        (json!({"name": "x", "kind": "direct"}), "kind"),
        (json!({"name": "x", "kind": "other"}), "kind"),
        (json!({"name": "x", "kind": "public", "topic": "a\u{0}"}), "topic"),
        (json!({"name": "x", "kind": "public", "topic": "x".repeat(251)}), "topic"),
    ] {
        assert_eq!(ada.post("/v1/channels", body).await.expect_problem()["errors"][0]["field"], field);
    }
    ada.post(&format!("{path}/members"), json!({"user_id": "00000000-0000-0000-0000-000000000000"}))
        .await
        .expect_problem();
}

pub(crate) async fn channels_are_listed_by_pages(world: World) {
    let ada = world.sign_up("ada").await;
    for number in 0..7 {
        ada.channel(&format!("channel-{number}"), "public").await;
    }
    let names: Vec<_> = ada.pages("/v1/channels?scope=all&limit=3").await.iter().map(|it| it["name"].clone()).collect();
    assert_eq!(names, (0..7).map(|number| format!("channel-{number}")).collect::<Vec<_>>());
    ada.get("/v1/channels?limit=0").await.expect_problem();
    ada.get("/v1/channels?limit=101").await.expect_problem();
    ada.get("/v1/channels?scope=mine").await.expect_problem();
}

pub(crate) async fn the_importer_finds_or_makes_a_channel(world: World) {
    let ada = world.sign_up("ada").await;
    let (channels, id) = (&world.handles().channels, ada.user_id().parse().expect("an id"));
    let made = channels.ensure("history".to_owned(), "Old days".to_owned(), id).await.expect("makes it");
    let found = channels.ensure("history".to_owned(), String::new(), id).await.expect("finds it");
    assert_eq!(made, found);
    assert_eq!(channels.named("history".to_owned()).await.expect("looks"), Some(made));
    assert_eq!(channels.named("No\u{0}".to_owned()).await.expect("looks"), None);
}
