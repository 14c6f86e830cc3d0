//! `/openapi.json`, and `/docs`: the page that shows it to people.

use super::assets::{Asset, Assets};
use super::file::{File, Keep};
use crate::error::{Error, Result};
use aide::openapi::OpenApi;
use axum::routing::{Router, get};
use http::{HeaderMap, Method};
use std::sync::Arc;

/// The routes, and their methods and patterns.
pub(super) fn routes(document: &OpenApi) -> Result<(Router, Vec<(Method, String)>)> {
    let wrong = |error| Error::internal("the OpenAPI document cannot be written").source(error);
    let bytes = serde_json::to_vec(document).map_err(wrong)?;
    let file = Arc::new(File::new(bytes, "application/json", Keep::Ask));
    let (page, mut listed) = page()?.routes();
    listed.push((Method::GET, "/openapi.json".to_owned()));
    let answer = get(move |headers: HeaderMap| async move { file.answer(&headers) });
    Ok((page.route("/openapi.json", answer), listed))
}

fn page() -> Result<Assets> {
    let files = [
        Asset::new("docs.html", include_bytes!("docs/docs.html")),
        Asset::new("docs.css", include_bytes!("docs/docs.css")),
        Asset::new("docs.js", include_bytes!("docs/docs.js")),
    ];
    Assets::at("/docs/files", &files, &[("/docs", "docs.html")])
}
