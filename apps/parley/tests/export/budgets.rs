//! `budgets check` in CI: against the application that runs, and against a run that was kept.

use crate::program::client::Person;
use crate::told::World;
use serde_json::Value;

pub(crate) async fn checked() {
    let world = World::start(&[("SARSEN_TELEMETRY__STORE", "")]).await;
    let mut person = Person::sign_up(world.server.address, "mira").await;
    for _ in 0..40 {
        person.get("/v1/me").await.unwrap().expect(200);
    }
    let listen = world.server.address.to_string();
    let check = async |arguments: &[&str]| {
        let arguments = [&["budgets", "check"], arguments].concat();
        let output = world.place.command(&arguments).env("SARSEN_HTTP__LISTEN", &listen).output().await.unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&text).into_owned())
    };
    let me = |table: &str, promise: &str| {
        let line = table.lines().find(|line| line.contains("GET /v1/me ") && line.contains(promise));
        line.and_then(|line| line.split_whitespace().next()).map(str::to_owned)
    };
    let mut told = check(&["--record", "run.json", "--span", "1m"]).await;
    let until = sarsen::clock::monotonic() + crate::told::PATIENCE;
    // What was recorded is a second old at most.
    while me(&told.1, "queries").is_none() && sarsen::clock::monotonic() < until {
        told = check(&["--record", "run.json", "--span", "1m"]).await;
    }
    assert_eq!((told.0, me(&told.1, "queries").as_deref()), (Some(0), Some("kept")), "{}", told.1);

    let file = world.place.folder().join("run.json");
    let mut run: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let operations = run["operations"].as_array_mut().expect("operations");
    let spoilt = operations.iter_mut().find(|operation| operation["name"] == "GET /v1/me").expect("was seen");
    spoilt["over"]["queries"] = 1.into();
    std::fs::write(&file, run.to_string()).unwrap();
    let (code, table) = check(&["--against", "run.json"]).await;
    assert_eq!((code, me(&table, "queries").as_deref()), (Some(1), Some("BROKEN")), "{table}");
    assert!(table.contains("1 budget is broken"), "{table}");
}
