//! A content blob: splitting gives the same elements and the same form however the body is cut, and every record that passes is
//! JSON.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use office365_source::{
    collector::{Boundary, Form, Splitter, read_record},
    component::LogEvent,
};

type Object = serde_json::Map<String, serde_json::Value>;

/// The elements of a body that comes in pieces of this size, or nothing if it holds none.
fn elements(body: &[u8], piece: usize) -> Option<(Vec<Vec<u8>>, Form)> {
    let mut splitter = Splitter::default();
    let (mut found, mut current) = (Vec::new(), None::<Vec<u8>>);
    for mut piece in body.chunks(piece) {
        while !piece.is_empty() {
            let (consumed, boundary) = splitter.next(piece).ok()?;
            if let Some(element) = &mut current {
                element.extend_from_slice(&piece[..consumed]);
            }
            piece = &piece[consumed..];
            match boundary {
                Some(Boundary::Start) => current = Some(Vec::new()),
                Some(Boundary::End) => found.extend(current.take()),
                None => break,
            }
        }
    }
    splitter.finish().ok().map(|form| (found, form))
}

fuzz_target!(|body: &[u8]| {
    let whole = elements(body, usize::MAX);
    for piece in [1, 7] {
        assert_eq!(whole, elements(body, piece));
    }
    for element in whole.into_iter().flat_map(|(found, _)| found) {
        if let Ok(record) = read_record(Bytes::from(element)) {
            let event = LogEvent::from(record.object);
            let text = event.to_json();
            assert!(!text.contains('\n'));
            serde_json::from_str::<&serde_json::value::RawValue>(&text).unwrap();
            event.value();
        }
    }
    // What serde_json takes for an array of objects is one for us, element by element.
    if let Ok(records) = serde_json::from_slice::<Vec<Object>>(body) {
        let (found, form) = elements(body, usize::MAX).unwrap();
        assert_eq!((found.len(), form), (records.len(), Form::default()));
    }
    // And so are objects one after the other.
    let objects: Result<Vec<_>, _> = serde_json::Deserializer::from_slice(body).into_iter::<Object>().collect();
    if let Ok(objects) = objects
        && !objects.is_empty()
    {
        let (found, form) = elements(body, usize::MAX).unwrap();
        assert_eq!(found.len(), objects.len());
        assert_eq!(form, Form { begins_with_object: true, ..Form::default() });
    }
});
