//! The elements of one JSON array, each held only while it comes in.

use super::found::{Found, Place, Problem, Text};
use crate::collector::{Boundary, Splitter};

/// A resumable reader of an array, from after its `[`.
#[derive(Debug)]
pub(super) struct Elements {
    array: u64,
    element: u64,
    splitter: Splitter,
    text: Text,
    within: bool,
}

/// What a part of the array was.
#[derive(Debug)]
pub(super) enum Step {
    /// A part of an element, or between elements.
    More,
    /// The end of an element.
    Element(Found),
    /// The array's `]`.
    End,
}

impl Elements {
    pub(super) fn new(array: u64, limit: usize) -> Self {
        let mut splitter = Splitter::default();
        // Is consumed as the beginning of every array.
        let _ = splitter.next(b"[");
        Self { array, element: 0, splitter, text: Text::new(limit), within: false }
    }

    /// Consumes a part of the input; returns how many bytes that is.
    pub(super) fn step(&mut self, input: &[u8]) -> (usize, Step) {
        if !self.within {
            // The splitter would go on after the `]`, where the next array may begin.
            let separator = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',');
            match input.iter().enumerate().find(|(_, byte)| !separator(byte)) {
                None => return (input.len(), Step::More),
                Some((at, b']')) => return (at + 1, Step::End),
                Some(_) => {}
            }
        }
        // Only the beginning of a body can be refused, and that was consumed.
        let Ok((consumed, boundary)) = self.splitter.next(input) else { return (input.len(), Step::End) };
        if self.within {
            self.text.push(input.get(..consumed).unwrap_or(input));
        }
        let step = match boundary {
            None => Step::More,
            Some(Boundary::Start) => {
                self.within = true;
                self.element += 1;
                Step::More
            }
            Some(Boundary::End) => {
                self.within = false;
                Step::Element(Found::json(self.place(), self.text.take()))
            }
        };
        (consumed, step)
    }

    /// What to say when the input ends before the array does.
    pub(super) fn truncated(&self) -> Found {
        if self.within {
            return Found::bad(self.place(), Problem::Truncated);
        }
        let next = Place::Element { array: self.array, element: self.element + 1 };
        Found::bad(next, Problem::TruncatedArray)
    }

    fn place(&self) -> Place {
        Place::Element { array: self.array, element: self.element }
    }
}
