//! Room for the texts of events.

use bytes::{Bytes, BytesMut};

/// How large a piece of room is, in bytes.
const PIECE: usize = 32 * 1024;

/// The texts of events that are sent together: many of them are in one allocation, which is free when the last of these is.
#[derive(Debug, Default)]
pub struct EventTexts {
    /// Where an event is written before it is known how long it is.
    pub(super) draft: Vec<u8>,
    pub(super) room: Room,
}

/// Pieces of memory that are filled with one text after the other.
#[derive(Debug, Default)]
pub(super) struct Room(BytesMut);

impl EventTexts {
    /// How many bytes the texts may take beyond their own.
    pub const SLACK: usize = PIECE;
}

impl Room {
    /// Takes a text in. A long one has an allocation of its own, so that little of a piece stays empty.
    pub(super) fn take(&mut self, text: &[u8]) -> Bytes {
        let Self(piece) = self;
        if text.len() > PIECE / 4 {
            return Bytes::copy_from_slice(text);
        }
        if piece.capacity() < text.len() {
            *piece = BytesMut::with_capacity(PIECE);
        }
        piece.extend_from_slice(text);
        piece.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn short_texts_share_a_piece() {
        let mut room = Room::default();
        let texts: Vec<_> = (0..100_u8).map(|byte| room.take(&[byte; 300])).collect();
        let places: Vec<_> = texts.iter().map(|text| text.as_ptr() as usize).collect();
        assert!(places.is_sorted_by(|one, next| one + 300 == *next));
    }

    proptest! {
        #[test]
        fn texts_stay_as_they_were(lengths in prop::collection::vec(0..2 * PIECE, 0..40)) {
            let mut room = Room::default();
            let made: Vec<_> = lengths.iter().zip(0_u8..).map(|(length, byte)| vec![byte; *length]).collect();
            let taken: Vec<_> = made.iter().map(|text| room.take(text)).collect();
            prop_assert_eq!(taken, made);
        }
    }
}
