//! Rooms that anybody hears, and what writes into them while it may.

use sarsen::config::Config;
use sarsen::realtime::{Asked, Grant, Realtime, Topic, Topics};
use sarsen::{App, Db, Declare, Error, Init, Module, NoApi, Result, clock, lifecycle, telemetry};
use serde_json::json;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How many rooms are written into; a client hears one of them.
pub(crate) const ROOMS: u64 = 10;
const PAUSE: Duration = Duration::from_millis(20);

struct Rooms;

impl Module for Rooms {
    const NAME: &'static str = "rooms";
    type Api = NoApi;
    type Deps = ();
    type Config = ();

    fn declare(declare: &mut Declare<Self>) {
        declare
            .tables(["rooms"])
            .migrations(sarsen::migrations!["0001_rooms.sql"])
            .topics(Topics::durable("room"), Rooms::may_hear)
            .topics(Topics::ephemeral("talk"), Rooms::may_hear)
            .authenticate(|_, token| async move { Ok(token.parse().ok()) });
    }

    async fn init(_: Init<Self>) -> Result<Self> {
        Ok(Rooms)
    }
}

impl Rooms {
    async fn may_hear(self: Arc<Self>, asked: Asked) -> Result<Grant> {
        asked.actor().map(|_| Grant::hear_and_publish())
    }
}

/// Serves until it is killed or asked to stop.
pub(crate) async fn run(go: &str, file: &str) -> Result<()> {
    let environ = std::env::vars().filter(|(name, _)| name.starts_with("SARSEN_")).collect();
    let config = Config::load(None, &environ, &Config::default())?;
    telemetry::init_logging(&config.log)?;
    let mut app = App::new("rooms", "1", config);
    app.mount::<Rooms>(());
    let (go, committed) = (PathBuf::from(go), File::options().create(true).append(true).open(file)?);
    let prepare = async |running: &sarsen::app::Running| {
        let (db, realtime, committed) = (running.db().clone(), running.realtime().clone(), Arc::new(committed));
        for room in 0..ROOMS {
            lifecycle::spawn_background(write_all(db.clone(), realtime.clone(), room, go.clone(), committed.clone()));
        }
        Ok(())
    };
    app.serve_with(prepare, |address, ()| {
        if let Some(address) = address {
            println!("listening {address} {}", std::process::id());
        }
    })
    .await
}

async fn write_all(db: Db, realtime: Realtime, room: u64, go: PathBuf, committed: Arc<File>) {
    loop {
        clock::pause(PAUSE).await;
        if !go.exists() {
            continue;
        }
        match write(&db, &realtime, room).await {
            Ok(number) => {
                if let Err(error) = (&*committed).write_all(format!("{room} {number}\n").as_bytes()) {
                    eprintln!("not noted: {error}");
                }
            }
            Err(error) => eprintln!("not written: {}", error.report()),
        }
    }
}

/// The numbers of a room have no gaps, and rise as they are committed: the row of the room is locked until then.
async fn write(db: &Db, realtime: &Realtime, room: u64) -> Result<i64> {
    let tx = db.begin().await?;
    let id = i64::try_from(room).map_err(|_| Error::invalid("there are not so many rooms"))?;
    let sql = "INSERT INTO rooms (id, last) VALUES (?, 1) ON CONFLICT (id) DO UPDATE SET last = rooms.last + 1 RETURNING last";
    let number: i64 = tx.query(sql).bind(id).scalar().await?;
    let message = json!({ "number": number, "at": db.clock().now().as_micros() });
    realtime.broadcast(&tx, &Topic::new("room", room), &message).await?;
    // Some are taken back: nobody may hear of these.
    if number % 50 == 0 && fastrand::bool() {
        tx.rollback().await?;
        return Err(Error::conflict("taken back on purpose"));
    }
    tx.commit().await?;
    Ok(number)
}
