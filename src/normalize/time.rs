//! The times in a record.
//!
//! Microsoft writes them in UTC without zone (its schema). Programs that have read and written a record since may have
//! given them another form: ASP.NET's `/Date(…)/`, seconds since 1970, the American form of Exchange and of exports.
//! All mean UTC unless they say otherwise.

use std::ops::Range;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Timelike, Utc};

/// Forms without a zone. Slashes are American, month first; dots are European, day first.
const WITHOUT_ZONE: &[&str] = &[
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M",
    "%m/%d/%Y %I:%M:%S%.f %p",
    "%m/%d/%Y %H:%M:%S%.f",
    "%m/%d/%Y %I:%M %p",
    "%m/%d/%Y %H:%M",
    "%d.%m.%Y %H:%M:%S%.f",
    "%d.%m.%Y %H:%M",
];

/// Forms with one.
const WITH_ZONE: &[&str] =
    &["%Y-%m-%d %H:%M:%S%.f %z", "%Y-%m-%dT%H:%M:%S%.f%z", "%m/%d/%Y %I:%M:%S %p %z", "%m/%d/%Y %H:%M:%S %z"];

/// Reads a time of a record. `None` for an unknown form: an event's time is never made up. Year 1 is what .NET writes
/// for a time that was never set, and counts as none.
pub fn parse_creation_time(text: &str) -> Option<DateTime<Utc>> {
    parse_time(text)
}

/// As [`parse_creation_time`].
pub(crate) fn parse_time(text: &str) -> Option<DateTime<Utc>> {
    read(text).filter(|time| time.year() > 1)
}

/// Whether a text is a time that was never set: there is nothing to read, and nothing is wrong with it.
pub(crate) fn is_unset(text: &str) -> bool {
    read(text).is_some_and(|time| time.year() <= 1)
}

fn read(text: &str) -> Option<DateTime<Utc>> {
    if let Some(time) = parse_common(text.as_bytes()) {
        return Some(time);
    }
    let text = text.trim();
    let first = text.bytes().next()?;
    let time = match first {
        b'/' | b'\\' => parse_dotnet(text),
        b'-' | b'+' => None,
        _ if is_number(text) => parse_epoch(text),
        _ if first.is_ascii_digit() => parse_calendar(text),
        _ => DateTime::parse_from_rfc2822(text).map(|time| time.to_utc()).ok().or_else(|| {
            // As Kibana shows times.
            NaiveDateTime::parse_from_str(text, "%b %d, %Y @ %H:%M:%S%.f").ok().map(|time| time.and_utc())
        }),
    };
    time.filter(can_be_written)
}

fn parse_calendar(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc());
    }
    // As .NET, and Entra's alerts, may separate what is before AM and PM.
    let plain = text.replace(['\u{202f}', '\u{a0}'], " ");
    // As browsers write times, and with them the portal of Log Analytics.
    let plain = plain.replacen(", ", " ", 1);
    let bare = ["UTC", "GMT", "Z"].iter().find_map(|zone| plain.strip_suffix(zone)).unwrap_or(&plain).trim_end();
    let without = |form: &&str| NaiveDateTime::parse_from_str(bare, form).ok().map(|time| time.and_utc());
    let with = |form: &&str| DateTime::parse_from_str(&plain, form).ok().map(|time| time.to_utc());
    WITHOUT_ZONE
        .iter()
        .find_map(without)
        .or_else(|| WITH_ZONE.iter().find_map(with))
        // HTTP's form without the day's name.
        .or_else(|| DateTime::parse_from_rfc2822(&plain).ok().map(|time| time.to_utc()))
}

/// `/Date(1772600767000)/`, as Windows PowerShell's `ConvertTo-Json` writes times: milliseconds since 1970. An offset after them
/// says where the clock was, not what it meant. In JSON within JSON the slashes are escaped.
fn parse_dotnet(text: &str) -> Option<DateTime<Utc>> {
    let inner = text.trim_start_matches('\\').strip_prefix("/Date(")?;
    let inner = inner.strip_suffix('/')?.trim_end_matches('\\').strip_suffix(')')?;
    let digits = inner.strip_prefix('-').unwrap_or(inner);
    let end = digits.bytes().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
    let (number, offset) = inner.split_at_checked(end + inner.len() - digits.len())?;
    let is_offset = |offset: &str| {
        let digits = offset.strip_prefix(['+', '-']).unwrap_or_default();
        digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !offset.is_empty() && !is_offset(offset) {
        return None;
    }
    DateTime::from_timestamp_millis(number.parse().ok()?)
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && text.bytes().filter(|byte| *byte == b'.').count() < 2
}

/// Time since 1970, whose unit follows from its size: between 2001 and 2286 seconds have 10 digits, milliseconds three more, and
/// so on to nanoseconds. Seconds may have a fraction. Another number is another thing, such as .NET's ticks of 18 digits.
fn parse_epoch(text: &str) -> Option<DateTime<Utc>> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let number: i64 = whole.parse().ok()?;
    match whole.len() {
        10 => {
            let digits = fraction.get(..fraction.len().min(9))?;
            let nanoseconds: u32 = format!("{digits:0<9}").parse().ok()?;
            DateTime::from_timestamp(number, nanoseconds)
        }
        13 => DateTime::from_timestamp_millis(number),
        16 => DateTime::from_timestamp_micros(number),
        19 => Some(DateTime::from_timestamp_nanos(number)),
        _ => None,
    }
}

