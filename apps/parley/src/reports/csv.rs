//! Writes tables as CSV (RFC 4180), safe to open in a spreadsheet.

use super::calendar::Days;
use super::tally::{Count, HOURS};

/// Characters at the start of a cell that make a spreadsheet compute it, in their wide forms too.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// The first line: the names of the columns.
pub(super) fn head(days: &Days) -> String {
    let fixed = ["channel", "member", "messages", "replies", "threads", "reactions", "busiest_hour"].map(str::to_owned);
    let hours = (0..HOURS).map(|hour| format!("{hour:02}h"));
    line(fixed.into_iter().chain(days.names()).chain(hours))
}

/// What one member did in one channel.
pub(super) fn row(channel: &str, member: &str, count: &Count) -> String {
    let names = [text(channel), text(member)];
    let sums = [count.messages, count.replies, count.threads, count.reactions].map(|sum| sum.to_string());
    let busiest = std::iter::once(format!("{:02}h", count.busiest_hour()));
    let rest = count.days.iter().chain(&count.hours).map(u64::to_string);
    line(names.into_iter().chain(sums).chain(busiest).chain(rest))
}

fn line(cells: impl Iterator<Item = String>) -> String {
    let mut line = cells.collect::<Vec<_>>().join(",");
    line.push_str("\r\n");
    line
}

/// A cell of text that somebody chose: quoted where it must be, and with `'` before what would be computed.
fn text(text: &str) -> String {
    let guarded = if text.starts_with(FORMULA) { format!("'{text}") } else { text.to_owned() };
    if guarded.contains([',', '"', '\r', '\n']) {
        return format!("\"{}\"", guarded.replace('"', "\"\""));
    }
    guarded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::calendar::Zone;

    #[test]
    fn cells_are_quoted_and_never_computed() {
        let cases = [
            ("Ada", "Ada"),
            ("", ""),
            ("Lovelace, Ada", "\"Lovelace, Ada\""),
            ("the \"real\" one", "\"the \"\"real\"\" one\""),
            ("two\nlines", "\"two\nlines\""),
            ("=1+1", "'=1+1"),
            ("+49", "'+49"),
            ("-x", "'-x"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\tx", "'\tx"),
            ("\r=1", "\"'\r=1\""),
            ("=HYPERLINK(\"http://x\",\"y\")", "\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\""),
            ("＝1+1", "'＝1+1"),
            ("a=b", "a=b"),
        ];
        for (given, written) in cases {
            assert_eq!(text(given), written, "{given:?}");
        }
    }

    #[test]
    fn a_row_has_as_many_cells_as_the_head() {
        let zone = Zone::named("UTC").expect("is known");
        let days = Days::asked(&zone, None, None, "2026-01-12T07:00:00Z".parse().expect("a time")).expect("a week");
        let mut count =
            Count { messages: 3, replies: 1, threads: 0, reactions: 2, days: vec![0; days.count()], hours: [0; HOURS] };
        count.hours[14] = 3;
        let (head, row) = (head(&days), row("general", "Ada", &count));
        assert_eq!(head.split(',').count(), row.split(',').count());
        assert!(head.starts_with("channel,member,messages,replies,threads,reactions,busiest_hour,2026-01-05,"));
        assert!(row.starts_with("general,Ada,3,1,0,2,14h,0,0,"), "{row}");
        assert!(row.ends_with("\r\n"));
    }
}
