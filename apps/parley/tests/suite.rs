//! Parley's own suite, through the public door, once per profile: that growth is configuration is proven here.

#[path = "suite/accounts.rs"]
mod accounts;
#[path = "suite/audit.rs"]
mod audit;
#[path = "suite/cached.rs"]
mod cached;
#[path = "suite/channels.rs"]
mod channels;
#[path = "suite/document.rs"]
mod document;
#[path = "suite/files.rs"]
mod files;
#[path = "suite/hooks.rs"]
mod hooks;
#[path = "suite/lists.rs"]
mod lists;
#[path = "suite/messages.rs"]
mod messages;
#[path = "suite/notifications.rs"]
mod notifications;
#[path = "suite/receiver.rs"]
mod receiver;
#[path = "suite/reports.rs"]
mod reports;
#[path = "suite/sink.rs"]
mod sink;
#[path = "suite/statistics.rs"]
mod statistics;
#[path = "suite/thumbnails.rs"]
mod thumbnails;
#[path = "suite/unread.rs"]
mod unread;
#[path = "suite/webhooks.rs"]
mod webhooks;
#[path = "suite/world.rs"]
mod world;

use sarsen::testing::{Profile, run};
use world::World;

/// Makes of each behaviour a test for each profile.
macro_rules! behaviours {
    ($($module:ident::$name:ident($($world:ident),+);)*) => { $(
        mod $name {
            use super::*;

            async fn test() {
                $(let $world = World::start().await;)+
                $module::$name($($world),+).await;
            }

            #[test]
            fn embedded() {
                run(Profile::Embedded, test());
            }

            #[test]
            fn postgres() {
                run(Profile::Postgres, test());
            }
        }
    )* };
}

