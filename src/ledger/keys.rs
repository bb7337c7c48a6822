//! How keys look on disk.
//!
//! Numbers are big-endian, so that the order of the bytes is the order of time, and every key that belongs to a feed
//! starts with it, so that a feed is one range.

use std::{fmt, hash::Hasher};

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use siphasher::sip128::{Hasher128, SipHasher13};
use uuid::Uuid;

use super::AuditDay;
use crate::content::{ContentRef, ContentType, Feed, TenantId};

/// Names a blob: content ids are unique within a feed.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct BlobKey {
    /// The feed it belongs to.
    #[serde(flatten)]
    pub feed: Feed,
    /// `contentId`.
    pub content_id: String,
}

/// Names an event: a 128-bit hash of tenant and event `Id`.
///
/// A tenant of a hundred million events a week has a chance of one in 10^22 that two of them share a key.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct EventKey(pub(super) [u8; 16]);

impl EventKey {
    /// The key of a tenant's event. An `Id` that is a GUID has the same key in any letter case, and in braces.
    pub fn new(tenant: TenantId, event_id: &str) -> Self {
        let mut hasher = SipHasher13::new();
        hasher.write(tenant.0.as_bytes());
        let mut buffer = Uuid::encode_buffer();
        match parse_guid(event_id) {
            // What Microsoft writes has the key that it has always had.
            Some(guid) => hasher.write(guid.hyphenated().encode_lower(&mut buffer).as_bytes()),
            None => hasher.write(event_id.as_bytes()),
        }
        Self(hasher.finish128().as_bytes())
    }
}

impl EventKey {
    /// Half of it, where that is enough.
    pub fn half(self) -> u64 {
        let (half, _) = self.0.split_first_chunk().unwrap_or((&[0; 8], &[]));
        u64::from_be_bytes(*half)
    }
}

/// As hexadecimal digits.
impl Serialize for EventKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Uuid::from_bytes(self.0).simple())
    }
}

impl<'de> Deserialize<'de> for EventKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = Uuid::try_parse(&text).ok().filter(|_| text.len() == 32);
        digits.map(|digits| Self(digits.into_bytes())).ok_or_else(|| de::Error::custom("not 32 hexadecimal digits"))
    }
}

/// A GUID with its hyphens, with or without braces. Without hyphens it is text as any other: such ids may be in a ledger.
fn parse_guid(text: &str) -> Option<Uuid> {
    const HYPHENATED: usize = 36;
    let text = text.trim();
    let text = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text);
    if text.len() == HYPHENATED { Uuid::try_parse(text).ok() } else { None }
}

impl From<&ContentRef> for BlobKey {
    fn from(content: &ContentRef) -> Self {
        Self { feed: content.feed, content_id: content.content_id.clone() }
    }
}

impl fmt::Display for BlobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "content {} ({})", self.content_id, self.feed)
    }
}

/// How many bytes a feed takes at the start of a key.
pub(super) const FEED: usize = 17;
const TIME: usize = 8;
const TENANT: usize = 16;
const AUDIT_DAY: usize = TENANT + 4;

pub(super) fn feed(feed: Feed) -> Vec<u8> {
    let mut key = Vec::with_capacity(FEED);
    key.extend_from_slice(feed.tenant.0.as_bytes());
    key.push(content_type_code(feed.content_type));
    key
}

pub(super) fn blob(key: &BlobKey) -> Vec<u8> {
    let mut bytes = feed(key.feed);
    bytes.extend_from_slice(key.content_id.as_bytes());
    bytes
}

/// Feed, then time, then content id: a feed's blobs in the order of creation.
pub(super) fn in_feed_order(key: &BlobKey, time: DateTime<Utc>) -> Vec<u8> {
    let mut bytes = feed(key.feed);
    bytes.extend_from_slice(&sortable(time));
    bytes.extend_from_slice(key.content_id.as_bytes());
    bytes
}

/// Time, then blob: everything in the order of time.
pub(super) fn in_time_order(key: &BlobKey, time: DateTime<Utc>) -> Vec<u8> {
    let mut bytes = sortable(time).to_vec();
    bytes.extend_from_slice(&blob(key));
    bytes
}

