//! `CreationTime`.

use chrono::{DateTime, NaiveDateTime, Utc};

/// Reads a record's `CreationTime`: UTC, written without zone (Microsoft's schema). Also seen: `Z`, an offset, fractions,
/// and `UTC` at the end. `None` when it is none of these: an event's time is never made up.
pub fn parse_creation_time(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc());
    }
    let bare = text.strip_suffix("UTC").unwrap_or(text).trim_end();
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(bare, format).ok())
        .map(|time| time.and_utc())
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
            " 2015-06-29 20:03:19 ",
        ] {
            assert_eq!(parse_creation_time(text), Some(expected), "{text}");
        }
        for text in ["", "now", "2015-06-29", "2015-13-29T20:03:19", "1435608199"] {
            assert_eq!(parse_creation_time(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in "\\PC{0,40}") {
            parse_creation_time(&text);
        }
    }
}
