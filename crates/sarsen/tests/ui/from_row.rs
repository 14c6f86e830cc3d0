#[derive(sarsen::FromRow)]
struct Pair(i64, String);

#[derive(sarsen::FromRow)]
enum Either {
    This,
}

#[derive(sarsen::FromRow)]
struct Empty;

#[derive(sarsen::FromRow)]
struct Renamed {
    #[row(name = "author_id")]
    author: i64,
}

#[derive(sarsen::FromRow)]
struct Unreadable {
    address: std::net::IpAddr,
}

async fn used(db: sarsen::Db) -> sarsen::Result<Vec<Pair>> {
    db.query("SELECT 1, 'a' LIMIT 1").all::<Pair>().await
}

fn main() {}
