//! A mail server on loopback that keeps what it is given, and can be as bad as real ones are.

use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// How it behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// It takes what it is given.
    Well,
    /// It hangs up on everybody.
    Away,
    /// It says nothing.
    Silent,
    /// It has no time now: 451.
    Busy,
    /// It knows no such mailbox: 550.
    Strict,
    /// It takes a mail, and hangs up before it says so.
    Forgetful,
}

/// A mail that was taken.
#[derive(Clone, Debug)]
pub(crate) struct Mail {
    pub(crate) to: String,
    text: String,
}

impl Mail {
    /// A header.
    pub(crate) fn header(&self, name: &str) -> &str {
        let lines = self.text.lines().take_while(|line| !line.is_empty());
        let mut found = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        found.next().unwrap_or_else(|| panic!("no {name} in {}", self.text))
    }

    /// What it says, in all its parts, with the lines that were broken for the way put together.
    pub(crate) fn body(&self) -> String {
        self.text.replace("=\n", "").replace("=3D", "=")
    }
}

/// The mail server.
#[derive(Clone, Debug)]
pub(crate) struct Sink {
    port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    mood: Mood,
    mails: Vec<Mail>,
    /// Those that were taken when it hung up on the sender.
    forgotten: Vec<Mail>,
    visits: usize,
}

impl Sink {
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let port = listener.local_addr().expect("is bound").port();
        let state = State { mood: Mood::Well, mails: Vec::new(), forgotten: Vec::new(), visits: 0 };
        let sink = Self { port, state: Arc::new(Mutex::new(state)) };
        let serving = sink.clone();
        drop(sarsen::lifecycle::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                drop(sarsen::lifecycle::spawn(serving.clone().visit(stream)));
            }
        }));
        sink
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    pub(crate) fn set(&self, mood: Mood) {
        self.state.lock().expect("not poisoned").mood = mood;
    }

    /// What it has taken.
    pub(crate) fn mails(&self) -> Vec<Mail> {
        self.state.lock().expect("not poisoned").mails.clone()
    }

    /// To whom, sorted.
    pub(crate) fn recipients(&self) -> Vec<String> {
        let mut all: Vec<String> = self.mails().into_iter().map(|mail| mail.to).collect();
        all.sort();
        all
    }

    /// What it has taken and never said so.
    pub(crate) fn forgotten(&self) -> Vec<Mail> {
        self.state.lock().expect("not poisoned").forgotten.clone()
    }

    /// How often somebody came.
    pub(crate) fn visits(&self) -> usize {
        self.state.lock().expect("not poisoned").visits
    }

    fn mood(&self) -> Mood {
        self.state.lock().expect("not poisoned").mood
    }

    async fn visit(self, stream: TcpStream) {
        self.state.lock().expect("not poisoned").visits += 1;
        match self.mood() {
            Mood::Away => return,
            Mood::Silent => return std::future::pending().await,
            Mood::Well | Mood::Busy | Mood::Strict | Mood::Forgetful => {}
        }
        let (reader, writer) = stream.into_split();
        // Whoever hangs up is no concern of a mail server.
        let _ = self.talk(BufReader::new(reader).lines(), writer).await;
    }

    async fn talk(&self, mut lines: Lines<BufReader<OwnedReadHalf>>, mut out: OwnedWriteHalf) -> std::io::Result<()> {
        out.write_all(b"220 sink ESMTP\r\n").await?;
        let mut to = String::new();
        while let Some(line) = lines.next_line().await? {
            let verb = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
            let answer = match (verb.as_str(), self.mood()) {
                ("EHLO", _) => "250-sink\r\n250 8BITMIME",
                ("RCPT", Mood::Busy) => "451 no time now",
                ("RCPT", Mood::Strict) => "550 no such mailbox",
                ("RCPT", _) => {
                    to = address(&line);
                    "250 fine"
                }
                ("DATA", _) => {
                    out.write_all(b"354 go on\r\n").await?;
                    if !self.take(&to, text(&mut lines).await?) {
                        return Ok(());
                    }
                    "250 taken"
                }
                ("QUIT", _) => "221 bye",
                _ => "250 fine",
            };
            out.write_all(format!("{answer}\r\n").as_bytes()).await?;
        }
        Ok(())
    }

    /// Keeps a mail; `false` when the sender is not to know.
    fn take(&self, to: &str, text: String) -> bool {
        let mut state = self.state.lock().expect("not poisoned");
        let mail = Mail { to: to.to_owned(), text };
        let tells = state.mood != Mood::Forgetful;
        if tells {
            state.mails.push(mail)
        } else {
            state.forgotten.push(mail)
        }
        tells
    }
}

/// The address in `RCPT TO:<ada@example.org>`.
fn address(line: &str) -> String {
    let inside = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inside.map_or(String::new(), |(address, _)| address.to_owned())
}

/// The lines up to a lone full stop.
async fn text(lines: &mut Lines<BufReader<OwnedReadHalf>>) -> std::io::Result<String> {
    let mut text = String::new();
    while let Some(line) = lines.next_line().await? {
        if line == "." {
            break;
        }
        text.push_str(line.strip_prefix('.').unwrap_or(&line));
        text.push('\n');
    }
    Ok(text)
}
