#[sarsen::api(name = "accounts", handle = Accounts)]
trait AccountsApi {
    async fn count(&self) -> u64;
    async fn forget(&self, id: u64);
    async fn user(&self, id: u64) -> sarsen::Result<u64>;
}

fn main() {}
