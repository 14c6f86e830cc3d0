//! A server that is killed while people post: what was answered 201 is there, and a repeated post is not there twice.

use crate::program::client::Person;
use crate::program::place::{Database, Place};
use crate::program::random::Random;
use sarsen::{clock, lifecycle};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::time::Duration;

const CLIENTS: usize = 8;
const ROUNDS: usize = 4;
/// Longest time that a server lives.
const LIFE: Duration = Duration::from_millis(1_200);

/// One who posts, and remembers what was answered.
struct Poster {
    name: String,
    person: Person,
    /// The text and nonce that were sent last, while no answer came.
    unanswered: Option<Value>,
    /// Text by id.
    acknowledged: HashMap<String, String>,
    posted: usize,
    repeated: usize,
}

pub(crate) async fn outlives_a_kill(database: Database) {
    let Some(place) = Place::new(database).await else { return };
    let mut random = Random::new(11);
    let mut server = place.serve().await;
    let (channel, mut posters) = gather(server.address).await;
    for _ in 0..ROUNDS {
        let address = server.address;
        let at_work = posters.into_iter().map(|mut poster: Poster| {
            let path = format!("/v1/channels/{channel}/messages");
            lifecycle::spawn(async move {
                poster.person.reconnect(address).await;
                while poster.post(&path).await {}
                poster
            })
        });
        let at_work: Vec<_> = at_work.collect();
        clock::pause(LIFE / 4 + random.within(LIFE)).await;
        server.kill().await;
        posters = Vec::new();
        for poster in at_work {
            posters.push(poster.await.unwrap());
        }
        place.check_database().await;
        server = place.serve().await;
    }
    for poster in &mut posters {
        poster.person.reconnect(server.address).await;
        assert!(poster.post(&format!("/v1/channels/{channel}/messages")).await);
    }
    check(database, &channel, posters).await;
    server.kill().await;
    place.check_database().await;
}

/// Accounts for everybody, in one channel.
async fn gather(address: SocketAddr) -> (String, Vec<Poster>) {
    let mut posters = Vec::new();
    let mut channel = String::new();
    for number in 0..CLIENTS {
        let name = format!("poster{number}");
        let mut person = Person::sign_up(address, &name).await;
        if number == 0 {
            let new = json!({"name": "storm", "kind": "public"});
            let made = person.post("/v1/channels", &new).await.unwrap().expect(201);
            made["id"].as_str().unwrap().clone_into(&mut channel);
        } else {
            person.post(&format!("/v1/channels/{channel}/join"), &json!({})).await.unwrap().expect(200);
        }
        let acknowledged = HashMap::new();
        posters.push(Poster { name, person, unanswered: None, acknowledged, posted: 0, repeated: 0 });
    }
    (channel, posters)
}

impl Poster {
    /// Posts the next message, or that again which was not answered; `false` when no answer came.
    async fn post(&mut self, path: &str) -> bool {
        self.repeated += usize::from(self.unanswered.is_some());
        let message = self.unanswered.take().unwrap_or_else(|| {
            self.posted += 1;
            let unique = format!("{} {}", self.name, self.posted);
            json!({"text": format!("message {unique}"), "nonce": unique})
        });
        let Ok(answer) = self.person.post(path, &message).await else {
            self.unanswered = Some(message);
            return false;
        };
        let made = answer.expect(201);
        assert_eq!(made["text"], message["text"]);
        self.acknowledged.insert(made["id"].as_str().unwrap().to_owned(), made["text"].as_str().unwrap().to_owned());
        true
    }
}

async fn check(database: Database, channel: &str, mut posters: Vec<Poster>) {
    let messages = posters[0].person.pages(&format!("/v1/channels/{channel}/messages")).await;
    let text = |message: &Value| message["text"].as_str().unwrap().to_owned();
    let found: HashMap<&str, String> = messages.iter().map(|it| (it["id"].as_str().unwrap(), text(it))).collect();
    let acknowledged: Vec<_> = posters.iter().flat_map(|poster| &poster.acknowledged).collect();
    let missing = acknowledged.iter().filter(|(id, text)| found.get(id.as_str()) != Some(text)).count();
    let doubled = messages.len() - messages.iter().map(text).collect::<HashSet<_>>().len();
    let repeated: usize = posters.iter().map(|poster| poster.repeated).sum();
    println!(
        "{database:?}: {ROUNDS} kills, {} acknowledged, {missing} missing, {repeated} repeated, {doubled} doubled",
        acknowledged.len()
    );
    assert_eq!((missing, doubled), (0, 0));
    assert_eq!(messages.len(), acknowledged.len(), "every message was acknowledged in the end");
}
