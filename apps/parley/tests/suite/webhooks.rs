//! Outgoing webhooks: what is sent, how it is signed, and what happens when the receiver misbehaves.

use crate::receiver::{Deed, Received, Receiver};
use crate::world::{Person, World};
use serde_json::{Value, json};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// Somebody with a channel and a webhook, and the server that it leads to.
struct Setup {
    owner: Person,
    channel: String,
    hook: String,
    secret: String,
    receiver: Receiver,
}

async fn setup(world: &World) -> Setup {
    let (owner, receiver) = (world.sign_up("mira").await, Receiver::start().await);
    let channel = owner.channel("general", "public").await;
    let (hook, secret) = hook(&owner, &channel, &receiver.url("/hook?key=1")).await;
    Setup { owner, channel, hook, secret, receiver }
}

async fn hook(owner: &Person, channel: &str, url: &str) -> (String, String) {
    let new = json!({"url": url, "events": ["messages.posted", "messages.edited", "messages.deleted"]});
    let made = owner.post(&format!("/v1/channels/{channel}/webhooks"), new).await.expect(201);
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    (text(&made["webhook"]["id"]), text(&made["secret"]))
}

impl Setup {
    fn path(&self, rest: &str) -> String {
        format!("/v1/webhooks/{}{rest}", self.hook)
    }

    /// Sends something to see.
    async fn test(&self) {
        self.owner.post(&self.path("/test"), json!({})).await.expect(204);
    }

    async fn deliveries(&self) -> Vec<Value> {
        self.owner.items(&self.path("/deliveries")).await
    }

    /// Status, attempts and error of the newest delivery.
    async fn newest(&self) -> (String, i64, String) {
        let newest = self.deliveries().await.swap_remove(0);
        let text = |name: &str| newest[name].as_str().unwrap_or_default().to_owned();
        (text("status"), newest["attempts"].as_i64().expect("a number"), text("error"))
    }

    async fn shown(&self) -> Value {
        self.owner.items(&format!("/v1/channels/{}/webhooks", self.channel)).await.swap_remove(0)
    }
}

fn delivered(attempts: i64) -> (String, i64, String) {
    ("delivered".to_owned(), attempts, String::new())
}

pub(crate) async fn a_webhook_is_told_of_messages_and_signed(world: World) {
    let setup = setup(&world).await;
    let message = setup.owner.say(&setup.channel, "hello @mira").await;
    let id = message["id"].as_str().expect("an id");
    world.run_jobs().await;
    setup.owner.patch(&format!("/v1/messages/{id}"), json!({"text": "hello"})).await.expect(200);
    world.run_jobs().await;
    setup.owner.delete(&format!("/v1/messages/{id}")).await.expect(204);
    world.run_jobs().await;
    let received = setup.receiver.received();
    let types: Vec<String> = received.iter().map(|it| it.json()["type"].as_str().expect("a type").to_owned()).collect();
    assert_eq!(types, ["messages.posted", "messages.edited", "messages.deleted"]);
    let mut ids: Vec<&str> = received.iter().map(|it| it.header("webhook-id")).collect();
    ids.dedup();
    assert_eq!(ids.len(), 3, "each event has an id of its own");
    assert!(received.iter().all(|it| it.is_signed_with(&setup.secret)), "{received:?}");
    let posted = &received[0].json()["data"];
    assert_eq!((&posted["id"], &posted["text"]), (&message["id"], &json!("hello @mira")));
    assert_eq!((&posted["author"]["username"], &posted["author"]["bot"]), (&json!("mira"), &json!(false)));
    assert_eq!(received[1].json()["data"]["text"], "hello");
    assert_eq!(received[2].json()["data"].get("text"), None);
    assert_eq!(setup.deliveries().await.len(), 3);
}

pub(crate) async fn only_chosen_events_of_its_channel_are_sent(world: World) {
    let setup = setup(&world).await;
    let only = json!({"events": ["messages.deleted"]});
    setup.owner.patch(&setup.path(""), only).await.expect(200);
    let elsewhere = setup.owner.channel("elsewhere", "public").await;
    setup.owner.say(&elsewhere, "not for the webhook").await;
    let message = setup.owner.say(&setup.channel, "nor is this").await;
    setup.owner.delete(&format!("/v1/messages/{}", message["id"].as_str().expect("an id"))).await.expect(204);
    world.run_jobs().await;
    let received = setup.receiver.received();
    assert_eq!(received.len(), 1, "{received:?}");
    assert_eq!(received[0].json()["type"], "messages.deleted");
}

