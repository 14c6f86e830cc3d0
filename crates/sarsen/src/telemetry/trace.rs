//! W3C trace context: reads and writes `traceparent`.

use std::fmt;

/// A place in a trace: the trace, this span, and the one that caused it (0 when there is none).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trace {
    trace: u128,
    span: u64,
    parent: u64,
    sampled: bool,
}

impl Trace {
    /// A new trace.
    pub fn new() -> Self {
        // One look at the thread's generator, for each Operation makes these.
        let mut random = fastrand::Rng::new();
        Self { trace: random.u128(..).max(1), span: random.u64(..).max(1), parent: 0, sampled: true }
    }

    /// A span below the one that a `traceparent` header names; nothing when the header is malformed.
    ///
    /// Form: W3C Trace Context, version 00; higher versions are read by their first four fields, as it demands.
    pub fn from_traceparent(header: &str) -> Option<Self> {
        let mut fields = header.trim().split('-');
        let (version, trace, parent, flags) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let lower_hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let shaped = (version.len(), trace.len(), parent.len(), flags.len()) == (2, 32, 16, 2);
        if !shaped || ![version, trace, parent, flags].into_iter().all(lower_hex) || version == "ff" {
            return None;
        }
        if version == "00" && fields.next().is_some() {
            return None;
        }
        let trace = u128::from_str_radix(trace, 16).ok().filter(|id| *id != 0)?;
        let parent = u64::from_str_radix(parent, 16).ok().filter(|id| *id != 0)?;
        let sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
        Some(Self { trace, span: fastrand::u64(1..), parent, sampled })
    }

    /// The trace id: 32 hexadecimal digits.
    pub fn id(&self) -> String {
        self.id_text().iter().map(|byte| char::from(*byte)).collect()
    }

    /// The trace id as text that is not on the heap: every answer carries it.
    #[inline]
    pub(crate) fn id_text(&self) -> [u8; 32] {
        // A look into a table for each digit: the compiler then knows that every one of them may stand in a header.
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let bytes = self.trace.to_be_bytes();
        std::array::from_fn(|index| {
            let byte = bytes[index / 2];
            DIGITS[usize::from(if index % 2 == 0 { byte >> 4 } else { byte & 15 })]
        })
    }

    /// A number by chance.
    #[inline]
    pub(super) fn random(&self) -> u64 {
        self.span
    }

    /// The id of this span: 16 hexadecimal digits.
    pub fn span_id(&self) -> String {
        format!("{:016x}", self.span)
    }

    /// A number from 0 to 1 that is the same wherever the trace goes: what samples by it keeps whole traces.
    #[expect(clippy::cast_precision_loss, reason = "52 bits fit")]
    pub fn chance(&self) -> f64 {
        ((self.trace & ((1 << 52) - 1)) as f64) / ((1_u64 << 52) as f64)
    }

    /// The span that caused this one.
    pub fn parent_id(&self) -> Option<String> {
        (self.parent != 0).then(|| format!("{:016x}", self.parent))
    }
}

impl Default for Trace {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for Trace {
    /// The `traceparent` to send on.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, u8::from(self.sampled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_as_a_child() {
        let parent = Trace::new();
        let child = Trace::from_traceparent(&parent.to_string()).expect("well formed");
        assert_eq!((child.id(), child.parent_id()), (parent.id(), Some(parent.span_id())));
        assert!(child.chance() == parent.chance() && (0.0..1.0).contains(&child.chance()));
        assert_eq!(parent.id(), format!("{:032x}", parent.trace));
    }

    #[test]
    fn refuses_what_is_malformed() {
        let zero = format!("00-{}-{}-01", "0".repeat(32), "1".repeat(16));
        let upper = format!("00-{}-{}-01", "A".repeat(32), "1".repeat(16));
        let version = format!("ff-{}-{}-01", "a".repeat(32), "1".repeat(16));
        let long = format!("00-{}-{}-01-x", "a".repeat(32), "1".repeat(16));
        for header in ["", "00", "00-xyz-1-01", &zero, &upper, &version, &long] {
            assert_eq!(Trace::from_traceparent(header), None, "{header}");
        }
    }
}