/// Whether RFC 3339 has a form for a time: its years have four digits. Leap seconds are left to those who know them.
fn can_be_written(time: &DateTime<Utc>) -> bool {
    (0..=9999).contains(&time.year()) && time.nanosecond() < 1_000_000_000
}

/// `2015-06-29T20:03:19`, as nearly every record has it, without the cost of a general parser.
fn parse_common(text: &[u8]) -> Option<DateTime<Utc>> {
    let number = |range: Range<usize>| {
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
            "2015-06-29T22:03:19.0000000+02:00",
            "2015-06-29T22:03:19+0200",
            "2015-06-29 22:03:19 +02:00",
            "2015-06-29T20:03:19UTC",
            "2015-06-29T20:03:19.0000000Z",
            " 2015-06-29 20:03:19 ",
            "2015-06-29 20:03:19Z",
            "2015-06-29 20:03:19 UTC",
            "6/29/2015 8:03:19 PM",
            "06/29/2015 08:03:19 pm",
            "6/29/2015 8:03:19\u{202f}PM",
            "6/29/2015, 8:03:19 PM",
            "6/29/2015, 8:03:19.000 PM",
            "Jun 29, 2015 @ 20:03:19.000",
            "06/29/2015 20:03:19",
            "6/29/2015 10:03:19 PM +02:00",
            "29.06.2015 20:03:19",
            "/Date(1435608199000)/",
            "/Date(1435608199000+0200)/",
            "/Date(1435608199000-0700)/",
            r"\/Date(1435608199000)\/",
            "1435608199",
            "1435608199.000",
            "1435608199000",
            "1435608199000000",
            "1435608199000000000",
            "Mon, 29 Jun 2015 20:03:19 GMT",
            "Mon, 29 Jun 2015 22:03:19 +0200",
            "29 Jun 2015 20:03:19 GMT",
        ] {
            assert_eq!(parse_creation_time(text), Some(expected), "{text}");
            assert_eq!(parse_time(text), Some(expected), "{text}");
            assert!(!is_unset(text), "{text}");
        }
        let fraction = parse_time("1435608199.25").unwrap();
        assert_eq!(fraction.timestamp_millis(), 1_435_608_199_250);
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
            "29/06/2015 20:03:19",
            "13/29/2015 8:03:19 PM",
            "/Date(x)/",
            "/Date(1435608199000",
            "/Date(1435608199000+02)/",
            "/Date(99999999999999999)/",
            "7",
            "20150629",
            "-1435608199",
            "1435608199.0.0",
            "99999999999999999999",
            "635712049990000000",
        ] {
            assert_eq!(parse_time(text), None, "{text}");
            assert!(!is_unset(text), "{text}");
        }
    }

    #[test]
    fn year_1_is_a_time_that_was_never_set() {
        for text in [
            "0001-01-01T00:00:00",
            "0001-01-01T00:00:00Z",
            "0001-01-01T00:00:00.0000000",
            "1/1/0001 12:00:00 AM",
            "01/01/0001 00:00:00",
            "/Date(-62135596800000)/",
        ] {
            assert_eq!(parse_time(text), None, "{text}");
            assert!(is_unset(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in "\\PC{0,40}") {
            parse_time(&text);
        }

        #[test]
        fn what_looks_like_a_time_can_be_read(text in "[\\\\/]{0,2}(Date\\()?-?[0-9]{0,20}[.:/+-]?[0-9]{0,10}[)TZ /]{0,3}") {
            parse_time(&text);
        }

        #[test]
        fn the_common_form_is_read_as_the_general_parser_reads_it(text in "[012][0-9]{3}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-5][0-9]") {
            let general = NaiveDateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S").ok().map(|time| time.and_utc());
            prop_assert_eq!(parse_common(text.as_bytes()), general);
        }

        #[test]
        fn a_time_is_read_in_every_form_it_can_be_written_in(seconds in 1_000_000_000..9_000_000_000_i64) {
            let time = DateTime::from_timestamp(seconds, 0).unwrap();
            for form in ["%Y-%m-%dT%H:%M:%SZ", "%m/%d/%Y %I:%M:%S %p", "%d.%m.%Y %H:%M:%S", "%a, %d %b %Y %H:%M:%S GMT", "%s", "%s000", "/Date(%s000)/"] {
                let text = time.format(form).to_string();
                prop_assert_eq!(parse_time(&text), Some(time), "{}", text);
            }
        }
    }
}