pub(crate) async fn a_request_is_as_standard_webhooks_has_it(world: World) {
    let setup = setup(&world).await;
    // What others do about the sign-up and the channel.
    world.run_jobs().await;
    setup.test().await;
    world.run_jobs().await;
    let received = setup.receiver.received();
    let [request]: &[Received] = &received else { panic!("one request: {received:?}") };
    assert_eq!(request.line, "POST /hook?key=1 HTTP/1.1");
    assert_eq!(request.header("host"), format!("127.0.0.1:{}", setup.receiver.port()));
    assert_eq!(request.header("content-type"), "application/json");
    assert!(request.header("user-agent").starts_with("Parley/"), "{request:?}");
    assert!(request.is_signed_with(&setup.secret), "{request:?}");
    assert!(!request.is_signed_with("whsec_AAAAAAAAAAAAAAAAAAAAAAAA"));
    let sent: i64 = request.header("webhook-timestamp").parse().expect("seconds");
    assert_eq!(sent, world.clock().now().as_micros() / 1_000_000);
    assert_eq!(
        (&request.json()["type"], request.json()["data"]["channel_id"].as_str()),
        (&json!("webhooks.test"), Some(setup.channel.as_str()))
    );
    assert_eq!(setup.newest().await, delivered(1));
}

pub(crate) async fn what_fails_for_now_is_tried_again_with_the_same_id(world: World) {
    let setup = setup(&world).await;
    setup.receiver.will([Deed::Answer(500, ""), Deed::Close, Deed::Silence, Deed::Dribble, Deed::Answer(408, "")]);
    setup.test().await;
    let mut errors = Vec::new();
    for attempt in 1..=5 {
        world.run_jobs().await;
        let (status, attempts, error) = setup.newest().await;
        assert_eq!((status.as_str(), attempts), ("waiting", attempt), "{error}");
        errors.push(error);
        world.clock().advance(HOUR);
    }
    assert_eq!(errors[0], "answered 500: so be");
    assert!(errors[1].starts_with("the connection broke: "), "{errors:?}");
    assert!(errors[2].starts_with("webhook: no complete answer within 5"), "{errors:?}");
    assert!(errors[3].starts_with("webhook: no complete answer within 5"), "{errors:?}");
    assert_eq!(errors[4], "answered 408: so be");
    world.run_jobs().await;
    assert_eq!(setup.newest().await, delivered(6));
    let received = setup.receiver.received();
    assert!(received.iter().all(|it| it.is_signed_with(&setup.secret)), "signed anew each time");
    let of = |name: &str| {
        let mut values: Vec<String> = received.iter().map(|it| it.header(name).to_owned()).collect();
        values.dedup();
        values.len()
    };
    assert_eq!((of("webhook-id"), of("webhook-timestamp")), (1, 6));
}

pub(crate) async fn a_receiver_that_asks_for_time_gets_it(world: World) {
    let setup = setup(&world).await;
    setup.receiver.will([Deed::Answer(429, "retry-after: 120\r\n"), Deed::Answer(503, "retry-after: 86400\r\n")]);
    setup.test().await;
    world.run_jobs().await;
    assert_eq!(setup.newest().await.2, "answered 429: so be");
    world.clock().advance(Duration::from_secs(119));
    world.run_jobs().await;
    assert_eq!(setup.receiver.received().len(), 1, "it came back too early");
    world.clock().advance(Duration::from_secs(60));
    world.run_jobs().await;
    assert_eq!(setup.receiver.received().len(), 1);
    // A day is more than anybody may ask for.
    world.clock().advance(HOUR + Duration::from_secs(60));
    world.run_jobs().await;
    assert_eq!(setup.newest().await, delivered(3));
}

pub(crate) async fn what_is_refused_is_a_dead_letter_at_once_and_can_be_replayed(world: World) {
    let setup = setup(&world).await;
    setup.receiver.will([Deed::Answer(404, "")]);
    setup.test().await;
    assert_eq!(world.run_jobs().await.discarded, 1);
    assert_eq!(setup.newest().await, ("failed".to_owned(), 1, "answered 404: so be".to_owned()));
    let delivery = setup.deliveries().await.swap_remove(0);
    let replay = setup.path(&format!("/deliveries/{}/replay", delivery["id"].as_str().expect("an id")));
    let waiting = setup.owner.post(&replay, json!({})).await.expect(200);
    assert_eq!((&waiting["status"], &waiting["attempts"]), (&json!("waiting"), &json!(0)));
    setup.owner.post(&replay, json!({})).await.expect(409);
    world.run_jobs().await;
    assert_eq!(setup.newest().await, delivered(1));
    let ids: Vec<String> = setup.receiver.received().iter().map(|it| it.header("webhook-id").to_owned()).collect();
    assert_eq!(ids[0], ids[1]);
    setup.owner.post(&setup.path(&format!("/deliveries/{}/replay", setup.hook)), json!({})).await.expect(404);
}

