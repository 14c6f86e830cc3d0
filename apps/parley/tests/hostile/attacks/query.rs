//! Queries that are wrong, and cursors that were not given by the list.

use crate::document::Parameter;
use crate::request::{Attack, Expect, Surface, encode};
use crate::values::{RAW, TEXTS};
use serde_json::Value;

pub(crate) fn query(surface: &Surface<'_>) -> Vec<Attack> {
    let mut attacks: Vec<Attack> =
        surface.operation.query.iter().flat_map(|parameter| parameter_attacks(surface, parameter)).collect();
    let whole =
        ["&&&===&", "?", "%", "=", "a", &"x=1&".repeat(5_000), &"y".repeat(60_000), "__proto__=1", "%ff=%ff", "id[]=1"];
    attacks.extend(whole.iter().map(|query| {
        let mut attack =
            surface.attack(format!("?{}", &query[..query.len().min(30)]), &surface.sample(), Expect::Anything);
        attack.target = format!("{}?{query}", attack.target.split('?').next().unwrap_or_default());
        attack
    }));
    attacks
}

fn parameter_attacks(surface: &Surface<'_>, parameter: &Parameter) -> Vec<Attack> {
    let name = &parameter.name;
    let with = |values: &[String], expect| {
        let mut sample = surface.sample();
        sample.query.retain(|(given, _)| given != name);
        sample.query.extend(values.iter().map(|value| (name.clone(), value.clone())));
        let shown: String = values.join(" and ").chars().take(60).collect();
        surface.attack(format!("{name}={shown}"), &sample, expect)
    };
    let expected = |text: &str| {
        let fits = surface.schemas.check(&parameter.schema, &typed(surface, parameter, text)).is_ok();
        if fits { Expect::Field(name.clone()) } else { Expect::Named(name.clone()) }
    };
    let mut attacks: Vec<Attack> = TEXTS.iter().map(|text| with(&[encode(text)], expected(text))).collect();
    let numbers =
        ["101", "4294967296", "9223372036854775808", "-9223372036854775809", "0x10", "1_0", "1.0", "٣", "1e2"];
    attacks.extend(numbers.map(|text| with(&[encode(text)], expected(text))));
    attacks.extend(RAW.map(|raw| with(&[raw.to_owned()], Expect::Field(name.clone()))));
    attacks.push(with(&["1".to_owned(), "2".to_owned()], Expect::Named(name.clone())));
    attacks.push(with(&[], if parameter.required { Expect::Named(name.clone()) } else { Expect::Anything }));
    if name == "cursor" {
        let forged = surface.ids.cursors.iter().flat_map(|cursor| forged(cursor));
        attacks.extend(forged.map(|cursor| with(&[encode(&cursor)], Expect::Named(name.clone()))));
        attacks.extend(surface.ids.cursors.iter().map(|cursor| with(&[encode(cursor)], Expect::Field(name.clone()))));
    }
    attacks
}

/// The text as the value that it stands for.
fn typed(surface: &Surface<'_>, parameter: &Parameter, text: &str) -> Value {
    let takes_numbers = surface.schemas.resolve(&parameter.schema)["type"].to_string().contains("integer");
    let number = text.parse::<i64>().ok().filter(|_| takes_numbers && !text.starts_with('+'));
    number.map_or_else(|| Value::from(text), Value::from)
}

/// The cursor with one thing changed.
fn forged(cursor: &str) -> Vec<String> {
    let flipped = |at: usize| {
        let mut bytes = cursor.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).unwrap()
    };
    let last = cursor.len() - 1;
    let mut forged: Vec<String> = (0..8).map(|eighth| flipped(last * eighth / 8)).collect();
    let half = &cursor[..cursor.len() / 2];
    forged.extend([
        half.to_owned(),
        format!("{cursor}{cursor}"),
        format!("{cursor}A"),
        cursor.to_lowercase() + "a",
        format!(" {cursor}"),
    ]);
    forged
}
