//! Parley: team messaging, built on Sarsen as modules: accounts, channels and messages, and what is around them.

pub mod accounts;
pub mod audit;
mod budgets;
pub mod channels;
pub mod client;
mod failure;
pub mod import;
pub mod messages;
pub mod notifications;
mod path;
pub mod reports;
pub mod seed;
pub mod statistics;
mod text;
pub mod webhooks;

pub use failure::Failure;

use sarsen::App;

/// The handles of the mounted modules, for commands that use them beside the server: import and seed.
#[derive(Clone, Debug)]
pub struct Handles {
    /// Who people are.
    pub accounts: accounts::api::Accounts,
    /// Where they talk, and who may read what.
    pub channels: channels::api::Channels,
    /// What they say.
    pub messages: messages::api::Messages,
}

/// Mounts every module; what a module needs is what it is given.
pub fn mount(app: &mut App) -> Handles {
    let accounts = app.mount::<accounts::Module>(());
    let channels = app.mount::<channels::Module>(channels::Deps { accounts: accounts.clone() });
    let deps = messages::Deps { accounts: accounts.clone(), channels: channels.clone() };
    let messages = app.mount::<messages::Module>(deps);
    let handles = Handles { accounts, channels, messages };
    mount_listeners(app, &handles);
    handles
}

/// Mounts the modules that nobody calls: they live on the events and the numbers of the others.
fn mount_listeners(app: &mut App, handles: &Handles) {
    let Handles { accounts, channels, messages } = handles.clone();
    app.mount::<audit::Module>(audit::Deps { accounts: accounts.clone(), channels: channels.clone() });
    app.mount::<statistics::Module>(statistics::Deps { accounts: accounts.clone(), channels: channels.clone() });
    let deps = webhooks::Deps { accounts: accounts.clone(), channels: channels.clone(), messages: messages.clone() };
    app.mount::<webhooks::Module>(deps);
    let deps = reports::Deps { accounts: accounts.clone(), channels: channels.clone(), messages: messages.clone() };
    app.mount::<reports::Module>(deps);
    app.mount::<notifications::Module>(notifications::Deps { accounts, channels, messages });
}
