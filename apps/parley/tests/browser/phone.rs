//! The client at the width of a phone.

use crate::driver::Screen;
use crate::page::Page;
use crate::world::World;
use parley::seed::PASSWORD;

pub(crate) fn everything_fits_a_phone(world: &World) {
    let page = Page::open(world, Screen::Phone);
    page.go("/");
    page.see("@signin-form");
    page.fits();
    page.picture("phone-sign-in");
    page.sign_in("mira", PASSWORD);
    page.see("@message");
    page.gone("@channel-list");
    page.fits();

    page.click("@menu-toggle");
    page.see("@channel-list");
    page.picture("phone-drawer");
    page.click("@channel-item[data-name=engineering]");
    page.gone("@channel-list");
    page.message("0.9.0 is tagged");
    page.fits();
    page.picture("phone");

    page.click("@channel-details");
    page.read("@statistics", "Messages");
    page.fits();
    page.picture("phone-statistics");
    page.click("@channel-dialog @close");
    page.gone("@channel-dialog");

    page.click("@thread-summary");
    page.read("@thread @message", "Notes are up");
    page.fits();
    page.picture("phone-thread");
    page.click("@thread @close");
    page.gone("@thread");

    page.keys("@composer", "On my way");
    page.click("@send");
    page.message("On my way");
    page.click(".search-open");
    page.keys("@search-input", "heron");
    page.keys("@search-input", crate::page::ENTER);
    page.read("@search-result", "brought a friend");
    page.fits();
    page.picture("phone-search");
    page.click("@menu-toggle");
    page.click("@settings-open");
    page.see("@profile-form");
    page.fits();
    page.picture("phone-settings");
    page.click("@settings @close");
    page.click(".sidebar @theme-toggle");
    page.picture("phone-dark-drawer");
    page.clean(&["/v1/session"]);
}
