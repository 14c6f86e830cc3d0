//! Channels and conversations: how they begin, how one moves between them, and how one leaves.

use crate::driver::Screen;
use crate::page::{ENTER, Page};
use crate::world::{PASSWORD, World};

pub(crate) fn channels_and_conversations_begin_and_end(world: &World) {
    world.sign_up("founder");
    let page = Page::open(world, Screen::Desktop);
    page.sign_in("founder", PASSWORD);
    create(&page);
    converse(&page);
    jump(&page);

    page.click("@channel-details");
    page.click("@leave-channel");
    page.click("@confirm");
    page.gone("@channel-item[data-name=big-plans]");
    page.clean(&["/v1/session", "/v1/channels"]);
}

fn create(page: &Page<'_>) {
    page.click("@create-channel");
    page.keys("@create-channel-form [name=name]", "General");
    page.click("@create-channel-form @submit");
    page.read("@note-name.field-error", "Name is taken.");
    page.fill("@create-channel-form [name=name]", "Big Plans");
    page.gone("@note-name.field-error");
    page.keys("@create-channel-form [name=topic]", "None of them small");
    page.picture("create-channel");
    page.click("@create-channel-form @submit");
    page.read("@channel-name", "big-plans");
    page.read(".head-topic", "None of them small");
    page.see("@channel-item[data-name=big-plans][aria-current]");
}

fn converse(page: &Page<'_>) {
    page.click("@new-direct");
    page.keys("@people-input", "aik");
    page.read("@people-option", "Aiko Bauer");
    page.picture("new-conversation");
    page.keys("@people-input", ENTER);
    page.click("@start-direct");
    page.read("@channel-name", "Aiko Bauer");
    page.keys("@composer", "Hello @tom");
    page.read("@mention-option", "Tomás Lindqvist");
    page.picture("mention");
    page.keys("@composer", ENTER);
    page.keys("@composer", "sends his regards");
    page.keys("@composer", ENTER);
    page.message("Hello @tomas sends his regards");
}

fn jump(page: &Page<'_>) {
    page.click("@open-switcher");
    page.keys("@switcher-input", "bgpl");
    page.read("@switcher-option", "big-plans");
    page.picture("switcher");
    page.keys("@switcher-input", ENTER);
    page.read("@channel-name", "big-plans");
}
