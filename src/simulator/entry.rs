//! How the API describes a blob: the same members in a listing, in a notification and in the list of notifications.

use chrono::{DateTime, Utc};
use rand::rngs::SmallRng;
use serde_json::{Value, json};
use url::Url;

use super::{Faults, dice, world::Blob};
use crate::content::ContentType;

/// What is wrong with one entry.
#[derive(Clone, Copy, Default)]
pub(super) struct Flaws {
    foreign: bool,
    without_uri: bool,
    wrong_type: bool,
}

impl Flaws {
    pub fn draw(rng: &mut SmallRng, faults: &Faults) -> Self {
        Self {
            foreign: dice::chance(rng, faults.foreign_uri),
            without_uri: dice::chance(rng, faults.missing_content_uri),
            wrong_type: dice::chance(rng, faults.wrong_content_type),
        }
    }
}

pub(super) fn entry(base: &Url, blob: &Blob, flaws: Flaws) -> Value {
    let content_type = match blob.feed.content_type {
        ContentType::General if flaws.wrong_type => ContentType::Exchange,
        _ if flaws.wrong_type => ContentType::General,
        right => right,
    };
    let mut entry = json!({
        "contentType": content_type.as_str(),
        "contentId": blob.content_id,
        "contentUri": content_uri(base, blob, flaws.foreign),
        "contentCreated": time(blob.created),
        "contentExpiration": time(blob.expiration),
    });
    if flaws.without_uri
        && let Some(members) = entry.as_object_mut()
    {
        members.remove("contentUri");
    }
    entry
}

/// A time as the API writes it: UTC, in milliseconds.
pub(super) fn time(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// Where a blob is fetched: its `$` stand unescaped.
pub(super) fn content_uri(base: &Url, blob: &Blob, foreign: bool) -> String {
    let origin = if foreign { "https://manage.office.com.example.net" } else { base.as_str().trim_end_matches('/') };
    format!("{origin}/api/v1.0/{}/activity/feed/audit/{}", blob.feed.tenant, blob.content_id)
}
