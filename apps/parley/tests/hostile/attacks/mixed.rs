//! Several things wrong at once, chosen at random, the same in every run.

use crate::program::random::Random;
use crate::request::{Attack, Credentials, Expect, Sample, Surface, encode};
use crate::values::{RAW, TEXTS, wrong_json, wrong_types};
use axum::http::Method;
use serde_json::Value;

/// Requests to one operation.
const REQUESTS: usize = 80;

pub(crate) fn mixed(surface: &Surface<'_>) -> Vec<Attack> {
    let seed = surface
        .operation
        .pattern
        .bytes()
        .fold(surface.operation.method.as_str().len() as u64, |seed, byte| seed * 31 % 1_000_003 + u64::from(byte));
    let mut random = Random::new(seed);
    let (types, raw) = (wrong_types(), wrong_json());
    let mut attack = || {
        let mut sample = surface.sample();
        spoil(&mut sample, &mut random, &types, &raw);
        let mut attack = surface.attack("a mixture", &sample, Expect::Anything);
        if random.below(8) == 0 {
            attack.content_type = Some("text/plain");
        }
        if random.below(8) == 0 {
            attack.credentials = Credentials::Headers(vec![("cookie", surface.ids.cookie.clone().into_bytes())]);
        }
        if random.below(12) == 0 {
            attack.method =
                [Method::POST, Method::PATCH, Method::DELETE, Method::PUT, Method::HEAD][random.below(5)].clone();
        }
        let cut = random.below(attack.body.len() + 1);
        if random.below(6) == 0 {
            attack.body.truncate(cut);
        }
        attack
    };
    (0..REQUESTS).map(|_| attack()).collect()
}

fn spoil(sample: &mut Sample, random: &mut Random, types: &[Value], raw: &[Vec<u8>]) {
    for (_, value) in sample.path.iter_mut().chain(&mut sample.query) {
        match random.below(6) {
            0 => *value = encode(&TEXTS[random.below(TEXTS.len())]),
            1 => *value = RAW[random.below(RAW.len())].to_owned(),
            _ => {}
        }
    }
    for (_, value) in sample.body.iter_mut().flatten() {
        match random.below(6) {
            0 | 1 => *value = Value::from(TEXTS[random.below(TEXTS.len())].as_str()).to_string().into_bytes(),
            2 => *value = types[random.below(types.len())].to_string().into_bytes(),
            3 => value.clone_from(&raw[random.below(raw.len())]),
            _ => {}
        }
    }
}