behaviours! {
    document::the_api_document_has_every_route_of_the_contract(world);
    accounts::signing_up_signs_in_and_out(world);
    accounts::usernames_are_taken_in_any_case_of_letters(world);
    accounts::of_two_who_want_a_name_at_once_one_gets_it(world);
    accounts::bad_input_names_the_field(world);
    accounts::a_wrong_password_is_like_a_wrong_name_and_the_sixth_must_wait(world);
    accounts::a_new_password_ends_the_other_sessions(world);
    accounts::sessions_are_listed_and_ended_by_their_owner_only(world);
    accounts::tokens_act_for_their_user_until_they_are_deleted(world);
    accounts::an_address_is_for_its_owner_only(world);
    accounts::people_are_found_by_a_part_of_a_name(world);
    accounts::of_two_changes_at_once_none_is_lost(world);
    accounts::imported_people_take_nobodys_name_and_cannot_sign_in(world);
    channels::a_public_channel_is_found_and_joined_by_everybody(world);
    channels::a_private_channel_does_not_exist_for_others(world);
    channels::a_direct_conversation_is_one_for_each_set_of_people(world);
    channels::two_who_write_each_other_at_once_meet(world);
    channels::names_are_unique_and_members_change_them(world);
    channels::channels_are_listed_by_pages(world);
    channels::the_importer_finds_or_makes_a_channel(world);
    messages::a_message_is_posted_and_read(world);
    messages::texts_have_limits(world);
    messages::a_repeated_nonce_gives_the_first_message(world);
    messages::only_the_author_edits_and_deletes(world);
    messages::replies_form_a_thread(world);
    messages::reactions_are_counted_once_for_each_person(world);
    messages::mentions_find_people_where_they_can_read(world);
    messages::changes_are_followed_by_revision(world);
    messages::writers_at_once_leave_no_gap_in_the_changes(world);
    messages::much_at_once_in_one_channel_loses_nothing(world);
    lists::a_long_history_is_read_by_pages_without_gap_or_repeat(world);
    lists::forged_cursors_are_refused(world);
    lists::an_import_can_be_repeated(world);
    lists::search_finds_all_words_in_what_one_may_read(world);
    lists::search_knows_the_same_words_on_every_database(world);
    lists::search_results_come_by_pages(world);
    lists::lists_take_as_many_queries_for_3_items_as_for_60(few, many);
    files::a_file_is_uploaded_posted_and_read(world);
    files::only_those_who_may_read_the_channel_have_its_files(world);
    files::a_file_is_posted_once_where_it_was_uploaded_by_who_did(world);
    files::parts_of_a_file_are_given(world);
    files::a_deleted_message_takes_its_files_along(world);
    files::files_that_nobody_posts_are_forgotten(world);
    files::an_upload_that_breaks_off_leaves_nothing(world);
    files::files_have_limits(world);
    files::what_could_run_is_only_saved(world);
    files::names_of_files_are_never_paths(world);
    thumbnails::a_picture_becomes_small_after_it_is_posted(world);
    thumbnails::a_picture_becomes_small_before_it_is_posted(world);
    thumbnails::a_picture_that_is_gone_is_not_made_small(world);
    thumbnails::hostile_pictures_end_with_a_reason_and_stop_no_other(world);
    thumbnails::a_gif_moves_so_it_is_shown_as_it_is(world);
    thumbnails::what_pictures_may_take_is_configured(world);
    notifications::signing_up_waits_for_no_mail_server(world);
    notifications::every_mail_arrives_once_after_ten_minutes_without_a_server(world);
    notifications::a_mail_that_is_sent_again_has_the_same_id(world);
    notifications::what_is_refused_for_good_is_not_tried_again(world);
    notifications::a_server_that_says_nothing_is_not_waited_for(world);
    notifications::no_provider_gets_more_than_its_share(world);
    notifications::a_mention_is_mailed_to_those_who_want_it_and_may_read_it(world);
    notifications::a_mention_that_is_gone_or_unwanted_by_now_is_not_mailed(world);
    unread::messages_of_others_count_until_they_are_read(world);
    unread::only_members_read_and_only_what_is_there(world);
    unread::more_than_a_hundred_are_a_hundred(world);
    unread::made_again_it_says_the_same(world);
    cached::lists_cost_two_queries_until_something_changes(world);
    cached::a_profile_changes_wherever_it_is_shown(world);
    cached::who_leaves_reads_no_more_from_that_moment(world);
    cached::another_process_hears_of_it(world);
    cached::a_profile_that_has_not_changed_is_not_sent_again(world);
    statistics::messages_are_counted_by_day_and_person(world);
    statistics::imported_messages_count_on_their_days(world);
    statistics::a_private_channel_has_no_statistics_for_others(world);
    statistics::made_again_they_are_the_same(world);
    audit::what_people_do_is_written_down(world);
    audit::only_members_see_what_was_done_in_a_channel(world);
    audit::entries_go_when_their_time_is_over(world);
    webhooks::a_webhook_is_told_of_messages_and_signed(world);
    webhooks::only_chosen_events_of_its_channel_are_sent(world);
    webhooks::a_request_is_as_standard_webhooks_has_it(world);
    webhooks::what_fails_for_now_is_tried_again_with_the_same_id(world);
    webhooks::a_receiver_that_asks_for_time_gets_it(world);
    webhooks::what_is_refused_is_a_dead_letter_at_once_and_can_be_replayed(world);
    webhooks::a_redirect_is_not_followed(world);
    webhooks::an_endless_answer_is_not_read(world);
    webhooks::a_receiver_that_is_gone_ends_its_webhook(world);
    webhooks::failures_in_a_row_disable_a_webhook(world);
    webhooks::a_webhook_ends_with_its_owners_membership(world);
    webhooks::others_neither_see_nor_touch_it(world);
    webhooks::bad_addresses_are_refused(world);
    webhooks::its_lists_take_as_many_queries_for_3_items_as_for_19(few, many);
    webhooks::a_name_that_leads_to_this_machine_is_refused_when_it_is_called(world);
    hooks::a_program_posts_as_its_webhook(world);
    hooks::a_message_that_comes_again_is_posted_once(world);
    hooks::what_is_forged_old_or_changed_is_refused(world);
    hooks::each_mistake_has_an_answer_of_its_own(world);
    hooks::a_webhook_posts_sixty_times_a_minute(world);
    hooks::a_webhook_ends_when_it_is_revoked_or_its_owner_leaves(world);
    hooks::no_cookie_and_no_origin_matter(world);
    reports::a_report_has_the_numbers_of_the_messages(world);
    reports::a_report_is_made_once_at_a_time_and_seen_by_its_owner_only(world);
    reports::few_reports_of_a_person_are_made_at_once(world);
    reports::days_that_cannot_be_counted_are_refused(world);
    reports::names_in_a_table_are_never_computed(world);
    reports::every_monday_at_eight_subscribers_get_one(world);
    reports::monday_at_eight_is_by_the_zone_of_the_configuration(world);
    reports::a_report_that_waits_for_a_worker_shows_it(world);
}
