//! What is unread is counted, on the server: the same in every window, and gone once it was seen.

use crate::driver::Screen;
use crate::page::Page;
use crate::world::{PASSWORD, World};
use serde_json::json;

pub(crate) fn what_others_say_is_counted_until_it_is_seen(world: &World) {
    let nina = world.sign_up("nina");
    let (attic, cellar) = (nina.channel("attic", "Old things"), nina.channel("cellar", "Cold things"));
    let olga = world.sign_up("olga");
    for channel in [&attic, &cellar] {
        olga.post(&format!("/v1/channels/{channel}/join"), &json!({}));
    }
    nina.say(&cellar, "jar 0");
    let page = Page::open(world, Screen::Desktop);
    page.sign_in("nina", PASSWORD);
    page.click("@channel-item[data-name=attic]");
    page.read("@channel-name", "attic");
    for number in 1..=3 {
        olga.say(&cellar, &format!("jar {number}"));
    }
    olga.say(&olga.direct(&nina), "come down");
    page.read("@channel-item[data-name=cellar] @unread", "3");
    page.read("@channel-item[data-name=olga] @unread", "1");
    page.picture("unread");

    page.click("@channel-item[data-name=cellar]");
    page.message("jar 3");
    page.read(".day-new", "New");
    page.gone("@channel-item[data-name=cellar] @unread");
    page.click("@channel-item[data-name=attic]");
    page.reload();
    page.read("@channel-item[data-name=olga] @unread", "1");
    page.gone("@channel-item[data-name=cellar] @unread");

    page.click("@channel-item[data-name=cellar]");
    page.message("jar 3");
    page.click("@channel-details");
    page.read("@statistics", "olga");
    page.picture("statistics");
    page.fits();
    page.clean(&["/v1/session"]);
}
