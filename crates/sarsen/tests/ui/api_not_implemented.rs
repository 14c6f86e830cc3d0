use sarsen::{Declare, Init, Result};

#[sarsen::api(name = "billing", handle = Billing)]
trait BillingApi {
    async fn pay(&self, cents: u64) -> Result<u64, String>;
}

struct Module;

impl sarsen::Module for Module {
    const NAME: &'static str = "billing";
    type Api = Billing;
    type Deps = ();
    type Config = ();

    fn declare(_: &mut Declare<Self>) {}

    async fn init(_: Init<Self>) -> Result<Self> {
        Ok(Module)
    }
}

fn main() {}
