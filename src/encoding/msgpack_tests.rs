//! `MessagePack` against a reader of `MessagePack` that others wrote, and against what the event says itself.

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::component::{Field, JsonObject, SharedFields, fields};

fn event(json: &str) -> LogEvent {
    LogEvent::from(JsonObject::parse(Bytes::copy_from_slice(json.as_bytes())).unwrap())
}

fn shared() -> Arc<SharedFields> {
    SharedFields::new(fields([("meta", Field::object([("host", "contoso.com".into())])), ("n", "7".into())]))
}

fn encode(event: &LogEvent) -> Vec<u8> {
    let mut out = vec![0xc0];
    write_event(event, &mut out);
    assert_eq!(out.remove(0), 0xc0, "what was there before stays");
    out
}

/// What a reader of `MessagePack` makes of it, as JSON; no byte may be left over.
fn decode(bytes: &[u8]) -> rmpv::Value {
    let mut rest = bytes;
    let value = rmpv::decode::read_value(&mut rest).unwrap();
    assert!(rest.is_empty(), "{} bytes left", rest.len());
    value
}

/// The same as a reader of JSON has it; fails for a name that comes twice.
fn as_json(value: &rmpv::Value) -> serde_json::Value {
    match value {
        rmpv::Value::Nil => serde_json::Value::Null,
        rmpv::Value::Boolean(value) => (*value).into(),
        rmpv::Value::Integer(value) => match (value.as_u64(), value.as_i64()) {
            (Some(value), _) => value.into(),
            (_, Some(value)) => value.into(),
            _ => unreachable!("a 64-bit integer is one of them"),
        },
        rmpv::Value::F64(value) => (*value).into(),
        rmpv::Value::String(text) => text.as_str().unwrap().into(),
        rmpv::Value::Array(items) => items.iter().map(as_json).collect(),
        rmpv::Value::Map(members) => {
            let map: serde_json::Map<_, _> =
                members.iter().map(|(name, value)| (name.as_str().unwrap().to_owned(), as_json(value))).collect();
            assert_eq!(map.len(), members.len(), "a name comes twice");
            map.into()
        }
        other => panic!("{other} has no place in an event"),
    }
}

fn round_trip(event: &LogEvent) -> serde_json::Value {
    as_json(&decode(&encode(event)))
}

