//! Two people at once: each sees what the other does, without loading anything again.

use crate::driver::Screen;
use crate::page::{ENTER, Page};
use crate::world::{PASSWORD, World};
use serde_json::json;

pub(crate) fn two_people_see_each_other(world: &World) {
    let anna = world.sign_up("anna");
    let channel = anna.channel("kitchen", "");
    let bert = world.sign_up("bert");
    bert.post(&format!("/v1/channels/{channel}/join"), &json!({}));
    let (left, right) = (Page::open(world, Screen::Desktop), Page::open(world, Screen::Desktop));
    left.sign_in("anna", PASSWORD);
    right.sign_in("bert", PASSWORD);
    left.read("h2", "Welcome to #kitchen");

    let soup = left.post("There is soup");
    assert_eq!(right.message("There is soup"), soup);
    let bread = right.post("@anna, there is bread");
    assert_eq!(left.message("there is bread"), bread);
    left.read(".mention-me", "@anna");

    right.click(&format!("@message[data-id=\"{soup}\"] .quick-emoji"));
    left.read(&format!("@message[data-id=\"{soup}\"] @reaction[aria-pressed=false]"), "1");
    left.click(&format!("@message[data-id=\"{soup}\"] @reaction"));
    right.read(&format!("@message[data-id=\"{soup}\"] @reaction[aria-pressed=true]"), "2");

    left.click(&format!("@message[data-id=\"{soup}\"] @message-edit"));
    left.fill("@edit-box", "There was soup");
    left.keys("@edit-box", ENTER);
    right.read(&format!("@message[data-id=\"{soup}\"] @message-text"), "There was soup (edited)");

    right.click(&format!("@message[data-id=\"{soup}\"] @message-thread"));
    right.keys("@thread-composer", "Whose turn is it?");
    right.keys("@thread-composer", ENTER);
    left.click(&format!("@message[data-id=\"{soup}\"] @thread-summary"));
    left.read("@thread @message", "Whose turn is it?");
    left.keys("@thread-composer", "Mine");
    left.keys("@thread-composer", ENTER);
    right.read("@thread @message", "Mine");

    right.click(&format!("@history @message[data-id=\"{bread}\"] @message-delete"));
    right.click("@confirm");
    left.read(&format!("@history @message[data-id=\"{bread}\"]"), "This message was deleted.");
    for page in [left, right] {
        page.clean(&["/v1/session"]);
    }
}
