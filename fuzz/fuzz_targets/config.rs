//! A configuration file, in each of its formats.
#![no_main]

use libfuzzer_sys::fuzz_target;
use office365_source::config::{Format, parse};

fuzz_target!(|text: &str| {
    for format in [Format::Toml, Format::Yaml, Format::Json] {
        if let Err(errors) = parse(text, format) {
            assert!(!errors.to_string().is_empty());
        }
    }
});
