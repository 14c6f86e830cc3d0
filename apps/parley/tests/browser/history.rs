//! Scrolling back: every message once, in order, and nothing moves by itself.

use crate::driver::Screen;
use crate::page::Page;
use crate::world::{PASSWORD, World};
use serde_json::{Value, json};

const MESSAGES: usize = 700;
/// One turn of the wheel.
const TURN: i32 = 900;
/// More turns than it takes.
const TURNS: usize = 150;
/// Rows are placed on whole pixels, and each rounds for itself.
const ROUNDING: f64 = 2.0;

/// What the history shows: its messages from top to bottom, and where one of them is.
const LOOK: &str = "
    const frames = () => new Promise((resume) => requestAnimationFrame(() => requestAnimationFrame(resume)));
    const history = document.querySelector('[data-test=history]');
    const busy = () => history.scrollTop < 900 && history.querySelector('.older');
    const top = (node) => node.getBoundingClientRect().top;
    let before;
    do {
      before = history.scrollTop;
      await frames();
    } while (before !== history.scrollTop || busy());
    const rows = [...history.querySelectorAll('[data-test=message]')];
    const edge = top(history);
    const anchor = given[0] ? rows.find((row) => row.dataset.id === given[0]) : null;
    const first = rows.find((row) => top(row) >= edge);
    return {
      ids: rows.map((row) => row.dataset.id), anchor: anchor && top(anchor), first: first.dataset.id, at: top(first),
      fromEnd: history.scrollHeight - history.scrollTop - history.clientHeight, top: history.scrollTop,
    };";

pub(crate) fn seven_hundred_messages_scroll_back_in_order(world: &World) {
    let people = [world.sign_up("ada"), world.sign_up("ben")];
    let channel = people[0].channel("archive", "Everything since the beginning");
    people[1].post(&format!("/v1/channels/{channel}/join"), &json!({}));
    let posted: Vec<String> = (0..MESSAGES)
        .map(|number| people[number / 3 % 2].say(&channel, &format!("Entry {number}\n{}", "word ".repeat(number % 50))))
        .collect();

    let page = Page::open(world, Screen::Desktop);
    page.sign_in("ada", PASSWORD);
    page.message(&format!("Entry {}", MESSAGES - 1));
    let seen = scroll_back(&page, &posted);
    assert_eq!(seen, MESSAGES, "every message was on the page");
    page.read("@history h2", "Welcome to #archive");
    page.picture("scrolled-back");

    news_do_not_move_the_reader(&page, &people[1], &channel);
    page.click("@jump-newest");
    page.message("Something new");
    page.gone("@jump-newest");
    page.clean(&["/v1/session"]);
}

/// Turns the wheel until the beginning; gives how many different messages were there, in one unbroken row.
fn scroll_back(page: &Page<'_>, posted: &[String]) -> usize {
    let mut oldest = posted.len();
    let mut look = page.run(LOOK, &[Value::Null]);
    assert!(look["fromEnd"].as_f64().unwrap() < ROUNDING, "it begins at the end: {look}");
    for _ in 0..TURNS {
        let ids: Vec<&str> = look["ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
        let first = posted.iter().position(|id| id == ids[0]).expect("a message of this channel");
        assert_eq!(ids, posted[first..first + ids.len()], "no gap, no repetition, in order");
        assert!(first + ids.len() >= oldest, "it goes on where it was");
        oldest = oldest.min(first);
        if oldest == 0 && look["top"].as_f64().unwrap() < 1.0 {
            break;
        }
        page.wheel((800, 400), -TURN);
        let after = page.run(LOOK, &[look["first"].clone()]);
        let moved = after["anchor"].as_f64().expect("still there") - look["at"].as_f64().unwrap();
        assert!((-ROUNDING..=f64::from(TURN) + ROUNDING).contains(&moved), "moved by {moved}: {look} {after}");
        assert!(moved > 0.0 || first == 0, "it goes back");
        look = after;
    }
    posted.len() - oldest
}

fn news_do_not_move_the_reader(page: &Page<'_>, other: &crate::world::Person, channel: &str) {
    let before = page.run(LOOK, &[Value::Null]);
    other.say(channel, "Something new");
    page.read("@jump-newest", "1 new message");
    let after = page.run(LOOK, &[before["first"].clone()]);
    assert_eq!(before["at"], after["anchor"]);
}
