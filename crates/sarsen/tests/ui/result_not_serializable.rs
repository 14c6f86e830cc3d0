struct User {
    id: u64,
}

#[sarsen::api(name = "accounts", handle = Accounts)]
trait AccountsApi {
    async fn user(&self, id: u64) -> Result<User, String>;
    async fn again(&self, id: u64) -> Result<User, String>;
}

fn main() {}