#[test]
fn members_are_written_in_order_and_in_their_shortest_form() {
    let event = event(r#" {"a" : 1, "b":[true,null,"\u00e9"],"c":{}, "d":-1,"e":1.5} "#);
    let expected = [
        &[0x85, 0xa1, b'a', 0x01, 0xa1, b'b', 0x93, 0xc3, 0xc0, 0xa2, 0xc3, 0xa9, 0xa1, b'c', 0x80][..],
        &[0xa1, b'd', 0xff, 0xa1, b'e', 0xcb, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0],
    ]
    .concat();
    assert_eq!(encode(&event), expected);
    assert_eq!(encode(&super::tests::event("{}")), [0x80]);
}

#[test]
fn what_is_added_follows_and_wins() {
    assert_eq!(
        round_trip(&event("{}").with_shared(shared())).to_string(),
        r#"{"meta":{"host":"contoso.com"},"n":"7"}"#
    );
    let clash = event(r#"{"a":"meta","meta":[1],"met\u0061":2,"b":3}"#).with_shared(shared());
    assert_eq!(
        decode(&encode(&clash)).to_string(),
        r#"{"a": "meta", "b": 3, "meta": {"host": "contoso.com"}, "n": "7"}"#
    );
}

#[test]
fn of_a_name_that_comes_twice_the_last_stays_at_every_level_and_size() {
    let inner = r#"{"x":1,"y":{"z":0},"x":[2,2],"x":3}"#;
    let twice = event(&format!(r#"{{"a":{inner},"b":[{inner}],"a":{inner}}}"#));
    assert_eq!(
        decode(&encode(&twice)).to_string(),
        r#"{"b": [{"y": {"z": 0}, "x": 3}], "a": {"y": {"z": 0}, "x": 3}}"#
    );
    let members: Vec<_> = (0..200).map(|n| format!("\"k{}\":{n}", n % 150)).collect();
    let many = event(&format!("{{{}}}", members.join(",")));
    let read = round_trip(&many);
    assert_eq!(read.as_object().unwrap().len(), 150);
    assert_eq!((&read["k0"], &read["k49"], &read["k50"]), (&150.into(), &199.into(), &50.into()));
}

#[test]
fn numbers_are_right_to_their_limits() {
    let event = event(
        r#"{"max":18446744073709551615,"min":-9223372036854775808,"i64":9223372036854775807,"zero":-0,
            "beyond":18446744073709551616,"below":[-9223372036854775809],"exp":1e9,"large":1e20,"tiny":5e-324,"no":{"in":[1e999]}}"#,
    );
    let read = round_trip(&event);
    assert_eq!(read["max"].as_u64(), Some(u64::MAX));
    assert_eq!(read["min"].as_i64(), Some(i64::MIN));
    assert_eq!(read["i64"].as_i64(), Some(i64::MAX));
    assert_eq!(read["zero"].as_f64().map(f64::to_bits), Some((-0.0_f64).to_bits()));
    assert_eq!(read["beyond"], "18446744073709551616");
    assert_eq!(read["below"][0], "-9223372036854775809");
    assert_eq!(read["large"].as_f64().map(f64::to_bits), Some(1e20_f64.to_bits()));
    assert_eq!(read["exp"].as_f64().map(f64::to_bits), Some(1e9_f64.to_bits()));
    assert_eq!(read["tiny"].as_f64().map(f64::to_bits), Some(5e-324_f64.to_bits()));
    assert_eq!(read["no"], r#"{"in":[1e999]}"#);
}

#[test]
fn headers_grow_with_their_content() {
    for (n, header) in [
        (15, vec![0x9f]),
        (16, vec![0xdc, 0x00, 0x10]),
        (65_535, vec![0xdc, 0xff, 0xff]),
        (65_536, vec![0xdd, 0x00, 0x01, 0x00, 0x00]),
    ] {
        let items = vec!["[]"; n].join(",");
        let bytes = encode(&event(&format!("{{\"a\":[{items}]}}")));
        assert_eq!(bytes[3..3 + header.len()], header, "{n} items");
        assert_eq!(bytes.len(), 3 + header.len() + n);
        let members: Vec<_> = (0..n).map(|n| format!("\"{n}\":0")).collect();
        let bytes = encode(&event(&format!("{{{}}}", members.join(","))));
        assert_eq!(bytes[0], if n == 15 { 0x8f } else { header[0] + 2 }, "{n} members");
        assert_eq!(decode(&bytes).as_map().unwrap().len(), n);
    }
}

#[test]
fn what_no_parser_takes_stays_text_and_costs_nothing_else() {
    for depth in [126, 127, 128, 129, 100_000] {
        let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let event = event(&format!(r#"{{"a":1,"d":{deep},"half":{{"x":"\ud800"}},"z":"\n"}}"#)).with_shared(shared());
        let read = round_trip(&event);
        assert_eq!(read["d"].is_string(), event.value().as_object().unwrap()["d"].is_bytes(), "depth {depth}");
        if depth > 128 {
            assert_eq!(read["d"], deep);
        }
        assert_eq!(read["half"], r#"{"x":"\ud800"}"#);
        assert_eq!((&read["a"], &read["z"], &read["n"]), (&1.into(), &"\n".into(), &"7".into()));
    }
}

#[test]
fn times_have_seconds_and_nanoseconds_and_never_a_group_marker() {
    let bytes = |time: DateTime<Utc>| {
        let mut out = Vec::new();
        write_event_time(time, &mut out);
        out
    };
    let at = |seconds, nanoseconds| DateTime::from_timestamp(seconds, nanoseconds).unwrap();
    assert_eq!(bytes(at(1_435_608_199, 7)), [0xd7, 0, 0x55, 0x91, 0xa4, 0x87, 0, 0, 0, 7]);
    assert_eq!(bytes(at(-1, 5)), [0xd7, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for beyond in [u32::MAX - 1, u32::MAX] {
        assert_eq!(bytes(at(beyond.into(), 1)), [0xd7, 0, 0xff, 0xff, 0xff, 0xfd, 0, 0, 0, 0]);
    }
    assert_eq!(bytes(DateTime::<Utc>::MAX_UTC), [0xd7, 0, 0xff, 0xff, 0xff, 0xfd, 0, 0, 0, 0]);
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        (-200_i64..200).prop_map(Into::into),
        prop::num::f64::NORMAL.prop_map(Into::into),
        ".*".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 64, 20, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..20).prop_map(Into::into),
            prop::collection::btree_map(".{0,3}", inner, 0..20)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn it_says_what_the_json_says(
        members in prop::collection::btree_map(".{0,6}", any_json(), 0..20),
        add in any::<bool>(),
    ) {
        let text = serde_json::to_string_pretty(&members).unwrap();
        let event = if add { event(&text).with_shared(shared()) } else { event(&text) };
        let expected: serde_json::Value = serde_json::from_str(&event.to_json()).unwrap();
        prop_assert_eq!(round_trip(&event), expected);
    }

    #[test]
    fn it_says_what_the_tree_says(text in "[{]\"[ab]\":[\\[\\]{}\",:0-9eE.+\\-a-z\\\\]{0,12}(,\"a\":(1|-2|[3]|\\{\"x\":1,\"x\":2\\})){0,2}[}]") {
        // Most of these are no JSON; what is may hold repeated names.
        if let Ok(record) = JsonObject::parse(text.into()) {
            let event = LogEvent::from(record);
            let expected: serde_json::Value = serde_json::to_value(event.value()).unwrap();
            prop_assert_eq!(round_trip(&event), expected);
        }
    }

    #[test]
    fn whatever_is_a_record_becomes_one_map(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        if let Ok((record, _)) = JsonObject::parse_repairing([b"{\"a\":", &bytes[..], b"}"].concat().into(), |_, _| {}) {
            prop_assert!(decode(&encode(&LogEvent::from(record))).is_map());
        }
    }
}
