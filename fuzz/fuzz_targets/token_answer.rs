//! The answer of a token endpoint.
#![no_main]

use libfuzzer_sys::fuzz_target;
use office365_source::entra::parse_token_answer;

fuzz_target!(|body: &[u8]| {
    parse_token_answer(body);
});
