//! The verbs of `events`: the log, telling again, and projections, while nothing of the application is up.

use super::jobs::Form;
use super::print;
use super::show::table;
use crate::app::App;
use crate::error::Result;
use crate::events::{Events, Position, ProjectionState, Recorded, Replay};
use clap::Subcommand;

/// Most events that are listed.
const MOST: u32 = 1_000;

#[derive(Debug, Subcommand)]
pub(super) enum EventsVerb {
    /// List events of the log, oldest first
    List {
        /// A position, or a time such as 2026-11-23T08:00:00Z
        #[arg(long, default_value = "0", value_parser = position)]
        from: Position,
        /// Only events of this name
        #[arg(long)]
        name: Option<String>,
        /// Most events to list, up to 1000
        #[arg(long, default_value_t = 50)]
        limit: u32,
        #[command(flatten)]
        form: Form,
    },
    /// Tell a subscriber what happened since a place in the log: what it missed, or all of it
    Replay {
        /// The subscriber
        subscriber: String,
        /// A position (what comes after it), or a time
        #[arg(long, value_parser = position)]
        from: Position,
        /// Also what it has applied already
        #[arg(long)]
        again: bool,
    },
    /// Show how far each projection has read
    Projections {
        #[command(flatten)]
        form: Form,
    },
    /// Build a projection anew beside the live one; the role `worker` does it
    Rebuild {
        /// The projection
        projection: String,
    },
}

fn position(text: &str) -> Result<Position, String> {
    text.parse().map_err(|_| format!("`{text}` is neither a position nor a time such as 2026-11-23T08:00:00Z"))
}

/// Does one verb on the application's database, which a start has made.
pub(super) async fn run(app: &App, verb: EventsVerb) -> Result<()> {
    let db = super::doctor::connect_to_made(app).await?;
    let done = obey(&app.handles_on(&db).1, verb).await;
    db.close().await;
    done
}

async fn obey(events: &Events, verb: EventsVerb) -> Result<()> {
    match verb {
        EventsVerb::List { from, name, limit, form } => {
            let names: Vec<&str> = name.as_deref().into_iter().collect();
            let listed = events.list(from, &names, limit.clamp(1, MOST)).await?;
            form.print(&listed, as_table)
        }
        EventsVerb::Replay { subscriber, from, again } => {
            let which = if again { Replay::Again } else { Replay::Missed };
            let told = events.replay(&subscriber, from, which).await?;
            print(&format!("{told} events are delivered to {subscriber} again\n"));
            Ok(())
        }
        EventsVerb::Projections { form } => form.print(&events.projections().await?, projections),
        EventsVerb::Rebuild { projection } => {
            events.rebuild(&projection).await?;
            print(&format!("{projection} is built anew, and goes on serving until that is done\n"));
            Ok(())
        }
    }
}

fn as_table(events: &[Recorded]) -> String {
    if events.is_empty() {
        return "no events\n".to_owned();
    }
    let row = |event: &Recorded| {
        let (position, time) = (event.position.to_string(), event.time.to_string());
        [position, time, event.name.clone(), event.subject.clone(), event.data.to_string()]
    };
    table(["POSITION", "TIME", "NAME", "KEY", "DATA"], events.iter().map(row))
}

fn projections(states: &[ProjectionState]) -> String {
    if states.is_empty() {
        return "no projections\n".to_owned();
    }
    let row = |state: &ProjectionState| {
        let building = state.building.map_or(String::new(), |position| format!("anew, at {position}"));
        [
            state.name.clone(),
            state.generation.to_string(),
            state.position.to_string(),
            state.behind.to_string(),
            building,
        ]
    };
    table(["PROJECTION", "GENERATION", "POSITION", "BEHIND", "BUILDING"], states.iter().map(row))
}
