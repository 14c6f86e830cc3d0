//! What happens while one looks: two people in two browsers, and one who was away.

use crate::driver::Screen;
use crate::page::{ENTER, Page, UP};
use crate::world::{PASSWORD, Person, World};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// What shows that it came by itself: polling looks every two seconds, and while the connection stands once a minute.
const AT_ONCE: Duration = Duration::from_millis(1_500);

struct Two<'a> {
    anna: Page<'a>,
    ben: Page<'a>,
    ben_by_api: Person,
    channel: String,
}

fn two(world: &World) -> Two<'_> {
    let anna = world.sign_up("anna");
    let channel = anna.channel("garden", "What grows");
    let ben_by_api = world.sign_up("ben");
    ben_by_api.post(&format!("/v1/channels/{channel}/join"), &json!({}));
    ben_by_api.direct(&anna);
    let open = |name: &str| {
        let page = Page::open(world, Screen::Desktop);
        page.sign_in(name, PASSWORD);
        page.click("@channel-item[data-name=garden]");
        page.see("@composer");
        page
    };
    let (anna, ben) = (open("anna"), open("ben"));
    anna.see("@channel-item[data-name=ben] @online");
    ben.see("@channel-item[data-name=anna] @online");
    Two { anna, ben, ben_by_api, channel }
}

fn soon(began: Instant, what: &str) {
    let took = began.elapsed();
    assert!(took < AT_ONCE, "{what} came after {took:?}");
    println!("{what}: {took:?}, the browser's own time included");
}

pub(crate) fn two_people_see_what_the_other_does_while_it_happens(world: &World) {
    let Two { anna, ben, ben_by_api, channel } = two(world);
    ben.keys("@composer", "The first tom");
    anna.read("@typing", "ben is typing");
    anna.picture("live-typing");
    ben.keys("@composer", "ato is red");
    ben.keys("@composer", ENTER);
    let began = Instant::now();
    let id = anna.message("The first tomato is red");
    soon(began, "a message");
    anna.until("nobody types", "return document.querySelector('[data-test=typing]').textContent === ''", &[]);

    ben.keys("@composer", UP);
    ben.fill("@edit-box", "The first tomato is ripe");
    ben.keys("@edit-box", ENTER);
    let began = Instant::now();
    anna.read(&format!("@message[data-id=\"{id}\"] @message-text"), "ripe (edited)");
    soon(began, "an edit");

    let row = format!("@message[data-id=\"{id}\"]");
    anna.click(&format!("{row} @message-react"));
    anna.click("@emoji-option[data-emoji=\"🚀\"]");
    let began = Instant::now();
    ben.read(&format!("{row} @reaction[data-emoji=\"🚀\"][aria-pressed=false]"), "1");
    soon(began, "a reaction");
    ben.click(&format!("{row} @reaction[data-emoji=\"🚀\"]"));
    anna.read(&format!("{row} @reaction[data-emoji=\"🚀\"][aria-pressed=true]"), "2");
    anna.picture("live-edited");

    // Where one does not look, it is counted, and who is spoken to is told.
    anna.click("@channel-item[data-name=ben]");
    anna.read("@channel-name", "ben");
    ben_by_api.say(&channel, "And a cucumber");
    ben_by_api.say(&channel, "Have you seen it, @anna?");
    anna.read("@channel-item[data-name=garden] @unread", "2");
    anna.read("@notice", "Have you seen it");
    anna.picture("live-notice");
    anna.click("@notice");
    anna.message("And a cucumber");
    anna.gone("@channel-item[data-name=garden] @unread");

    drop(ben);
    anna.gone("@channel-item[data-name=ben] @online");
    anna.clean(&["/v1/session"]);
}

pub(crate) fn who_was_away_comes_back_complete_and_in_order(world: &World) {
    let Two { anna, ben, ben_by_api, channel } = two(world);
    ben_by_api.say(&channel, "before");
    anna.message("before");
    anna.set_offline(true);
    let began = Instant::now();
    let mut number = 0;
    while began.elapsed() < Duration::from_secs(10) {
        number += 1;
        ben_by_api.say(&channel, &format!("leaf {number}"));
        ben.message(&format!("leaf {number}"));
    }
    anna.see("@offline:not([hidden])");
    anna.picture("live-offline");
    anna.set_offline(false);
    let back = Instant::now();
    anna.message(&format!("leaf {number}"));
    println!("{number} messages while away; complete {:?} after coming back", back.elapsed());
    ben_by_api.say(&channel, "after");
    anna.message("after");
    let texts = "return [...document.querySelectorAll('[data-test=history] [data-test=message-text]')].map((node) => node.textContent)";
    let shown = anna.run(texts, &[]);
    let leaves = (1..=number).map(|leaf| format!("leaf {leaf}"));
    let expected: Vec<String> = std::iter::once("before".into()).chain(leaves).chain(["after".into()]).collect();
    assert_eq!(shown, json!(expected), "complete, in order, once");
    assert_eq!(ben.run(texts, &[]), Value::from(expected));
    anna.picture("live-back");
}
