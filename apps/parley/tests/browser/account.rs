//! Accounts: signing up with a slip, leaving and coming back, and how it looks.

use crate::driver::Screen;
use crate::page::Page;
use crate::world::{PASSWORD, World};
use serde_json::json;

pub(crate) fn a_newcomer_signs_up_out_and_in(world: &World) {
    world.sign_up("taken");
    let page = Page::open(world, Screen::Desktop);
    page.go("/");
    page.see("@signin-form");
    page.picture("sign-in");
    page.click("@switch-to-signup");
    page.fill("@signup-form [name=username]", "n");
    page.fill("@signup-form [name=password]", "short");
    page.fill("@signup-form [name=email]", "nobody");
    page.click("@signup-form @submit");
    page.read("@note-username.field-error", "2 to 32");
    page.read("@note-password.field-error", "at least 8");
    page.picture("sign-up-errors");

    page.fill("@signup-form [name=username]", "Taken");
    page.fill("@signup-form [name=password]", PASSWORD);
    page.click("@signup-form @submit");
    page.read("@note-email.field-error", "has no `@`");
    page.fill("@signup-form [name=email]", "noor@example.org");
    page.click("@signup-form @submit");
    page.read("@note-username.field-error", "taken");

    page.fill("@signup-form [name=username]", "newcomer");
    page.fill("@signup-form [name=display_name]", "Noor Newcomer");
    page.click("@signup-form @submit");
    page.read(".me-name", "Noor Newcomer");
    page.read("h2", "Welcome, Noor Newcomer");
    page.picture("welcome");

    page.click("@settings-open");
    page.see("@profile-form");
    page.picture("settings");
    page.click("@sign-out");
    page.see("@signin-form");
    page.fill("@signin-form [name=username]", "newcomer");
    page.fill("@signin-form [name=password]", "not my password");
    page.click("@signin-form @submit");
    page.read("@note-password.field-error", "wrong");
    page.fill("@signin-form [name=password]", PASSWORD);
    page.click("@signin-form @submit");
    page.read(".me-name", "Noor Newcomer");
    page.clean(&["/v1/session", "/v1/accounts"]);
}

pub(crate) fn settings_change_the_account(world: &World) {
    world.sign_up("tidy");
    let page = Page::open(world, Screen::Desktop);
    page.sign_in("tidy", PASSWORD);
    page.click("@settings-open");
    page.fill("@profile-form [name=display_name]", "Tilda Tidy");
    page.fill("@profile-form [name=email]", "tilda@example.org");
    page.click("@profile-form [name=mention_mails]");
    page.click("@profile-form @submit");
    page.read(".me-name", "Tilda Tidy");
    page.click("@tab-tokens");
    page.click("@tab-profile");
    let kept = "const form = document.querySelector('[data-test=profile-form]'); return form?.email.value === 'tilda@example.org' && !form.mention_mails.checked";
    page.until("keep the address and the choice", kept, &[]);

    page.click("@tab-tokens");
    page.fill("#settings-panel [name=name]", "deploy bot");
    page.click("#settings-panel @submit");
    page.see("@new-token .mono");
    page.read("#settings-panel .line", "deploy bot");
    page.picture("settings-tokens");
    page.click("#settings-panel .line .button");
    page.click("@confirm");
    page.read("#settings-panel", "No tokens yet.");

    page.click("@tab-sessions");
    page.read("#settings-panel .line", "this one");
    page.picture("settings-sessions");

    page.click("@tab-password");
    page.fill("@password-form [name=current]", "not my password");
    page.fill("@password-form [name=new]", "a new pair of words");
    page.click("@password-form @submit");
    page.see("@password-form @note-current.field-error");
    page.fill("@password-form [name=current]", PASSWORD);
    page.click("@password-form @submit");
    page.read(".toast", "Password changed.");
    page.clean(&["/v1/session", "/v1/me/password"]);
}

pub(crate) fn the_theme_is_chosen_and_kept(world: &World) {
    let page = Page::open(world, Screen::Desktop);
    page.sign_in("mira", parley::seed::PASSWORD);
    page.see("@message");
    let colour = "return getComputedStyle(document.body).backgroundColor";
    let light = page.run(colour, &[]);
    page.click(".sidebar @theme-toggle");
    page.until("turn dark", "return document.documentElement.dataset.theme === 'dark'", &[]);
    let dark = page.run(colour, &[]);
    assert_ne!(light, dark);
    page.picture("dark");
    page.reload();
    page.see("@message");
    assert_eq!(page.run(colour, &[]), dark, "the choice is kept");
    page.click(".sidebar @theme-toggle");
    page.until("turn light", "return document.documentElement.dataset.theme === 'light'", &[]);
    assert_eq!(page.run(colour, &[]), light);
    assert_eq!(page.run("return document.styleSheets.length > 0", &[]), json!(true));
    page.clean(&["/v1/session"]);
}
