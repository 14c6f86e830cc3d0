//! Incoming webhooks: what programs post, and what is no message of theirs.

use crate::receiver::signature;
use crate::world::{Answer, Person, World};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::time::Duration;

/// Somebody with a channel and an incoming webhook in it.
struct Setup {
    owner: Person,
    channel: String,
    id: String,
    secret: String,
    /// A program without an account.
    program: Person,
}

async fn setup(world: &World) -> Setup {
    let owner = world.sign_up("mira").await;
    let channel = owner.channel("general", "public").await;
    let made = owner.post(&format!("/v1/channels/{channel}/hooks"), json!({"name": "Build Server"})).await.expect(201);
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let (id, secret) = (text(&made["hook"]["id"]), text(&made["secret"]));
    assert_eq!(made["path"], format!("/v1/hooks/{id}"));
    Setup { owner, channel, id, secret, program: world.anonymous() }
}

impl Setup {
    /// Sends these bytes as a message of this id and time, signed over what `signed` makes of them.
    async fn send(&self, id: &str, at: i64, body: &str, signature: &str) -> Answer {
        let at = at.to_string();
        let headers = [
            ("content-type", "application/json"),
            ("webhook-id", id),
            ("webhook-timestamp", at.as_str()),
            ("webhook-signature", signature),
        ];
        self.program.send_raw(&format!("/v1/hooks/{}", self.id), &headers, body.to_owned()).await
    }

    async fn signed(&self, id: &str, at: i64, body: &str) -> Answer {
        self.send(id, at, body, &signature(&self.secret, &format!("{id}.{at}.{body}"))).await
    }

    async fn texts(&self) -> Vec<String> {
        let messages = self.owner.items(&format!("/v1/channels/{}/messages", self.channel)).await;
        messages.iter().map(|it| it["text"].as_str().expect("text").to_owned()).collect()
    }
}

fn now(world: &World) -> i64 {
    world.clock().now().as_micros() / 1_000_000
}

