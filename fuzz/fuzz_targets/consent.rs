//! A request to the redirect URI, and the `state` in it.
#![no_main]

use chrono::DateTime;
use libfuzzer_sys::fuzz_target;
use office365_source::registration::{Callback, StateKey, parse_callback};
use uuid::Uuid;

fuzz_target!(|query: &str| {
    let state = match parse_callback(Some(query)) {
        Callback::Probe => {
            assert!(query.is_empty());
            None
        }
        Callback::AdminConsent { state, .. } | Callback::AuthorizationCode { state, .. } => state,
        Callback::Denied { error, description, state } => {
            assert!(error.chars().count() <= 100 && description.chars().count() <= 1_000);
            assert!(!error.contains(char::is_control) && !description.contains(char::is_control));
            state
        }
        Callback::Unintelligible { .. } => None,
    };
    assert!(state.as_ref().is_none_or(|state| state.len() <= 1_024));
    let key = StateKey::derive(&"secret".into(), Uuid::from_u128(1));
    let now = DateTime::from_timestamp(0, 0).unwrap();
    for state in [state.as_deref(), Some(query)].into_iter().flatten() {
        assert!(key.open(state, now).is_err());
    }
});
