//! The body of an error response.
#![no_main]

use libfuzzer_sys::fuzz_target;
use office365_source::activity::ErrorResponse;

fuzz_target!(|body: &[u8]| {
    let refusal = ErrorResponse::parse(body);
    refusal.retry_again_after();
    refusal.says_auditing_is_off();
    assert!(refusal.message.chars().count() <= 1_000);
});
