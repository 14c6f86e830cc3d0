//! The pictures of the README, of the made-up workspace in the middle of a day.

use crate::driver::Screen;
use crate::page::Page;
use crate::world::World;
use parley::seed::PASSWORD;

pub(crate) fn the_made_up_workspace_is_worth_a_picture(world: &World) {
    let mira = world.sign_in("mira");
    let [tomas, sol, aiko] = ["tomas", "sol", "aiko"].map(|username| world.sign_in(username));
    tomas.say(&tomas.direct(&mira), "The champagne is in the fridge. Third shelf, behind the oat milk.");
    sol.say(&sol.direct(&mira), "Thank you for the notes!");

    let page = Page::open(world, Screen::Desktop);
    page.sign_in("mira", PASSWORD);
    page.click("@channel-item[data-name=engineering]");
    page.message("0.9.0 is tagged");
    aiko.say(&aiko.joined("design"), "The new icons are in. @mira, yours is the one with the kettle.");
    page.reload();
    page.see("@channel-item[data-name=design].unread");
    page.read("@mentions .badge", "1");
    page.message("0.9.0 is tagged");
    page.picture("desktop");
    page.click("@history @thread-summary");
    page.read("@thread @message", "I understood them twice");
    page.picture("desktop-thread");
    page.click(".sidebar @theme-toggle");
    page.picture("desktop-dark");
    page.clean(&["/v1/session"]);

    let phone = Page::open(world, Screen::Phone);
    phone.sign_in("mira", PASSWORD);
    phone.picture("phone-general");
}
