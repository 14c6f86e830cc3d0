//! The pages of the operators: every one of them with data in it, by mouse and by keyboard, in development and in production.

use crate::driver::Screen;
use crate::page::{ENTER, ESCAPE, Page};
use crate::world::{Person, World};
use serde_json::json;

/// Where the menu leads, and what is there once there is data.
const MENU: [(&str, &str); 9] = [
    ("now", "@sentence"),
    ("budgets", "@budgets"),
    ("slow", "@slow @row"),
    ("queries", "@queries @row"),
    ("jobs", "@queues @row"),
    ("modules", "@modules @row"),
    ("dependencies", "#page h2"),
    ("errors", "@errors"),
    ("process", "#page h2"),
];

/// Reads, writes and searches; gives the channel in which that was.
fn work(person: &Person) -> String {
    let channel = person.channel("machine-room", "What runs here");
    for number in 0..40 {
        person.say(&channel, &format!("number {number} is up and running"));
        assert_eq!(person.get(&format!("/v1/channels/{channel}/messages")), 200);
        assert_eq!(person.get("/v1/search?q=running"), 200);
        assert_eq!(person.get("/v1/channels"), 200);
        assert_eq!(person.get("/v1/channels/00000000-0000-0000-0000-000000000000"), 404);
    }
    channel
}

/// The same, and webhooks whose receiver is not there.
fn fail(person: &Person) {
    let channel = work(person);
    let hook = json!({"url": "http://127.0.0.1:61999/nobody", "events": ["messages.posted"]});
    person.post(&format!("/v1/channels/{channel}/webhooks"), &hook);
    for number in 0..5 {
        person.say(&channel, &format!("nobody hears {number}"));
    }
}

fn walk(page: &Page<'_>, prefix: &str) {
    for (name, shows) in MENU {
        page.click(&format!("@menu-{name}"));
        page.see(&format!("@menu-{name}[aria-current]"));
        page.see(shows);
        page.gone("@failed");
        page.picture(&format!("{prefix}-{name}"));
    }
}

pub(crate) fn an_operator_walks_every_page(world: &World) {
    fail(&world.sign_in("mira"));
    let page = Page::open(world, Screen::Desktop);
    page.go("/ops");
    page.read("@sentence", ".");
    page.see("@tile");
    page.until("know the requests", "return [...document.querySelectorAll('[data-test=tile]')].some((tile) => /Requests0*[1-9]|Requests0\\.\\d*[1-9]/.test(tile.textContent))", &[]);
    walk(&page, "ops");
    one_operation(&page);
    by_keyboard(&page);
    page.click("@menu-slow");
    page.see("@slow @row");
    page.click("@theme");
    page.until("turn dark or light", "return document.documentElement.dataset.theme", &[]);
    page.picture("ops-slow-dark");
    page.click("@menu-now");
    page.see("@tile");
    page.see("@tile polyline");
    page.picture("ops-now-dark");
    page.clean(&["/v1/session"]);
}

fn one_operation(page: &Page<'_>) {
    page.click("@menu-slow");
    page.fill("@filter", "/messages");
    page.read("@slow @row", "/v1/channels/{id}/messages");
    page.click("@slow @row");
    page.read("h1", "/messages");
    page.see("@causes @row");
    page.see("@samples @row");
    page.see(".histogram rect");
    page.picture("ops-operation");
    page.click("@samples @row");
    page.see("@leaf");
    page.see("@tree a");
    page.click("@leaf summary .sql");
    page.see("@leaf[open] .leaf-more");
    page.click("@leaf[open] @explain");
    page.see("@leaf[open] @plan");
    page.picture("ops-sample");

    page.click("@menu-queries");
    page.fill("@filter", "messages");
    page.click("@queries @row");
    page.see("@query");
    page.click("@query @explain");
    page.see("@query @plan");
    page.click("@query @index");
    page.see("@query @proposal");
    page.picture("ops-query");
    page.click("@menu-modules");
    page.click("@module");
    page.see("@module-detail");
    page.picture("ops-module");
}

