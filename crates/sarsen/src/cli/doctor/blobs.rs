//! Whether the store of blobs can be used.

use super::{Finding, Level};
use crate::app::App;
use crate::blobs::{self, Examined};
use crate::clock::Clock;

/// Writes, reads and removes an object. A folder that nobody has used yet is not made for that.
pub(super) async fn store(app: &App) -> Finding {
    let section = &app.config().blobs;
    match blobs::examine(section, Clock::real().id()).await {
        Ok(Examined::Works) => Finding::new(Level::Ok, "blobs", format!("{} can be written and read", section.url)),
        Ok(Examined::NotMade) => {
            Finding::new(Level::Ok, "blobs", format!("{} is made when the first file comes", section.url))
        }
        Err(error) => Finding::of_error("blobs", &error),
    }
}
