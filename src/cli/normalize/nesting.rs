//! Finds the end of a JSON object, which may have many lines, and notices when it was cut off.
//!
//! NDJSON and pretty-printed objects look alike at the beginning. So one object is read up to its closing bracket, over line
//! ends, and two things show that the closing bracket will never come: a line end within a string, which JSON does not
//! allow, and a line that begins with `{` where no value may stand, which is the next record.
//!
//! Some files have JSON in a string in place of an object: the string is read up to its quotation mark.

use super::way::Way;

/// What was met.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Event {
    /// The last byte of the object, or of the string, has been consumed.
    Closed,
    /// The `[` of an array has been consumed that holds records: the object is a page of them.
    Array,
    /// A line end within a string has been consumed.
    BrokenString,
    /// The next byte begins another object; this one was cut off.
    Misplaced,
}

/// A resumable walk over one object, from its `{`, or over one string.
#[derive(Debug, Default)]
pub(super) struct Nesting {
    /// The brackets that are open. Each is a byte of the text, so that the limit of the text bounds this, too.
    open: Vec<u8>,
    text: Text,
    /// The last byte outside strings that was no white space.
    last: u8,
    line_start: bool,
    way: Way,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Text {
    #[default]
    Outside,
    Inside,
    Escaped,
}

impl Nesting {
    /// Consumes bytes up to the next event. Returns how many; without an event, all of `input`.
    pub(super) fn next(&mut self, input: &[u8]) -> (usize, Option<Event>) {
        let mut at = 0;
        while let Some(&byte) = input.get(at) {
            match self.text {
                Text::Outside => {
                    if byte == b'{' && self.line_start && !self.value_may_begin() {
                        return (at, Some(Event::Misplaced));
                    }
                    at += 1;
                    if let Some(event) = self.outside(byte) {
                        return (at, Some(event));
                    }
                }
                Text::Inside => {
                    let rest = input.get(at..).unwrap_or_default();
                    let Some(offset) = memchr::memchr3(b'"', b'\\', b'\n', rest) else {
                        self.way.string_goes_on(rest);
                        return (input.len(), None);
                    };
                    // With the backslash of an escape, which no name has that matters.
                    let is_end = rest.get(offset) == Some(&b'"');
                    self.way.string_goes_on(rest.get(..offset + usize::from(!is_end)).unwrap_or(rest));
                    at += offset + 1;
                    self.text = match rest.get(offset) {
                        Some(b'\n') => return (at, Some(Event::BrokenString)),
                        Some(b'"') => Text::Outside,
                        _ => Text::Escaped,
                    };
                    if is_end {
                        self.way.string_ends(self.open.len());
                        if self.open.is_empty() {
                            return (at, Some(Event::Closed));
                        }
                    }
                }
                Text::Escaped => {
                    at += 1;
                    if byte == b'\n' {
                        return (at, Some(Event::BrokenString));
                    }
                    self.text = Text::Inside;
                }
            }
        }
        (at, None)
    }

    /// After [`Event::Array`], when the caller has consumed the rest of the array.
    pub(super) fn leave_array(&mut self) {
        self.open.pop();
        self.last = b']';
    }

    fn outside(&mut self, byte: u8) -> Option<Event> {
        self.line_start = byte == b'\n';
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => return None,
            b'"' => {
                self.way.string_begins(&self.open, matches!(self.last, b'{' | b','));
                self.text = Text::Inside;
            }
            b'[' if self.way.leads_to_records(&self.open) => {
                self.open.push(byte);
                self.last = byte;
                return Some(Event::Array);
            }
            b'{' | b'[' => self.open.push(byte),
            b'}' | b']' => _ = self.open.pop(),
            _ => {}
        }
        self.last = byte;
        (matches!(byte, b'}' | b']') && self.open.is_empty()).then_some(Event::Closed)
    }

    fn value_may_begin(&self) -> bool {
        match self.last {
            b':' | b'[' => true,
            b',' => self.open.last() == Some(&b'['),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The events of a text that comes in pieces, each with the number of bytes consumed so far.
    fn events(text: &str, cut: usize) -> Vec<(usize, Event)> {
        let mut nesting = Nesting::default();
        let (mut offset, mut found) = (0, Vec::new());
        for mut piece in text.as_bytes().chunks(cut) {
            while !piece.is_empty() {
                let (consumed, event) = nesting.next(piece);
                offset += consumed;
                piece = &piece[consumed..];
                found.extend(event.map(|event| (offset, event)));
                if matches!(event, Some(Event::Closed | Event::Misplaced | Event::BrokenString)) {
                    return found;
                }
            }
        }
        found
    }

    #[test]
    fn an_array_of_records_is_known_by_the_names_that_lead_to_it() {
        for (text, at) in [
            (r#"{"value":["#, 10),
            (r#"{"Count":1,"x":{"y":[{}]},"Records" : ["#, 39),
            (r#"{"hits":{"total":{"value":1},"hits":["#, 37),
            (r#"{"response":{"body":{"value":["#, 30),
            (r#"{"Id":"x","operation":"list","Items":["#, 38),
        ] {
            for cut in [1, 2, 3, 100] {
                assert_eq!(events(text, cut), [(at, Event::Array)], "{text} cut into {cut}");
            }
        }
        for text in [
            r#"{"a":{"value":["#,
            r#"{"a":[{"value":["#,
            r#"{"a\"value":["#,
            r#"{"valu\u0065":["#,
            r#"{"message":["#,
            r#"{"CreationTime":"value","Operation":"x","value":["#,
            r#"{"creationtime":"","event":{"workload":"x","value":["#,
            r#"{"a":{"b":{"c":{"d":{"value":["#,
            r#"{"a":"value","b":["value",["#,
            r#"["value",["#,
        ] {
            assert_eq!(events(text, 100), [], "{text}");
        }
    }

    #[test]
    fn objects_end_at_their_bracket_or_where_they_were_cut_off() {
        for (text, expected) in [
            (r#"{"a":"}\"{"} {"#, vec![(12, Event::Closed)]),
            ("{\n\"a\":\n{\n\"b\":[\n{\n},\n{}]}}", vec![(25, Event::Closed)]),
            ("{\"a\":[\n{\"b\":[1]},\n{}\n]\n}", vec![(24, Event::Closed)]),
            ("\"{\\\"a\\\":1}\" {", vec![(11, Event::Closed)]),
            ("\"{\n{", vec![(3, Event::BrokenString)]),
            ("{\"a\":1,\n{\"a\":2}", vec![(8, Event::Misplaced)]),
            ("{\"a\":[1]\n{\"a\":2}", vec![(9, Event::Misplaced)]),
            ("{\"a\"\n{", vec![(5, Event::Misplaced)]),
            ("{\"a\":{\"b\":1}\r\n{", vec![(14, Event::Misplaced)]),
            ("{\"a\":\"b\n{", vec![(8, Event::BrokenString)]),
            ("{\"a\":\"b\\\n{", vec![(9, Event::BrokenString)]),
            ("{\"a\":\n", vec![]),
        ] {
            for cut in [1, 2, 3, 100] {
                assert_eq!(events(text, cut), expected, "{text:?} cut into {cut}");
            }
        }
    }
}
