//! The files with unsafe code on their own: their tests in miri, and the races of the waker in loom.

use crate::{Outcome, command, repository};

const PACKAGE: &str = "crates/sarsen/verify/Cargo.toml";

/// Runs what can be run here, and says what cannot.
pub(super) fn check() -> Outcome<()> {
    run(
        &["test", "--lib", "--release", "--target-dir", "target/verify", "--manifest-path", PACKAGE],
        "--cfg sarsen_loom",
    )?;
    run(&["test", "--lib", "--target-dir", "target/verify", "--manifest-path", PACKAGE], "")?;
    if !has_miri() {
        println!("skipped: miri is not here; `rustup component add miri rust-src --toolchain nightly` brings it");
        return Ok(());
    }
    run(&["+nightly", "miri", "test", "--lib", "--target-dir", "target/miri", "--manifest-path", PACKAGE], "")
}

fn has_miri() -> bool {
    let mut asked = std::process::Command::new("cargo");
    let asked = asked.args(["+nightly", "miri", "--version"]).env_remove("RUSTUP_TOOLCHAIN").output();
    asked.is_ok_and(|output| output.status.success())
}

fn run(arguments: &[&str], flags: &str) -> Outcome<()> {
    println!(
        "$ {}cargo {}",
        if flags.is_empty() { String::new() } else { format!("RUSTFLAGS='{flags}' ") },
        arguments.join(" ")
    );
    // Through the proxy of rustup, which knows `+nightly`: the cargo that runs this is one toolchain's own.
    let mut cargo = std::process::Command::new("cargo");
    cargo.args(arguments).current_dir(repository::root()).env("RUSTFLAGS", flags).env_remove("RUSTUP_TOOLCHAIN");
    command::run(&mut cargo)
}
