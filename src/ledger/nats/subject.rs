//! How rows are named in the bucket.
//!
//! | subject, after `$KV.<bucket>.` | value |
//! |---|---|
//! | `shared.format` | the format of all this, a number |
//! | `shared.auth_id` | the AuthID of the webhooks |
//! | `shared.forgotten` | which imported ids of events have been forgotten |
//! | `shared.ids.<day>.<unique>` | imported keys of events, as below |
//! | `shared.check` | nothing: only writes that must fail are tried here |
//! | `tenant.<tenant>` | a tenant that registered, or whose domain was set, as [`Piece`](crate::ledger::Piece) |
//! | `member.<session>` | a member of the cluster; the row expires unless the member renews it |
//! | `<tenant>.owner` | the session that works on the tenant; empty when none does |
//! | `<tenant>.feed.<content type>` | a piece, as all that follow |
//! | `<tenant>.content.<content type>.<hash of the content id>` | |
//! | `<tenant>.day.<day>` | |
//! | `<tenant>.count.<content type>.<day>` | |
//! | `<tenant>.queries` | |
//! | `<tenant>.forgotten` | |
//! | `<tenant>.ids.<day>.<unique>` | keys of events that were delivered on that day, 16 bytes each, one after the other |
//!
//! A content id holds characters that no key of a bucket may have, so that its hash stands for it.

use std::hash::Hasher;

use chrono::NaiveDate;
use siphasher::sip128::{Hasher128, SipHasher13};
use uuid::Uuid;

use crate::{
    content::{ContentType, TenantId},
    ledger::row_key::RowKey,
};

pub(super) const FORMAT: &str = "shared.format";
pub(super) const CHECK: &str = "shared.check";
pub(super) const AUTH_ID: &str = "shared.auth_id";
pub(super) const SHARED_FORGOTTEN: &str = "shared.forgotten";

/// Where a tenant's record is.
pub(super) fn tenant(id: TenantId) -> String {
    format!("tenant.{id}")
}

/// Where a member says that it is there.
pub(super) fn member(session: &str) -> String {
    format!("member.{session}")
}

/// Where it stands who works on a tenant.
pub(super) fn owner(id: TenantId) -> String {
    format!("{id}.owner")
}

/// Whether it is one of a tenant that has content.
pub(super) fn is_of_tenant(subject: &str) -> bool {
    subject.split('.').next().is_some_and(|first| first.parse::<TenantId>().is_ok())
}

/// Whether it stands there who works on a tenant.
pub(super) fn is_owner(subject: &str) -> bool {
    subject.split('.').nth(1) == Some("owner")
}

/// Where it stands which ids of a tenant's events have been forgotten.
pub(super) fn forgotten(id: TenantId) -> String {
    format!("{id}.forgotten")
}

/// Where ids of events are that were delivered on a day.
pub(super) fn ids(tenant: TenantId, day: NaiveDate, unique: &str) -> String {
    format!("{tenant}.ids.{day}.{unique}")
}

/// Where imported ids of events are that were delivered on a day.
pub(super) fn shared_ids(day: NaiveDate, unique: &str) -> String {
    format!("shared.ids.{day}.{unique}")
}

/// The day of ids, if a subject is one of ids.
pub(super) fn day_of_ids(subject: &str) -> Option<NaiveDate> {
    let mut tokens = subject.split('.').skip(1);
    if tokens.next()? == "ids" { tokens.next()?.parse().ok() } else { None }
}

/// Where a row is.
pub(super) fn row(key: &RowKey) -> String {
    match key {
        RowKey::Feed(feed) => format!("{}.feed.{}", feed.tenant, token(feed.content_type)),
        RowKey::Content(key) => {
            let mut hasher = SipHasher13::new();
            hasher.write(key.content_id.as_bytes());
            let hash = Uuid::from_bytes(hasher.finish128().as_bytes());
            format!("{}.content.{}.{}", key.feed.tenant, token(key.feed.content_type), hash.simple())
        }
        RowKey::Day(of) => format!("{}.day.{}", of.tenant, of.day),
        RowKey::Count(feed, day) => format!("{}.count.{}.{day}", feed.tenant, token(feed.content_type)),
        RowKey::Queries(tenant) => format!("{tenant}.queries"),
    }
}

/// A content type in one token.
const fn token(content_type: ContentType) -> &'static str {
    match content_type {
        ContentType::AzureActiveDirectory => "Audit-AzureActiveDirectory",
        ContentType::Exchange => "Audit-Exchange",
        ContentType::SharePoint => "Audit-SharePoint",
        ContentType::General => "Audit-General",
        ContentType::Dlp => "DLP-All",
        ContentType::AuditLogQuery => "auditLogQuery",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{content::Feed, ledger::BlobKey};

    #[test]
    fn every_subject_is_a_key_of_a_bucket() {
        let tenant = TenantId(Uuid::from_u128(7));
        let feed = Feed { tenant, content_type: ContentType::AuditLogQuery };
        let key = BlobKey { feed, content_id: "2020$a b*>.:%+$é".to_owned() };
        let day = NaiveDate::from_ymd_opt(2026, 11, 30).unwrap();
        let ids = ids(tenant, day, "1f-2");
        let subjects = [row(&RowKey::Content(key)), row(&RowKey::Count(feed, day)), ids.clone(), owner(tenant)];
        for subject in subjects {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            assert!(subject.chars().all(is_plain), "{subject}");
        }
        assert_eq!(day_of_ids(&ids), Some(day));
        assert_eq!(day_of_ids(&owner(tenant)), None);
    }
}
