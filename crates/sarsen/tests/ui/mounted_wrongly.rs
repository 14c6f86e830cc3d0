use sarsen::{App, Config};

mod accounts {
    #[sarsen::api(name = "accounts", handle = Accounts)]
    pub trait AccountsApi {
        async fn user(&self, id: u64) -> Result<u64, String>;
    }

    mod store {
        pub struct Store;
    }
}

mod messages {
    use crate::accounts::Accounts;
    use sarsen::{Declare, Init, Result};

    #[sarsen::api(name = "messages", handle = Messages)]
    pub trait MessagesApi {
        async fn count(&self) -> Result<u64, String>;
    }

    #[derive(sarsen::Deps)]
    pub struct Deps {
        pub accounts: Accounts,
    }

    pub struct Module;

    impl sarsen::Module for Module {
        const NAME: &'static str = "messages";
        type Api = Messages;
        type Deps = Deps;
        type Config = ();

        fn declare(_: &mut Declare<Self>) {}

        async fn init(_: Init<Self>) -> Result<Self> {
            Ok(Module)
        }
    }

    impl MessagesApi for Module {
        async fn count(&self) -> std::result::Result<u64, String> {
            Ok(0)
        }
    }
}

fn missing_dependency(app: &mut App) {
    app.mount::<messages::Module>(messages::Deps {});
}

fn wrong_dependency(app: &mut App, other: messages::Messages) {
    app.mount::<messages::Module>(messages::Deps { accounts: other });
}

fn cycle(app: &mut App) {
    let messages = app.mount::<messages::Module>(messages::Deps { accounts: later });
    let later = messages.clone();
}

fn private_store() {
    let _store = accounts::store::Store;
}

fn main() {
    missing_dependency(&mut App::new("test", "1.0.0", Config::default()));
}
