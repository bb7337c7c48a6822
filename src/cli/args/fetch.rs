//! The arguments of `fetch`.

use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;

use super::{EventSchema, SourceArgs, patience, time};
use crate::{
    config::HumanDuration,
    content::{ContentType, TenantId},
};

#[derive(Args, Debug)]
pub(in crate::cli) struct FetchArgs {
    #[command(flatten)]
    pub(in crate::cli) source: SourceArgs,
    /// From when on: how long ago, such as 48h, or a time, such as 2026-08-01T12:00:00Z. At most 7 days ago.
    ///
    /// What counts is when Microsoft made content available, typically 60 to 90 minutes after what it tells of happened.
    #[arg(long, value_name = "TIME|DURATION")]
    pub(in crate::cli) since: Moment,
    /// Until when, in the same forms. Default: now.
    #[arg(long, value_name = "TIME|DURATION")]
    pub(in crate::cli) until: Option<Moment>,
    /// A content type that is meant, such as Audit.Exchange; can be given several times. Default: those that are configured.
    #[arg(long = "content-type", value_name = "TYPE", value_delimiter = ',')]
    pub(in crate::cli) content_types: Vec<ContentType>,
    /// The Directory (tenant) ID of the tenant that is meant. Default: all tenants.
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) tenant: Option<TenantId>,
    /// The form of the events. Default: the one that is configured.
    #[arg(long, value_enum)]
    pub(in crate::cli) schema: Option<EventSchema>,
    /// How long to ride out failures of Microsoft before giving up with exit code 1.
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = patience)]
    pub(in crate::cli) patience: HumanDuration,
}

/// A time, or how long ago it was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::cli) enum Moment {
    /// A time.
    At(DateTime<Utc>),
    /// So long ago.
    Ago(HumanDuration),
}

impl Moment {
    /// The time that is meant at `now`. What is too long ago for any calendar is the beginning of time.
    pub(in crate::cli) fn before(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::At(time) => time,
            Self::Ago(duration) => TimeDelta::from_std(duration.get())
                .ok()
                .and_then(|ago| now.checked_sub_signed(ago))
                .unwrap_or(DateTime::<Utc>::MIN_UTC),
        }
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(duration) = text.parse() {
            return Ok(Self::Ago(duration));
        }
        time(text).map(Self::At).map_err(|_| {
            "neither a time nor a duration; write a time of RFC 3339 such as 2026-08-01T12:00:00Z, or how long ago it was, such as \
             48h or 1h30m"
                .to_owned()
        })
    }
}
