//! Temporary folders of one start.

use std::env;
use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use crate::Outcome;

/// A new folder that only its owner may look into; the caller removes it.
pub(crate) fn private(name: &str) -> Outcome<PathBuf> {
    let above = env::temp_dir();
    // Without symbolic links, so that it is spelled as the kernel spells it.
    let above = above.canonicalize().map_err(|error| format!("cannot use the folder {}: {error}", above.display()))?;
    for number in 0..1000 {
        let folder = above.join(format!("sarsen-{name}-{}-{number}", std::process::id()));
        match DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(format!("cannot create {}: {error}; is TMPDIR right?", folder.display())),
        }
    }
    Err(format!("{} is full of folders sarsen-{name}-*; remove them", above.display()))
}
