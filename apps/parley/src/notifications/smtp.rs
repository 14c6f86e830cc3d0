//! Hands one mail to a mail server, over a connection of its own.

use lettre::Message;
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use percent_encoding::percent_decode_str;
use sarsen::resilience::call_over;
use sarsen::telemetry::WaitKind;
use sarsen::{Error, Result};
use std::fmt;
use std::time::Duration;
use url::{Host, Url};

/// Where STARTTLS is spoken (RFC 6409), and where TLS from the start (RFC 8314).
const SUBMISSION: u16 = 587;
const SUBMISSIONS: u16 = 465;

/// How long a server that has taken the mail may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

const MECHANISMS: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];

/// A mail server, and who we are to it.
pub(super) struct Smtp {
    host: String,
    port: u16,
    security: Security,
    credentials: Option<Credentials>,
    hello: ClientId,
    timeout: Duration,
}

/// How what is said is kept from others.
enum Security {
    /// TLS from the first byte.
    Tls(TlsParameters),
    /// TLS before anything of worth is said; a server that has none gets nothing.
    StartTls(TlsParameters),
    /// Not at all: the server is on this machine, or the URL says so.
    None,
}

impl fmt::Debug for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Smtp {
    /// From `smtp://user:password@host:port` or `smtps://…`; `?tls=none` sends what is said in the clear.
    pub(super) fn new(url: &str, host: &str, timeout: Duration) -> Result<Self> {
        let wrong = |what: &str| {
            Error::invalid(format!("smtp is no address of a mail server: {what}"))
                .hint("write smtp://user:password@host:587, or smtps://user:password@host:465; encode @ : / in them as %40 %3A %2F")
        };
        let url = Url::parse(url).map_err(|error| wrong(&error.to_string()))?;
        let server = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| wrong("it has no host"))?;
        let tls = || {
            TlsParameters::new(server.to_owned()).map_err(|error| {
                Error::invalid("smtp: TLS is not possible here").source(error).hint("install ca-certificates")
            })
        };
        let (security, port) = match (url.scheme(), url.query()) {
            ("smtps", None) => (Security::Tls(tls()?), SUBMISSIONS),
            ("smtp", Some("tls=none")) => (Security::None, SUBMISSION),
            ("smtp", None) if is_here(&url) => (Security::None, SUBMISSION),
            ("smtp", None) => (Security::StartTls(tls()?), SUBMISSION),
            ("smtp" | "smtps", Some(_)) => return Err(wrong("what stands after the `?` can only be tls=none")),
            _ => return Err(wrong("it begins with neither smtp:// nor smtps://")),
        };
        let credentials = credentials(&url).ok_or_else(|| wrong("user and password are not UTF-8"))?;
        let hello = ClientId::Domain(host.to_owned());
        let (host, port) = (server.trim_matches(['[', ']']).to_owned(), url.port().unwrap_or(port));
        Ok(Self { host, port, security, credentials, hello, timeout })
    }

    /// Sends a mail: when this is done, the server has taken it.
    ///
    /// `Invalid` says that the server will never take this mail. Anything else may go well later, a wrong password too:
    /// somebody will put it right, and the mails that wait are none the worse.
    pub(super) async fn send(&self, mail: &Message) -> Result<()> {
        let delivery = self.deliver(mail);
        let mut connection = call_over(WaitKind::Mail, "mail server", self.timeout, delivery).await?;
        // It is sent: whatever happens to the goodbye, it must not be sent again.
        let goodbye = async {
            connection.abort().await;
            Ok(())
        };
        let _ = call_over(WaitKind::Mail, "goodbye to the mail server", GOODBYE, goodbye).await;
        Ok(())
    }

    async fn deliver(&self, mail: &Message) -> Result<AsyncSmtpConnection> {
        let mut connection = self.connect().await.map_err(|error| self.failed(&error))?;
        match connection.send(mail.envelope(), &mail.formatted()).await {
            Ok(_) => Ok(connection),
            Err(error) if error.is_permanent() || error.is_client() => {
                Err(Error::invalid(format!("the mail server {self:?} refused the mail: {error}")))
            }
            Err(error) => Err(self.failed(&error)),
        }
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, SmtpError> {
        let (place, timeout) = ((self.host.as_str(), self.port), Some(self.timeout));
        let wrapped = match &self.security {
            Security::Tls(parameters) => Some(parameters.clone()),
            Security::StartTls(_) | Security::None => None,
        };
        let mut connection = AsyncSmtpConnection::connect_tokio1(place, timeout, &self.hello, wrapped, None).await?;
        if let Security::StartTls(parameters) = &self.security {
            connection.starttls(parameters.clone(), &self.hello).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(&MECHANISMS, credentials).await?;
        }
        Ok(connection)
    }

    fn failed(&self, error: &SmtpError) -> Error {
        Error::unavailable(format!("the mail server {self:?} did not take the mail: {error}"))
    }
}

/// Whether the server is on this machine, where nobody listens in.
fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => {
            name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Nothing when they are not text; `Some(None)` when there are none.
fn credentials(url: &Url) -> Option<Option<Credentials>> {
    let text = |encoded: &str| percent_decode_str(encoded).decode_utf8().ok().map(String::from);
    let Some(password) = url.password() else { return Some(None) };
    Some(Some(Credentials::new(text(url.username())?, text(password)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn smtp(url: &str) -> Result<Smtp> {
        Smtp::new(url, "chat.example.org", Duration::from_secs(1))
    }

    #[test]
    fn what_is_said_is_protected_unless_nobody_listens_in() {
        let is = |url: &str| match smtp(url).expect(url) {
            Smtp { security: Security::Tls(_), port, .. } => format!("tls {port}"),
            Smtp { security: Security::StartTls(_), port, .. } => format!("starttls {port}"),
            Smtp { security: Security::None, port, .. } => format!("none {port}"),
        };
        assert_eq!(is("smtps://mail.example.org"), "tls 465");
        assert_eq!(is("smtp://me:secret@mail.example.org"), "starttls 587");
        assert_eq!(is("smtp://mail.example.org:2525"), "starttls 2525");
        for here in ["smtp://127.0.0.1:25", "smtp://localhost:25", "smtp://[::1]:25", "smtp://relay:25?tls=none"] {
            assert_eq!(is(here), "none 25", "{here}");
        }
    }

    #[test]
    fn credentials_are_decoded() {
        let smtp = smtp("smtp://me%40example.org:p%3Aw%2F@localhost").expect("good");
        let expected = Credentials::new("me@example.org".to_owned(), "p:w/".to_owned());
        assert_eq!(smtp.credentials, Some(expected));
    }

    #[test]
    fn what_is_no_mail_server_is_refused_without_showing_the_password() {
        for url in
            ["mail.example.org", "http://me:hush@host", "smtp://", "smtp://me:hush@host?tls=maybe", "smtp://me:hush@:x"]
        {
            let error = smtp(url).expect_err(url);
            assert!(error.message().starts_with("smtp is no address") && !error.report().contains("hush"), "{error}");
        }
    }
}