/// Tenant, then day: a tenant's days in their order.
pub(super) fn audit_day(of: AuditDay) -> Vec<u8> {
    let mut key = Vec::with_capacity(AUDIT_DAY + 1);
    key.extend_from_slice(of.tenant.0.as_bytes());
    // With the sign bit flipped, as for times.
    key.extend_from_slice(&(of.day.num_days_from_ce() ^ i32::MIN).to_be_bytes());
    key
}

/// Tenant, day, then content type.
pub(super) fn count(of: AuditDay, content_type: ContentType) -> Vec<u8> {
    let mut key = audit_day(of);
    key.push(content_type_code(content_type));
    key
}

/// The smallest key of the tenant after this one, if there can be one.
pub(super) fn after_tenant(tenant: TenantId) -> Option<[u8; TENANT]> {
    Some(tenant.0.as_u128().checked_add(1)?.to_be_bytes())
}

/// The smallest key after every key of `feed`.
pub(super) fn after_feed(feed_key: &[u8]) -> Vec<u8> {
    let mut end = feed_key.to_vec();
    // The last byte is a content type code, far below 255.
    if let Some(last) = end.last_mut() {
        *last = last.saturating_add(1);
    }
    end
}

pub(super) fn parse_feed(bytes: &[u8]) -> Option<Feed> {
    let tenant = TenantId(Uuid::from_slice(bytes.get(..16)?).ok()?);
    Some(Feed { tenant, content_type: content_type_of(*bytes.get(16)?)? })
}

pub(super) fn parse_blob(bytes: &[u8]) -> Option<BlobKey> {
    let feed = parse_feed(bytes)?;
    Some(BlobKey { feed, content_id: String::from_utf8(bytes.get(FEED..)?.to_vec()).ok()? })
}

pub(super) fn parse_in_feed_order(bytes: &[u8]) -> Option<(BlobKey, DateTime<Utc>)> {
    let feed = parse_feed(bytes)?;
    let time = parse_time(bytes.get(FEED..FEED + TIME)?)?;
    Some((BlobKey { feed, content_id: String::from_utf8(bytes.get(FEED + TIME..)?.to_vec()).ok()? }, time))
}

pub(super) fn parse_in_time_order(bytes: &[u8]) -> Option<(BlobKey, DateTime<Utc>)> {
    Some((parse_blob(bytes.get(TIME..)?)?, parse_time(bytes.get(..TIME)?)?))
}

/// The day that a key begins with.
pub(super) fn parse_audit_day(bytes: &[u8]) -> Option<AuditDay> {
    let tenant = TenantId(Uuid::from_slice(bytes.get(..TENANT)?).ok()?);
    let day = i32::from_be_bytes(bytes.get(TENANT..AUDIT_DAY)?.try_into().ok()?) ^ i32::MIN;
    Some(AuditDay { tenant, day: NaiveDate::from_num_days_from_ce_opt(day)? })
}

pub(super) fn parse_count(bytes: &[u8]) -> Option<(AuditDay, ContentType)> {
    Some((parse_audit_day(bytes)?, content_type_of(*bytes.get(AUDIT_DAY)?)?))
}

/// Milliseconds with the sign bit flipped, so that times before 1970 sort before later ones.
pub(super) fn sortable(time: DateTime<Utc>) -> [u8; TIME] {
    (time.timestamp_millis() ^ i64::MIN).to_be_bytes()
}

fn parse_time(bytes: &[u8]) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(i64::from_be_bytes(bytes.try_into().ok()?) ^ i64::MIN)
}

/// Codes are part of the file format: never renumber them.
const fn content_type_code(content_type: ContentType) -> u8 {
    match content_type {
        ContentType::AzureActiveDirectory => 1,
        ContentType::Exchange => 2,
        ContentType::SharePoint => 3,
        ContentType::General => 4,
        ContentType::Dlp => 5,
        ContentType::AuditLogQuery => 6,
    }
}

