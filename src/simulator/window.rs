//! The time range of a listing.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, NaiveDateTime, SubsecRound, TimeDelta, Utc};

use super::{call::Call, error_reply::ErrorReply, timeline::span, world::LOOKBACK};

/// A half-open range of `contentCreated` (MSREF: "startTime <= contentCreated", "contentCreated < endTime").
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Window {
    pub start: DateTime<Utc>,
    pub end: DateTime<Utc>,
    /// Whether the caller chose it. Without times, the API takes the last 24 hours.
    pub chosen: bool,
}

impl Window {
    pub fn of(call: &Call, now: DateTime<Utc>, tolerance: Duration) -> Result<Self, ErrorReply> {
        let time = |name| match call.parameter(name) {
            None => Ok(None),
            Some(text) => parse_time(text).map(Some).ok_or_else(|| ErrorReply::parameter_type(name, "datetime")),
        };
        match (time("startTime")?, time("endTime")?) {
            (Some(start), Some(end)) => Self { start, end, chosen: true }.within_limits(now, tolerance),
            (None, None) => {
                let now = now.trunc_subsecs(3);
                Ok(Self { start: now - TimeDelta::hours(24), end: now, chosen: false })
            }
            _ => Err(ErrorReply::window_limits()),
        }
    }

    /// MSREF words one rule in two codes, and collectors see either; here the order and length of the range give AF20055,
    /// its age AF20030. An end in the future is fine (FB).
    fn within_limits(self, now: DateTime<Utc>, tolerance: Duration) -> Result<Self, ErrorReply> {
        if self.start >= self.end || self.end - self.start > TimeDelta::hours(24) {
            return Err(ErrorReply::window_order());
        }
        if now - self.start > span(LOOKBACK) + span(tolerance) {
            return Err(ErrorReply::window_limits());
        }
        Ok(self)
    }

    /// Whether a blob is one that this window gets only a part of: "the server won't return the same blob, but a partial
    /// one, when queried with the time that this blob was created" (FB).
    pub fn cuts(&self, created: DateTime<Utc>) -> bool {
        self.chosen && created.trunc_subsecs(0) == self.start.trunc_subsecs(0)
    }
}

/// Reads a time in a form MSREF lists (`YYYY-MM-DD`, `YYYY-MM-DDTHH:MM`, `YYYY-MM-DDTHH:MM:SS`), also with the fraction or
/// the `Z` that collectors send without complaint (CEL, WZ). Any other offset is refused: a `+` that was not escaped
/// arrives as a blank (ddbnl/office365-audit-log-collector#26).
pub(super) fn parse_time(text: &str) -> Option<DateTime<Utc>> {
    let text = text.strip_suffix('Z').unwrap_or(text);
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let whole = shape.split_once('.').map_or(shape.as_str(), |(whole, _)| whole);
    let time = match whole {
        "0000-00-00" if whole == shape => NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0)?,
        "0000-00-00T00:00" if whole == shape => NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M").ok()?,
        "0000-00-00T00:00:00" => NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok()?,
        _ => return None,
    };
    // Content is dated in milliseconds, so is everything it is compared with.
    Some(time.and_utc().trunc_subsecs(3))
}

/// Writes a time as the API writes it into `NextPageUri`.
pub(super) fn write_time(time: DateTime<Utc>) -> String {
    let fraction = if time.timestamp_subsec_millis() == 0 { "" } else { "%.3f" };
    time.format(&format!("%Y-%m-%dT%H:%M:%S{fraction}")).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_documented_times_are_read() {
        for (text, seconds) in [
            ("2026-08-01", 1_785_542_400),
            ("2026-08-01T01:30", 1_785_547_800),
            ("2026-08-01T01:30:07", 1_785_547_807),
            ("2026-08-01T01:30:07Z", 1_785_547_807),
            ("2026-08-01T01:30:07.123456Z", 1_785_547_807),
        ] {
            assert_eq!(parse_time(text).map(|time| time.timestamp()), Some(seconds), "{text}");
        }
        for text in [
            "",
            "yesterday",
            "2026-8-1",
            "2026-08-01 01:30:07",
            "2026-08-01T01:30:07 00:00",
            "2026-08-01T01:30:07+00:00",
            "2026-02-30",
            "2026-08-01T25:00",
            "2026-08-01.5",
            "+2026-08-01",
        ] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }
}
