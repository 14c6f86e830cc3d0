//! The web client in a real browser against the real binary: what people do, story by story.
//!
//! It needs Chromium and its driver: `cargo xtask services --only browser -- cargo test -p parley --test browser`.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a broken expectation ends the story, which prints what it proves, and the output of child processes is read by threads of their own"
)]

#[path = "browser/account.rs"]
mod account;
#[path = "browser/channels.rs"]
mod channels;
#[path = "browser/company.rs"]
mod company;
#[path = "browser/docs.rs"]
mod docs;
#[path = "browser/driver.rs"]
mod driver;
#[path = "browser/files.rs"]
mod files;
#[path = "browser/history.rs"]
mod history;
#[path = "browser/http.rs"]
mod http;
#[path = "browser/live.rs"]
mod live;
#[path = "browser/messages.rs"]
mod messages;
#[path = "browser/ops.rs"]
mod ops;
#[path = "browser/page.rs"]
mod page;
#[path = "browser/phone.rs"]
mod phone;
#[path = "browser/pictures.rs"]
mod pictures;
#[path = "browser/process.rs"]
mod process;
#[path = "browser/reports.rs"]
mod reports;
#[path = "browser/unread.rs"]
mod unread;
#[path = "browser/world.rs"]
mod world;

use world::World;

/// Makes a test of each story, with a workspace of its own.
macro_rules! stories {
    ($($module:ident::$name:ident;)*) => {
        $(#[test]
        fn $name() {
            if let Some(world) = World::start() {
                $module::$name(&world);
            }
        })*
    };
}

stories! {
    account::a_newcomer_signs_up_out_and_in;
    account::settings_change_the_account;
    account::the_theme_is_chosen_and_kept;
    channels::channels_and_conversations_begin_and_end;
    company::two_people_see_each_other;
    docs::the_reference_lists_and_tries_operations;
    files::pictures_are_dropped_sent_and_looked_at;
    files::a_video_plays_and_everything_else_is_saved;
    files::files_fit_a_phone;
    history::seven_hundred_messages_scroll_back_in_order;
    live::two_people_see_what_the_other_does_while_it_happens;
    live::who_was_away_comes_back_complete_and_in_order;
    messages::a_message_is_posted_edited_answered_and_found;
    ops::an_operator_walks_every_page;
    ops::an_operator_mends_what_failed;
    ops::the_pages_fit_a_phone;
    phone::everything_fits_a_phone;
    unread::what_others_say_is_counted_until_it_is_seen;
    pictures::the_made_up_workspace_is_worth_a_picture;
    reports::a_report_is_asked_for_read_and_taken_along;
    reports::a_channel_has_webhooks;
    reports::reports_and_webhooks_fit_a_phone;
}

#[test]
fn in_production_the_pages_open_to_the_token_only() {
    if let Some(world) = World::in_production() {
        ops::in_production_the_pages_open_to_the_token_only(&world);
    }
}
