//! Mail: who gets which, and that each arrives once whatever the mail server does.

use crate::sink::Mood;
use crate::world::{DOMAIN_RATE, World};
use sarsen::telemetry::WaitKind;
use serde_json::json;
use std::collections::HashSet;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// Lets time pass by steps, with the work of each, until `done`; fails when it takes longer than `most`.
async fn wait_until(world: &World, step: Duration, most: Duration, done: impl Fn() -> bool) {
    let mut waited = Duration::ZERO;
    while !done() {
        assert!(waited < most, "it is not done after {most:?}");
        world.clock().advance(step);
        waited += step;
        world.run_jobs().await;
    }
}

pub(crate) async fn signing_up_waits_for_no_mail_server(world: World) {
    world.sink().set(Mood::Silent);
    let ada = world.sign_up_with("ada", "ada@example.org").await;
    assert_eq!(ada.get("/v1/me").await.expect(200)["email"], "ada@example.org");
    assert_eq!(world.sink().visits(), 0, "nobody asked the mail server");
    world.sink().set(Mood::Well);
    world.run_jobs().await;
    assert!(world.waited(WaitKind::Mail), "the time of the mail server is booked");
    let mails = world.sink().mails();
    assert_eq!(world.sink().recipients(), ["ada@example.org"]);
    assert_eq!(
        (mails[0].header("Subject"), mails[0].header("From")),
        ("Welcome to Parley", "Parley <parley@localhost>")
    );
    assert!(mails[0].body().contains("Hello ada,") && mails[0].body().contains("text/html"), "{:?}", mails[0]);
    world.sign_up("bob").await;
    world.run_jobs().await;
    assert_eq!(world.sink().mails().len(), 1, "no address, no mail");
}

pub(crate) async fn every_mail_arrives_once_after_ten_minutes_without_a_server(world: World) {
    world.sink().set(Mood::Away);
    let addresses: Vec<String> = (0..9).map(|number| format!("person{number}@{}.example", number % 3)).collect();
    for (number, address) in addresses.iter().enumerate() {
        world.sign_up_with(&format!("person{number}"), address).await;
    }
    let end = world.clock().now() + 10 * MINUTE;
    while world.clock().now() < end {
        world.run_jobs().await;
        world.clock().advance(Duration::from_secs(20));
    }
    assert!(world.sink().visits() >= addresses.len(), "it was tried");
    assert_eq!(world.sink().recipients(), [""; 0]);
    world.sink().set(Mood::Well);
    wait_until(&world, MINUTE, 100 * MINUTE, || world.sink().mails().len() >= addresses.len()).await;
    // Whatever would send one twice has an hour for it.
    for _ in 0..12 {
        world.clock().advance(5 * MINUTE);
        world.run_jobs().await;
    }
    assert_eq!(world.sink().recipients(), addresses_sorted(&addresses));
    let ids: HashSet<String> = world.sink().mails().iter().map(|mail| mail.header("Message-ID").to_owned()).collect();
    assert_eq!(ids.len(), addresses.len(), "each is a mail of its own");
}

fn addresses_sorted(addresses: &[String]) -> Vec<String> {
    let mut sorted = addresses.to_vec();
    sorted.sort();
    sorted
}

pub(crate) async fn a_mail_that_is_sent_again_has_the_same_id(world: World) {
    world.sink().set(Mood::Forgetful);
    world.sign_up_with("ada", "ada@example.org").await;
    world.run_jobs().await;
    assert_eq!(world.sink().forgotten().len(), 1);
    world.sink().set(Mood::Well);
    wait_until(&world, MINUTE, 100 * MINUTE, || !world.sink().mails().is_empty()).await;
    let (first, second) = (world.sink().forgotten().remove(0), world.sink().mails().remove(0));
    for name in ["Message-ID", "Date"] {
        assert_eq!(first.header(name), second.header(name));
    }
}

pub(crate) async fn what_is_refused_for_good_is_not_tried_again(world: World) {
    world.sink().set(Mood::Strict);
    world.sign_up_with("ada", "nobody@example.org").await;
    assert_eq!(world.run_jobs().await.discarded, 1);
    world.sink().set(Mood::Busy);
    world.sign_up_with("bob", "bob@example.org").await;
    let ran = world.run_jobs().await;
    assert_eq!((ran.failed, ran.discarded), (1, 0));
    world.sink().set(Mood::Well);
    wait_until(&world, MINUTE, 100 * MINUTE, || !world.sink().mails().is_empty()).await;
    assert_eq!(world.sink().recipients(), ["bob@example.org"]);
}

