//! Finds where strings end in JSON text.

/// So many bytes are looked at here before the search is left to `memchr`, whose call costs more than short strings take.
const SHORT: usize = 24;

/// Where the first quotation mark or backslash is.
#[inline]
pub(crate) fn find_quote_or_backslash(bytes: &[u8]) -> Option<usize> {
    let (words, _) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().take(SHORT / 8).enumerate() {
        let word = u64::from_le_bytes(*word);
        let found = places(word, b'"') | places(word, b'\\');
        if found != 0 {
            return Some(at * 8 + (found.trailing_zeros() / u8::BITS) as usize);
        }
    }
    let looked_at = words.len().min(SHORT / 8) * 8;
    let rest = bytes.get(looked_at..)?;
    memchr::memchr2(b'"', b'\\', rest).map(|at| looked_at + at)
}

/// The highest bit of each byte that is `byte`, up to and including the first; those behind it may be wrong.
const fn places(word: u64, byte: u8) -> u64 {
    const LOW: u64 = u64::from_le_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    // Only where both are the same is a byte zero, and only there does subtracting one set a bit that was not set.
    let differences = word ^ u64::from_le_bytes([byte; 8]);
    differences.wrapping_sub(LOW) & !differences & HIGH
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_finds_what_memchr_finds(bytes in prop::collection::vec(prop::sample::select(b"a\"\\!#[]\x00\xa2\xdc\xff".to_vec()), 0..64), skip in 0..64_usize) {
            let mut bytes = bytes;
            bytes.iter_mut().take(skip).for_each(|byte| *byte = byte.saturating_add(1).max(b'a'));
            prop_assert_eq!(find_quote_or_backslash(&bytes), memchr::memchr2(b'"', b'\\', &bytes));
        }
    }
}
