//! Static files with their content in their address, so that browsers may keep them for ever.

use super::extract::Path;
use super::file::{File, Keep, hex};
use super::reference;
use crate::error::{Error, Result};
use axum::response::{IntoResponse, Response};
use axum::routing::{Router, get};
use http::{HeaderMap, Method, StatusCode};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One file of the web client, embedded at build time.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// Its name, as other files refer to it: `app.js`, `icons/send.svg`.
    pub path: &'static str,
    /// Its content.
    pub bytes: &'static [u8],
    /// Its media type.
    pub content_type: &'static str,
}

impl Asset {
    /// A file whose media type follows from the ending of its name.
    pub fn new(path: &'static str, bytes: &'static [u8]) -> Self {
        Self { path, bytes, content_type: content_type(path) }
    }

    fn text(&self) -> Option<&'static str> {
        let text = ["text/html", "text/css", "text/javascript"].iter().any(|kind| self.content_type.starts_with(kind));
        if text { std::str::from_utf8(self.bytes).ok() } else { None }
    }
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        "wasm" => "application/wasm",
        _ => "application/octet-stream",
    }
}

/// The web client: files at `/assets/NAME.HASH.EXT`, and the pages that begin it.
///
/// References between the files (HTML attributes, `url()` in CSS, imports of ES modules) are rewritten to the addresses
/// with the hash. The hash of a file covers what it refers to, so a change shows wherever it matters, also in a cycle.
#[derive(Debug)]
pub struct Assets {
    prefix: &'static str,
    files: BTreeMap<String, File>,
    pages: BTreeMap<&'static str, Arc<File>>,
    urls: BTreeMap<&'static str, String>,
    patterns: Vec<(&'static str, &'static str)>,
}

impl Assets {
    /// The files at `/assets/…`; `pages` says which of them answers which pattern: `("/c/{id}", "index.html")`.
    pub fn new(assets: &[Asset], pages: &[(&'static str, &'static str)]) -> Result<Self> {
        Self::at("/assets", assets, pages)
    }

    pub(super) fn at(prefix: &'static str, assets: &[Asset], pages: &[(&'static str, &'static str)]) -> Result<Self> {
        let by_name: BTreeMap<&'static str, &Asset> = assets.iter().map(|asset| (asset.path, asset)).collect();
        let urls = urls(prefix, &by_name);
        let (mut files, mut whole) = (BTreeMap::new(), BTreeMap::new());
        for asset in assets {
            let bytes = rewritten(asset, &urls);
            if asset.content_type.starts_with("text/html") {
                whole.insert(asset.path, Arc::new(File::new(bytes, asset.content_type, Keep::Ask)));
            } else {
                let name = urls[asset.path][prefix.len() + 1..].to_owned();
                files.insert(name, File::new(bytes, asset.content_type, Keep::Forever));
            }
        }
        for (pattern, page) in pages {
            if !whole.contains_key(page) {
                return Err(Error::invalid(format!(
                    "the page {pattern} needs `{page}`, which is not among the assets"
                )));
            }
        }
        Ok(Self { prefix, files, pages: whole, urls, patterns: pages.to_vec() })
    }

    /// The address of a file, by its name.
    pub fn url(&self, name: &str) -> Option<&str> {
        self.urls.get(name).map(String::as_str)
    }

    /// The same with one script more, which runs before all others of its pages.
    pub(super) fn with_script(mut self, name: &str, script: &'static str) -> Self {
        let name = format!("{name}.{}.js", hex(&Sha256::digest(script)[..6]));
        let tag = format!("<script src=\"{}/{name}\"></script></head>", self.prefix);
        for page in self.pages.values_mut() {
            let text = String::from_utf8_lossy(page.bytes()).replacen("</head>", &tag, 1);
            *page = Arc::new(File::new(text, content_type("page.html"), Keep::Ask));
        }
        self.files.insert(name, File::new(script, content_type("script.js"), Keep::Forever));
        self
    }

    /// The routes, and their methods and patterns.
    pub(super) fn routes(self) -> (Router, Vec<(Method, String)>) {
        let mut router = Router::new();
        let mut listed = Vec::new();
        for (pattern, page) in &self.patterns {
            if let Some(file) = self.pages.get(page).cloned() {
                router = router.route(pattern, get(move |headers: HeaderMap| async move { file.answer(&headers) }));
                listed.push((Method::GET, (*pattern).to_owned()));
            }
        }
        if !self.files.is_empty() {
            let pattern = format!("{}/{{*path}}", self.prefix);
            let files = Arc::new(self.files);
            let find = move |Path(path): Path<String>, headers: HeaderMap| async move { find(&files, &path, &headers) };
            router = router.route(&pattern, get(find));
            listed.push((Method::GET, pattern));
        }
        (router, listed)
    }
}

fn find(files: &BTreeMap<String, File>, path: &str, headers: &HeaderMap) -> Response {
    files.get(path).map_or_else(|| StatusCode::NOT_FOUND.into_response(), |file| file.answer(headers))
}

fn rewritten(asset: &Asset, urls: &BTreeMap<&'static str, String>) -> Vec<u8> {
    match asset.text() {
        Some(text) => reference::rewrite(asset.path, text, |name| urls.get(name).map(String::as_str)).into_bytes(),
        None => asset.bytes.to_vec(),
    }
}

/// The address of each file; pages have none of their own.
fn urls(prefix: &str, assets: &BTreeMap<&'static str, &Asset>) -> BTreeMap<&'static str, String> {
    let direct: BTreeMap<&'static str, BTreeSet<&'static str>> = assets
        .values()
        .map(|asset| (asset.path, asset.text().map(|text| references(asset.path, text, assets)).unwrap_or_default()))
        .collect();
    let files = assets.values().filter(|asset| !asset.content_type.starts_with("text/html"));
    let url = |asset: &&Asset| {
        let mut hash = Sha256::new_with_prefix(asset.bytes);
        for name in closure(asset.path, &direct) {
            hash.update(name);
            hash.update(Sha256::digest(assets[name].bytes));
        }
        let hash = hex(&hash.finalize()[..6]);
        match asset.path.rsplit_once('.') {
            Some((stem, ending)) => format!("{prefix}/{stem}.{hash}.{ending}"),
            None => format!("{prefix}/{}.{hash}", asset.path),
        }
    };
    files.map(|asset| (asset.path, url(asset))).collect()
}

fn references(path: &str, text: &str, assets: &BTreeMap<&'static str, &Asset>) -> BTreeSet<&'static str> {
    let mut found = BTreeSet::new();
    reference::rewrite(path, text, |name| {
        if let Some((name, _)) = assets.get_key_value(name) {
            found.insert(*name);
        }
        None
    });
    found
}

/// All that `path` refers to, directly or not.
fn closure(path: &str, direct: &BTreeMap<&'static str, BTreeSet<&'static str>>) -> BTreeSet<&'static str> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&'static str> = direct[path].iter().copied().collect();
    while let Some(name) = next.pop() {
        if reached.insert(name) {
            next.extend(&direct[name]);
        }
    }
    reached
}
