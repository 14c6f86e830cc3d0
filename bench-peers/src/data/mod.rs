//! What a statement costs through `Db`, beside the driver that it stands on; and what writing together brings.

mod inserts;
mod selects;

use crate::{Options, Outcome};

const NAME: &str = "data";

/// Runs all cases.
pub(crate) fn run(options: &Options) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let file = |name: &str| folder.path().join(name).display().to_string();
    // One thread for what is measured as work, all cores for what is measured as throughput.
    selects::run(&file("selects.db"), options)?;
    crate::all_cores()?.block_on(inserts::run(&folder.path().display().to_string(), options.quick))
}
