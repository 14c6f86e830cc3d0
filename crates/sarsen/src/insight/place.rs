//! Where the store is, which build writes to it, and looking at what another process wrote.

use super::frame::Gathered;
use super::recall;
use super::store::{LEAST, Place};
use super::summary;
use crate::clock::Clock;
use crate::config::{Config, Environment};
use crate::error::{Error, Result};
use crate::telemetry::Snapshot;
use std::collections::HashMap;
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

/// Where the store of an application is; nothing where it has none.
pub(crate) fn place(config: &Config) -> Result<Option<Place>> {
    let section = &config.telemetry;
    let Some(path) = path(config)? else { return Ok(None) };
    if section.max_size.0 < LEAST.0 {
        return Err(Error::invalid(format!(
            "telemetry.max_size is {:?}, and {LEAST:?} is the least",
            section.max_size
        ))
        .hint("raise it, or leave telemetry.store empty"));
    }
    let mut roles = config.process.roles.clone();
    roles.sort();
    Ok(Some(Place { path, keep: section.keep.0, max_size: section.max_size, roles: roles.join("+") }))
}

fn path(config: &Config) -> Result<Option<PathBuf>> {
    let in_test = config.app.environment == Environment::Test;
    config.telemetry.store_file(&config.database.url, in_test)
}

/// Which build this is: the version, and a checksum of the program. It reads the whole program, so it is no work for a
/// thread of the runtime.
pub(super) fn build_of(version: &str) -> String {
    let sum = std::env::current_exe().and_then(std::fs::File::open).and_then(|mut file| {
        let (mut sum, mut part) = (flate2::Crc::new(), vec![0; 1 << 20]);
        loop {
            match file.read(&mut part)? {
                0 => return Ok((sum.sum(), sum.amount())),
                read => sum.update(&part[..read]),
            }
        }
    });
    sum.map_or_else(|_| version.to_owned(), |(sum, length)| format!("{version}+{sum:08x}{:04x}", length & 0xffff))
}

/// What the processes of an application wrote down in the last `span`: for who looks while none answers. Nothing where
/// nothing was written.
pub async fn stored(config: &Config, clock: &Clock, span: Duration) -> Result<Option<Snapshot>> {
    let path = path(config)?.ok_or_else(|| {
        Error::invalid("this application keeps nothing of what is recorded").hint("set telemetry.store")
    })?;
    let db = recall::look(&path, clock).await?;
    let read = async {
        let build = recall::last_build(&db).await?;
        let (frames, errors) = recall::history(&db, clock.now() - span).await?;
        let mut gathered = Gathered::default();
        frames.iter().for_each(|frame| gathered.add(frame));
        let before = recall::means_before(&db, &build).await?;
        let found = (!frames.is_empty()).then(|| summary::snapshot(gathered, &HashMap::new(), &errors));
        Ok(found.map(|snapshot| Snapshot { build, before, ..snapshot }))
    };
    let read = read.await;
    db.close().await;
    read
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_is_the_same_each_time_it_is_asked() {
        let build = build_of("1.2");
        assert!(build.starts_with("1.2+") && build == build_of("1.2"), "{build}");
    }
}
