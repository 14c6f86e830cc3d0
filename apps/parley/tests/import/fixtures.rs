//! Small made-up logs, the same on every machine.

use crate::expected::{Said, expected};
use crate::program::place::Place;
use crate::shown::Reader;
use serde_json::{Value, json};
use std::path::PathBuf;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/import").join(name)
}

fn write(place: &Place, name: &str, log: &[u8]) -> PathBuf {
    let file = place.folder().join(name);
    std::fs::write(&file, log).unwrap();
    file
}

fn counts(report: &Value) -> [&Value; 5] {
    ["lines", "added", "known", "system", "malformed"].map(|key| &report[key])
}

pub(crate) async fn both_formats_are_imported_once(place: &Place) {
    let (timed, dated) = (fixture("garden-2031-04-05.txt"), fixture("workshop.txt"));
    let report = place.import(&timed, "garden").await;
    assert_eq!(counts(&report), [&json!(18), &json!(13), &json!(0), &json!(3), &json!([8, 14])]);
    let report = place.import(&dated, "workshop").await;
    assert_eq!(counts(&report), [&json!(14), &json!(10), &json!(0), &json!(1), &json!([5, 6, 9])]);
    for (file, channel) in [(&timed, "garden"), (&dated, "workshop")] {
        let again = place.import(file, channel).await;
        assert_eq!(again["added"], 0, "{again}");
    }
    let mut reader = Reader::start(place).await;
    for (file, channel) in [(&timed, "garden"), (&dated, "workshop")] {
        reader.expect(channel, &expected(&std::fs::read(file).unwrap()).0).await;
    }
    reader.stop().await;
}

pub(crate) async fn odd_lines_are_counted_and_harm_nothing(place: &Place) {
    let long = format!("[10:05] <tall> {}", "word ".repeat(1_700));
    let endless = format!("[10:06] <tall> {}", "x".repeat(200_000));
    let one_word = format!("[10:07] <tall> {}", "w".repeat(8_000));
    let lines: [&[u8]; 22] = [
        b"[10:00] <ada> plain\r",
        b"[10:00] <bob> caf\xe9 \xff\xfe",
        b"[10:01] <\xd8\xb9\xd9\x84\xd9\x8a> \xe2\x80\xae right to left",
        b"[10:01] <ada> nul \0 inside \x02bold\x0f \x1b[31m",
        b"[10:02] <ada> ",
        b"[10:02] <Ada> a name in another case is another name",
        b"[10:02] <'; DROP TABLE users; --> '; DELETE FROM messages; --",
        b"",
        b"   ",
        b"[10:03] <x\x07y> a bell in a name",
        b"[10:03] <> nobody",
        b"[10:03] <no end of the name",
        b"[24:00] <ada> no such hour",
        b"[10:60] <ada> no such minute",
        b"[1:02] <ada> one digit",
        b"[10:04]<ada> no space",
        b"[10:04] <ada>no space",
        b"chan 2031-13-01 [10:00] <ada> no such month",
        long.as_bytes(),
        endless.as_bytes(),
        one_word.as_bytes(),
        b"[10:08] <ada> the last line has no end",
    ];
    let log = lines.join(&b'\n');
    let (wanted, count) = expected(&log);
    let file = write(place, "odd-2031-04-05.txt", &log);
    let report = place.import(&file, "odd").await;
    assert_eq!((report["lines"].as_u64(), report["added"].as_u64()), (Some(count as u64), Some(wanted.len() as u64)));
    assert_eq!(report["malformed"], json!([8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]));
    assert_eq!(place.import(&file, "odd").await["added"], 0);
    let mut reader = Reader::start(place).await;
    reader.expect("odd", &wanted).await;
    reader.stop().await;
}

pub(crate) async fn a_log_that_grew_adds_what_is_new(place: &Place) {
    let whole = std::fs::read(fixture("garden-2031-04-05.txt")).unwrap();
    let half = whole.split_inclusive(|byte| *byte == b'\n').take(9).collect::<Vec<_>>().concat();
    let file = write(place, "garden-2031-04-05.txt", &half);
    let first = place.import(&file, "garden").await["added"].as_u64().unwrap();
    std::fs::write(&file, &whole).unwrap();
    let report = place.import(&file, "garden").await;
    let (wanted, _) = expected(&whole);
    assert_eq!(report["known"], first);
    assert_eq!(report["added"], wanted.len() as u64 - first);
    let mut reader = Reader::start(place).await;
    reader.expect("garden", &wanted).await;
    reader.stop().await;
}

/// More lines in one second than it has milliseconds, and the same line again and again.
pub(crate) async fn the_order_of_the_lines_is_kept_however_many_share_a_second(place: &Place) {
    let line = |second: u32, number: u32| {
        let (nick, text) = (["ada", "bob"][number as usize % 2], number / 2 % 700);
        format!("busy 2031-04-05 [10:00:{second:02}] <{nick}> line {text}\n")
    };
    let log: String = (0..3).flat_map(|second| (0..1_500).map(move |number| line(second, number))).collect();
    let file = write(place, "busy.txt", log.as_bytes());
    let wanted: Vec<Said> = expected(log.as_bytes()).0;
    assert_eq!(place.import(&file, "busy").await["added"], 4_500);
    assert_eq!(place.import(&file, "busy").await["known"], 4_500);
    let mut reader = Reader::start(place).await;
    reader.expect("busy", &wanted).await;
    reader.stop().await;
}
