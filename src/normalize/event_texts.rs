//! Room for the texts of events.

use std::mem;

use bytes::{Bytes, BytesMut};

/// How large a piece of room is, in bytes.
const PIECE: usize = 32 * 1024;

/// The texts of events that are sent together: many of them are in one allocation, which is free when the last of these is.
#[derive(Debug)]
pub struct EventTexts {
    /// Where an event is written before it is known how long it is.
    pub(super) draft: Vec<u8>,
    /// What is filled with one text after the other; `None` where each has an allocation of its own.
    piece: Option<BytesMut>,
}

impl Default for EventTexts {
    fn default() -> Self {
        Self { draft: Vec::new(), piece: Some(BytesMut::new()) }
    }
}

impl EventTexts {
    /// How many bytes the texts may take beyond their own.
    pub const SLACK: usize = PIECE;

    /// Those of events that are not sent together.
    pub(super) const fn alone() -> Self {
        Self { draft: Vec::new(), piece: None }
    }

    /// The text that was written to the draft, which is empty then.
    pub(super) fn keep(&mut self) -> Bytes {
        let Self { draft, piece } = self;
        // Of a long text, a piece would stay empty for a large part.
        let Some(piece) = piece.as_mut().filter(|_| draft.len() <= PIECE / 4) else {
            let mut text = mem::take(draft);
            text.shrink_to_fit();
            return text.into();
        };
        if piece.capacity() < draft.len() {
            *piece = BytesMut::with_capacity(PIECE);
        }
        piece.extend_from_slice(draft);
        draft.clear();
        piece.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kept(texts: &mut EventTexts, text: &[u8]) -> Bytes {
        texts.draft.extend_from_slice(text);
        texts.keep()
    }

    #[test]
    fn short_texts_share_a_piece() {
        let mut texts = EventTexts::default();
        let kept: Vec<_> = (0..100_u8).map(|byte| kept(&mut texts, &[byte; 300])).collect();
        let places: Vec<_> = kept.iter().map(|text| text.as_ptr() as usize).collect();
        assert!(places.is_sorted_by(|one, next| one + 300 == *next));
    }

    proptest! {
        #[test]
        fn texts_stay_as_they_were(lengths in prop::collection::vec(0..2 * PIECE, 0..40), alone in any::<bool>()) {
            let mut texts = if alone { EventTexts::alone() } else { EventTexts::default() };
            let made: Vec<_> = lengths.iter().zip(0_u8..).map(|(length, byte)| vec![byte; *length]).collect();
            let found: Vec<_> = made.iter().map(|text| kept(&mut texts, text)).collect();
            prop_assert_eq!(found, made);
        }
    }
}