pub(crate) async fn a_redirect_is_not_followed(world: World) {
    let (setup, private) = (setup(&world).await, Receiver::start().await);
    let location = format!("location: {}\r\n", private.url("/admin"));
    setup.receiver.will([Deed::Answer(302, location.leak())]);
    setup.test().await;
    assert_eq!(world.run_jobs().await.discarded, 1);
    assert_eq!(setup.newest().await.2, "redirects are not followed: answered 302: so be");
    assert_eq!(private.received().len(), 0);
}

pub(crate) async fn an_endless_answer_is_not_read(world: World) {
    let setup = setup(&world).await;
    setup.receiver.will([Deed::Talk(256 << 20)]);
    setup.test().await;
    world.run_jobs().await;
    assert_eq!(setup.newest().await, delivered(1));
    let talked = setup.receiver.talked();
    assert!(talked < 32 << 20, "{talked} bytes were taken");
}

pub(crate) async fn a_receiver_that_is_gone_ends_its_webhook(world: World) {
    let setup = setup(&world).await;
    setup.receiver.will([Deed::Answer(410, "")]);
    setup.test().await;
    setup.test().await;
    let ran = world.run_jobs().await;
    assert_eq!(ran.discarded, 0, "it is nobody's fault");
    assert_eq!(setup.receiver.received().len(), 1, "the second was given up");
    assert_eq!(setup.newest().await.0, "failed");
    let shown = setup.shown().await;
    assert_eq!(shown["disabled_reason"], "the receiver answered 410: it is gone");
    setup.owner.post(&setup.path("/test"), json!({})).await.expect(409);
    let delivery = setup.deliveries().await.swap_remove(0);
    let replay = setup.path(&format!("/deliveries/{}/replay", delivery["id"].as_str().expect("an id")));
    setup.owner.post(&replay, json!({})).await.expect(409);
    let enabled = setup.owner.patch(&setup.path(""), json!({"enabled": true})).await.expect(200);
    assert_eq!(enabled["disabled_at"], Value::Null);
    setup.owner.post(&replay, json!({})).await.expect(200);
    world.run_jobs().await;
    assert_eq!(setup.newest().await, delivered(1));
}

pub(crate) async fn failures_in_a_row_disable_a_webhook(world: World) {
    let setup = setup(&world).await;
    let bad = || Deed::Answer(400, "");
    setup.receiver.will([bad(), bad(), Deed::Answer(200, ""), bad(), bad(), bad(), bad()]);
    for _ in 0..5 {
        setup.test().await;
        world.run_jobs().await;
    }
    assert_eq!(setup.shown().await["disabled_at"], Value::Null, "one in between went well");
    setup.test().await;
    world.run_jobs().await;
    let shown = setup.shown().await;
    assert_eq!(shown["disabled_reason"], "3 deliveries in a row failed, the last: answered 400: so be");
    assert_eq!(setup.receiver.received().len(), 6);
}

pub(crate) async fn a_webhook_ends_with_its_owners_membership(world: World) {
    let setup = setup(&world).await;
    setup.test().await;
    setup.owner.post(&format!("/v1/channels/{}/leave", setup.channel), json!({})).await.expect(204);
    world.run_jobs().await;
    assert_eq!(setup.receiver.received().len(), 0);
    assert_eq!(setup.newest().await.2, "the webhook is disabled: its owner is no member of the channel");
    setup.owner.patch(&setup.path(""), json!({"enabled": true})).await.expect(403);
}

pub(crate) async fn others_neither_see_nor_touch_it(world: World) {
    let setup = setup(&world).await;
    let (member, stranger) = (world.sign_up("tomas").await, world.sign_up("sol").await);
    member.post(&format!("/v1/channels/{}/join", setup.channel), json!({})).await.expect(200);
    let list = format!("/v1/channels/{}/webhooks", setup.channel);
    let seen = member.items(&list).await.swap_remove(0);
    assert_eq!(seen["url"], format!("http://127.0.0.1:{}/…", setup.receiver.port()));
    assert_eq!(setup.shown().await["url"], setup.receiver.url("/hook?key=1"));
    stranger.get(&list).await.expect(403);
    for path in ["/deliveries", "/deliveries?limit=1"] {
        member.get(&setup.path(path)).await.expect(403);
    }
    member.patch(&setup.path(""), json!({"enabled": false})).await.expect(403);
    member.delete(&setup.path("")).await.expect(403);
    let private = setup.owner.channel("private", "private").await;
    let (hidden, _) = hook(&setup.owner, &private, &setup.receiver.url("/")).await;
    member.get(&format!("/v1/webhooks/{hidden}/deliveries")).await.expect(404);
    member.get(&format!("/v1/channels/{private}/webhooks")).await.expect(404);
    setup.owner.delete(&setup.path("")).await.expect(204);
    setup.owner.get(&setup.path("/deliveries")).await.expect(404);
}

