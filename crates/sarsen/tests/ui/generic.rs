#[sarsen::api(name = "accounts", handle = Accounts)]
trait AccountsApi {
    async fn find<T: Send>(&self, by: T) -> Result<u64, String>;
    async fn named(&self, name: impl Into<String>) -> Result<u64, String>;
}

#[sarsen::api(name = "billing", handle = Billing)]
trait BillingApi<T> {
    async fn pay(&self, what: T) -> Result<u64, String>;
}

fn main() {}
