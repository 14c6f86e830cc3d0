//! `parley import irc` as people use it: the program reads logs, the server shows them, and a second reading, written
//! in another way than the importer's, says what must be there.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a test says what it counts and what it expects")]

#[path = "import/corpus.rs"]
mod corpus;
#[path = "import/expected.rs"]
mod expected;
#[path = "import/fixtures.rs"]
mod fixtures;
#[expect(dead_code, reason = "each suite uses its part of it")]
#[path = "program/mod.rs"]
mod program;
#[path = "import/shown.rs"]
mod shown;

use program::place::{Database, Place};

/// Makes of each behaviour a test for each database.
macro_rules! behaviours {
    ($($module:ident::$name:ident;)*) => {
        mod embedded {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let Some(place) = Place::new(Database::Embedded).await else { return };
                $module::$name(&place).await;
            })*
        }
        mod server {
            use super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let Some(place) = Place::new(Database::Server).await else { return };
                $module::$name(&place).await;
            })*
        }
    };
}

behaviours! {
    fixtures::both_formats_are_imported_once;
    fixtures::odd_lines_are_counted_and_harm_nothing;
    fixtures::a_log_that_grew_adds_what_is_new;
    fixtures::the_order_of_the_lines_is_kept_however_many_share_a_second;
    corpus::every_file_of_the_corpus_is_imported;
}
