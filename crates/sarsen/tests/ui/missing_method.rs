#[sarsen::api(name = "accounts", handle = Accounts)]
trait AccountsApi {
    async fn user(&self, id: u64) -> Result<u64, String>;
    async fn users(&self, ids: Vec<u64>) -> Result<Vec<u64>, String>;
}

struct Module;

impl AccountsApi for Module {
    async fn user(&self, id: u64) -> Result<u64, String> {
        Ok(id)
    }
}

fn main() {}
