//! A frame as the store keeps it: keys by number, rows as they are, the rest as JSON, all of it compressed.

use super::error::ErrorKey;
use super::frame::{CauseKey, Frame, NameKey, QueryText};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::telemetry::{HolderSpan, OperationKind, ProcessFacts, Stall, WaitKind};
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

/// The first byte of what is packed so.
const FORM: u8 = 1;
/// Most bytes that a packed frame may unfold to.
const MAX_UNPACKED: u64 = 32 << 20;

/// The number of a key, the same in each process of a build.
pub(super) fn number_of(key: &impl Hash) -> i64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish().cast_signed()
}

/// What a key says, for the store.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Facts {
    Name(NameKey),
    Cause {
        operation: (OperationKind, String, String),
        kind: WaitKind,
        label: String,
        site: String,
        query: Option<QueryText>,
    },
    Error {
        operation: (OperationKind, String, String),
        kind: String,
        message: String,
    },
}

/// A key that is in the store.
#[derive(Clone, Debug)]
pub(super) enum Key {
    Name(Arc<NameKey>),
    Cause(Arc<CauseKey>),
    Error(Arc<ErrorKey>),
}

impl Facts {
    pub(super) fn of(key: &Key) -> Self {
        let named = |key: &NameKey| (key.kind, key.name.clone(), key.module.clone());
        match key {
            Key::Name(key) => Facts::Name(NameKey::clone(key)),
            Key::Cause(key) => Facts::Cause {
                operation: named(&key.operation),
                kind: key.kind,
                label: key.label.clone(),
                site: key.site.clone(),
                query: key.query.clone(),
            },
            Key::Error(key) => {
                Facts::Error { operation: named(&key.operation), kind: key.kind.clone(), message: key.message.clone() }
            }
        }
    }

    pub(super) fn key(self) -> Key {
        let name = |(kind, name, module)| Arc::new(NameKey { kind, name, module });
        match self {
            Facts::Name(key) => Key::Name(Arc::new(key)),
            Facts::Cause { operation, kind, label, site, query } => {
                Key::Cause(Arc::new(CauseKey { operation: name(operation), kind, label, site, query }))
            }
            Facts::Error { operation, kind, message } => {
                Key::Error(Arc::new(ErrorKey { operation: name(operation), kind, message }))
            }
        }
    }
}

/// What is not a row.
#[derive(Serialize, Deserialize)]
struct Rest {
    from: Timestamp,
    to: Timestamp,
    span: Duration,
    process: ProcessFacts,
    holders: Vec<HolderSpan>,
    stalls: Vec<Stall>,
}

/// The keys of a frame, each with its number.
pub(super) fn keys(frame: &Frame) -> Vec<(i64, Key)> {
    let names = frame.names.iter().map(|(key, _)| (number_of(key), Key::Name(key.clone())));
    let causes = frame.causes.iter().map(|(key, _)| (number_of(key), Key::Cause(key.clone())));
    let errors = frame.errors.iter().map(|(key, _)| (number_of(key), Key::Error(key.clone())));
    names.chain(causes).chain(errors).collect()
}

pub(super) fn pack(frame: &Frame) -> Result<Vec<u8>> {
    let rest = Rest {
        from: frame.from,
        to: frame.to,
        span: frame.span,
        process: frame.process.clone(),
        holders: frame.holders.clone(),
        stalls: frame.stalls.clone(),
    };
    let json = serde_json::to_vec(&rest).map_err(|error| Error::internal("a frame cannot be written").source(error))?;
    let mut encoder = DeflateEncoder::new(vec![FORM], Compression::fast());
    write_bytes(&mut encoder, 0, &json)?;
    for (key, row) in &frame.names {
        write_bytes(&mut encoder, number_of(key), row)?;
    }
    for (key, row) in &frame.causes {
        write_bytes(&mut encoder, number_of(key), row)?;
    }
    for (key, count) in &frame.errors {
        write_bytes(&mut encoder, number_of(key), &count.to_le_bytes())?;
    }
    Ok(encoder.finish()?)
}

fn write_bytes(to: &mut impl Write, number: i64, bytes: &[u8]) -> Result<()> {
    to.write_all(&number.to_le_bytes())?;
    to.write_all(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes())?;
    to.write_all(bytes)?;
    Ok(())
}

/// The frame; rows whose keys are gone are left out.
pub(super) fn unpack(packed: &[u8], known: &HashMap<i64, Key>) -> Result<Frame> {
    let broken = || Error::internal("a frame of the store cannot be read");
    let (form, packed) = packed.split_first().ok_or_else(broken)?;
    if *form != FORM {
        return Err(broken());
    }
    let mut bytes = Vec::new();
    DeflateDecoder::new(packed).take(MAX_UNPACKED).read_to_end(&mut bytes)?;
    let mut left = bytes.as_slice();
    let (_, json) = read_bytes(&mut left).ok_or_else(broken)?;
    let rest: Rest = serde_json::from_slice(json).map_err(|error| broken().source(error))?;
    let Rest { from, to, span, process, holders, stalls } = rest;
    let mut frame = Frame { from, to, span, process, holders, stalls, ..Frame::default() };
    while let Some((number, row)) = read_bytes(&mut left) {
        match known.get(&number) {
            Some(Key::Name(key)) => frame.names.push((key.clone(), row.into())),
            Some(Key::Cause(key)) => frame.causes.push((key.clone(), row.into())),
            Some(Key::Error(key)) => {
                let count = row.try_into().map(u64::from_le_bytes).unwrap_or_default();
                frame.errors.push((key.clone(), count));
            }
            None => {}
        }
    }
    Ok(frame.measured())
}

fn read_bytes<'a>(left: &mut &'a [u8]) -> Option<(i64, &'a [u8])> {
    let (number, rest) = left.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (bytes, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    *left = rest;
    Some((i64::from_le_bytes(*number), bytes))
}
