//! Where values are kept: one driver for each technology.

use crate::config::Url;
use crate::error::{Error, Result};

/// What a driver does beyond the memory of each process.
///
/// `memory:` does nothing. One with a server behind it is asked before a value is loaded and given what was loaded; whether what it
/// has still holds is for the log to say, as for the memory of the process: it carries the position up to which its loader knew.
pub(super) trait Driver: Send + Sync + std::fmt::Debug {
    /// Its name in pages.
    fn name(&self) -> &'static str;
}

/// The driver that `url` names.
pub(super) fn connect(url: &Url) -> Result<Box<dyn Driver>> {
    match url.scheme() {
        "memory" => Ok(Box::new(Memory)),
        other => Err(Error::invalid(format!("cache.url: no driver knows `{other}:`"))
            .hint("use memory:, which keeps values in each process")),
    }
}

/// `memory:`, in each process its own.
#[derive(Debug)]
struct Memory;

impl Driver for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }
}
