//! An application with topics of each class, and clients that hear them over real sockets.

use futures_util::{SinkExt, StreamExt};
use sarsen::config::{RealtimeSection, Span, Url};
use sarsen::realtime::{Asked, Grant, Realtime, Topic, Topics};
use sarsen::testing::TestApp;
use sarsen::{App, Config, Declare, Error, Init, Module, NoApi, Result, clock};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::{Message, Role};
use uuid::Uuid;

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Who may hear what no longer: across the processes of a test, as a table would be.
static BANNED: LazyLock<Mutex<HashSet<(Uuid, String)>>> = LazyLock::new(Mutex::default);

pub(crate) fn ban(actor: Uuid, topic: &Topic) {
    BANNED.lock().expect("not poisoned").insert((actor, topic.to_string()));
}

struct Rooms;

impl Module for Rooms {
    const NAME: &'static str = "rooms";
    type Api = NoApi;
    type Deps = ();
    type Config = ();

    fn declare(declare: &mut Declare<Self>) {
        declare
            .topics(Topics::durable("room").with_presence(), Rooms::may_hear)
            .topics(Topics::hot("ticker"), Rooms::may_hear)
            .topics(Topics::ephemeral("typing"), Rooms::may_hear)
            .topics(Topics::conflated("price"), Rooms::may_hear)
            .authenticate(|_, token| async move { Ok(token.parse().ok()) });
    }

    async fn init(_: Init<Self>) -> Result<Self> {
        Ok(Rooms)
    }
}

impl Rooms {
    async fn may_hear(self: Arc<Self>, asked: Asked) -> Result<Grant> {
        let banned = BANNED.lock().expect("not poisoned").contains(&(asked.actor()?, asked.topic.to_string()));
        if banned || asked.topic.id().starts_with("secret") {
            return Err(Error::forbidden(format!("{} is not for you", asked.topic)));
        }
        Ok(Grant::hear_and_publish())
    }
}

/// A process, and where it listens.
pub(crate) struct Process {
    pub(crate) app: TestApp,
    pub(crate) address: SocketAddr,
}

fn build(mut config: Config, driver: &str, change: impl FnOnce(&mut RealtimeSection)) -> App {
    config.realtime.url = Url::new(driver);
    config.realtime.ping = Span::seconds(1);
    config.realtime.presence_grace = Span(Duration::from_millis(500));
    // Tests send as fast as they can.
    (config.realtime.inbound_rate, config.realtime.inbound_burst) = (10_000, 10_000);
    change(&mut config.realtime);
    let mut app = App::new("rooms", "0.0.0", config);
    app.mount::<Rooms>(());
    app
}

impl Process {
    pub(crate) async fn start(driver: &str) -> Self {
        Self::start_with(driver, |_| {}).await
    }

    pub(crate) async fn start_with(driver: &str, change: impl FnOnce(&mut RealtimeSection)) -> Self {
        let app = TestApp::start(|config| build(config, driver, change)).await;
        let address = app.listen().await;
        Self { app, address }
    }

    /// One more on the same database.
    pub(crate) async fn beside(&self, driver: &str) -> Self {
        let app = self.app.beside(|config| build(config, driver, |_| {})).await;
        let address = app.listen().await;
        Self { app, address }
    }

    pub(crate) fn realtime(&self) -> &Realtime {
        self.app.running().realtime()
    }

    /// Broadcasts in a transaction of its own, and gives the offset.
    pub(crate) async fn say(&self, topic: &Topic, message: &Value) -> i64 {
        let tx = self.app.db().begin().await.expect("a transaction");
        let offset = self.realtime().broadcast(&tx, topic, message).await.expect("is broadcast");
        tx.commit().await.expect("is committed");
        offset
    }

    pub(crate) async fn say_all(&self, topic: &Topic, numbers: std::ops::Range<u64>) -> Vec<i64> {
        let mut offsets = Vec::new();
        for number in numbers {
            offsets.push(self.say(topic, &json!(number)).await);
        }
        offsets
    }

    pub(crate) async fn connect(&self, actor: Uuid) -> Client {
        let mut client = Client::connect(self.address, &bearer(actor)).await.expect("is let in");
        assert_eq!(client.next().await["t"], "hello");
        client
    }