fn by_keyboard(page: &Page<'_>) {
    page.keys("body", "gs");
    page.see("@menu-slow[aria-current]");
    page.see("@slow @row");
    page.keys("body", "jjk");
    let selected =
        "return [...document.querySelectorAll('[data-test=row]')].findIndex((row) => row.matches('.selected')) === 0";
    page.until("select the first row", selected, &[]);
    page.keys("body", "/");
    page.until("be in the filter", "return document.activeElement.matches('[data-test=filter]')", &[]);
    page.keys("@filter", "channels");
    page.keys("@filter", ENTER);
    page.keys("body", ENTER);
    page.read("h1", "channels");
    page.keys("body", "?");
    page.see("@keys");
    page.keys("@keys", ESCAPE);
    page.gone("@keys");
    page.keys("body", " ");
    page.read("@live", "Paused");
    page.keys("body", " ");
    page.read("@live", "Live");
    page.keys("body", "gn");
    page.see("@sentence");
}

pub(crate) fn an_operator_mends_what_failed(world: &World) {
    fail(&world.sign_in("mira"));
    let page = Page::open(world, Screen::Desktop);
    page.go("/ops/jobs?state=retryable");
    page.run("window.confirm = () => true", &[]);
    page.read("@jobs @row", "webhooks");
    page.picture("ops-jobs-retryable");
    page.click("@jobs @discard");
    page.read(".toast", "dead letter");
    page.click("nav a[href='/ops/jobs?state=discarded']");
    page.see("@jobs @row");
    page.picture("ops-jobs-dead");
    page.click("@jobs @row [role=gridcell]");
    page.see("@failures @row");
    page.picture("ops-job");
    page.click("@retry");
    page.read(".toast", "retried");

    page.click("@menu-jobs");
    page.click("@queues @pause");
    page.see("@queues @resume");
    page.click("@queues @resume");
    page.gone("@queues @resume");
    page.click("@menu-errors");
    page.see("@errors @row");
    page.picture("ops-errors");
    page.clean(&["/v1/session"]);
}

pub(crate) fn the_pages_fit_a_phone(world: &World) {
    fail(&world.sign_in("mira"));
    let page = Page::open(world, Screen::Phone);
    page.go("/ops");
    page.see("@tile");
    for (name, shows) in MENU {
        page.click(&format!("@menu-{name}"));
        page.see(shows);
        page.fits();
        page.picture(&format!("phone-ops-{name}"));
    }
    page.click("@menu-slow");
    page.fill("@filter", "/messages");
    page.read("@slow @row", "/messages");
    page.click("@slow @row");
    page.see("@samples @row");
    page.fits();
    page.picture("phone-ops-operation");
    page.click("@samples @row");
    page.see("@leaf");
    page.fits();
    page.picture("phone-ops-sample");
    page.clean(&["/v1/session"]);
}

pub(crate) fn in_production_the_pages_open_to_the_token_only(world: &World) {
    work(&world.sign_up("newcomer"));
    let page = Page::open(world, Screen::Desktop);
    page.go("/ops");
    page.read("body", "there is nothing at this address");
    let stranger = page.run("return [document.title, document.scripts.length, document.cookie]", &[]);
    assert_eq!(stranger, json!(["", 0, ""]));

    let token = world.prints(&["ops", "token"]);
    page.go(&format!("/ops?token={token}"));
    page.see("@sentence");
    let address = page.run("return location.pathname + location.search", &[]);
    assert_eq!(address, "/ops");
    assert_eq!(page.run("return document.cookie", &[]), "", "no script reads the cookie");
    walk(&page, "ops-production");
    page.click("@menu-queries");
    page.click("@queries @row");
    page.see("@query");
    page.gone("@explain");
    page.gone("@index");
    page.clean(&["/ops ", "/favicon.ico"]);
}
