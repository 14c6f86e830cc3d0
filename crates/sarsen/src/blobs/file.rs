//! `file:PATH`: a folder of the machine. A blob appears whole or not at all, and is on the disk before it has a name.

use super::Key;
use super::driver::{Capabilities, Driver, Signs};
use crate::clock::Timestamp;
use crate::config::Url;
use crate::error::{Error, Result};
use crate::lifecycle;
use crate::telemetry::{self, WaitKind};
use futures_util::future::BoxFuture;
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

/// Bytes that are gathered before they are written.
const PART: usize = 1 << 20;

/// See the module.
#[derive(Debug)]
pub(super) struct Files {
    root: PathBuf,
}

impl Files {
    pub(super) fn new(url: &Url) -> Result<Self> {
        let path = url.expose().trim_start_matches("file:");
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() {
            return Err(Error::invalid("blobs.url = \"file:\" names no folder").hint("write file:data/blobs"));
        }
        Ok(Self { root: path.into() })
    }
}

impl Driver for Files {
    fn capabilities(&self) -> Capabilities {
        Capabilities { driver: "file", presign: Signs::Application, content_type: false, part: PART, shared: false }
    }

    fn open(&self) -> Result<Arc<dyn ObjectStore>> {
        let failed = |error: String| {
            Error::unavailable(format!("the folder {} of blobs cannot be used: {error}", self.root.display()))
                .hint("set blobs.url to file: and a folder in which this process may write")
        };
        std::fs::create_dir_all(&self.root).map_err(|error| failed(error.to_string()))?;
        let store = LocalFileSystem::new_with_prefix(&self.root).map_err(|error| failed(error.to_string()))?;
        Ok(Arc::new(store.with_fsync(true)))
    }

    fn path(&self, name: &str) -> Path {
        Path::from(name)
    }

    fn presign<'a>(&'a self, _: &'a Key, _: Duration, _: (&'a str, &'a str)) -> BoxFuture<'a, Result<Option<String>>> {
        Box::pin(async { Ok(None) })
    }

    fn clear<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<()>> {
        let file = self.root.join(key.as_str());
        Box::pin(in_folder("clear", move || {
            let (Some(folder), Some(name)) = (file.parent(), file.file_name().and_then(|name| name.to_str())) else {
                return Ok(());
            };
            let draft = format!("{name}#");
            remove_if(folder, |name, _| name.starts_with(&draft)).map(drop)
        }))
    }

    fn clear_before(&self, before: Timestamp) -> BoxFuture<'_, Result<u64>> {
        let root = self.root.clone();
        let before = UNIX_EPOCH + Duration::from_micros(before.as_micros().unsigned_abs());
        Box::pin(in_folder("clear", move || {
            let mut removed = 0;
            for folder in folders(&root)?
                .iter()
                .map(|folder| folders(folder))
                .collect::<std::io::Result<Vec<_>>>()?
                .iter()
                .flatten()
            {
                let old = |metadata: &std::fs::Metadata| metadata.modified().is_ok_and(|at| at < before);
                removed += remove_if(folder, |name, metadata| name.contains('#') && old(metadata))?;
            }
            Ok(removed)
        }))
    }

    fn is_made(&self) -> bool {
        self.root.exists()
    }

    #[cfg(unix)]
    fn space(&self) -> Option<(u64, u64)> {
        let there = self.root.ancestors().find(|folder| folder.exists() || folder.as_os_str().is_empty())?;
        let there = if there.as_os_str().is_empty() { FilePath::new(".") } else { there };
        let space = rustix::fs::statvfs(there).ok()?;
        Some((space.f_bavail.saturating_mul(space.f_frsize), space.f_blocks.saturating_mul(space.f_frsize)))
    }
}

/// Does `work` on the threads for blocking work.
async fn in_folder<T: Send + 'static>(
    label: &'static str,
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T> {
    let done = telemetry::wait(WaitKind::Blob, label, lifecycle::spawn_blocking(work)).await;
    let done = done.map_err(|error| Error::internal(format!("`{label}` did not finish: {error}")))?;
    done.map_err(|error| Error::unavailable(format!("the folder of blobs cannot be used: {error}")).source(error))
}

fn folders(of: &FilePath) -> std::io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(of) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let folders =
        entries.filter_map(|entry| entry.ok().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())));
    Ok(folders.map(|entry| entry.path()).collect())
}

/// Removes the files of `folder` that are `unwanted`; gives how many.
fn remove_if(folder: &FilePath, unwanted: impl Fn(&str, &std::fs::Metadata) -> bool) -> std::io::Result<u64> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let mut removed = 0;
    for entry in entries {
        let entry = entry?;
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_file() && entry.file_name().to_str().is_some_and(|name| unwanted(name, &metadata)) {
            std::fs::remove_file(entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}
