#[sarsen::api(name = "accounts", handle = Accounts)]
trait AccountsApi {
    const LIMIT: usize;
    async fn static_one(id: u64) -> Result<u64, String>;
    async fn exclusive(&mut self, id: u64) -> Result<u64, String>;
    async fn local(&self, id: u64) -> Result<u64, String>;
    async fn pair(&self, (a, b): (u64, u64)) -> Result<u64, String>;
    #[deadline("soon")]
    async fn hurried(&self) -> Result<u64, String>;
}

#[sarsen::api(accounts)]
trait Unnamed {}

fn main() {}
