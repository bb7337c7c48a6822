//! The input of `normalize`: whatever comes, cutting it changes nothing, and what passes for a record is one line of JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;
use office365_source::{cli::records_in, collector::read_record};

fuzz_target!(|input: &[u8]| {
    for limit in [64, 1 << 20] {
        let whole = records_in(input, usize::MAX, limit);
        for piece in [1, 7] {
            assert_eq!(records_in(input, piece, limit), whole);
        }
        for found in whole {
            match found {
                Ok(text) => {
                    read_record(text.into()).unwrap();
                }
                Err(problem) => assert!(!problem.contains(char::is_control) && problem.len() < 1_000),
            }
        }
    }
});
