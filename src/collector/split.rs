//! Finds the records in a stream of bytes, without reading what is in them: the elements of a JSON array, or objects one after
//! the other.
//!
//! It looks at brackets, quotes and commas only, so that it can stop anywhere and go on with the next piece, nesting costs
//! nothing, and one bad element does not affect its neighbours. Whether an element is valid JSON is checked elsewhere.
//!
//! The API serves one array. Services in front of it have been seen to change JSON, so a body may be any sequence of
//! arrays and objects, such as JSON lines. Anything else between them, except white space, is junk.
//! [`Splitter::finish`] says what the body was; its caller decides what to do with it.

use snafu::Snafu;

use crate::component::find_quote_or_backslash;

/// Where an element begins or ends, as the number of bytes consumed so far.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Boundary {
    /// The next byte is the first of an element.
    Start,
    /// The last byte of the element has been consumed; white space may follow.
    End,
}

/// Why a body holds no elements.
#[derive(Clone, Debug, Eq, PartialEq, Snafu)]
pub enum MalformedBody {
    /// Nothing but white space.
    #[snafu(display("the body is empty"))]
    Empty,
    /// Something else than an array or object.
    #[snafu(display("the body is no JSON array: it begins with {start:?}"))]
    NotAnArray {
        /// The first character.
        start: char,
    },
    /// It ends too early.
    #[snafu(display("the body ends in the middle of the array or of an object"))]
    Truncated,
}

/// What a body was that has ended where it may.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Form {
    /// Whether it begins with an object instead of an array.
    pub begins_with_object: bool,
    /// Whether elements come after an array that is complete, where nothing should.
    pub goes_on: bool,
    /// Whether the last of those is incomplete.
    pub is_cut: bool,
    /// How many bytes other than white space are junk behind the first array or object.
    pub junk: u64,
}

