//! The pictures of the README, of the made-up workspace.

use crate::driver::Screen;
use crate::page::Page;
use crate::world::World;

pub(crate) fn the_made_up_workspace_is_worth_a_picture(world: &World) {
    let page = Page::open(world, Screen::Desktop);
    page.sign_in("mira", "parley-demo");
    page.click("@channel-item[data-name=engineering]");
    page.message("0.9.0 is tagged");
    page.picture("desktop");
    page.click("@history @thread-summary");
    page.read("@thread @message", "I understood them twice");
    page.picture("desktop-thread");
    page.clean(&["/v1/session"]);
}
