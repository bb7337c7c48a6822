//! What a server of the Forward protocol says: whatever comes is an answer, the beginning of one, or neither, at once.
#![no_main]

use libfuzzer_sys::fuzz_target;
use office365_source::encoding::forward::{Answer, MAX_ANSWER_BYTES, parse_answer};

fuzz_target!(|bytes: &[u8]| {
    let Ok(parsed) = parse_answer(bytes) else { return };
    let Some((answer, length)) = parsed else {
        assert!(bytes.len() < MAX_ANSWER_BYTES);
        return;
    };
    // Nothing is made up, and what follows changes nothing.
    assert!(length <= bytes.len());
    assert_eq!(parse_answer(&bytes[..length]), Ok(Some((answer.clone(), length))));
    for shorter in 0..length.min(MAX_ANSWER_BYTES) {
        assert_eq!(parse_answer(&bytes[..shorter]), Ok(None));
    }
    match answer {
        Answer::Helo { nonce, auth, .. } => assert!(nonce.len() + auth.len() <= 2 * length),
        Answer::Pong { reason, .. } => {
            assert!(reason.chars().count() <= 300 && !reason.contains(char::is_control));
        }
        Answer::Ack(chunk) => assert!(chunk.len() < length),
        Answer::Nack => assert!(length <= 5),
    }
});
