#[sarsen::api(name = "accounts", handle = Accounts)]
trait AccountsApi {
    fn user(&self, id: u64) -> Result<u64, String>;
}

fn main() {}