pub(crate) async fn a_program_posts_as_its_webhook(world: World) {
    let setup = setup(&world).await;
    let posted = setup.signed("build-1", now(&world), r#"{"text": "Build 1 is green, @mira"}"#).await.expect(201);
    let messages = setup.owner.items(&format!("/v1/channels/{}/messages", setup.channel)).await;
    assert_eq!((messages.len(), &messages[0]["id"]), (1, &posted["message_id"]));
    assert_eq!(messages[0]["text"], "Build 1 is green, @mira");
    let author = &messages[0]["author"];
    assert_eq!((&author["display_name"], &author["username"]), (&json!("Build Server"), &json!("build-server[bot]")));
    assert_eq!(messages[0]["mentions"][0]["username"], "mira");
    let people = setup.owner.items("/v1/users?query=build").await;
    assert_eq!(people.len(), 0, "nobody finds a bot");
    let members = setup.owner.items(&format!("/v1/channels/{}/members", setup.channel)).await;
    assert_eq!(members.len(), 1, "a bot is no member");
    let hooks = setup.owner.items(&format!("/v1/channels/{}/hooks", setup.channel)).await;
    assert!(hooks[0]["used_at"].is_string() && hooks[0].get("secret").is_none(), "{hooks:?}");
}

pub(crate) async fn a_message_that_comes_again_is_posted_once(world: World) {
    let setup = setup(&world).await;
    let body = r#"{"text": "once"}"#;
    let first = setup.signed("msg_1", now(&world), body).await.expect(201);
    let again = setup.signed("msg_1", now(&world), body).await.expect(201);
    assert_eq!(first, again);
    let many = (0..8).map(|_| setup.signed("msg_2", now(&world), r#"{"text": "at once"}"#));
    let answers: Vec<Value> = join_all(many).await.into_iter().map(|answer| answer.expect(201)).collect();
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_eq!(setup.texts().await, ["at once", "once"]);
}

pub(crate) async fn what_is_forged_old_or_changed_is_refused(world: World) {
    let setup = setup(&world).await;
    let (at, body) = (now(&world), r#"{"text": "forged"}"#);
    let good = signature(&setup.secret, &format!("id.{at}.{body}"));
    let other = signature("whsec_AAAAAAAAAAAAAAAAAAAAAAAA", &format!("id.{at}.{body}"));
    setup.send("id", at, r#"{"text": "Forged"}"#, &good).await.expect(401);
    setup.send("di", at, body, &good).await.expect(401);
    setup.send("id", at + 1, body, &good).await.expect(401);
    for wrong in [other.as_str(), "v1,", "", &good[3..], "v1a,AAAA"] {
        let problem = setup.send("id", at, body, wrong).await.expect(401);
        assert_eq!(problem["detail"], "the signature is wrong", "{wrong}");
    }
    for age in [-301, 301] {
        let problem = setup.signed("id", at + age, body).await.expect(401);
        assert_eq!(problem["detail"], "the timestamp is more than 5 minutes away from now", "{age}");
    }
    assert_eq!(setup.texts().await, [""; 0]);
    setup.send("id", at, body, &format!("{other} {good}")).await.expect(201);
    setup.signed("early", at - 299, body).await.expect(201);
}

pub(crate) async fn each_mistake_has_an_answer_of_its_own(world: World) {
    let setup = setup(&world).await;
    let (path, at) = (format!("/v1/hooks/{}", setup.id), now(&world));
    let json = ("content-type", "application/json");
    let problem = setup.program.send_raw(&path, &[json], "{}".to_owned()).await.expect(400);
    assert_eq!(problem["errors"][0]["field"], "webhook-id");
    let problem = setup.program.send_raw(&path, &[json, ("webhook-id", "1")], "{}".to_owned()).await.expect(400);
    assert_eq!(problem["errors"][0]["field"], "webhook-timestamp");
    let plain =
        [("content-type", "text/plain"), ("webhook-id", "1"), ("webhook-timestamp", "1"), ("webhook-signature", "v1,")];
    setup.program.send_raw(&path, &plain, "{}".to_owned()).await.expect(415);
    setup.signed("1", at, "{").await.expect(400);
    for (body, field) in [("{}", "text"), (r#"{"text": ""}"#, "text"), (r#"{"text": 1}"#, "text")] {
        assert_eq!(setup.signed("1", at, body).await.expect(422)["errors"][0]["field"], field, "{body}");
    }
    let long = json!({"text": "x".repeat(8_001)}).to_string();
    assert_eq!(setup.signed("1", at, &long).await.expect(422)["errors"][0]["field"], "text");
    let huge = json!({"text": "x".repeat(300_000)}).to_string();
    setup.signed("1", at, &huge).await.expect(413);
    assert_eq!(setup.signed(&"x".repeat(257), at, "{}").await.expect(422)["errors"][0]["field"], "webhook-id");
    let nowhere = Setup { id: setup.channel.clone(), ..setup };
    nowhere.signed("1", at, r#"{"text": "hello"}"#).await.expect(404);
}

pub(crate) async fn a_webhook_posts_sixty_times_a_minute(world: World) {
    let setup = setup(&world).await;
    let say = |number: u32| {
        let body = format!("{{\"text\": \"{number}\"}}");
        let (setup, at) = (&setup, now(&world));
        async move { setup.signed(&number.to_string(), at, &body).await }
    };
    for number in 0..60 {
        say(number).await.expect(201);
    }
    let problem = say(60).await.expect(429);
    assert_eq!(problem["detail"], "a webhook takes 60 messages a minute");
    world.clock().advance(Duration::from_secs(60));
    say(60).await.expect(201);
}

pub(crate) async fn a_webhook_ends_when_it_is_revoked_or_its_owner_leaves(world: World) {
    let setup = setup(&world).await;
    let member = world.sign_up("tomas").await;
    let hooks = format!("/v1/channels/{}/hooks", setup.channel);
    member.get(&hooks).await.expect(403);
    member.delete(&format!("/v1/hooks/{}", setup.id)).await.expect(403);
    member.post(&format!("/v1/channels/{}/join", setup.channel), json!({})).await.expect(200);
    assert_eq!(member.items(&hooks).await[0]["owner"]["username"], "mira");

    setup.owner.post(&format!("/v1/channels/{}/leave", setup.channel), json!({})).await.expect(204);
    let body = r#"{"text": "hello"}"#;
    let problem = setup.signed("1", now(&world), body).await.expect(403);
    assert_eq!(problem["detail"], "the owner of this webhook is no member of its channel");
    setup.owner.post(&format!("/v1/channels/{}/join", setup.channel), json!({})).await.expect(200);
    setup.signed("1", now(&world), body).await.expect(201);

    setup.owner.delete(&format!("/v1/hooks/{}", setup.id)).await.expect(204);
    setup.signed("2", now(&world), body).await.expect(404);
    setup.owner.delete(&format!("/v1/hooks/{}", setup.id)).await.expect(404);
    assert_eq!(setup.texts().await, ["hello"], "what was posted stays");
}

pub(crate) async fn no_cookie_and_no_origin_matter(world: World) {
    let setup = setup(&world).await;
    let (at, body) = (now(&world).to_string(), r#"{"text": "from elsewhere"}"#);
    let signature = signature(&setup.secret, &format!("1.{at}.{body}"));
    let headers = [
        ("content-type", "application/json"),
        ("webhook-id", "1"),
        ("webhook-timestamp", at.as_str()),
        ("webhook-signature", signature.as_str()),
        ("origin", "https://elsewhere.test"),
        ("sec-fetch-site", "cross-site"),
        ("cookie", "session=nonsense"),
    ];
    setup.program.send_raw(&format!("/v1/hooks/{}", setup.id), &headers, body.to_owned()).await.expect(201);
}
