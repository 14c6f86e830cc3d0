//! Where letters become mails: addressed, stamped, and handed to the mail server or to the log.

use super::Config;
use super::letters::Letter;
use super::smtp::Smtp;
use crate::accounts::api::Mailbox;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox as Address, MultiPart};
use lettre::{Address as Bare, Message};
use sarsen::{Error, Result, Timestamp};
use std::time::{Duration, UNIX_EPOCH};
use uuid::Uuid;

/// Says to other programs that no person wrote this, so that none answers it (RFC 3834).
const AUTO_SUBMITTED: HeaderName = HeaderName::new_from_ascii_str("Auto-Submitted");

/// What makes a mail the same mail when it is sent again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    /// The job that sends it.
    pub(super) id: Uuid,
    /// When there was a reason for it.
    pub(super) at: Timestamp,
}

/// Sends mails from one address.
#[derive(Debug)]
pub(super) struct Outbox {
    from: Address,
    /// Nothing: mails are written to the log.
    smtp: Option<Smtp>,
}

impl Outbox {
    /// `host` is how this server calls itself. An error names the key that is wrong.
    pub(super) fn new(config: &Config, host: &str) -> Result<Self> {
        let from: Address = config.from.parse().map_err(|error| {
            Error::invalid(format!("from = \"{}\" is no sender: {error}", config.from))
                .hint("write an address, or `Parley <parley@example.org>`")
        })?;
        let given = config.smtp.expose();
        let smtp = (!given.is_empty()).then(|| Smtp::new(given, host, config.timeout.0)).transpose()?;
        Ok(Self { from, smtp })
    }

    /// Sends a letter. Once this is done the server has it, and nobody else needs to keep it.
    pub(super) async fn send(&self, to: &Mailbox, letter: Letter, stamp: Stamp) -> Result<()> {
        let Some(smtp) = &self.smtp else {
            tracing::info!(
                to = to.email,
                subject = letter.subject,
                "a mail that no server was named for:\n{}",
                letter.text
            );
            return Ok(());
        };
        smtp.send(&self.addressed(to, letter, stamp)?).await
    }

    /// The mail. Its id and its date are those of the job, so a repetition of it is recognised.
    fn addressed(&self, to: &Mailbox, letter: Letter, stamp: Stamp) -> Result<Message> {
        let wrong = |error: &dyn std::error::Error| Error::invalid(format!("the mail cannot be written: {error}"));
        let address: Bare = to.email.parse().map_err(|error| wrong(&error))?;
        let since = Duration::from_micros(stamp.at.as_micros().max(0).unsigned_abs());
        let body = MultiPart::alternative_plain_html(letter.text, letter.html);
        let message = Message::builder()
            .message_id(Some(format!("<{}@{}>", stamp.id, self.from.email.domain())))
            .date(UNIX_EPOCH + since)
            .from(self.from.clone())
            .to(Address::new(Some(to.display_name.clone()), address))
            .subject(letter.subject)
            .multipart(body);
        let mut message = message.map_err(|error| wrong(&error))?;
        message.headers_mut().insert_raw(HeaderValue::new(AUTO_SUBMITTED, "auto-generated".to_owned()));
        Ok(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notifications::letters;

    fn outbox() -> Outbox {
        let config = Config { from: "Parley <parley@chat.example.org>".to_owned(), ..Config::default() };
        Outbox::new(&config, "localhost").expect("a good configuration")
    }

    fn mailbox(email: &str) -> Mailbox {
        let (display_name, email) = ("Ada, \"Ä\" <x@y.z>".to_owned(), email.to_owned());
        Mailbox { id: Uuid::nil(), display_name, email, mention_mails: true }
    }

    #[test]
    fn a_mail_that_is_sent_again_has_the_same_id_and_date() {
        let stamp = Stamp { id: Uuid::from_u128(7), at: Timestamp::from_micros(1_767_225_600_000_000) };
        let written = || {
            let letter = letters::welcome("Ada", "http://localhost");
            let mail = outbox().addressed(&mailbox("ada@example.org"), letter, stamp).expect("is written");
            String::from_utf8(mail.formatted()).expect("ascii")
        };
        let lines = |mail: &str| mail.lines().map(str::to_owned).collect::<Vec<_>>();
        let (one, two) = (lines(&written()), lines(&written()));
        for expected in [
            "Message-ID: <00000000-0000-0000-0000-000000000007@chat.example.org>",
            "Date: Thu, 01 Jan 2026 00:00:00 +0000",
            "Auto-Submitted: auto-generated",
        ] {
            assert!([&one, &two].iter().all(|mail| mail.iter().any(|line| line == expected)), "{expected}: {one:#?}");
        }
        assert!(one.iter().all(|line| line.is_ascii()), "any server takes it");
    }

    #[test]
    fn a_name_is_no_way_to_add_a_recipient() {
        let stamp = Stamp { id: Uuid::nil(), at: Timestamp::from_micros(0) };
        let letter = letters::welcome("Ada", "http://localhost");
        let mail = outbox().addressed(&mailbox("ada@example.org"), letter.clone(), stamp).expect("is written");
        let to: Vec<String> = mail.envelope().to().iter().map(ToString::to_string).collect();
        assert_eq!(to, ["ada@example.org"]);
        assert!(outbox().addressed(&mailbox("no address"), letter, stamp).is_err());
    }

    #[test]
    fn what_is_wrong_with_the_configuration_names_the_key() {
        let error = |config: Config| Outbox::new(&config, "localhost").expect_err("wrong").to_string();
        assert!(error(Config { from: "nobody".to_owned(), ..Config::default() }).starts_with("from = "));
        let smtp = sarsen::config::Url::new("http://me:hush@host");
        let said = error(Config { smtp, ..Config::default() });
        assert!(said.starts_with("smtp ") && !said.contains("hush"), "{said}");
    }
}
