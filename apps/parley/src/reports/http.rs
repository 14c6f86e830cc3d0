//! The HTTP side of reports.

use super::Module;
use super::view::Report;
use crate::budgets::{read, write};
use crate::path::IdPath;
use aide::generate::GenContext;
use aide::openapi::{MediaType, Operation, Response as ApiResponse};
use aide::operation::OperationOutput;
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use sarsen::data::{Page, PageRequest};
use sarsen::http::routing::get_with;
use sarsen::http::{Actor, Created, Json, NoContent, Path, Promises, Query, Routes};
use sarsen::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use uuid::Uuid;

const TAG: &str = "reports";

/// What is put behind the id of a report to have its table.
const TABLE: &str = ".csv";

/// The form of a day.
const DAY: &str = r"^\d{4}-\d{2}-\d{2}$";

type This = State<Arc<Module>>;

pub(super) fn routes(module: Arc<Module>) -> Routes {
    Routes::new()
        .api_route(
            "/v1/reports",
            get_with(reports, |op| op.summary("Your reports, newest first").tag(TAG).budget(read(9)))
                .post_with(start, |op| {
                    op.summary("Begin a report of who wrote how much and when").tag(TAG).budget(write(13))
                }),
        )
        .api_route(
            "/v1/reports/{id}",
            get_with(report, |op| op.summary("One of your reports, or its table").tag(TAG).budget(read(4)))
                .delete_with(delete, |op| op.summary("Delete one of your reports").tag(TAG).budget(write(6))),
        )
        .api_route(
            "/v1/me/weekly-report",
            get_with(weekly, |op| op.summary("Whether you get a report every week").tag(TAG).budget(read(3)))
                .put_with(subscribe, |op| {
                    op.summary("Get a report of the last week every Monday").tag(TAG).budget(write(3))
                })
                .delete_with(unsubscribe, |op| op.summary("Get no report every week").tag(TAG).budget(write(3))),
        )
        .with_state(module)
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
struct Range {
    /// The first day, 2026-01-05; six days before the last when it is left out.
    #[schemars(regex(pattern = DAY))]
    first_day: Option<String>,
    /// The last day, not after today; yesterday when it is left out. At most 31 days are counted.
    #[schemars(regex(pattern = DAY))]
    last_day: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
struct ReportPath {
    /// The id; with `.csv` behind it, the table itself is given as a file.
    id: String,
}

#[derive(Serialize, JsonSchema)]
struct Weekly {
    /// Whether a report of the last week is made for you every Monday.
    subscribed: bool,
}

/// A report, or its table.
enum Shown {
    Report(Report),
    Table { name: String, csv: String },
}

impl IntoResponse for Shown {
    fn into_response(self) -> Response {
        match self {
            Shown::Report(report) => Json(report).into_response(),
            Shown::Table { name, csv } => {
                let file = format!("attachment; filename=\"{name}\"");
                ([(CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (CONTENT_DISPOSITION, file)], csv)
                    .into_response()
            }
        }
    }
}

impl OperationOutput for Shown {
    type Inner = Report;

    fn operation_response(context: &mut GenContext, operation: &mut Operation) -> Option<ApiResponse> {
        let mut response = Json::<Report>::operation_response(context, operation)?;
        response.content.insert("text/csv".to_owned(), MediaType::default());
        Some(response)
    }

    fn inferred_responses(context: &mut GenContext, operation: &mut Operation) -> Vec<(Option<u16>, ApiResponse)> {
        Self::operation_response(context, operation).map(|response| (Some(200), response)).into_iter().collect()
    }
}

async fn reports(State(module): This, actor: Actor, Query(page): Query<PageRequest>) -> Result<Json<Page<Report>>> {
    Ok(Json(module.reports(actor.id, &page).await?))
}

async fn start(State(module): This, actor: Actor, Json(range): Json<Range>) -> Result<Created<Report>> {
    Ok(Created(module.start(actor.id, range.first_day.as_deref(), range.last_day.as_deref()).await?))
}

async fn report(State(module): This, actor: Actor, Path(path): Path<ReportPath>) -> Result<Shown> {
    let (id, wants_table) = match path.id.strip_suffix(TABLE) {
        Some(id) => (id, true),
        None => (path.id.as_str(), false),
    };
    let id: Uuid = id.parse().map_err(|_| Error::invalid_field("id", "is not a UUID"))?;
    if wants_table {
        let (name, csv) = module.table(actor.id, id).await?;
        return Ok(Shown::Table { name, csv });
    }
    Ok(Shown::Report(module.report(actor.id, id).await?))
}

async fn delete(State(module): This, actor: Actor, Path(path): Path<IdPath>) -> Result<NoContent> {
    module.delete(actor.id, path.id).await?;
    Ok(NoContent)
}

async fn weekly(State(module): This, actor: Actor) -> Result<Json<Weekly>> {
    Ok(Json(Weekly { subscribed: module.store.is_subscriber(actor.id).await? }))
}

async fn subscribe(State(module): This, actor: Actor) -> Result<NoContent> {
    module.store.subscribe(actor.id, module.clock.now()).await?;
    Ok(NoContent)
}

async fn unsubscribe(State(module): This, actor: Actor) -> Result<NoContent> {
    module.store.unsubscribe(actor.id).await?;
    Ok(NoContent)
}
