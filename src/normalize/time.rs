//! The times in a record.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Timelike, Utc};

/// Reads a record's `CreationTime`: UTC, written without zone (Microsoft's schema). Also seen: `Z`, an offset, fractions,
/// and `UTC` at the end. `None` when it is none of these: an event's time is never made up.
pub fn parse_creation_time(text: &str) -> Option<DateTime<Utc>> {
    if let Some(time) = parse_common(text.as_bytes()) {
        return Some(time);
    }
    let text = text.trim();
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc()).filter(can_be_written);
    }
    let bare = text.strip_suffix("UTC").or_else(|| text.strip_suffix('Z')).unwrap_or(text).trim_end();
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(bare, format).ok())
        .map(|time| time.and_utc())
        .filter(can_be_written)
}

/// Whether RFC 3339 has a form for a time: its years have four digits. Leap seconds are left to those who know them.
fn can_be_written(time: &DateTime<Utc>) -> bool {
    (0..=9999).contains(&time.year()) && time.nanosecond() < 1_000_000_000
}

/// Reads any time of a record: those of [`parse_creation_time`], and the American form of 12 hours that alerts hold.
pub(crate) fn parse_time(text: &str) -> Option<DateTime<Utc>> {
    parse_creation_time(text)
        .or_else(|| NaiveDateTime::parse_from_str(text.trim(), "%m/%d/%Y %I:%M:%S %p").ok().map(|time| time.and_utc()))
}

/// `2015-06-29T20:03:19`, as nearly every record has it, without the cost of a general parser.
fn parse_common(text: &[u8]) -> Option<DateTime<Utc>> {
    let number = |range: std::ops::Range<usize>| {
        text.get(range)?
            .iter()
            .try_fold(0_u32, |number, byte| byte.is_ascii_digit().then(|| number * 10 + u32::from(byte - b'0')))
    };
    let separated = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if text.len() != 19 || separated.iter().any(|(at, byte)| text.get(*at) != Some(byte)) {
        return None;
    }
    let date = NaiveDate::from_ymd_opt(i32::try_from(number(0..4)?).ok()?, number(5..7)?, number(8..10)?)?;
    Some(date.and_hms_opt(number(11..13)?, number(14..16)?, number(17..19)?)?.and_utc())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_form_seen_means_utc() {
        let expected = DateTime::parse_from_rfc3339("2015-06-29T20:03:19Z").unwrap().to_utc();
        for text in [
            "2015-06-29T20:03:19",
            "2015-06-29T20:03:19Z",
            "2015-06-29T20:03:19.000",
            "2015-06-29T22:03:19+02:00",
            "2015-06-29T20:03:19UTC",
            "2015-06-29T20:03:19.0000000Z",
            " 2015-06-29 20:03:19 ",
            "2015-06-29 20:03:19Z",
        ] {
            assert_eq!(parse_creation_time(text), Some(expected), "{text}");
            assert_eq!(parse_time(text), Some(expected), "{text}");
        }
        assert_eq!(parse_time("6/29/2015 8:03:19 PM"), Some(expected));
        for text in [
            "",
            "now",
            "2015-06-29",
            "2015-13-29T20:03:19",
            "2015-02-30T20:03:19",
            "2015-06-29T24:03:19",
            "+262142-12-31T23:59:59",
            "-0001-06-29T20:03:19",
            "2015-06-29T23:59:60",
            "1435608199",
        ] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in "\\PC{0,40}") {
            parse_time(&text);
        }

        #[test]
        fn the_common_form_is_read_as_the_general_parser_reads_it(text in "[012][0-9]{3}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-5][0-9]") {
            let general = NaiveDateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S").ok().map(|time| time.and_utc());
            prop_assert_eq!(parse_common(text.as_bytes()), general);
        }
    }
}