pub(crate) async fn bad_addresses_are_refused(world: World) {
    let setup = setup(&world).await;
    let list = format!("/v1/channels/{}/webhooks", setup.channel);
    for url in ["", "nowhere", "ftp://example.org/", "http://127.0.0.1:22/", "http://a:b@example.org/"] {
        let answer = setup.owner.post(&list, json!({"url": url, "events": ["messages.posted"]})).await.expect(422);
        assert_eq!(answer["errors"][0]["field"], "url", "{url}");
    }
    for events in [json!([]), json!(["webhooks.test"]), json!(["messages.read"])] {
        let new = json!({"url": setup.receiver.url("/"), "events": events});
        let answer = setup.owner.post(&list, new).await.expect_problem();
        assert!(answer["errors"][0]["field"].as_str().expect("a field").starts_with("events"), "{answer}");
    }
    for _ in 1..20 {
        hook(&setup.owner, &setup.channel, &setup.receiver.url("/")).await;
    }
    let one_more = json!({"url": setup.receiver.url("/"), "events": ["messages.posted"]});
    setup.owner.post(&list, one_more).await.expect(409);
}

/// Each names this machine in a way that no list of names knows; looked up, it is found out.
pub(crate) async fn a_name_that_leads_to_this_machine_is_refused_when_it_is_called(_: World) {
    let world = World::start_in(json!({"webhooks": {}})).await;
    let (owner, receiver) = (world.sign_up("mira").await, Receiver::start().await);
    let channel = owner.channel("general", "public").await;
    let refused = json!({"url": receiver.url("/"), "events": ["messages.posted"]});
    owner.post(&format!("/v1/channels/{channel}/webhooks"), refused).await.expect(422);
    for host in ["2130706433", "0x7f000001", "127.1", "0177.0.0.1"] {
        let (id, secret) = hook(&owner, &channel, &format!("http://{host}:{}/", receiver.port())).await;
        let setup = Setup {
            owner: world.sign_up(&format!("user{host}")).await,
            channel: channel.clone(),
            hook: id,
            secret,
            receiver: receiver.clone(),
        };
        owner.post(&setup.path("/test"), json!({})).await.expect(204);
        assert_eq!(world.run_jobs().await.discarded, 1, "{host}");
        let seen = owner.items(&setup.path("/deliveries")).await.swap_remove(0);
        let error = "the host does not lead to the public internet: it is this machine";
        assert_eq!((&seen["status"], &seen["error"]), (&json!("failed"), &json!(error)), "{host}");
    }
    assert_eq!(receiver.received().len(), 0, "nothing was sent");
}

/// Fills the lists of webhooks and reports, and says how many queries each takes.
async fn queries(world: &World, count: usize) -> Vec<u64> {
    let setup = setup(world).await;
    let lists = ["webhooks", "hooks"].map(|list| format!("/v1/channels/{}/{list}", setup.channel));
    for number in 1..=count {
        let person = world.sign_up(&format!("person{number}")).await;
        person.post(&format!("/v1/channels/{}/join", setup.channel), json!({})).await.expect(200);
        hook(&person, &setup.channel, &setup.receiver.url("/")).await;
        person.post(&lists[1], json!({"name": format!("bot {number}")})).await.expect(201);
        setup.test().await;
        let day = format!("2025-12-{:02}", number + 1);
        setup.owner.post("/v1/reports", json!({"first_day": day, "last_day": day})).await.expect(201);
        world.run_jobs().await;
    }
    let all = [lists.to_vec(), vec![setup.path("/deliveries"), "/v1/reports".to_owned()]].concat();
    let mut counts = Vec::new();
    for list in all {
        let answer = setup.owner.get(&list).await;
        counts.push(answer.queries());
        let items = answer.expect(200)["items"].as_array().map_or(0, Vec::len);
        assert!(items >= count, "{list} has {items} items");
    }
    counts
}

pub(crate) async fn its_lists_take_as_many_queries_for_3_items_as_for_19(few: World, many: World) {
    let (few, many) = (queries(&few, 3).await, queries(&many, 19).await);
    assert_eq!(few, many);
    assert!(few.iter().all(|queries| (1..=6).contains(queries)), "{few:?}");
}
