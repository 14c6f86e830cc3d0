//! A module that keeps files: what the tests of blobs and the measurements of their memory run.

use sarsen::blobs::{Blob, Blobs, Key, Show, UploadOptions};
use sarsen::http::routing::{get, get_with, post_with};
use sarsen::http::{Created, Download, Json, NoContent, Path, Routes, UploadPart, Uploads, Wanted};
use sarsen::{Db, Declare, Error, Init, Module, NoApi, Result, Tx};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Files, each with a row in the same transaction.
pub(crate) struct Files {
    db: Db,
    blobs: Blobs,
}

/// What is told of a file.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct File {
    /// Its key.
    pub(crate) key: String,
    /// How many bytes it has.
    pub(crate) size: u64,
    /// What is in it.
    pub(crate) sha256: String,
    /// What people call it.
    pub(crate) name: String,
    /// What it is.
    pub(crate) content_type: String,
}

impl From<Blob> for File {
    fn from(blob: Blob) -> Self {
        let Blob { key, size, sha256, name, content_type, .. } = blob;
        Self { key: key.into(), size, sha256, name, content_type }
    }
}

impl Module for Files {
    const NAME: &'static str = "files";
    type Api = NoApi;
    type Deps = ();
    type Config = ();

    fn declare(declare: &mut Declare<Self>) {
        declare.tables(["files"]).migrations(sarsen::migrations!["0001_files.sql"]).routes(routes);
    }

    async fn init(init: Init<Self>) -> Result<Self> {
        Ok(Self { db: init.db, blobs: init.blobs })
    }
}

fn routes(files: Arc<Files>) -> Routes {
    let (put, all, one, gone, thrown) = (files.clone(), files.clone(), files.clone(), files.clone(), files);
    let put = async move |uploads: Uploads| put.put(uploads).await;
    let all = async move || all.all().await.map(Json);
    let one = async move |Path(key): Path<(String, String, String)>, wanted: Wanted| one.load(key, wanted).await;
    let gone = async move |Path(key): Path<(String, String, String)>| gone.delete(key).await;
    let thrown = async move |uploads: Uploads| thrown.throw_away(uploads).await;
    Routes::new()
        .api_route("/v1/files", post_with(put, |op| op.summary("Keep a file")).get(all))
        .api_route("/v1/thrown-away", post_with(thrown, |op| op.summary("Upload a file, and roll back")))
        .api_route("/v1/files/{folder}/{shard}/{id}", get_with(one, |op| op.summary("Load a file")).delete(gone))
        .api_route("/v1/hello", get(async || "hello"))
}

impl Files {
    async fn put(&self, mut uploads: Uploads) -> Result<Created<File>> {
        let part = first_file(&mut uploads).await?;
        let tx = self.upload(part).await?;
        let (tx, file) = tx;
        tx.commit().await?;
        Ok(Created(file))
    }

    async fn throw_away(&self, mut uploads: Uploads) -> Result<NoContent> {
        let part = first_file(&mut uploads).await?;
        self.upload(part).await?.0.rollback().await?;
        Ok(NoContent)
    }

    /// The transaction that keeps it, still open.
    async fn upload(&self, part: UploadPart<'_>) -> Result<(Tx, File)> {
        let mut options = UploadOptions::folder("files").name(part.file_name());
        if let Some(content_type) = part.content_type() {
            options = options.content_type(content_type);
        }
        if let Some(length) = part.length() {
            options = options.length(length);
        }
        let upload = self.blobs.upload(part.bytes(), options).await?;
        let tx = self.db.begin().await?;
        let blob = self.blobs.keep(&tx, &upload).await?;
        let insert = tx.query("INSERT INTO files (key, sha256) VALUES (?, ?)");
        insert.bind(blob.key.as_str()).bind(blob.sha256.as_str()).execute().await?;
        Ok((tx, blob.into()))
    }

    async fn all(&self) -> Result<Vec<File>> {
        let keys: Vec<(String,)> = self.db.query("SELECT key FROM files ORDER BY key LIMIT 1000").all().await?;
        let mut files = Vec::new();
        for (key,) in keys {
            files.push(self.blobs.get(&Key::parse(&key)?).await?.into());
        }
        Ok(files)
    }

    async fn load(&self, (folder, shard, id): (String, String, String), wanted: Wanted) -> Result<Download> {
        let blob = self.blobs.get(&Key::parse(&format!("{folder}/{shard}/{id}"))?).await?;
        wanted.download(&self.blobs, &blob, Show::Inline).await
    }

    async fn delete(&self, (folder, shard, id): (String, String, String)) -> Result<NoContent> {
        let key = Key::parse(&format!("{folder}/{shard}/{id}"))?;
        let tx = self.db.begin().await?;
        tx.query("DELETE FROM files WHERE key = ?").bind(key.as_str()).execute().await?;
        if !self.blobs.delete(&tx, &key).await? {
            return Err(Error::not_found("there is no such file"));
        }
        tx.commit().await?;
        Ok(NoContent)
    }
}

async fn first_file(uploads: &mut Uploads) -> Result<UploadPart<'_>> {
    uploads.next().await?.ok_or_else(|| Error::invalid_field("file", "is missing"))
}
