//! A message and everything that can happen to it.

use crate::driver::Screen;
use crate::page::{ENTER, ESCAPE, Page, UP};
use crate::world::{PASSWORD, World};
use serde_json::json;

pub(crate) fn a_message_is_posted_edited_answered_and_found(world: &World) {
    let writer = world.sign_up("writer");
    let channel = writer.channel("harbour", "Ships and the people on them");
    writer.say(&channel, "The ferry leaves at seven");
    world.sign_up("reader");
    let page = Page::open(world, Screen::Desktop);
    page.sign_in("reader", PASSWORD);
    join(&page);

    let id = page.post("The ferry is late, as evry day");
    edit(&page, &id);
    page.gone("@jump-newest");
    react(&page, &id);
    answer(&page, &id);
    search(&page, &id);
    erase(&page);

    let place = page.run("return location.pathname", &[]);
    page.reload();
    page.message("The ferry leaves at seven");
    assert_eq!(page.run("return location.pathname", &[]), place, "a reload keeps the place");
    page.clean(&["/v1/session"]);
}

fn join(page: &Page<'_>) {
    page.click("@browse-channels");
    page.see("@browse-item[data-name=harbour]");
    page.picture("browse");
    page.click("@browse-item[data-name=harbour] @open-channel");
    page.message("The ferry leaves at seven");
    page.click(".join-bar @join-channel");
    page.see("@composer");
    page.see("@channel-item[data-name=harbour][aria-current]");
}

fn edit(page: &Page<'_>, id: &str) {
    let text = format!("@message[data-id=\"{id}\"] @message-text");
    page.keys("@composer", UP);
    page.fill("@edit-box", "The ferry is late, as every day");
    page.keys("@edit-box", ENTER);
    page.read(&text, "as every day (edited)");
    page.gone("@edit-box");

    page.click(&format!("@message[data-id=\"{id}\"] @message-edit"));
    page.fill("@edit-box", "never mind");
    page.keys("@edit-box", ESCAPE);
    page.gone("@edit-box");
    page.read(&text, "as every day");

    page.click(&format!("@message[data-id=\"{id}\"] @message-edit"));
    page.fill("@edit-box", "The ferry is late, as *nearly* every day");
    page.click("@edit-save");
    page.read(&format!("{text} strong"), "nearly");
}

fn react(page: &Page<'_>, id: &str) {
    let row = format!("@message[data-id=\"{id}\"]");
    page.click(&format!("{row} @message-react"));
    page.see("@emoji-picker");
    page.picture("emoji");
    page.click("@emoji-option[data-emoji=\"🚀\"]");
    page.read(&format!("{row} @reaction[data-emoji=\"🚀\"][aria-pressed=true]"), "1");
    page.gone("@emoji-picker");
    page.click(&format!("{row} @reaction[data-emoji=\"🚀\"]"));
    page.gone(&format!("{row} @reaction"));
    page.click(&format!("{row} @message-react"));
    page.click("@emoji-option[data-emoji=\"☕\"]");
    page.read(&format!("{row} @reaction[data-emoji=\"☕\"]"), "1");
}

fn answer(page: &Page<'_>, id: &str) {
    page.click(&format!("@message[data-id=\"{id}\"] @message-thread"));
    page.keys("@thread-composer", "Take the tram");
    page.keys("@thread-composer", ENTER);
    page.read("@thread @message", "Take the tram");
    page.read("@thread .thread-count", "1 reply");
    page.read(&format!("@history @message[data-id=\"{id}\"] @thread-summary"), "1 reply");
    page.picture("thread");
    page.click("@thread @close");
    page.gone("@thread");
}

fn search(page: &Page<'_>, id: &str) {
    page.fill("@search-input", "ferry nearly");
    page.keys("@search-input", ENTER);
    page.read("@search-result", "nearly every day");
    page.read("@search-result mark", "ferry");
    page.picture("search");
    page.click(&format!("@search-result[data-id=\"{id}\"]"));
    page.see(&format!("@history @message[data-id=\"{id}\"].message-found"));
    page.fill("@search-input", "zeppelin");
    page.keys("@search-input", ENTER);
    page.read("h2", "Nothing found");
    page.fill("@search-input", "tram");
    page.keys("@search-input", ENTER);
    page.click("@search-result");
    page.read("@thread @message", "Take the tram");
    page.click("@thread @close");
}

fn erase(page: &Page<'_>) {
    let id = page.post("I should not have said this");
    page.click(&format!("@message[data-id=\"{id}\"] @message-delete"));
    page.see("@confirm-dialog");
    page.picture("confirm");
    page.click("@confirm");
    page.read(&format!("@message[data-id=\"{id}\"]"), "This message was deleted.");
    page.gone("@confirm-dialog");
    assert_eq!(page.run("return document.querySelectorAll('dialog').length", &[]), json!(0));
}
