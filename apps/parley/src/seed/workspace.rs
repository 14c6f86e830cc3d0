//! The made-up workspace: people, channels, and what they say. Any likeness to real teams is a coincidence.

use super::drawings;
use sarsen::Result;

/// Username, display name, and what they say of themselves. The first one is the sign-in that is printed.
pub(super) const PEOPLE: [(&str, &str, &str); 5] = [
    ("mira", "Mira Okafor", "Runs the kitchen and the release train."),
    ("tomas", "Tomás Lindqvist", "Backend. Ask me about the queue."),
    ("aiko", "Aiko Bauer", "Design, and the plants by the window."),
    ("sol", "Sol Petrova", "Support. I read every ticket."),
    ("jun", "Jun Adeyemi", "Mobile, mostly offline on Fridays."),
];

/// Something said in the past.
pub(super) struct Said {
    pub(super) minutes_ago: u64,
    pub(super) by: &'static str,
    pub(super) text: &'static str,
}

const fn said(minutes_ago: u64, by: &'static str, text: &'static str) -> Said {
    Said { minutes_ago, by, text }
}

const DAY: u64 = 1440;

/// Name, topic, and what was said.
pub(super) const CHANNELS: [(&str, &str, &[Said]); 4] = [
    (
        "general",
        "Everything that everybody should see",
        &[
            said(
                2 * DAY + 310,
                "mira",
                "Good morning! The new coffee machine is here. It has a manual. Please read the manual.",
            ),
            said(2 * DAY + 305, "jun", "The manual is 84 pages."),
            said(2 * DAY + 304, "aiko", "Page 1: *do not* press the red button. I pressed the red button."),
            said(2 * DAY + 300, "sol", "It makes tea now, so thank you."),
            said(
                DAY + 400,
                "mira",
                "Planning is at 14:00 today, same room. Bring one thing you would like to stop doing.",
            ),
            said(DAY + 396, "tomas", "Only one?"),
            said(
                DAY + 220,
                "mira",
                "Notes from planning: we stop the Thursday report (nobody read it), and we start writing release notes for people instead of for ourselves.",
            ),
            said(DAY + 214, "sol", "Customers will love that. Half of my tickets are \"what does this line mean\"."),
            said(95, "aiko", "The harbour walk is on for Friday, weather permitting. I will bring cake either way."),
        ],
    ),
    (
        "engineering",
        "Builds, bugs and beautiful queries",
        &[
            said(
                DAY + 560,
                "tomas",
                "The import took 41 s yesterday and 3 s today. The index was on the wrong column. Mine, of course.",
            ),
            said(DAY + 552, "jun", "Which one was it?"),
            said(
                DAY + 550,
                "tomas",
                "`CREATE INDEX messages_history ON messages (channel_id, posted_at, id)`: it had the time first.",
            ),
            said(DAY + 548, "jun", "So every channel read everybody's history. Nice find."),
            said(
                240,
                "tomas",
                "The numbers after a night of it:\n```\nhistory   p50 0.4 ms   p99 1.9 ms\nsearch    p50 0.9 ms   p99 3.1 ms\n```",
            ),
            said(236, "mira", "I would like this on a mug."),
            said(120, "jun", "Release branch is cut. I tag it after lunch if nobody shouts."),
        ],
    ),
    (
        "design",
        "Pixels, words and why",
        &[
            said(
                DAY + 90,
                "aiko",
                "I tried the dark theme on my phone outside. Contrast of the timestamps is too low: 3.1, we want 4.5.",
            ),
            said(DAY + 86, "jun", "Can do. Same grey as the hints?"),
            said(DAY + 85, "aiko", "Yes. And _please_ no second grey."),
            said(
                180,
                "aiko",
                "New empty states are in the shared folder. They say what to do instead of that there is nothing.",
            ),
        ],
    ),
    (
        "random",
        "Everything else",
        &[
            said(
                DAY + 30,
                "sol",
                "A customer asked whether we could make the app \"a bit more Tuesday\". I have thought about it all day.",
            ),
            said(DAY + 28, "tomas", "I know exactly what they mean."),
            said(60, "jun", "Seen on the way in: a heron, on the bus stop, reading the timetable."),
        ],
    ),
];

/// Something that happens now: a message with answers and reactions.
pub(super) struct Step {
    pub(super) channel: &'static str,
    pub(super) by: &'static str,
    pub(super) text: &'static str,
    pub(super) replies: &'static [(&'static str, &'static str)],
    pub(super) reactions: &'static [(&'static str, &'static str)],
    pub(super) picture: Option<Picture>,
}

/// What a picture is called, and what draws it.
pub(super) type Picture = (&'static str, fn() -> Result<Vec<u8>>);

pub(super) const LIVE: [Step; 5] = [
    Step {
        channel: "engineering",
        by: "jun",
        text: "0.9.0 is tagged. @mira the notes are yours, @tomas the champagne is mine.",
        replies: &[
            ("mira", "Notes are up. They fit on one screen, which I consider my life's work."),
            ("tomas", "I read them twice. I understood them twice."),
        ],
        reactions: &[("mira", "🎉"), ("tomas", "🎉"), ("aiko", "🎉"), ("sol", "🚀")],
        picture: None,
    },
    Step {
        channel: "general",
        by: "sol",
        text: "First reply to the release notes: \"finally\". That is the whole mail.",
        replies: &[],
        reactions: &[("mira", "❤️"), ("aiko", "😄"), ("jun", "😄")],
        picture: None,
    },
    Step {
        channel: "general",
        by: "aiko",
        text: "Yesterday at six. Friday could look like this.",
        replies: &[],
        reactions: &[("mira", "😍"), ("sol", "❤️")],
        picture: Some(("harbour.jpg", drawings::harbour)),
    },
    Step {
        channel: "design",
        by: "aiko",
        text: "Could two of you try the new channel list with the keyboard only? Press `?` for the shortcuts.",
        replies: &[("jun", "Arrow keys feel right. I lost the focus ring once, in the search box.")],
        reactions: &[("mira", "👀")],
        picture: None,
    },
    Step {
        channel: "random",
        by: "tomas",
        text: "The heron is back. It has brought a friend.",
        replies: &[],
        reactions: &[("jun", "🦩"), ("sol", "❤️")],
        picture: Some(("herons.jpg", drawings::herons)),
    },
];
