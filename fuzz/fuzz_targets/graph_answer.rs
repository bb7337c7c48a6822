//! An answer of Microsoft Graph: no body makes a parser panic, and what becomes a classic record is JSON if `auditData` was.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use office365_source::{
    collector::{classic_record, read_record},
    graph::{Query, RecordsPage},
};
use serde_json::value::RawValue;

fuzz_target!(|body: &[u8]| {
    if let Ok(query) = Query::parse(body) {
        assert!(!query.id.contains('/'));
    }
    let Ok(page) = RecordsPage::parse(Bytes::copy_from_slice(body)) else { return };
    for record in &page.records {
        let text = record.text.as_ref().or(record.audit_data.as_ref()).expect("one of them says all");
        assert!(serde_json::from_slice::<Box<RawValue>>(text).is_ok());
        if let Some(text) = classic_record(record) {
            let _ = read_record(text);
        }
    }
});
