//! Valid JSON text, piece by piece, without recursion: records may be nested as deep as they are long.

use std::ops::Range;

use super::super::json::Scanner;

/// A piece of JSON text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::normalize) enum Token<'a> {
    /// An object or array begins.
    Open,
    /// It ends.
    Close,
    /// The name of a member, with its quotes.
    Name(&'a str),
    /// A string, with its quotes.
    String(&'a str),
    /// A number.
    Number,
    /// `true`, `false` or `null`.
    Literal,
}

/// The pieces of valid JSON text, each with its place. On text that is not valid after all it ends; it never panics.
#[derive(Debug)]
pub(in crate::normalize) struct Tokens<'a> {
    scanner: Scanner<'a>,
    /// The open containers; whether each is an object.
    open: Vec<bool>,
    /// Whether a string that comes next is the name of a member.
    expects_name: bool,
}

impl<'a> Tokens<'a> {
    pub(in crate::normalize) const fn new(text: &'a str) -> Self {
        Self { scanner: Scanner::new(text), open: Vec::new(), expects_name: false }
    }

    fn is_in_object(&self) -> bool {
        self.open.last() == Some(&true)
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = (Token<'a>, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let byte = self.scanner.peek()?;
            let start = self.scanner.position();
            let token = match byte {
                b',' => {
                    self.scanner.eat(byte);
                    self.expects_name = self.is_in_object();
                    continue;
                }
                b':' => {
                    self.scanner.eat(byte);
                    self.expects_name = false;
                    continue;
                }
                b'{' | b'[' => {
                    self.scanner.eat(byte);
                    self.open.push(byte == b'{');
                    self.expects_name = byte == b'{';
                    Token::Open
                }
                b'}' | b']' => {
                    self.scanner.eat(byte);
                    self.open.pop();
                    self.expects_name = false;
                    Token::Close
                }
                b'"' if self.expects_name => Token::Name(self.scanner.string()),
                b'"' => Token::String(self.scanner.string()),
                b't' | b'f' | b'n' => {
                    self.scanner.value();
                    Token::Literal
                }
                _ => {
                    self.scanner.value();
                    Token::Number
                }
            };
            return Some((token, start..self.scanner.position()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<(Token<'_>, &str)> {
        Tokens::new(text).map(|(token, span)| (token, &text[span])).collect()
    }

    #[test]
    fn names_are_told_from_strings_and_every_piece_has_its_place() {
        let found = tokens(r#" {"a" : ["b", {"c":-1.5e3 }, null],"d":"\"" } "#);
        let expected = [
            (Token::Open, "{"),
            (Token::Name("\"a\""), "\"a\""),
            (Token::Open, "["),
            (Token::String("\"b\""), "\"b\""),
            (Token::Open, "{"),
            (Token::Name("\"c\""), "\"c\""),
            (Token::Number, "-1.5e3"),
            (Token::Close, "}"),
            (Token::Literal, "null"),
            (Token::Close, "]"),
            (Token::Name("\"d\""), "\"d\""),
            (Token::String(r#""\"""#), r#""\"""#),
            (Token::Close, "}"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn text_that_is_no_json_comes_to_an_end() {
        for text in ["", "}", "]]", "\"", "{\"a", "\u{e9}\u{1f600}", "{,:,}", "x:y"] {
            assert!(tokens(text).len() <= text.len());
        }
    }
}
