//! Where the members of a record are, by how their names begin.
//!
//! Rules ask for hundreds of names, of which a record has some dozens. So it must cost next to nothing to find that a name is not
//! there: that takes one look at the beginning of the name, whose case does not matter, and one at a table.

use crate::normalize::json::split_path;

/// How many lists of members there are. With some dozens of members, most lists are empty.
const LISTS: usize = 256;

/// How a name begins, in any case of letters. Names that begin otherwise are others; names that begin so may be the same.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Prefix(u64);

impl Prefix {
    /// That of the first name in a path such as `a.b`.
    #[inline]
    pub(super) const fn of(path: &str) -> Self {
        const LOW: u64 = u64::from_le_bytes([0x01; 8]);
        const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
        const CASE: u64 = u64::from_le_bytes([0x20; 8]);

        let word = match path.as_bytes().first_chunk() {
            Some(word) => u64::from_le_bytes(*word),
            None => short(path.as_bytes()),
        };
        // All eight bytes are compared with the dot at once: the lowest bit that is set here belongs to the first that is one.
        let others = word ^ u64::from_le_bytes([DOT; 8]);
        let dots = others.wrapping_sub(LOW) & !others & HIGH;
        let before = match dots.trailing_zeros() / u8::BITS {
            8 => u64::MAX,
            bytes => (1 << (bytes * u8::BITS)) - 1,
        };
        Self((word & before) | CASE)
    }

    const fn list(self) -> usize {
        // The upper bits of this product depend on all bits of the prefix (Knuth's multiplicative hashing).
        (self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize
    }
}

/// What separates the names in a path.
const DOT: u8 = b'.';

/// The bytes of a text of less than eight, as if more names came behind it.
const fn short(text: &[u8]) -> u64 {
    let mut word = [DOT; 8];
    let mut at = 0;
    while at < text.len() && at < word.len() {
        word[at] = text[at];
        at += 1;
    }
    u64::from_le_bytes(word)
}

/// The path to a member: its name, or `a.b` for a member `b` of the object `a`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path<'p> {
    text: &'p str,
    prefix: Prefix,
}

/// Paths that are looked up in every record. As constants they have their prefixes when the program starts.
pub(crate) const fn paths<const COUNT: usize>(texts: [&'static str; COUNT]) -> [Path<'static>; COUNT] {
    let mut paths = [Path::new(""); COUNT];
    let mut at = 0;
    while at < COUNT {
        paths[at] = Path::new(texts[at]);
        at += 1;
    }
    paths
}

impl<'p> Path<'p> {
    #[inline]
    pub(crate) const fn new(text: &'p str) -> Self {
        Self { text, prefix: Prefix::of(text) }
    }

    /// As it is written.
    #[inline]
    pub(crate) const fn as_str(self) -> &'p str {
        self.text
    }

    #[inline]
    pub(super) const fn prefix(self) -> Prefix {
        self.prefix
    }

    /// The name of the member, and the path within it.
    #[inline]
    pub(super) fn split(self) -> (Self, Option<&'p str>) {
        let (text, rest) = split_path(self.text);
        (Self { text, ..self }, rest)
    }
}

impl<'p> From<&'p str> for Path<'p> {
    #[inline]
    fn from(text: &'p str) -> Self {
        Self::new(text)
    }
}

impl<'p> From<&&'p str> for Path<'p> {
    #[inline]
    fn from(text: &&'p str) -> Self {
        Self::new(text)
    }
}

impl<'p> From<&'p String> for Path<'p> {
    #[inline]
    fn from(text: &'p String) -> Self {
        Self::new(text)
    }
}

impl From<&Self> for Path<'_> {
    #[inline]
    fn from(path: &Self) -> Self {
        *path
    }
}