    /// A client that hears `topic` from now on.
    pub(crate) async fn hear(&self, actor: Uuid, topic: &Topic) -> Client {
        let mut client = self.connect(actor).await;
        client.subscribe(topic).await;
        client
    }
}

pub(crate) fn somebody() -> Uuid {
    sarsen::Clock::real().id()
}

pub(crate) fn bearer(actor: Uuid) -> String {
    format!("Authorization: Bearer {actor}\r\n")
}

/// A topic that no other test uses.
pub(crate) fn topic(kind: &str) -> Topic {
    Topic::new(kind, somebody().simple())
}

/// A client of the protocol, plain: it does what it is told.
pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<TcpStream>,
}

impl Client {
    /// Makes the handshake; the answer when it is refused.
    pub(crate) async fn connect(address: SocketAddr, headers: &str) -> std::result::Result<Self, String> {
        let (stream, answer) = handshake(address, headers).await;
        if !answer.starts_with("HTTP/1.1 101") {
            return Err(answer);
        }
        Ok(Self { socket: WebSocketStream::from_raw_socket(stream, Role::Client, None).await })
    }

    pub(crate) async fn send(&mut self, message: &Value) {
        self.socket.send(Message::text(message.to_string())).await.expect("is sent");
    }

    /// The next message that is no ping.
    pub(crate) async fn next(&mut self) -> Value {
        match self.receive().await {
            Message::Text(text) => serde_json::from_str(&text).expect("JSON"),
            other => panic!("{other:?} is no text"),
        }
    }

    /// The next message of this type; others are passed over.
    pub(crate) async fn next_of(&mut self, kind: &str) -> Value {
        loop {
            let message = self.next().await;
            if message["t"] == kind {
                return message;
            }
        }
    }

    /// The code of the close, past whatever came before.
    pub(crate) async fn closed(&mut self) -> u16 {
        loop {
            if let Message::Close(close) = self.receive().await {
                return close.map_or(0, |close| close.code.into());
            }
        }
    }

    async fn receive(&mut self) -> Message {
        loop {
            let next = clock::until(clock::monotonic() + PATIENCE, self.socket.next()).await.expect("something comes");
            match next {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(message)) => return message,
                other => panic!("the connection ended: {other:?}"),
            }
        }
    }

    pub(crate) async fn subscribe(&mut self, topic: &Topic) -> Value {
        self.subscribe_from(topic, None).await
    }

    /// Subscribes, saying where it stands: `{"epoch", "offset"}`.
    pub(crate) async fn subscribe_from(&mut self, topic: &Topic, since: Option<&Value>) -> Value {
        let mut message = json!({ "t": "sub", "topic": topic.as_str() });
        if let Some(since) = since {
            message["since"] = since.clone();
        }
        self.send(&message).await;
        self.next_of("subscribed").await
    }

    /// The data of the next messages.
    pub(crate) async fn data(&mut self, count: usize) -> Vec<Value> {
        let mut data = Vec::new();
        while data.len() < count {
            data.push(self.next_of("msg").await["data"].clone());
        }
        data
    }

    /// Asserts that nothing else comes: an answer to a ping is the next thing.
    pub(crate) async fn hears_nothing(&mut self) {
        self.send(&json!({ "t": "ping" })).await;
        let next = self.next().await;
        assert_eq!(next["t"], "pong", "{next}");
    }
}

/// Where a client stands that was answered this.
pub(crate) fn place(subscribed: &Value) -> Value {
    json!({ "epoch": subscribed["epoch"], "offset": subscribed["offset"] })
}

/// Sends the handshake and gives the connection and the head of the answer.
pub(crate) async fn handshake(address: SocketAddr, headers: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(address).await.expect("connects");
    let request = format!(
        "GET /live HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    );
    stream.write_all(request.as_bytes()).await.expect("is sent");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        let read = clock::until(clock::monotonic() + PATIENCE, stream.read(&mut byte)).await.expect("an answer");
        if read.expect("an answer") == 0 {
            break;
        }
        answer.push(byte[0]);
    }
    (stream, String::from_utf8(answer).expect("text"))
}
