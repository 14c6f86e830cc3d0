#[derive(sarsen::Deps)]
struct Deps {
    clock: sarsen::Clock,
}

#[derive(sarsen::Deps)]
struct Positional(sarsen::NoApi);

#[derive(sarsen::Deps)]
enum Either {
    This,
}

fn main() {}
