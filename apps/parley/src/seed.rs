//! A small made-up workspace for an empty database in development, so that there is something to look at.

mod drawings;
mod workspace;

use crate::Handles;
use crate::messages::api::ImportedMessage;
use axum::body::Body;
use axum::http::{Method, Request, header};
use sarsen::app::Running;
use sarsen::clock::id_at;
use sarsen::{Error, Result};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;
use uuid::Uuid;
use workspace::{CHANNELS, LIVE, PEOPLE, Said};

/// The password of everybody in the made-up workspace.
pub const PASSWORD: &str = "parley-demo";
/// Largest answer that is read while seeding.
const MAX_ANSWER: usize = 1 << 20;

/// Fills an empty database; gives the username to sign in with, or nothing when somebody is there already.
pub async fn seed(running: &Running, handles: &Handles) -> Result<Option<&'static str>> {
    if !handles.accounts.search(String::new(), 1).await?.is_empty() {
        return Ok(None);
    }
    let mut people = HashMap::new();
    for (username, display_name, about) in PEOPLE {
        let person = Person::join(running, username, display_name, about).await?;
        people.insert(username, person);
    }
    let channels = past(running, handles, &people).await?;
    live(&people, &channels).await?;
    // Made-up people leave no lines in the log: the first thing to see there is the address.
    drop(running.recorder().drain());
    Ok(Some(PEOPLE[0].0))
}

/// Whether only this machine can reach an address such as `127.0.0.1:3000`.
pub fn is_private(listen: &str) -> bool {
    let host = listen.rsplit_once(':').map_or(listen, |(host, _)| host).trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The channels and what was said in them in the last days.
async fn past(
    running: &Running,
    handles: &Handles,
    people: &HashMap<&'static str, Person<'_>>,
) -> Result<HashMap<&'static str, Uuid>> {
    let mut channels = HashMap::new();
    let everybody: Vec<Uuid> = people.values().map(|person| person.id).collect();
    let creator = everybody[0];
    for (name, topic, said) in CHANNELS {
        let channel = handles.channels.ensure(name.to_owned(), topic.to_owned(), creator).await?;
        handles.channels.add_members(channel.id, everybody.clone()).await?;
        let messages = said.iter().filter_map(|Said { minutes_ago, by, text }| {
            let posted_at = running.clock().now() - Duration::from_secs(minutes_ago * 60);
            let author = people.get(by)?.id;
            Some(ImportedMessage { id: id_at(posted_at), author, text: (*text).to_owned(), posted_at })
        });
        handles.messages.import_batch(channel.id, messages.collect()).await?;
        channels.insert(name, channel.id);
    }
    Ok(channels)
}

/// What people do now, through the same door as everybody: post, answer, react, mention.
async fn live(people: &HashMap<&'static str, Person<'_>>, channels: &HashMap<&'static str, Uuid>) -> Result<()> {
    for step in LIVE {
        let author = &people[step.by];
        let path = format!("/v1/channels/{}/messages", channels[step.channel]);
        let mut files = Vec::new();
        if let Some((name, draw)) = step.picture {
            files.push(author.upload(channels[step.channel], name, draw()?).await?);
        }
        let posted = author.send(Method::POST, &path, json!({ "text": step.text, "files": files })).await?;
        let id = posted["id"].as_str().unwrap_or_default().to_owned();
        for (by, text) in step.replies {
            people[by].send(Method::POST, &path, json!({ "text": text, "thread_id": id })).await?;
        }
        for (by, emoji) in step.reactions {
            let encoded: String = emoji.bytes().map(|byte| format!("%{byte:02X}")).collect();
            people[by].send(Method::PUT, &format!("/v1/messages/{id}/reactions/{encoded}"), Value::Null).await?;
        }
    }
    Ok(())
}

/// The body of a request.
enum Sent {
    Json(Value),
    File(Vec<u8>),
}

/// Somebody who is signed in.
struct Person<'a> {
    running: &'a Running,
    id: Uuid,
    cookie: String,
}

impl<'a> Person<'a> {
    async fn join(running: &'a Running, username: &str, display_name: &str, about: &str) -> Result<Self> {
        let account = json!({ "username": username, "display_name": display_name, "password": PASSWORD });
        let nobody = Self { running, id: Uuid::nil(), cookie: String::new() };
        let answer = nobody.request(Method::POST, "/v1/accounts", Sent::Json(account)).await?;
        let cookie = answer.0.ok_or_else(|| Error::internal("signing up gave no session"))?;
        let id = answer.1["id"].as_str().and_then(|id| id.parse().ok()).unwrap_or_default();
        let person = Self { running, id, cookie };
        person.send(Method::PATCH, "/v1/me", json!({ "about": about })).await?;
        Ok(person)
    }

    async fn send(&self, method: Method, path: &str, body: Value) -> Result<Value> {
        Ok(self.request(method, path, Sent::Json(body)).await?.1)
    }

    /// Uploads a file; gives its id.
    async fn upload(&self, channel: Uuid, name: &str, bytes: Vec<u8>) -> Result<Value> {
        let path = format!("/v1/channels/{channel}/files?name={name}");
        Ok(self.request(Method::POST, &path, Sent::File(bytes)).await?.1["id"].take())
    }

    /// Sends a request through the whole stack; gives the session cookie, if one was set, and the answer.
    async fn request(&self, method: Method, path: &str, sent: Sent) -> Result<(Option<String>, Value)> {
        let request = Request::builder().method(method).uri(path).header(header::COOKIE, &self.cookie);
        let (content_type, body) = match sent {
            Sent::Json(Value::Null) => ("application/json", Body::empty()),
            Sent::Json(value) => ("application/json", Body::from(value.to_string())),
            Sent::File(bytes) => ("application/octet-stream", Body::from(bytes)),
        };
        let request = request
            .header(header::CONTENT_TYPE, content_type)
            .body(body)
            .map_err(|error| Error::internal(format!("{path}: {error}")))?;
        let (parts, body) = self.running.stack().call(request).await.into_parts();
        let bytes = axum::body::to_bytes(body, MAX_ANSWER).await.map_err(|error| Error::internal(error.to_string()))?;
        if !parts.status.is_success() {
            let answer = String::from_utf8_lossy(&bytes).into_owned();
            return Err(Error::internal(format!("seeding: {path} answered {}: {answer}", parts.status)));
        }
        let cookie = parts.headers.get(header::SET_COOKIE).and_then(|cookie| cookie.to_str().ok());
        let cookie = cookie.and_then(|cookie| cookie.split(';').next()).map(str::to_owned);
        Ok((cookie, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_private() {
        for private in ["127.0.0.1:3000", "localhost:0", "[::1]:80"] {
            assert!(is_private(private), "{private}");
        }
        for public in ["0.0.0.0:3000", "[::]:3000", "10.0.0.1:80", "example.org:80", ":3000"] {
            assert!(!is_private(public), "{public}");
        }
    }
}