/// A resumable splitter of one body.
#[derive(Clone, Debug, Default)]
pub struct Splitter {
    position: Position,
    depth: u32,
    bom: usize,
    form: Form,
    /// Whether an array or an object has come to its end.
    has_whole: bool,
    is_alone: bool,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Position {
    /// Before the first character.
    #[default]
    Begin,
    /// In an array, before an element.
    Between,
    /// In an element.
    Within(Text),
    /// After an array or an object.
    Behind,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Text {
    Outside,
    Inside,
    Escaped,
}

const BOM: [u8; 3] = [0xef, 0xbb, 0xbf];

impl Splitter {
    /// Consumes bytes up to the next boundary. Returns how many, and the boundary if there is one; without, all of `input`
    /// has been consumed.
    ///
    /// # Errors
    ///
    /// When the body begins with neither an array nor an object.
    pub fn next(&mut self, input: &[u8]) -> Result<(usize, Option<Boundary>), MalformedBody> {
        let mut at = 0;
        while at < input.len() {
            let byte = input[at];
            match self.position {
                Position::Begin => match byte {
                    _ if self.bom < BOM.len() && byte == BOM[self.bom] => {
                        self.bom += 1;
                        at += 1;
                    }
                    b' ' | b'\t' | b'\r' | b'\n' => at += 1,
                    b'[' => {
                        self.position = Position::Between;
                        at += 1;
                    }
                    b'{' => {
                        self.form.begins_with_object = true;
                        return Ok((at, Some(self.begin(true))));
                    }
                    _ => {
                        let end = input.len().min(at + 4);
                        let start = String::from_utf8_lossy(&input[at..end]).chars().next().unwrap_or('\u{fffd}');
                        return Err(MalformedBody::NotAnArray { start });
                    }
                },
                Position::Between => match byte {
                    b' ' | b'\t' | b'\r' | b'\n' | b',' => at += 1,
                    b']' => {
                        self.end();
                        at += 1;
                    }
                    _ => return Ok((at, Some(self.begin(false)))),
                },
                Position::Within(Text::Outside) => match byte {
                    b'"' => {
                        self.position = Position::Within(Text::Inside);
                        at += 1;
                    }
                    b'{' | b'[' => {
                        self.depth += 1;
                        at += 1;
                    }
                    b'}' | b']' if self.depth > 0 => {
                        self.depth -= 1;
                        at += 1;
                        if self.is_alone && self.depth == 0 {
                            self.end();
                            return Ok((at, Some(Boundary::End)));
                        }
                    }
                    b',' | b']' if self.depth == 0 => {
                        // Not consumed: it belongs to the array.
                        self.position = Position::Between;
                        return Ok((at, Some(Boundary::End)));
                    }
                    _ => at += 1,
                },
                Position::Within(Text::Inside) => match find_quote_or_backslash(&input[at..]) {
                    None => at = input.len(),
                    Some(offset) => {
                        let text = if input[at + offset] == b'"' { Text::Outside } else { Text::Escaped };
                        self.position = Position::Within(text);
                        at += offset + 1;
                    }
                },
                Position::Within(Text::Escaped) => {
                    self.position = Position::Within(Text::Inside);
                    at += 1;
                }
                Position::Behind => match byte {
                    b'{' => return Ok((at, Some(self.begin(true)))),
                    b'[' => {
                        self.position = Position::Between;
                        at += 1;
                    }
                    _ => {
                        self.form.junk += u64::from(!byte.is_ascii_whitespace());
                        at += 1;
                    }
                },
            }
        }
        Ok((at, None))
    }

    /// Begins an element.
    const fn begin(&mut self, is_alone: bool) -> Boundary {
        self.position = Position::Within(Text::Outside);
        self.is_alone = is_alone;
        self.form.goes_on |= self.has_whole && !self.form.begins_with_object;
        Boundary::Start
    }

    /// Ends an array, or an object that is in none.
    const fn end(&mut self) {
        self.position = Position::Behind;
        self.has_whole = true;
    }

    /// Whether the last element that has begun is an object that is in no array.
    pub const fn is_alone(&self) -> bool {
        self.is_alone
    }

    /// Checks that the body was complete when its bytes are over, and returns what it was.
    ///
    /// # Errors
    ///
    /// When it was not. What an array is followed by may be incomplete: the array is what the API promises.
    pub fn finish(&self) -> Result<Form, MalformedBody> {
        match self.position {
            Position::Begin => Err(MalformedBody::Empty),
            Position::Behind => Ok(self.form),
            Position::Between | Position::Within(_) if self.has_whole && !self.form.begins_with_object => {
                // A bracket that nothing follows is junk.
                let junk = self.form.junk + u64::from(!self.form.goes_on);
                Ok(Form { is_cut: self.form.goes_on, junk, ..self.form })
            }
            Position::Between | Position::Within(_) => Err(MalformedBody::Truncated),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Splits a body that comes in pieces.
    fn split<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<(Vec<String>, Form), MalformedBody> {
        let mut splitter = Splitter::default();
        let (mut elements, mut current) = (Vec::new(), None::<Vec<u8>>);
        for mut piece in pieces {
            while !piece.is_empty() {
                let (consumed, boundary) = splitter.next(piece)?;
                if let Some(element) = &mut current {
                    element.extend_from_slice(&piece[..consumed]);
                }
                piece = &piece[consumed..];
                match boundary {
                    Some(Boundary::Start) => current = Some(Vec::new()),
                    Some(Boundary::End) => elements.push(String::from_utf8(current.take().unwrap()).unwrap()),
                    None => break,
                }
            }
        }
        Ok((elements, splitter.finish()?))
    }

    #[test]
    fn bodies_of_every_shape() {
        for (body, elements, junk) in [
            ("[]", vec![], 0),
            (" \u{feff}[ ] ", vec![], 0),
            ("[1]", vec!["1"], 0),
            (r#"[{"a":"],[\"}"},{"b":[1,{}]} ,null]"#, vec![r#"{"a":"],[\"}"}"#, r#"{"b":[1,{}]} "#, "null"], 0),
            (r#"[{"a":}, {"b":1}]"#, vec![r#"{"a":}"#, r#"{"b":1}"#], 0),
            (r#"{"a":[1,"}"]}"#, vec![r#"{"a":[1,"}"]}"#], 0),
            ("[1] x\0", vec!["1"], 2),
            ("[1]]};,", vec!["1"], 4),
            ("[1][]", vec!["1"], 0),
            ("[1][ ", vec!["1"], 1),
            ("[,,1,]", vec!["1"], 0),
            (r#"{"a":1}x"#, vec![r#"{"a":1}"#], 1),
            ("{\"a\":1}\r\n{\"b\":[{}]}{}\n", vec!["{\"a\":1}", "{\"b\":[{}]}", "{}"], 0),
            ("{\"a\":1},\n[2,{}]", vec!["{\"a\":1}", "2", "{}"], 1),
        ] {
            let body = body.trim_start_matches(' ');
            let expected = elements.iter().map(|element: &&str| (*element).to_owned()).collect();
            let form = Form { begins_with_object: body.starts_with('{'), junk, ..Form::default() };
            assert_eq!(split([body.as_bytes()]), Ok((expected, form)), "{body}");
        }
    }

    #[test]
    fn what_follows_an_array_is_told() {
        for (body, elements, is_cut, junk) in [
            ("[1][2]", vec!["1", "2"], false, 0),
            ("[1]\n[2,{}] x", vec!["1", "2", "{}"], false, 1),
            (r#"[1],{"a":[]}"#, vec!["1", r#"{"a":[]}"#], false, 1),
            (r#"[]{"a":1}"#, vec![r#"{"a":1}"#], false, 0),
            (r#"[1]{"a":"#, vec!["1"], true, 0),
            ("[1][2,{}", vec!["1", "2"], true, 0),
            ("[1][2,", vec!["1", "2"], true, 0),
        ] {
            let expected = elements.iter().map(|element: &&str| (*element).to_owned()).collect();
            let form = Form { begins_with_object: false, goes_on: true, is_cut, junk };
            assert_eq!(split([body.as_bytes()]), Ok((expected, form)), "{body}");
        }
    }

    #[test]
    fn bodies_that_are_none() {
        assert_eq!(split([b" \n".as_slice()]), Err(MalformedBody::Empty));
        assert_eq!(split([]), Err(MalformedBody::Empty));
        for (body, start) in [("null", 'n'), ("<html>", '<'), ("ü", 'ü'), ("7", '7'), ("\"x\"", '"'), ("}", '}')] {
            assert_eq!(split([body.as_bytes()]), Err(MalformedBody::NotAnArray { start }), "{body}");
        }
        for body in ["[", "[{", "[{}", "[{},", r#"["]"#, r#"[{"a":"]"#, "{", "[[]", r#"{"a":1"#, "{}{", "{}["] {
            assert_eq!(split([body.as_bytes()]), Err(MalformedBody::Truncated), "{body}");
        }
    }

    #[test]
    fn nesting_has_no_limit() {
        let deep = format!("[{}{}]", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert_eq!(split([deep.as_bytes()]).unwrap().0[0].len(), 2_000_000);
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            "[\\PC\"\\\\\\[\\]{},]{0,12}".prop_map(serde_json::Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
                prop::collection::btree_map("[a\"\\\\\\]}]{0,4}", inner, 0..5)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_array_is_split_into_its_elements_wherever_it_is_cut(
            elements in prop::collection::vec(any_json(), 0..8),
            pretty in any::<bool>(),
            cut in 1..20usize,
        ) {
            let body = if pretty { serde_json::to_vec_pretty(&elements) } else { serde_json::to_vec(&elements) }.unwrap();
            let (found, form) = split(body.chunks(cut)).unwrap();
            let found: Vec<serde_json::Value> = found.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
            prop_assert_eq!(found, elements);
            prop_assert_eq!(form, Form::default());
        }

        #[test]
        fn any_objects_and_arrays_are_split_wherever_they_are_cut(
            texts in prop::collection::vec(prop::collection::vec(any_json(), 0..4), 1..5),
            between in prop::sample::select(vec!["", "\n", "\r\n ", ","]),
            cut in 1..20usize,
        ) {
            // A text of one element is an object of its own.
            let object = |element: &serde_json::Value| serde_json::json!({ "x": element });
            let expected: Vec<_> = texts.iter().flatten().map(object).collect();
            let text = |elements: &Vec<serde_json::Value>| match elements.as_slice() {
                [one] => object(one).to_string(),
                more => serde_json::Value::Array(more.iter().map(object).collect()).to_string(),
            };
            let body = texts.iter().map(text).collect::<Vec<_>>().join(between);
            let (found, form) = split(body.as_bytes().chunks(cut)).unwrap();
            let found: Vec<serde_json::Value> = found.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
            prop_assert_eq!(form.begins_with_object, texts[0].len() == 1);
            prop_assert_eq!(form.goes_on, texts[0].len() != 1 && found.len() > texts[0].len());
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn no_proper_prefix_of_an_array_passes(elements in prop::collection::vec(any_json(), 0..5), part in 0.0..1.0f64) {
            let body = serde_json::to_vec(&elements).unwrap();
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
            let end = ((body.len() as f64) * part) as usize;
            prop_assert!(split([&body[..end.min(body.len() - 1)]]).is_err());
        }

        #[test]
        fn arbitrary_bytes_never_panic_and_cutting_changes_nothing(
            body in prop::collection::vec(prop::sample::select(b"[]{},:\"\\ a1\xff\xef\xbb\xbf".to_vec()), 0..60),
        ) {
            let boundaries = |cut: usize| {
                let mut splitter = Splitter::default();
                let (mut offset, mut found) = (0, Vec::new());
                for mut piece in body.chunks(cut) {
                    while !piece.is_empty() {
                        let (consumed, boundary) = splitter.next(piece)?;
                        offset += consumed;
                        piece = &piece[consumed..];
                        match boundary {
                            Some(boundary) => found.push((offset, boundary)),
                            None => break,
                        }
                    }
                }
                Ok((found, splitter.finish()?))
            };
            let whole: Result<_, MalformedBody> = boundaries(usize::MAX);
            let bytewise: Result<_, MalformedBody> = boundaries(1);
            match (whole, bytewise) {
                // The first character of an error is decoded from what is there.
                (Err(MalformedBody::NotAnArray { .. }), Err(MalformedBody::NotAnArray { .. })) => {}
                (whole, bytewise) => prop_assert_eq!(whole, bytewise),
            }
        }
    }
}
