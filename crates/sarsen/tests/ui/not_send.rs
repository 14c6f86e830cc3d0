#[sarsen::api(name = "accounts", handle = Accounts)]
trait AccountsApi {
    async fn user(&self, id: u64) -> Result<u64, String>;
}

struct Module;

impl AccountsApi for Module {
    async fn user(&self, id: u64) -> Result<u64, String> {
        let shared = std::rc::Rc::new(id);
        std::future::ready(()).await;
        Ok(*shared)
    }
}

fn main() {}