pub(crate) async fn a_server_that_says_nothing_is_not_waited_for(world: World) {
    world.sink().set(Mood::Silent);
    world.sign_up_with("ada", "ada@example.org").await;
    assert_eq!(world.run_jobs().await.failed, 1);
    world.sink().set(Mood::Well);
    wait_until(&world, MINUTE, 100 * MINUTE, || !world.sink().mails().is_empty()).await;
}

pub(crate) async fn no_provider_gets_more_than_its_share(world: World) {
    let share = DOMAIN_RATE as usize;
    for number in 0..share + 2 {
        world.sign_up_with(&format!("one{number}"), &format!("{number}@one.example")).await;
        world.sign_up_with(&format!("two{number}"), &format!("{number}@TWO.example")).await;
    }
    world.run_jobs().await;
    let count = |domain: &str| world.sink().recipients().iter().filter(|to| to.ends_with(domain)).count();
    assert_eq!((count("one.example"), count("TWO.example")), (share, share));
    for more in 1..=2 {
        world.clock().advance(MINUTE / DOMAIN_RATE);
        world.run_jobs().await;
        assert_eq!((count("one.example"), count("TWO.example")), (share + more, share + more));
    }
}

pub(crate) async fn a_mention_is_mailed_to_those_who_want_it_and_may_read_it(world: World) {
    let ada = world.sign_up_with("ada", "ada@example.org").await;
    let bob = world.sign_up_with("bob", "bob@example.org").await;
    let cara = world.sign_up_with("cara", "cara@example.org").await;
    let dan = world.sign_up("dan").await;
    world.sign_up_with("eve", "eve@example.org").await;
    cara.patch("/v1/me", json!({"mention_mails": false})).await.expect(200);
    let channel = ada.channel("secret", "private").await;
    for person in [&bob, &cara, &dan] {
        ada.post(&format!("/v1/channels/{channel}/members"), json!({"user_id": person.user_id()})).await.expect(204);
    }
    world.run_jobs().await;
    // The welcomes took the share of this minute.
    world.clock().advance(MINUTE);
    let before = world.sink().mails().len();
    let posted = ada.say(&channel, "@ada @bob @cara @dan @eve: the <b>plan</b> is out").await;
    world.run_jobs().await;
    let mails = world.sink().mails().split_off(before);
    assert_eq!(mails.iter().map(|mail| mail.to.as_str()).collect::<Vec<_>>(), ["bob@example.org"]);
    assert_eq!(mails[0].header("Subject"), "ada mentioned you in #secret");
    let (body, id) = (mails[0].body(), posted["id"].as_str().expect("an id"));
    for expected in [&format!("/c/{channel}/m/{id}"), "> @ada @bob", "the &lt;b&gt;plan&lt;/b&gt; is out"] {
        assert!(body.contains(expected), "{expected} is not in {body}");
    }
}

pub(crate) async fn a_mention_that_is_gone_or_unwanted_by_now_is_not_mailed(world: World) {
    let (ada, bob) = (world.sign_up("ada").await, world.sign_up_with("bob", "bob@example.org").await);
    let channel = ada.channel("general", "public").await;
    world.run_jobs().await;
    let before = world.sink().mails().len();
    let posted = ada.say(&channel, "ask @bob").await;
    ada.delete(&format!("/v1/messages/{}", posted["id"].as_str().expect("an id"))).await.expect(204);
    world.run_jobs().await;
    world.sink().set(Mood::Away);
    ada.say(&channel, "@bob?").await;
    world.run_jobs().await;
    bob.patch("/v1/me", json!({"email": ""})).await.expect(200);
    world.sink().set(Mood::Well);
    for _ in 0..10 {
        world.clock().advance(30 * MINUTE);
        world.run_jobs().await;
    }
    assert_eq!(world.sink().mails().len(), before);
    bob.patch("/v1/me", json!({"email": "new@example.org"})).await.expect(200);
    ada.say(&channel, "@bob!").await;
    world.run_jobs().await;
    assert_eq!(world.sink().mails().split_off(before)[0].to, "new@example.org");
}
