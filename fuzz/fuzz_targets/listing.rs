//! A page of a content listing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use office365_source::activity::{ContentEntry, Origin, parse_listing};

fuzz_target!(|body: &[u8]| {
    let endpoint = "https://manage.office.com".parse().unwrap();
    let origin = Origin::new(&endpoint);
    for entry in parse_listing(body).into_iter().flatten() {
        if let ContentEntry::Blob { content_uri, .. } = entry
            && let Ok(url) = origin.check(&content_uri)
        {
            assert_eq!((url.scheme(), url.host_str(), url.port()), ("https", Some("manage.office.com"), None));
        }
    }
});
