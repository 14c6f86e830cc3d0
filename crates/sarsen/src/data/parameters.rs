//! Whether two runs of a query had the same parameters, known without keeping any of them.

use super::query::{Bind, Call};
use super::value::Value;
use std::sync::LazyLock;

/// Of a text or of bytes longer than this only the first and the last are looked at, and the length.
const LOOKED_AT: usize = 256;

/// Of the process, and never told: who sees a hash cannot try which value has it.
static KEY: LazyLock<u64> = LazyLock::new(|| getrandom::u64().unwrap_or_else(|_| fastrand::u64(..)));

/// Equal for equal parameters, different for nearly all others; zero where there are none.
pub(super) fn hash(call: &Call) -> u64 {
    let many = call.many.as_deref().unwrap_or_default();
    if call.binds.is_empty() && many.is_empty() {
        return 0;
    }
    let mut hash = mix(*KEY, many.len() as u64);
    for bind in &call.binds {
        hash = match bind {
            Bind::One(value) => of_value(hash, value),
            Bind::List(values) => values.iter().fold(mix(hash, values.len() as u64), of_value),
        };
    }
    // Rows that are written are seldom the same; the first says enough.
    let first = many.first().map(Vec::as_slice).unwrap_or_default();
    first.iter().fold(hash, of_value).max(1)
}

fn of_value(hash: u64, value: &Value) -> u64 {
    let number = |kind: u64, number: u64| mix(mix(hash, kind), number);
    match value {
        Value::Null => mix(hash, 1),
        Value::Bool(value) => number(2, u64::from(*value)),
        Value::Int(value) => number(3, value.cast_unsigned()),
        Value::Float(value) => number(4, value.to_bits()),
        Value::Text(text) => of_bytes(mix(hash, 5), text.as_bytes()),
        Value::Bytes(bytes) => of_bytes(mix(hash, 6), bytes),
        Value::Uuid(id) => {
            let (high, low) = id.as_u64_pair();
            mix(number(7, high), low)
        }
        Value::Timestamp(time) => number(8, time.as_micros().cast_unsigned()),
        Value::Json(text) => of_bytes(mix(hash, 9), text.as_bytes()),
    }
}

fn of_bytes(hash: u64, bytes: &[u8]) -> u64 {
    let hash = mix(hash, bytes.len() as u64);
    if bytes.len() <= 2 * LOOKED_AT {
        return of_words(hash, bytes);
    }
    of_words(of_words(hash, &bytes[..LOOKED_AT]), &bytes[bytes.len() - LOOKED_AT..])
}

fn of_words(hash: u64, bytes: &[u8]) -> u64 {
    bytes.chunks(8).fold(hash, |hash, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        mix(hash, u64::from_le_bytes(word))
    })
}

/// Both halves of a product, folded.
#[inline]
fn mix(hash: u64, word: u64) -> u64 {
    let product = u128::from(hash ^ word ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93;
    (product as u64) ^ ((product >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_equal_and_others_are_not() {
        let long = |last: u8| Value::Bytes([vec![7; 10_000], vec![last]].concat());
        let values = [
            Value::Null,
            Value::Bool(true),
            Value::Int(1),
            Value::Int(-1),
            Value::Float(1.0),
            Value::Text("1".into()),
            Value::Text("12345678".into()),
            Value::Text("123456780".into()),
            Value::Bytes(b"1".to_vec()),
            Value::Json("1".to_owned()),
            long(1),
            long(2),
        ];
        for (place, one) in values.iter().enumerate() {
            for (other_place, other) in values.iter().enumerate() {
                assert_eq!(of_value(*KEY, one) == of_value(*KEY, other), place == other_place, "{one:?} {other:?}");
            }
        }
    }
}