fn content_type_of(code: u8) -> Option<ContentType> {
    let mut known = ContentType::ALL.into_iter().chain([ContentType::AuditLogQuery]);
    known.find(|content_type| content_type_code(*content_type) == code)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_key() -> impl Strategy<Value = BlobKey> {
        (any::<u128>(), 0..5usize, "\\PC{0,40}").prop_map(|(tenant, content_type, content_id)| BlobKey {
            feed: Feed { tenant: TenantId(Uuid::from_u128(tenant)), content_type: ContentType::ALL[content_type] },
            content_id,
        })
    }

    fn any_time() -> impl Strategy<Value = DateTime<Utc>> {
        (-62_000_000_000_000i64..250_000_000_000_000).prop_map(|ms| DateTime::from_timestamp_millis(ms).unwrap())
    }

    fn any_day() -> impl Strategy<Value = AuditDay> {
        let days = prop_oneof![
            Just(NaiveDate::MIN),
            Just(NaiveDate::MAX),
            (-9..9_i64).prop_map(|day| { NaiveDate::default() + chrono::TimeDelta::days(day) })
        ];
        let tenants = prop_oneof![0..3_u128, u128::MAX - 1..=u128::MAX];
        (tenants, days).prop_map(|(tenant, day)| AuditDay { tenant: TenantId(Uuid::from_u128(tenant)), day })
    }

    proptest! {
        #[test]
        fn keys_read_back_as_written(key in any_key(), time in any_time()) {
            prop_assert_eq!(parse_blob(&blob(&key)), Some(key.clone()));
            prop_assert_eq!(parse_in_feed_order(&in_feed_order(&key, time)), Some((key.clone(), time)));
            prop_assert_eq!(parse_in_time_order(&in_time_order(&key, time)), Some((key.clone(), time)));
            let range = feed(key.feed)..after_feed(&feed(key.feed));
            prop_assert!(range.contains(&in_feed_order(&key, time)));
        }

        #[test]
        fn keys_of_days_read_back_in_the_order_of_tenants_and_days(
            one in any_day(), two in any_day(), content_type in 0..5usize,
        ) {
            let content_type = ContentType::ALL[content_type];
            prop_assert_eq!(parse_audit_day(&audit_day(one)), Some(one));
            prop_assert_eq!(parse_count(&count(one, content_type)), Some((one, content_type)));
            prop_assert_eq!(one.cmp(&two), audit_day(one).cmp(&audit_day(two)));
            if let Some(after) = after_tenant(one.tenant) {
                prop_assert!(count(one, content_type).as_slice() < after.as_slice());
                prop_assert_eq!(two.tenant > one.tenant, audit_day(two).as_slice() >= after.as_slice());
            }
        }

        #[test]
        fn the_order_of_bytes_is_the_order_of_time(a in any_time(), b in any_time()) {
            prop_assert_eq!(a.cmp(&b), sortable(a).cmp(&sortable(b)));
        }
    }

    #[test]
    fn a_guid_has_one_key_however_it_is_written_and_other_ids_differ_by_case() {
        let tenant = TenantId(Uuid::from_u128(1));
        let key = |id: &str| EventKey::new(tenant, id);
        // The key of the bytes as they are, as ledgers have it.
        let mut hasher = SipHasher13::new();
        hasher.write(tenant.0.as_bytes());
        hasher.write(b"ea1caccc-2952-5326-a42e-961383784a73");
        let known = EventKey(hasher.finish128().as_bytes());
        for id in [
            "ea1caccc-2952-5326-a42e-961383784a73",
            "EA1CACCC-2952-5326-A42E-961383784A73",
            "Ea1caccc-2952-5326-a42e-961383784A73",
            "{ea1caccc-2952-5326-a42e-961383784a73}",
            " {EA1CACCC-2952-5326-A42E-961383784A73} ",
        ] {
            assert_eq!(key(id), known, "{id}");
        }
        for (id, other) in [
            ("abc", "ABC"),
            ("ea1caccc-2952-5326-a42e-961383784a73", "ea1caccc-2952-5326-a42e-961383784a74"),
            ("EA1CACCC29525326A42E961383784A73", "ea1caccc29525326a42e961383784a73"),
            ("{ea1caccc-2952-5326-a42e-961383784a73", "ea1caccc-2952-5326-a42e-961383784a73"),
            ("ga1caccc-2952-5326-a42e-961383784a73", "GA1CACCC-2952-5326-A42E-961383784A73"),
        ] {
            assert_ne!(key(id), key(other), "{id}");
        }
    }

    #[test]
    fn event_keys_differ_by_tenant_and_id() {
        let tenants = [1, 2].map(|n| TenantId(Uuid::from_u128(n)));
        let keys = [EventKey::new(tenants[0], "a"), EventKey::new(tenants[0], "b"), EventKey::new(tenants[1], "a")];
        assert!(keys[0] != keys[1] && keys[0] != keys[2] && keys[0] == EventKey::new(tenants[0], "a"));
    }
}
