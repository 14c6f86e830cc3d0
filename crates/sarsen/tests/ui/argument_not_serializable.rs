struct Filter {
    name: String,
}

#[sarsen::api(name = "accounts", handle = Accounts)]
trait AccountsApi {
    async fn find(&self, filter: Filter) -> Result<u64, String>;
}

fn main() {}
