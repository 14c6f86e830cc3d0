use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
enum AccountsError {
    NoSuchUser,
}

#[sarsen::api(name = "accounts", handle = Accounts)]
trait AccountsApi {
    async fn user(&self, id: u64) -> Result<u64, AccountsError>;
}

async fn returned(accounts: Accounts) -> Result<u64, AccountsError> {
    accounts.user(1).await
}

async fn passed_on(accounts: Accounts) -> Result<u64, AccountsError> {
    Ok(accounts.user(1).await?)
}

fn main() {}