/// The places of members, in lists of those whose prefixes have the same hash.
#[derive(Debug)]
pub(super) struct Index {
    /// The last place in each list, plus one; 0 for an empty list.
    last: [u32; LISTS],
    /// By place.
    entries: Vec<Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    prefix: Prefix,
    /// The place before it in its list, plus one; 0 for the first.
    before: u32,
}

impl Index {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self { last: [0; LISTS], entries: Vec::with_capacity(capacity) }
    }

    /// Adds the next place.
    pub(super) fn push(&mut self, prefix: Prefix) {
        let place = self.entries.len();
        self.entries.push(Entry { prefix, before: 0 });
        self.link(place);
    }

    /// Gives a place another prefix.
    pub(super) fn replace(&mut self, place: usize, prefix: Prefix) {
        self.unlink(place);
        if let Some(entry) = self.entries.get_mut(place) {
            entry.prefix = prefix;
            self.link(place);
        }
    }

    /// Whether a list has anything that may have the prefix.
    #[inline]
    pub(super) fn may_have(&self, prefix: Prefix) -> bool {
        self.last.get(prefix.list()).is_some_and(|last| *last != 0)
    }

    /// The places that have the prefix, last ones first.
    pub(super) fn places(&self, prefix: Prefix) -> impl Iterator<Item = usize> {
        let mut link = self.last.get(prefix.list()).copied().unwrap_or_default();
        std::iter::from_fn(move || {
            loop {
                let place = link.checked_sub(1)? as usize;
                let entry = self.entries.get(place)?;
                link = entry.before;
                if entry.prefix == prefix {
                    return Some(place);
                }
            }
        })
    }

    fn link(&mut self, place: usize) {
        // A record has less than 4 GiB, and so fewer members than that.
        let link = u32::try_from(place + 1).unwrap_or_default();
        if let Some(entry) = self.entries.get_mut(place)
            && let Some(last) = self.last.get_mut(entry.prefix.list())
        {
            entry.before = std::mem::replace(last, link);
        }
    }

    fn unlink(&mut self, place: usize) {
        let Some(Entry { prefix, before }) = self.entries.get(place).copied() else { return };
        let is_it = |link: u32| link as usize == place + 1;
        let Some(last) = self.last.get_mut(prefix.list()) else { return };
        if is_it(*last) {
            *last = before;
        } else if let Some(after) = self.entries.iter_mut().find(|entry| is_it(entry.before)) {
            after.before = before;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_that_of_the_first_name_in_any_case() {
        for (one, other) in [
            ("ClientIP", "clientip.x"),
            ("ID", "id.Value"),
            ("Parameters.To", "PARAMETERS"),
            ("", ".x"),
            ("a.b.c", "A"),
        ] {
            assert_eq!(Prefix::of(one), Prefix::of(other), "{one} {other}");
        }
        for (one, other) in [("Id", "IdX"), ("Data", "Date"), ("a", ""), ("Actor", "ActorId"), ("é", "e")] {
            assert_ne!(Prefix::of(one), Prefix::of(other), "{one} {other}");
        }
    }

    #[test]
    fn places_are_found_by_prefix_also_after_a_change() {
        let mut index = Index::with_capacity(0);
        let names: Vec<String> = (0..1000).map(|n| format!("n{}", n % 500)).collect();
        for name in &names {
            index.push(Prefix::of(name));
        }
        let places = |index: &Index, name: &str| index.places(Prefix::of(name)).collect::<Vec<_>>();
        for (place, name) in names.iter().enumerate().take(500) {
            assert!(index.may_have(Prefix::of(name)));
            assert_eq!(places(&index, name), [place + 500, place]);
        }
        assert_eq!(places(&index, "other"), [0; 0]);
        for place in [7, 507, 3] {
            index.replace(place, Prefix::of("other"));
        }
        assert_eq!(places(&index, "n7"), [0; 0]);
        assert_eq!(places(&index, "n3"), [503]);
        assert_eq!(places(&index, "other"), [3, 507, 7]);
    }
}
