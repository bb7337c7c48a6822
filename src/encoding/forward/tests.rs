//! The messages against a reader and writer of `MessagePack` that others wrote, and against bytes written by hand.

use chrono::DateTime;
use proptest::prelude::*;
use rmpv::{Value, decode::read_value, encode::write_value};

use super::*;
use crate::component::JsonObject;

fn event(json: String) -> LogEvent {
    let time = DateTime::from_timestamp(1_779_557_700, 123_000_000).unwrap();
    LogEvent::from(JsonObject::parse(json.into()).unwrap()).with_time(time)
}

fn bytes(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write_value(&mut out, value).unwrap();
    out
}

fn decode(mut bytes: &[u8]) -> Value {
    let value = read_value(&mut bytes).unwrap();
    assert!(bytes.is_empty(), "{} bytes left", bytes.len());
    value
}

#[test]
fn a_packed_forward_message_is_what_the_specification_says_byte_by_byte() {
    let mut entries = Vec::new();
    write_entry(&event(r#"{"a":1}"#.to_owned()), &mut entries);
    write_entry(&event(r#"{"b":[true,"x"]}"#.to_owned()), &mut entries);
    let message = PackedForward { tag: "o365", entries: &entries, size: 2, chunk: "Y2h1bms=", compressed: None };
    let expected = [
        &[0x93][..], // an array of three
        &[0xa4],     // the tag, text of 4 bytes
        b"o365",
        &[0xc4, 33], // the entries, 33 bytes
        // The first: an array of two; extension of 8 bytes, type 0: 1779557700 and 123000000; a map of one.
        &[0x92, 0xd7, 0x00, 0x6a, 0x11, 0xe5, 0x44, 0x07, 0x54, 0xd4, 0xc0, 0x81, 0xa1, b'a', 0x01],
        // The second, with an array of two.
        &[0x92, 0xd7, 0x00, 0x6a, 0x11, 0xe5, 0x44, 0x07, 0x54, 0xd4, 0xc0, 0x81, 0xa1, b'b', 0x92, 0xc3, 0xa1, b'x'],
        &[0x82], // the options, a map of two
        &[0xa4],
        b"size",
        &[0x02],
        &[0xa5],
        b"chunk",
        &[0xa8],
        b"Y2h1bms=",
    ];
    assert_eq!(message.encode().unwrap(), expected.concat());

    let compressed = PackedForward { entries: &[1, 2], compressed: Some("gzip"), ..message }.encode().unwrap();
    let expected =
        [&[0x93, 0xa4][..], b"o365", &[0xc4, 2, 1, 2, 0x83, 0xa4], b"size", &[2, 0xa5], b"chunk", &[0xa8], b"Y2h1bms="];
    let expected = [&expected.concat()[..], &[0xaa], b"compressed", &[0xa4], b"gzip"].concat();
    assert_eq!(compressed, expected);
}

#[test]
fn an_event_without_a_time_gets_the_present_one() {
    let mut entries = Vec::new();
    let before = Utc::now().timestamp();
    write_entry(&LogEvent::from(JsonObject::parse("{}".into()).unwrap()), &mut entries);
    let seconds = u32::from_be_bytes(entries[3..7].try_into().unwrap());
    assert!((before..=Utc::now().timestamp()).contains(&i64::from(seconds)));
}

#[test]
fn a_ping_is_six_texts_of_which_none_is_shown() {
    let ping = Ping { hostname: "client", salt: "salt", digest: "d1", username: "user", password_digest: "d2" };
    let texts = ["PING", "client", "salt", "d1", "user", "d2"];
    assert_eq!(decode(&ping.encode()), Value::Array(texts.map(Value::from).into()));
    let shown = format!("{ping:?}");
    assert!(shown.contains("client") && !shown.contains("d1") && !shown.contains("d2"), "{shown}");
}

#[test]
fn digests_are_those_of_another_implementation() {
    // python3 -c 'import hashlib; print(hashlib.sha512(b"salt" b"client" b"\x00\xff nonce" b"key").hexdigest())'
    assert_eq!(
        shared_key_digest(b"salt", b"client", b"\x00\xff nonce", b"key"),
        "389cbc540e3f7b521f55c677fc36d60d8b15bc08959e40569056dfb740556610cf1b1e44f22e6d34bf7de497f57fe96072c9721ac4e752c\
         12f518ad0b4ea31e8"
    );
    // … b"salt" b"user" b"password"
    let digest = password_digest(b"salt", "user", "password");
    assert_eq!(
        digest,
        "6af07da4be18e0b7c7a1c3cdff52c8987aaaa8f6f648f640e43ad36b6a6ef19995d152c9295713708646a3c7b1e905c3a8e566ffe712af8\
         1af436db9a927385a"
    );
    assert!(is_same_digest(digest.as_bytes(), &digest));
    assert!(!is_same_digest(b"", &digest) && !is_same_digest(&digest.as_bytes()[1..], &digest));
}

fn helo(options: Vec<(Value, Value)>) -> Vec<u8> {
    bytes(&Value::Array(vec!["HELO".into(), Value::Map(options)]))
}

#[test]
fn answers_are_read_and_random_bytes_may_be_text_or_not() {
    let nonce = vec![0xff, 0x00, 0xfe];
    // Fluent Bit's nonce is text that is none.
    let mut fluent_bit = vec![0x92, 0xa4];
    fluent_bit.extend_from_slice(b"HELO\x82\xa5nonce\xa3\xff\x00\xfe\xa4auth\xa2ab");
    let known = Answer::Helo { nonce: nonce.clone(), auth: b"ab".to_vec(), keepalive: true };
    assert_eq!(parse_answer(&fluent_bit), Ok(Some((known, fluent_bit.len()))));
    // Fluentd's is binary, and more options may come with other versions.
    let options = vec![
        ("later".into(), Value::Array(vec![Value::Nil, 1.into()])),
        ("nonce".into(), nonce.clone().into()),
        ("auth".into(), "".into()),
        ("keepalive".into(), false.into()),
    ];
    let fluentd = helo(options);
    let known = Answer::Helo { nonce, auth: Vec::new(), keepalive: false };
    assert_eq!(parse_answer(&fluentd), Ok(Some((known, fluentd.len()))));

    let pong = bytes(&Value::Array(vec!["PONG".into(), true.into(), "".into(), "server".into(), "digest".into()]));
    let known = Answer::Pong {
        accepted: true,
        reason: String::new(),
        hostname: b"server".to_vec(),
        digest: b"digest".to_vec(),
    };
    assert_eq!(parse_answer(&pong), Ok(Some((known, pong.len()))));
    let reason = format!("no\nway {}", "x".repeat(1_000));
    let pong = bytes(&Value::Array(vec!["PONG".into(), false.into(), reason.into()]));
    let Ok(Some((Answer::Pong { accepted: false, reason, .. }, _))) = parse_answer(&pong) else { panic!() };
    assert!(reason.starts_with("no way xxx") && reason.len() == 300, "{reason}");

    // Two acknowledgements in one piece are read one after the other.
    let ack = bytes(&Value::Map(vec![("ack".into(), "chunk".into())]));
    assert_eq!(parse_answer(&[&ack[..], &ack].concat()), Ok(Some((Answer::Ack(b"chunk".to_vec()), ack.len()))));
    assert_eq!(parse_answer(&[0x80]), Ok(Some((Answer::Nack, 1))));
}

#[test]
fn an_answer_that_has_not_come_to_its_end_is_waited_for() {
    let helo = helo(vec![("nonce".into(), vec![7; 16].into()), ("auth".into(), vec![8; 16].into())]);
    for length in 0..helo.len() {
        assert_eq!(parse_answer(&helo[..length]), Ok(None), "{length}");
    }
    // But not without end: this one claims 4 GiB.
    let mut endless = b"\x81\xa3ack\xdb\xff\xff\xff\xff".to_vec();
    assert_eq!(parse_answer(&endless), Ok(None));
    endless.resize(MAX_ANSWER_BYTES, b'x');
    assert_eq!(parse_answer(&endless), Err(Unintelligible));
}

#[test]
fn what_is_no_answer_is_none() {
    let nested = [&[0x91; 100][..], &[0xc0]].concat();
    let tls_alert = [0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x46];
    for bytes in [
        &b"HTTP/1.1 400 Bad Request"[..],
        &tls_alert,
        &nested,
        &[0x81, 0x01, 0x02],
        &[0x90],
        &[0xc0],
        b"\x81\xa3ack\x01",
        b"\x91\xa4HELO",
        b"\x92\xa4PONG\x01",
        b"\x92\xa4PING\xc3",
    ] {
        assert_eq!(parse_answer(bytes), Err(Unintelligible), "{bytes:x?}");
    }
}

proptest! {
    #[test]
    fn a_message_has_its_events_whatever_they_are(
        events in prop::collection::vec(prop::collection::btree_map("[a-z]{1,8}", any::<(Option<String>, i64, bool)>(), 0..5), 0..40),
        tag in "[a-z.]{1,300}", chunk in "[a-zA-Z0-9]{0,40}", compressed in any::<bool>(),
    ) {
        let mut entries = Vec::new();
        for members in &events {
            write_entry(&event(serde_json::to_string(members).unwrap()), &mut entries);
        }
        let message = PackedForward {
            tag: &tag, entries: &entries, size: events.len(), chunk: &chunk, compressed: compressed.then_some("gzip"),
        };
        let mut options =
            vec![("size".into(), Value::from(events.len())), ("chunk".into(), Value::from(chunk.as_str()))];
        if compressed {
            options.push(("compressed".into(), "gzip".into()));
        }
        let expected = Value::Array(vec![tag.as_str().into(), Value::Binary(entries.clone()), Value::Map(options)]);
        prop_assert_eq!(decode(&message.encode().unwrap()), expected);

        let mut rest = &entries[..];
        for members in events {
            let entry = read_value(&mut rest).unwrap();
            let members = members.into_iter().map(|(name, (text, number, flag))| {
                let text = text.map_or(Value::Nil, Value::from);
                (name.into(), Value::Array(vec![text, number.into(), flag.into()]))
            });
            let time = [1_779_557_700_u32.to_be_bytes(), 123_000_000_u32.to_be_bytes()].concat();
            prop_assert_eq!(entry, Value::Array(vec![Value::Ext(0, time), Value::Map(members.collect())]));
        }
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn any_bytes_are_an_answer_or_none(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(Some((_, length))) = parse_answer(&bytes) {
            prop_assert!(length <= bytes.len());
        }
    }
}
