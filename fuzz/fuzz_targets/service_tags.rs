//! A file of service tags.
#![no_main]

use libfuzzer_sys::fuzz_target;
use office365_source::discovery::webhook::{AddressList, parse_service_tags};

fuzz_target!(|json: &[u8]| {
    let wanted = ["M365ManagementActivityApiWebhook".to_owned(), "a".to_owned()];
    for wanted in wanted.iter().map(std::slice::from_ref) {
        match parse_service_tags(json, wanted) {
            Ok(networks) => {
                let list = AddressList::new(networks.iter().copied());
                for network in &networks {
                    assert!(list.allows(network.network()) && list.allows(network.broadcast()));
                }
            }
            Err(error) => assert!(!error.to_string().contains(char::is_control)),
        }
    }
});
