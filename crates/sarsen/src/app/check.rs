//! Everything that can be known to be wrong before the start, all at once, each with what to do.

use super::App;
use super::secret;
use crate::blobs;
use crate::config::Environment;
use crate::data::Owners;
use crate::error::{Error, Result};
use crate::export;
use crate::http;
use crate::jobs::LEAST_KEY;
use crate::module::ModuleInfo;
use std::collections::HashSet;

/// In whose name the pages of the operators are served.
const OPS: &str = "ops";

/// What a process can do.
const ROLES: [&str; 3] = ["web", "worker", "scheduler"];

impl App {
    /// Fails with everything that is wrong with how the application is put together and configured.
    ///
    /// The start does this first. A test of it costs nothing: `app.check().expect("is put together right")`.
    pub fn check(&self) -> Result<()> {
        let problems = self.problems();
        if problems.is_empty() {
            return Ok(());
        }
        let lines = problems.iter().map(|problem| match problem.hint_text() {
            Some(hint) => format!("\n- {}\n  {hint}", problem.message()),
            None => format!("\n- {}", problem.message()),
        });
        Err(Error::invalid(format!("{} cannot start:{}", self.name(), lines.collect::<String>())))
    }

    /// What is wrong, one error each.
    pub(crate) fn problems(&self) -> Vec<Error> {
        let parts = [
            self.names(),
            self.tables(),
            self.dependencies(),
            self.sections(),
            self.process(),
            self.secret(),
            self.ops(),
            export::check(&self.config().telemetry).err().into_iter().collect(),
            self.jobs(),
            blobs::check(&self.config().blobs).err().into_iter().collect(),
        ];
        parts.into_iter().flatten().collect()
    }

    fn names(&self) -> Vec<Error> {
        let mut seen = HashSet::from([http::MODULE, OPS]);
        let mut problems = Vec::new();
        for module in self.modules() {
            if !seen.insert(module.name) {
                let text = format!("two modules are named `{}`", module.name);
                problems.push(
                    Error::invalid(text)
                        .hint("give one of them another `NAME`; `sarsen` and `ops` are the framework's"),
                );
            }
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            if module.name.is_empty() || !module.name.chars().all(plain) {
                let text = format!("`{}` is not a name for a module", module.name);
                problems.push(Error::invalid(text).hint("use lower-case letters, digits and `_`"));
            }
        }
        problems
    }

    fn tables(&self) -> Vec<Error> {
        let mut owners = Owners::new();
        let claims = self.modules().flat_map(|module| module.tables.iter().map(move |table| (module.name, *table)));
        claims.filter_map(|(module, table)| owners.own(module, table).err()).collect()
    }

    /// A handle comes from `mount`, or it is a fake with its implementation; from another application it is neither.
    fn dependencies(&self) -> Vec<Error> {
        let mounted = |api: &str| self.modules().any(|module| module.api.name == api);
        let missing = |module: &ModuleInfo| {
            let missing = module.dependencies.iter().filter(|on| !on.bound && !mounted(on.api));
            missing.map(|on| (module.name, on.api)).collect::<Vec<_>>()
        };
        let missing = self.modules().flat_map(missing);
        missing
            .map(|(module, api)| {
                Error::invalid(format!("module `{module}` calls `{api}`, which is not mounted in this application"))
                    .hint(format!("mount the module that serves `{api}` on the same App, and pass on the handle that `mount` gives"))
            })
            .collect()
    }

    fn sections(&self) -> Vec<Error> {
        let config = self.config();
        let known: Vec<&str> = self.modules().map(|module| module.name).collect();
        let strangers = config.modules.keys().filter(|name| !known.contains(&name.as_str()));
        let strangers = strangers.map(|name| {
            Error::invalid(format!("[modules.{name}]: no module has this name")).hint(nearest(name, &known))
        });
        let wrong = self.modules.iter().filter_map(|module| (module.check_config)(config).err());
        strangers.chain(wrong).collect()
    }

    fn process(&self) -> Vec<Error> {
        let config = self.config();
        let unknown = config.process.roles.iter().filter(|role| !ROLES.contains(&role.as_str()));
        let mut problems: Vec<Error> = unknown
            .map(|role| Error::invalid(format!("process.roles: there is no role `{role}`")).hint(nearest(role, &ROLES)))
            .collect();
        if config.process.roles.is_empty() {
            let text = "process.roles leaves this process without work";
            problems.push(Error::invalid(text).hint("add \"web\", \"worker\" or \"scheduler\""));
        }
        if config.http.listen.rsplit_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_err()) {
            let text = format!("http.listen = \"{}\" is no address and port", config.http.listen);
            problems
                .push(Error::invalid(text).hint("write 127.0.0.1:3000, or 0.0.0.0:3000 to listen on every address"));
        }
        problems
    }

    fn jobs(&self) -> Vec<Error> {
        let (registry, mut problems) = self.registry();
        problems.extend(self.events().1);
        problems.extend(self.topics().1);
        let section = &self.config().jobs;
        let short = section.encryption_keys.iter().any(|key| key.expose().chars().count() < LEAST_KEY);
        if short {
            problems.push(
                Error::invalid(format!("jobs.encryption_keys holds a key of less than {LEAST_KEY} characters"))
                    .hint("take what `openssl rand -hex 32` prints"),
            );
        }
        if let Some(info) =
            registry.kinds().find(|info| info.policy.is_encrypted() && section.encryption_keys.is_empty())
        {
            problems.push(
                Error::invalid(format!(
                    "job `{}` is declared `encrypted`, and jobs.encryption_keys is empty",
                    info.kind
                ))
                .hint("set it to what `openssl rand -hex 32` prints, and keep it"),
            );
        }
        if section.beat.0 * 3 > section.dead_after.0 {
            problems.push(
                Error::invalid("jobs.dead_after is less than three times jobs.beat: a process that is only slow would count as dead")
                    .hint("raise jobs.dead_after, or lower jobs.beat"),
            );
        }
        problems
    }

    fn ops(&self) -> Vec<Error> {
        let length = self.config().ops.token.expose().chars().count();
        if length == 0 || length >= secret::LEAST {
            return Vec::new();
        }
        let text = format!("ops.token has {length} characters, and needs {}", secret::LEAST);
        let hint = "set SARSEN_OPS__TOKEN to what `openssl rand -hex 32` prints, or leave it out: the command `ops token` prints one";
        vec![Error::invalid(text).hint(hint)]
    }

    fn secret(&self) -> Vec<Error> {
        let app = &self.config().app;
        let length = app.secret.expose().chars().count();
        let what = match (length, app.environment) {
            (0, Environment::Production) => "app.secret is not set, and production does not make one".to_owned(),
            (1..secret::LEAST, _) => format!("app.secret has {length} characters, and needs {}", secret::LEAST),
            _ => return Vec::new(),
        };
        vec![Error::invalid(what).hint("set SARSEN_APP__SECRET to what `openssl rand -hex 32` prints, and keep it")]
    }
}

/// "did you mean …?", or the list of what is known.
fn nearest(name: &str, known: &[&str]) -> String {
    let best = known.iter().map(|known| (strsim::osa_distance(name, known), *known)).min();
    match best {
        Some((distance, known)) if distance <= 1 + name.len() / 3 => format!("did you mean `{known}`?"),
        _ => format!("known: {}", known.join(", ")),
    }
}
