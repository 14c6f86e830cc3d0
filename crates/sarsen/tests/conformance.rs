//! One suite for every driver: what the data layer promises holds on each of them alike.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test says what it expects"
)]

mod data;

use sarsen::config::{DatabaseSection, Url};
use sarsen::{Clock, Db};

/// A database of its own, and what must live as long as it does.
pub(crate) struct Fresh {
    pub(crate) db: Db,
    pub(crate) section: DatabaseSection,
    _folder: Option<tempfile::TempDir>,
}

async fn embedded() -> Option<Fresh> {
    let folder = tempfile::tempdir().unwrap();
    let url = Url::new(format!("sqlite:{}", folder.path().join("test.db").display()));
    let section = DatabaseSection { url, ..DatabaseSection::default() };
    let db = Db::connect(&section, &Clock::real()).await.unwrap();
    Some(Fresh { db, section, _folder: Some(folder) })
}

async fn server() -> Option<Fresh> {
    let Ok(url) = std::env::var("SARSEN_TEST_POSTGRES") else {
        let required = std::env::var("SARSEN_TEST_REQUIRE").is_ok_and(|require| require == "all");
        assert!(!required, "SARSEN_TEST_POSTGRES is not set, and SARSEN_TEST_REQUIRE=all");
        println!("skipped: no PostgreSQL; run `cargo xtask services -- cargo test`");
        return None;
    };
    let admin = DatabaseSection { url: Url::new(url.clone()), connections: 1, ..DatabaseSection::default() };
    let name = format!("t_{}", Clock::real().id().simple());
    let admin = Db::connect(&admin, &Clock::real()).await.unwrap();
    admin.query(format!("CREATE DATABASE {name}")).execute().await.unwrap();
    admin.close().await;
    let base = url.rsplit_once('/').unwrap().0;
    let section = DatabaseSection { url: Url::new(format!("{base}/{name}")), ..DatabaseSection::default() };
    let db = Db::connect(&section, &Clock::real()).await.unwrap();
    Some(Fresh { db, section, _folder: None })
}

/// One test for each check and driver.
macro_rules! conformance {
    ($($file:ident: $($check:ident),* $(,)?;)*) => {
        mod on_embedded { $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                if let Some(fresh) = super::embedded().await { super::data::$file::$check(fresh).await; }
            }
        )*)* }
        mod on_server { $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                if let Some(fresh) = super::server().await { super::data::$file::$check(fresh).await; }
            }
        )*)* }
    };
}

conformance! {
    values: every_type_comes_back_as_it_went, null_is_an_option, a_wrong_type_names_the_column, lists_of_any_length,
        columns_are_found_by_name_in_any_order;
    writes: a_duplicate_is_a_conflict, a_transaction_happens_whole_or_not_at_all, a_dropped_transaction_is_rolled_back,
        a_savepoint_undoes_only_itself, after_a_failure_only_a_rollback_is_possible, concurrent_writes_all_happen,
        a_failing_write_does_not_harm_its_neighbours, upsert_and_returning,
        what_is_answered_is_what_happened_beside_a_late_write, a_panic_in_a_row_harms_nobody_else,
        a_savepoint_that_cannot_end_is_never_committed, what_changes_no_row_says_so;
    many: row_locks_run_everywhere, many_rows_are_written_at_once, many_rows_keep_every_type, many_rows_happen_whole_or_not_at_all,
        many_rows_may_name_one_row_twice, what_is_no_plain_insert_takes_many_rows_too, many_rows_are_bound_right,
        a_batch_is_one_transaction, a_batch_fails_whole_with_its_first_error, a_value_that_cannot_be_sent_undoes_the_batch,
        a_batch_tells_its_slots_apart, every_statement_of_a_batch_is_observed, a_batch_survives_a_change_of_the_schema,
        batches_and_writes_share_the_writer, a_dropped_batch_does_no_harm;
    log: entries_come_back_in_order, a_tail_passes_over_other_names, nothing_is_read_before_what_is_behind_it_is_known,
        a_savepoint_that_is_undone_holds_nothing, a_checkpoint_is_moved_by_one_only, lags_say_what_is_unread,
        what_is_unread_is_not_purged, a_module_appends_in_its_transaction;
    wakes: a_wake_is_heard_once_and_never_lost, a_transaction_wakes_when_it_is_committed, other_processes_are_woken,
        a_broken_line_is_mended, listeners_end;
    reads: pages_cover_everything_once, a_cursor_of_another_list_is_refused, a_cursor_of_another_order_is_refused, mixed_directions_page_too,
        a_stream_gives_all_rows, a_dropped_stream_lets_go, a_stream_without_rows_is_stopped_too, groups_and_indexes_by_key, a_late_statement_is_stopped,
        every_query_is_observed_with_its_call_site, too_many_connections_wait_and_then_fail;
    holders: a_transaction_holds_its_connection_from_begin_to_end, a_statement_is_booked_on_its_own_operation;
    schema: migrations_apply_once_however_many_start, a_changed_migration_is_refused, another_modules_table_is_refused,
        search_finds_newest_first_within_scopes, search_keeps_scopes_apart, facts_for_the_doctor;
}
