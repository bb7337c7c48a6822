//! Whole records: every one that is an object becomes an event of every schema, in one line of JSON without repeated names.
#![no_main]

use std::{collections::HashSet, fmt};

use bytes::Bytes;
use chrono::DateTime;
use libfuzzer_sys::fuzz_target;
use office365_source::{
    collector::read_record,
    normalize::{NormalizeOptions, Normalizer, Origin, Schema},
};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// JSON whose objects have every name once, as Elasticsearch demands.
struct Strict;

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Strict)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<Strict>()?.is_some() {}
        Ok(self)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut names = HashSet::new();
        while let Some((name, _)) = map.next_entry::<String, Strict>()? {
            assert!(names.insert(name.clone()), "{name:?} comes twice");
        }
        Ok(self)
    }
}

fuzz_target!(|data: &[u8]| {
    for schema in [Schema::Ecs, Schema::Ocsf, Schema::Raw] {
        let Ok(record) = read_record(Bytes::copy_from_slice(data)) else { return };
        let normalizer = Normalizer::new(NormalizeOptions { keep_original: true, ..NormalizeOptions::new(schema) });
        let origin = Origin::outside(Some("contoso.com"));
        let event = normalizer.event(record.object, &record.members, &origin, DateTime::UNIX_EPOCH).event;
        let text = event.to_json();
        assert!(!text.contains('\n'));
        // Raw events keep what a record repeats.
        if schema != Schema::Raw
            && let Err(error) = serde_json::from_str::<Strict>(&text)
        {
            let error = error.to_string();
            // Deeper than serde_json reads: its limit counts the objects that the event adds. And numbers that no float holds.
            assert!(error.contains("recursion limit") || error.contains("out of range"), "{error}: {text}");
        }
        serde_json::from_str::<&serde_json::value::RawValue>(&text).unwrap();
        event.value();
    }
});
