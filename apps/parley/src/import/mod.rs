//! `parley import`: brings conversations in from elsewhere, with progress, and the same once as twice.

mod irc;
mod progress;

use crate::Handles;
use crate::messages::api::{ImportedMessage, MAX_BATCH, MAX_TEXT};
use clap::{Args, Subcommand};
use irc::{Line, Log, Said};
use progress::{Progress, with_commas};
use sarsen::telemetry;
use sarsen::{Error, Result};
use serde::Serialize;
use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// Most line numbers that the report shows for one file.
const SHOWN_LINES: usize = 10;
/// Most authors that are remembered between batches.
const KNOWN_AUTHORS: usize = 50_000;

/// What can be imported.
#[derive(Debug, Subcommand)]
pub enum Import {
    /// IRC logs: `[HH:MM] <nick> text`, or `CHANNEL DATE [HH:MM:SS] <nick> text`.
    Irc(Irc),
}

/// Which logs, and where to.
#[derive(Debug, Args)]
pub struct Irc {
    /// The log files, read one after another.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The channel; it is made when it is not there.
    #[arg(long, value_name = "NAME")]
    pub channel: String,
    /// The day of lines without a date, where the file's name holds none.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub date: Option<String>,
    /// Print one JSON object for each file.
    #[arg(long)]
    pub json: bool,
}

/// What became of the lines of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The file.
    pub file: String,
    /// Lines read.
    pub lines: u64,
    /// Messages that are new.
    pub added: u64,
    /// Messages that were imported before.
    pub known: u64,
    /// System lines: joins, renames.
    pub system: u64,
    /// The numbers of the lines that are malformed.
    pub malformed: Vec<u64>,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { file, lines, added, known, system, malformed } = self;
        write!(f, "{file}: {} new", with_commas(*added))?;
        write!(f, ", {} known, {} system, {} malformed", with_commas(*known), with_commas(*system), malformed.len())?;
        write!(f, " of {} lines", with_commas(*lines))?;
        let shown: Vec<String> = malformed.iter().take(SHOWN_LINES).map(u64::to_string).collect();
        match malformed.len() {
            0 => Ok(()),
            count if count > SHOWN_LINES => write!(f, " (lines {}, …; all with --json)", shown.join(", ")),
            _ => write!(f, " (lines {})", shown.join(", ")),
        }
    }
}

/// Imports each file and says what became of it.
pub async fn irc(handles: &Handles, command: &Irc) -> Result<Vec<Report>> {
    let date = command.date.as_deref().map(|date| {
        irc::midnight(date)
            .ok_or_else(|| Error::invalid_field("--date", format!("`{date}` is not a day such as 2006-06-05")))
    });
    let date = date.transpose()?;
    let bar = progress(&command.files)?;
    let mut reports = Vec::new();
    for file in &command.files {
        let mut import =
            Importing { handles, channel_name: command.channel.clone(), channel: None, authors: HashMap::new() };
        let start = bar.position();
        let report = import.file(file, date, |position| bar.set(start + position)).await;
        reports.push(report.map_err(|error| error.context(file.display()))?);
    }
    bar.finish();
    Ok(reports)
}

/// A bar over the bytes of all files; it shows itself on a terminal only.
fn progress(files: &[PathBuf]) -> Result<Progress> {
    let sizes = files.iter().map(|file| {
        let size = std::fs::metadata(file).map(|metadata| metadata.len());
        size.map_err(|error| Error::invalid(format!("{} cannot be read: {error}", file.display())))
    });
    Ok(Progress::new(sizes.sum::<Result<u64>>()?))
}

struct Importing<'a> {
    handles: &'a Handles,
    channel_name: String,
    channel: Option<Uuid>,
    authors: HashMap<String, Uuid>,
}

impl Importing<'_> {
    async fn file(&mut self, path: &Path, date: Option<i64>, advance: impl Fn(u64)) -> Result<Report> {
        let input = File::open(path).map_err(|error| Error::invalid(format!("cannot be read: {error}")))?;
        let date = date.or_else(|| irc::date_in(path));
        let mut log = Log::new(BufReader::new(input), &self.channel_name, date);
        let mut report = Report { file: path.display().to_string(), ..Report::default() };
        loop {
            let (back, batch) = telemetry::blocking("read the log", move || {
                let batch = read_batch(&mut log);
                (log, batch)
            })
            .await?;
            log = back;
            let Batch { said, system, malformed, lines, ended } = batch?;
            report.system += system;
            report.malformed.extend(malformed.iter().map(|line| line + report.lines));
            report.lines += lines;
            let count = said.len() as u64;
            let added = self.save(said).await?;
            report.added += added;
            report.known += count - added;
            advance(log.position);
            if ended {
                return Ok(report);
            }
        }
    }

    async fn save(&mut self, said: Vec<Said>) -> Result<u64> {
        let Some(first) = said.first() else { return Ok(0) };
        let first = first.nick.clone();
        let channel = self.people(&said, &first).await?;
        let messages = said.into_iter().filter_map(|said| {
            let author = *self.authors.get(&said.nick)?;
            Some(ImportedMessage { id: said.id, author, text: said.text, posted_at: said.at })
        });
        Ok(self.handles.messages.import_batch(channel, messages.collect()).await?)
    }

    /// Makes the authors that are new, and the channel with the first of them; both join it.
    async fn people(&mut self, said: &[Said], first: &str) -> Result<Uuid> {
        if self.authors.len() > KNOWN_AUTHORS {
            self.authors.clear();
        }
        let mut new: Vec<String> =
            said.iter().filter(|said| !self.authors.contains_key(&said.nick)).map(|said| said.nick.clone()).collect();
        new.sort_unstable();
        new.dedup();
        if !new.is_empty() {
            let users = self.handles.accounts.import_people(new).await?;
            self.authors.extend(users.iter().map(|user| (user.username.clone(), user.id)));
            let channel = self.channel(first).await?;
            self.handles.channels.add_members(channel, users.iter().map(|user| user.id).collect()).await?;
        }
        self.channel(first).await
    }

    async fn channel(&mut self, creator: &str) -> Result<Uuid> {
        if let Some(channel) = self.channel {
            return Ok(channel);
        }
        let creator = self.authors.get(creator).copied().ok_or_else(|| Error::internal("an author was not made"))?;
        let channel = self.handles.channels.ensure(self.channel_name.clone(), String::new(), creator).await?;
        Ok(*self.channel.insert(channel.id))
    }
}

/// Some lines of a log.
struct Batch {
    said: Vec<Said>,
    system: u64,
    malformed: Vec<u64>,
    lines: u64,
    ended: bool,
}

fn read_batch(log: &mut Log<BufReader<File>>) -> Result<Batch> {
    let mut batch = Batch { said: Vec::new(), system: 0, malformed: Vec::new(), lines: 0, ended: false };
    while batch.said.len() < MAX_BATCH {
        let Some(line) = log.next_line()? else {
            batch.ended = true;
            break;
        };
        batch.lines += 1;
        match line {
            Line::Message(said) if said.text.chars().count() <= MAX_TEXT => batch.said.push(said),
            Line::System => batch.system += 1,
            Line::Message(_) | Line::Malformed => batch.malformed.push(batch.lines),
        }
    }
    Ok(batch)
}
