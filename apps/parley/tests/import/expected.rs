//! What a log holds, found without the importer: by the places of `<` and `>` in each line.

/// A message: who, and what.
pub(crate) type Said = (String, String);

/// The messages of a log in the order of its lines, and how many lines it has.
pub(crate) fn expected(log: &[u8]) -> (Vec<Said>, usize) {
    let mut lines: Vec<&[u8]> = log.split(|byte| *byte == b'\n').collect();
    if lines.last().is_some_and(|last| last.is_empty()) {
        lines.pop();
    }
    (lines.iter().filter_map(|line| said(&String::from_utf8_lossy(line))).collect(), lines.len())
}

fn said(line: &str) -> Option<Said> {
    let open = line.find('<')?;
    let close = open + line[open..].find('>')?;
    let (head, nick, rest) = (&line[..open], &line[open + 1..close], &line[close + 1..]);
    let named = (1..=64).contains(&nick.chars().count()) && !nick.chars().any(char::is_control) && nick.trim() != "";
    let spoken = rest.starts_with(' ') || rest.starts_with('\t');
    if !is_head(head) || !named || !spoken {
        return None;
    }
    let text = rest.trim().replace('\0', "\u{fffd}");
    (text.chars().count() <= 8_000).then(|| (nick.to_owned(), text))
}

/// `[HH:MM] ` or `CHANNEL DATE [HH:MM:SS] `, seconds or not.
fn is_head(head: &str) -> bool {
    let words: Vec<&str> = head.split(' ').collect();
    match words[..] {
        [time, ""] => is_time(time),
        [channel, date, time, ""] => !channel.is_empty() && !channel.starts_with('[') && is_date(date) && is_time(time),
        _ => false,
    }
}

fn is_time(word: &str) -> bool {
    let Some(inside) = word.strip_prefix('[').and_then(|word| word.strip_suffix(']')) else { return false };
    let numbers = two_digits(inside, ':');
    let below = [24, 60, 60];
    (2..=3).contains(&numbers.len())
        && numbers.iter().zip(below).all(|(number, below)| number.is_some_and(|it| it < below))
}

fn is_date(word: &str) -> bool {
    let Some((year, rest)) = word.split_once('-') else { return false };
    let numbers = two_digits(rest, '-');
    let well = |number: Option<u32>, most| number.is_some_and(|number| (1..=most).contains(&number));
    year.len() == 4
        && year.bytes().all(|it| it.is_ascii_digit())
        && matches!(numbers[..], [month, day] if well(month, 12) && well(day, 31))
}

fn two_digits(text: &str, between: char) -> Vec<Option<u32>> {
    let number = |word: &str| (word.len() == 2).then(|| word.parse().ok()).flatten();
    text.split(between).map(number).collect()
}
