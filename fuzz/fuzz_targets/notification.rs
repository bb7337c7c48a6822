//! A request to the webhook: whatever is admitted is content of the tenant, at the API.
#![no_main]

use std::collections::HashMap;

use chrono::DateTime;
use libfuzzer_sys::fuzz_target;
use office365_source::{
    activity::Origin,
    content::ContentType,
    discovery::webhook::{Admission, Delivery, Item, parse_delivery},
};

fuzz_target!(|body: &[u8]| {
    let items = match parse_delivery(body) {
        Ok(Delivery::Notification(items)) => items,
        Ok(Delivery::Validation { code }) => {
            assert!(code.is_none_or(|code| code.len() <= 1_024));
            return;
        }
        Err(error) => {
            assert!(error.start.chars().count() <= 80 && error.to_string().len() < 1_000);
            return;
        }
    };
    let now = DateTime::from_timestamp(1_779_557_700, 0).unwrap();
    let endpoint = "https://manage.office.com".parse().unwrap();
    for item in items {
        let Item::Announced(item) = item else { continue };
        assert!(item.content_id.len() <= 1_024 && item.content_uri.len() <= 4_096);
        // Everything is ours, so that each item comes as far as its URI.
        let admission = Admission {
            client_id: item.client_id,
            client_ids: HashMap::new(),
            content_types: ContentType::ALL.into(),
            origin: Origin::new(&endpoint),
        };
        match admission.admit(item, |_| true, now) {
            Ok(content) => {
                let url = admission.origin.check(&content.content_uri).unwrap();
                assert_eq!((url.scheme(), url.host_str(), url.port()), ("https", Some("manage.office.com"), None));
                let path = url.path().to_ascii_lowercase();
                let tenant = content.feed.tenant;
                assert!(
                    ["v1.0", "v1"]
                        .iter()
                        .any(|version| { path.starts_with(&format!("/api/{version}/{tenant}/activity/feed/audit/")) })
                );
                assert!(!path.contains("/../"));
            }
            Err(rejection) => assert!(!rejection.to_string().contains(char::is_control)),
        }
    }
});
