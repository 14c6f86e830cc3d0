#[sarsen::api(name = "accounts", handle = Accounts)]
trait AccountsApi {
    async fn by_name(&self, name: &str) -> Result<u64, String>;
    async fn by_names(&self, names: Vec<&str>) -> Result<u64, String>;
    async fn name(&self, id: u64) -> Result<&str, String>;
}

fn main() {}
