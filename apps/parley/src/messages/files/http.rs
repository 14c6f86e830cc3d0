//! The HTTP side of files.

use super::uploading::MAX_NAME;
use super::view::File;
use crate::budgets::{read, write};
use crate::messages::Module;
use crate::path::IdPath;
use crate::text::FULL_LINE;
use axum::extract::State;
use sarsen::blobs::Show;
use sarsen::http::routing::{get_with, post_with};
use sarsen::http::{Actor, Created, Download, NoContent, Path, Promises, Query, Routes, Uploads, Wanted};
use sarsen::telemetry::Budget;
use sarsen::{Error, Result};
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;

const TAG: &str = "files";

type This = State<Arc<Module>>;

pub(in crate::messages) fn routes(module: Arc<Module>) -> Routes {
    // How long it takes is up to whoever sends or receives it.
    let carry = |queries| Budget::new().queries(queries).error_rate(0.001);
    Routes::new()
        .api_route(
            "/v1/channels/{id}/files",
            post_with(upload, |op| op.summary("Upload a file, to be posted with a message").tag(TAG).budget(carry(14))),
        )
        .api_route(
            "/v1/files/{id}",
            get_with(download, |op| op.summary("What is in a file, all or a range of it").tag(TAG).budget(carry(6)))
                .delete_with(delete, |op| {
                    op.summary("Delete a file that you have not posted").tag(TAG).budget(write(9))
                }),
        )
        .api_route(
            "/v1/files/{id}/thumbnail",
            get_with(thumbnail, |op| op.summary("A picture, made small").tag(TAG).budget(read(6))),
        )
        .with_state(module)
}

#[derive(Deserialize, JsonSchema)]
struct Named {
    /// What the file is called. Of a path only the last part is kept. What it is, is found out from its bytes.
    #[schemars(length(min = 1, max = MAX_NAME), regex(pattern = FULL_LINE))]
    name: String,
}

#[derive(Deserialize, JsonSchema)]
struct How {
    /// Left out, it is shown where that is harmless.
    disposition: Option<Disposition>,
}

/// What a browser does with a file.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Disposition {
    /// It shows it, where that is harmless.
    Inline,
    /// It saves it.
    Attachment,
}

impl How {
    fn show(&self) -> Show {
        if self.disposition == Some(Disposition::Attachment) { Show::Attachment } else { Show::Inline }
    }
}

/// Takes a file in while it comes: the body is the file, or a form with it.
async fn upload(
    State(module): This,
    actor: Actor,
    Path(path): Path<IdPath>,
    Query(named): Query<Named>,
    mut uploads: Uploads,
) -> Result<Created<File>> {
    let file = uploads.next().await?.ok_or_else(|| Error::invalid_field("file", "is missing"))?;
    let length = file.length();
    Ok(Created(module.upload(actor.id, path.id, &named.name, length, file.bytes()).await?))
}

/// Only what does nothing by itself is shown in its place.
async fn download(
    State(module): This,
    actor: Actor,
    Path(path): Path<IdPath>,
    Query(how): Query<How>,
    wanted: Wanted,
) -> Result<Download> {
    let blob = module.open_file(actor.id, path.id).await?;
    wanted.download(&module.blobs, &blob, how.show()).await
}

async fn thumbnail(State(module): This, actor: Actor, Path(path): Path<IdPath>, wanted: Wanted) -> Result<Download> {
    let blob = module.open_thumbnail(actor.id, path.id).await?;
    wanted.download(&module.blobs, &blob, Show::Inline).await
}

async fn delete(State(module): This, actor: Actor, Path(path): Path<IdPath>) -> Result<NoContent> {
    module.delete_file(actor.id, path.id).await?;
    Ok(NoContent)
}
