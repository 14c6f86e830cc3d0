//! The API reference: it lists what there is, and sends requests as whoever is signed in.

use crate::driver::Screen;
use crate::page::Page;
use crate::world::{PASSWORD, World};

pub(crate) fn the_reference_lists_and_tries_operations(world: &World) {
    world.sign_up("curious");
    let page = Page::open(world, Screen::Desktop);
    page.sign_in("curious", PASSWORD);
    page.go("/docs");
    page.see("@operation");
    let count = page.run("return document.querySelectorAll('[data-test=operation]').length", &[]);
    assert!(count.as_u64().unwrap() > 25, "lists {count} operations");
    page.click("#get-v1-me summary");
    page.see("#get-v1-me @try-send");
    page.picture("docs");
    page.click("#get-v1-me @try-send");
    page.read("#get-v1-me @try-status", "200");
    page.read("#get-v1-me @try-body", "\"curious\"");
    page.clean(&["/v1/session"]);
}
