//! Parley with faults planted in it: `cargo xtask verdicts` starts it, puts a small load on one of them, and asks what is slow
//! and who is to blame. `work.rs` has the faults; nothing of this is in Parley itself.

mod work;

use parley::Handles;
use sarsen::cli::{NoCommands, Program};
use sarsen::telemetry::Heap;
use sarsen::{App, Result};

#[global_allocator]
static HEAP: Heap = Heap;

/// Parley, and a module whose routes are faults.
struct Planted;

impl Program for Planted {
    const NAME: &'static str = "planted";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const ABOUT: &'static str = "Parley with faults planted in it, for `cargo xtask verdicts`";
    type Commands = NoCommands;
    type Handles = Handles;

    fn mount(app: &mut App) -> Result<Handles> {
        app.assets(parley::client::assets()?);
        let handles = parley::mount(app);
        app.mount::<work::Module>(work::Deps { messages: handles.messages.clone() });
        Ok(handles)
    }
}

fn main() -> std::process::ExitCode {
    sarsen::cli::main::<Planted>()
}
