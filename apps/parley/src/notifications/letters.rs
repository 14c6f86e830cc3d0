//! What mails say, as plain text and as simple HTML.

/// Most characters of a message that a mail shows; the rest is one click away.
const MAX_QUOTE: usize = 600;

/// A mail without its envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Letter {
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) html: String,
}

/// What a mail about a mention tells.
#[derive(Debug)]
pub(super) struct Mention {
    pub(super) reader: String,
    pub(super) author: String,
    /// Nothing for a direct conversation.
    pub(super) channel: Option<String>,
    pub(super) text: String,
    pub(super) link: String,
    /// Where mails are turned off.
    pub(super) settings: String,
}

/// To somebody who signed up.
pub(super) fn welcome(name: &str, address: &str) -> Letter {
    let subject = "Welcome to Parley".to_owned();
    let text = format!(
        "Hello {name},\n\nyour account is ready. Join a channel to see what people talk about, or start one of your \
         own:\n\n{address}/\n\nYou get this mail because somebody signed up with this address. If that was not you, \
         nothing else is sent unless somebody mentions that account.\n"
    );
    let body = format!(
        "<p>Hello {},</p><p>your account is ready. Join a channel to see what people talk about, or start one of your \
         own.</p>{}",
        escaped(name),
        button(&format!("{address}/"), "Open Parley")
    );
    let why = "You get this mail because somebody signed up with this address. If that was not you, nothing else is \
               sent unless somebody mentions that account.";
    Letter { subject, text, html: page(&body, why) }
}

/// To somebody who is mentioned.
pub(super) fn mention(mention: &Mention) -> Letter {
    let Mention { reader, author, channel, text, link, settings } = mention;
    let place = channel.as_ref().map_or("a conversation".to_owned(), |name| format!("#{name}"));
    let quote = shortened(text);
    let subject = format!("{author} mentioned you in {place}");
    let quoted: String = quote.lines().map(|line| format!("> {line}\n")).collect();
    let why = "You get this mail because you were mentioned. To get none: Settings, Profile, \"Mail me when somebody \
               mentions me\".";
    let plain = format!("Hello {reader},\n\n{subject}:\n\n{quoted}\n{link}\n\n-- \n{why}\n{settings}/\n");
    let body = format!(
        "<p>Hello {},</p><p><strong>{}</strong> mentioned you in <strong>{}</strong>:</p>\
         <blockquote style=\"margin:16px 0;padding:8px 14px;border-left:3px solid #cfcbc4;white-space:pre-wrap\">{}\
         </blockquote>{}",
        escaped(reader),
        escaped(author),
        escaped(&place),
        escaped(&quote),
        button(link, "Read it")
    );
    Letter { subject, text: plain, html: page(&body, why) }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTE) {
        Some((end, _)) => format!("{} …", text[..end].trim_end()),
        None => text.to_owned(),
    }
}

fn button(link: &str, label: &str) -> String {
    format!(
        "<p><a href=\"{}\" style=\"display:inline-block;padding:10px 18px;border-radius:8px;background:#0f766e;\
         color:#ffffff;text-decoration:none;font-weight:600\">{label}</a></p>",
        escaped(link)
    )
}

fn page(body: &str, why: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"></head>\
         <body style=\"margin:0;padding:24px;font:15px/1.5 system-ui,sans-serif;color:#1d1f1e\">\
         <div style=\"max-width:560px\">{body}<p style=\"margin-top:28px;color:#6b6f6c;font-size:13px\">{}</p></div>\
         </body></html>\n",
        escaped(why)
    )
}

/// Text as it may stand in HTML, in an attribute too.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mentioned(text: &str) -> Letter {
        mention(&Mention {
            reader: "Ada".to_owned(),
            author: "Bob <b>".to_owned(),
            channel: Some("general".to_owned()),
            text: text.to_owned(),
            link: "https://chat.example.org/c/1/m/2".to_owned(),
            settings: "https://chat.example.org".to_owned(),
        })
    }

    #[test]
    fn what_people_wrote_is_text_and_never_html() {
        let letter = mentioned("<script>alert(\"1\")</script> & @ada");
        assert_eq!(letter.subject, "Bob <b> mentioned you in #general");
        assert!(letter.text.contains("> <script>alert(\"1\")</script> & @ada\n"), "{}", letter.text);
        assert!(
            letter.html.contains("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; @ada"),
            "{}",
            letter.html
        );
        assert!(letter.html.contains("Bob &lt;b&gt;") && !letter.html.contains("<script>"), "{}", letter.html);
        assert!(letter.html.contains("href=\"https://chat.example.org/c/1/m/2\""), "{}", letter.html);
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let letter = mentioned(&"ä".repeat(700));
        assert!(letter.text.contains(&format!("> {} …\n", "ä".repeat(600))), "{}", letter.text);
    }

    #[test]
    fn a_welcome_leads_to_the_application() {
        let letter = welcome("Ada", "https://chat.example.org");
        assert!(
            letter.text.contains("https://chat.example.org/\n") && letter.html.contains("Hello Ada,"),
            "{letter:?}"
        );
    }
}
