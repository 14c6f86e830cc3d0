//! What is wrong with the section stops the start, and what is secret in it is not shown.

use crate::files::Files;
use sarsen::config::{Config, Url};
use sarsen::{App, Error};

fn problem(url: &str) -> Option<String> {
    let mut config = Config::default();
    config.app.environment = sarsen::config::Environment::Test;
    config.blobs.url = Url::new(url);
    let mut app = App::new("files", "0.0.0", config);
    app.mount::<Files>(());
    app.check().err().map(|error: Error| error.report())
}

#[test]
fn a_driver_that_nobody_knows_stops_the_start() {
    assert_eq!(problem("file:data/blobs"), None);
    for (url, says) in [
        ("ftp://example.org", "blobs.url: no driver knows `ftp:`"),
        ("data/blobs", "blobs.url: no driver knows `:`"),
        ("file:", "names no folder"),
    ] {
        let problem = problem(url).unwrap_or_else(|| panic!("{url} is well"));
        assert!(problem.contains(says), "{url}: {problem}");
    }
}

#[cfg(not(feature = "s3"))]
#[test]
fn a_driver_that_is_not_compiled_in_names_its_feature() {
    let problem = problem("s3://bucket").expect("it is not there");
    assert!(problem.contains("enable feature \"s3\""), "{problem}");
}

#[cfg(feature = "s3")]
#[test]
fn an_address_of_a_store_is_checked() {
    assert_eq!(problem("s3://key:secret@bucket?endpoint=http://127.0.0.1:1&region=eu"), None);
    let problem = problem("s3://bucket?endpont=x").expect("that is no key");
    assert!(problem.contains("`endpont` is not known"), "{problem}");
}

#[test]
fn what_is_secret_is_not_shown() {
    let mut config = Config::default();
    config.blobs.url = Url::new("s3://AKIA:swordfish@bucket/parley?endpoint=https://s3.example.org");
    let shown = config.to_toml();
    assert!(shown.contains("s3://AKIA:[redacted]@bucket/parley?endpoint=https://s3.example.org"), "{shown}");
    assert!(!shown.contains("swordfish"));
    config.blobs.url = Url::new("file:data/blobs");
    assert!(config.to_toml().contains("url = \"file:data/blobs\""));
}
