//! Bodies that are wrong: in one field, or as a whole.

use crate::request::{Attack, Expect, Sample, Surface, object, put};
use crate::values::{TEXTS, wrong_json, wrong_types};
use serde_json::Value;

/// More than any body may have.
const TOO_LARGE: usize = (1 << 20) + 1;

pub(crate) fn body(surface: &Surface<'_>) -> Vec<Attack> {
    let Some(fields) = surface.fields() else { return Vec::new() };
    let mut attacks: Vec<Attack> = fields.iter().flat_map(|(name, schema)| field(surface, name, schema)).collect();
    attacks.extend(whole(surface));
    attacks.extend(content_types(surface));
    attacks
}

fn field(surface: &Surface<'_>, name: &str, schema: &Value) -> Vec<Attack> {
    let with = |value: &[u8], expect| {
        let mut sample = surface.sample();
        put(sample.body.as_mut().unwrap(), name, value.to_vec());
        surface.attack(format!("{name}: {}", shown(value)), &sample, expect)
    };
    let texts = TEXTS.iter().map(|text| Value::from(text.as_str()));
    let values = texts.chain(wrong_types()).map(|value| {
        let fits = surface.schemas.check(schema, &value).is_ok();
        with(
            value.to_string().as_bytes(),
            if fits { Expect::Field(name.to_owned()) } else { Expect::Named(name.to_owned()) },
        )
    });
    let mut attacks: Vec<Attack> = values.collect();
    attacks.extend(wrong_json().iter().map(|raw| with(raw, Expect::Named(name.to_owned()))));
    let mut without = surface.sample();
    without.body.as_mut().unwrap().retain(|(given, _)| given != name);
    let missing = if surface.requires(name) { Expect::Named(name.to_owned()) } else { Expect::Anything };
    attacks.push(surface.attack(format!("without {name}"), &without, missing));
    let mut twice = surface.sample();
    let first = twice.body.as_ref().unwrap().iter().find(|(given, _)| given == name).unwrap().clone();
    twice.body.as_mut().unwrap().push(first);
    attacks.push(surface.attack(format!("{name} twice"), &twice, Expect::Named(name.to_owned())));
    attacks
}

fn whole(surface: &Surface<'_>) -> Vec<Attack> {
    let good = surface.attack("", &surface.sample(), Expect::Anything).body;
    let raw = |what: &str, body: Vec<u8>, expect| Attack { body, ..surface.attack(what, &surface.sample(), expect) };
    let mut attacks: Vec<Attack> = wrong_types()
        .iter()
        .filter(|value| !value.is_object())
        .map(|value| raw("no object", value.to_string().into_bytes(), Expect::Refused))
        .collect();
    // An unknown field may hold anything, as deep as it likes.
    let taken = |json: &[u8]| json.starts_with(b"{\"a\":{") && json.ends_with(b"}");
    attacks.extend(wrong_json().into_iter().map(|json| {
        let expect = if taken(&json) { Expect::Anything } else { Expect::Refused };
        raw("no JSON", json, expect)
    }));
    attacks.extend((0..8).map(|eighth| raw("cut off", good[..good.len() * eighth / 8].to_vec(), Expect::Refused)));
    let utf16: Vec<u8> = good.iter().flat_map(|byte| [*byte, 0]).collect();
    attacks.push(raw("UTF-16", utf16, Expect::Refused));
    attacks.push(raw("a byte order mark", [b"\xef\xbb\xbf".as_slice(), &good].concat(), Expect::Refused));
    attacks.push(raw("more after the end", [good.as_slice(), b"{}"].concat(), Expect::Refused));
    attacks.push(raw("white space around", [b" \n\t", good.as_slice(), b"\r\n "].concat(), Expect::Anything));
    attacks.push(raw("too large", vec![b' '; TOO_LARGE], Expect::Status(413)));
    attacks.push(raw("a list of the values", values_only(&surface.sample()), Expect::Refused));
    let deep = [b"[".repeat(10_000), b"]".repeat(10_000)].concat();
    for (name, value) in
        [("unknown", b"1".to_vec()), ("deep", deep), ("__proto__", b"{}".to_vec()), ("", b"null".to_vec())]
    {
        let mut sample = surface.sample();
        sample.body.as_mut().unwrap().insert(0, (name.to_owned(), value));
        attacks.push(surface.attack(format!("with `{name}`"), &sample, Expect::Anything));
    }
    let mut many = surface.sample();
    many.body.as_mut().unwrap().extend((0..10_000).map(|number| (format!("key{number}"), b"0".to_vec())));
    attacks.push(surface.attack("many unknown fields", &many, Expect::Anything));
    attacks
}

/// The values without their names: a list where an object belongs.
fn values_only(sample: &Sample) -> Vec<u8> {
    let values: Vec<&[u8]> = sample.body.iter().flatten().map(|(_, value)| value.as_slice()).collect();
    [b"[".as_slice(), &values.join(&b','), b"]"].concat()
}

fn content_types(surface: &Surface<'_>) -> Vec<Attack> {
    let wrong = [
        None,
        Some(""),
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/form-data; boundary=x"),
        Some("application/jsonp"),
        Some("application"),
        Some("json"),
        Some("*/*"),
        Some("application/octet-stream"),
    ];
    let attack = |content_type| {
        let attack = surface.attack(format!("sent as {content_type:?}"), &surface.sample(), Expect::Status(415));
        Attack { content_type, body: object(&surface.sample().body.unwrap()), ..attack }
    };
    wrong.into_iter().map(attack).collect()
}

fn shown(value: &[u8]) -> String {
    String::from_utf8_lossy(value).chars().take(60).collect()
}
