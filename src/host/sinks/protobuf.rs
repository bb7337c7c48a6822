//! Protobuf messages, written straight into a buffer.
//!
//! An event is a text when it arrives and bytes when it leaves. Messages as structs would need a tree in between, and a
//! walk over it for the lengths; here a length is written when its message is complete, in the place that was left for it.

/// A length that is not known yet: one byte is left for it, which is enough below 128.
#[must_use]
pub(super) struct Open {
    start: usize,
    content: usize,
}

/// The key of a field of wire type 2: strings, bytes and messages.
const fn length_delimited(field: u32) -> u64 {
    (field as u64) << 3 | 2
}

/// Appends a number as a varint.
pub(super) fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Appends a field of bytes, or a string.
pub(super) fn bytes(out: &mut Vec<u8>, field: u32, value: &[u8]) {
    varint(out, length_delimited(field));
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// Appends a field of type `uint64`, `bool` or an enumeration.
pub(super) fn uint(out: &mut Vec<u8>, field: u32, value: u64) {
    varint(out, u64::from(field) << 3);
    varint(out, value);
}

/// Appends a field of type `int64` or `int32`: negative numbers take ten bytes.
pub(super) fn int(out: &mut Vec<u8>, field: u32, value: i64) {
    uint(out, field, value.cast_unsigned());
}

/// Appends a field of type `fixed64`.
pub(super) fn fixed64(out: &mut Vec<u8>, field: u32, value: u64) {
    varint(out, u64::from(field) << 3 | 1);
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends a field of type `double`.
pub(super) fn double(out: &mut Vec<u8>, field: u32, value: f64) {
    fixed64(out, field, value.to_bits());
}

/// Begins a field that is a message. What is appended from here to [`close`] are its fields.
pub(super) fn open(out: &mut Vec<u8>, field: u32) -> Open {
    let start = out.len();
    varint(out, length_delimited(field));
    out.push(0);
    Open { start, content: out.len() }
}

/// Takes back a field that was begun, and what was appended since.
pub(super) fn cancel(out: &mut Vec<u8>, Open { start, .. }: Open) {
    out.truncate(start);
}

/// Ends the field: its length becomes known, and the content moves if that takes more than one byte.
pub(super) fn close(out: &mut Vec<u8>, Open { content, .. }: Open) {
    let length = out.len() - content;
    if let (Ok(length @ 0..0x80), Some(place)) = (u8::try_from(length), out.get_mut(content - 1)) {
        *place = length;
        return;
    }
    let mut prefix = [0; 10];
    // Ten bytes hold every length.
    let _ = prost::encode_length_delimiter(length, &mut prefix.as_mut_slice());
    out.splice(content - 1..content, prefix.into_iter().take(prost::length_delimiter_len(length)));
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    /// A message with a field of each kind, nested.
    #[derive(Clone, PartialEq, Message)]
    struct Sample {
        #[prost(bytes = "vec", tag = "1")]
        bytes: Vec<u8>,
        #[prost(int64, tag = "2")]
        int: i64,
        #[prost(uint64, tag = "300")]
        uint: u64,
        #[prost(double, tag = "4")]
        double: f64,
        #[prost(fixed64, tag = "5")]
        fixed: u64,
        #[prost(message, optional, boxed, tag = "16")]
        inner: Option<Box<Sample>>,
    }

    fn write(out: &mut Vec<u8>, sample: &Sample) {
        bytes(out, 1, &sample.bytes);
        int(out, 2, sample.int);
        uint(out, 300, sample.uint);
        double(out, 4, sample.double);
        fixed64(out, 5, sample.fixed);
        if let Some(inner) = &sample.inner {
            let message = open(out, 16);
            write(out, inner);
            close(out, message);
        }
    }

    #[test]
    fn what_is_written_is_read_at_every_length_of_a_length() {
        for size in [0, 1, 90, 100, 127, 128, 129, 16_300, 16_383, 16_384, 2_097_151, 2_097_152] {
            let mut sample =
                Sample { bytes: vec![7; size], int: -1, uint: u64::MAX, double: -0.5, fixed: 1, inner: None };
            for depth in 0..3 {
                let mut out = Vec::new();
                write(&mut out, &sample);
                assert_eq!(Sample::decode(out.as_slice()).unwrap(), sample, "{size} {depth}");
                sample = Sample { int: i64::from(depth), inner: Some(Box::new(sample)), ..Sample::default() };
            }
        }
    }
}
