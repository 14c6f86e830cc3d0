//! The steps of `ci`, in their order.

use clap::ValueEnum;

use super::{licences, small};
use crate::services::Services;
use crate::{Outcome, command, crash, repository, tidy};

/// A part of `ci` that can be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Step {
    /// Installs and starts what the tests use.
    Services,
    /// `cargo fmt --all --check`.
    Fmt,
    /// Clippy with the default, all and no features; a warning is an error.
    Clippy,
    /// The rules of `cargo xtask tidy`.
    Tidy,
    /// `cargo test --workspace --all-features` with the services.
    Test,
    /// The files with unsafe code in loom, and in miri where it is installed.
    Unsafe,
    /// `cargo xtask crash` with few runs on each database.
    Crash,
    /// `cargo doc` of the workspace; a warning is an error.
    Doc,
    /// Every dependency has a licence that deny.toml allows.
    Licences,
}

impl Step {
    pub(super) fn name(self) -> &'static str {
        match self {
            Step::Services => "services",
            Step::Fmt => "fmt",
            Step::Clippy => "clippy",
            Step::Tidy => "tidy",
            Step::Test => "test",
            Step::Unsafe => "unsafe",
            Step::Crash => "crash",
            Step::Doc => "doc",
            Step::Licences => "licences",
        }
    }
}

const FMT: &[&str] = &["fmt", "--all", "--check"];
const CLIPPY: &[&[&str]] = &[
    &["clippy", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"],
    &["clippy", "--locked", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"],
    &["check", "--locked", "-p", "sarsen", "--no-default-features"],
];
const TEST: &[&str] = &["test", "--locked", "--workspace", "--all-features", "--no-fail-fast"];
const DOC: &[&str] = &["doc", "--locked", "--workspace", "--no-deps"];

/// What the steps of one run share: the services, which stop with it.
#[derive(Debug, Default)]
pub(super) struct Run {
    services: Option<Services>,
}

impl Run {
    pub(super) fn step(&mut self, step: Step) -> Outcome<()> {
        match step {
            Step::Services => self.services(),
            Step::Fmt => cargo(FMT, &[]),
            Step::Clippy => CLIPPY.iter().try_for_each(|arguments| cargo(arguments, &[])),
            Step::Tidy => tidy(),
            Step::Test => self.test(),
            Step::Unsafe => small::check(),
            Step::Crash => crash::check(),
            Step::Doc => cargo(DOC, &[("RUSTDOCFLAGS", "-D warnings".to_owned())]),
            Step::Licences => licences::check(),
        }
    }

    /// Here a service that cannot be had is a failure; the tests run with those that can.
    fn services(&mut self) -> Outcome<()> {
        let services = self.services.insert(Services::start()?);
        for (name, value) in services.environment() {
            println!("{name}={value}");
        }
        if services.skipped().is_empty() { Ok(()) } else { Err(services.skipped().join("; ")) }
    }

    fn test(&self) -> Outcome<()> {
        let Some(services) = &self.services else { return cargo(TEST, &[]) };
        let required = ("SARSEN_TEST_REQUIRE", "all".to_owned());
        cargo(TEST, &[services.environment(), &[required]].concat())
    }
}

fn cargo(arguments: &[&str], environment: &[(&'static str, String)]) -> Outcome<()> {
    println!("$ cargo {}", arguments.join(" "));
    command::run(repository::cargo(arguments).envs(environment.iter().map(|(name, value)| (name, value))))
}

fn tidy() -> Outcome<()> {
    match tidy::report()? {
        0 => Ok(()),
        problems => Err(format!("{problems} problems; they are above")),
    }
}
