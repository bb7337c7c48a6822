//! Which announced content is ours.
//!
//! Each admitted item causes a request with an access token, and a row in the ledger.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
};

use chrono::{DateTime, TimeDelta, Utc};
use url::Url;
use uuid::Uuid;

use super::Announcement;
use crate::{
    activity::{ForeignUri, Origin},
    content::{ContentRef, ContentType, Feed, TenantId, listed_content_id, names_content},
};

/// Content is announced soon after it was created; a day is for clocks that differ and for zones taken for UTC.
const AHEAD: TimeDelta = TimeDelta::days(1);

/// The API has been seen to keep content about 20 days.
const BEHIND: TimeDelta = TimeDelta::days(30);

/// What a source collects.
#[derive(Clone, Debug)]
pub struct Admission {
    /// Its application.
    pub client_id: Uuid,
    /// The applications of tenants that have another.
    pub client_ids: HashMap<TenantId, Uuid>,
    /// Its content types.
    pub content_types: BTreeSet<ContentType>,
    /// Where its access tokens may be sent.
    pub origin: Origin,
}

/// Why an announced blob is not collected.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Rejection {
    /// It belongs to a tenant that is not collected.
    ForeignTenant(TenantId),
    /// Another application subscribed to it.
    ForeignClient(Uuid),
    /// It is of a content type that is not collected.
    OtherContentType(ContentType),
    /// Its URI leads elsewhere than to the API.
    ForeignUri(ForeignUri),
    /// Microsoft would not announce such a blob.
    Implausible(&'static str),
}

impl Admission {
    /// Admits what is ours at `now`, by Microsoft's clock.
    ///
    /// # Errors
    ///
    /// Why it is not.
    pub fn admit(
        &self,
        item: Announcement,
        is_tenant: impl Fn(TenantId) -> bool,
        now: DateTime<Utc>,
    ) -> Result<ContentRef, Rejection> {
        let Announcement { tenant, client_id, content_type, content_id, content_uri, created, expiration } = item;
        if client_id != self.client_ids.get(&tenant).copied().unwrap_or(self.client_id) {
            return Err(Rejection::ForeignClient(client_id));
        }
        if !is_tenant(tenant) {
            return Err(Rejection::ForeignTenant(tenant));
        }
        if !self.content_types.contains(&content_type) {
            return Err(Rejection::OtherContentType(content_type));
        }
        let url = self.origin.check(&content_uri).map_err(Rejection::ForeignUri)?;
        if !is_below_content_of(&url, tenant) {
            return Err(Rejection::Implausible("its contentUri is not that of a content blob of its tenant"));
        }
        // Otherwise other content would be fetched, and this counted as delivered.
        if !names_content(&url, &content_id) {
            return Err(Rejection::Implausible("its contentUri is not that of its contentId"));
        }
        if created - now > AHEAD {
            return Err(Rejection::Implausible("its contentCreated is more than a day ahead"));
        }
        if now - created > BEHIND {
            return Err(Rejection::Implausible("its contentCreated is more than 30 days ago"));
        }
        if expiration.is_some_and(|expiration| expiration <= now) {
            return Err(Rejection::Implausible("its contentExpiration is over"));
        }
        let feed = Feed { tenant, content_type };
        // The name by which a listing knows it.
        let content_id = listed_content_id(&content_id).to_owned();
        Ok(ContentRef { feed, content_id, content_uri, created, expiration })
    }
}

/// Whether a URI is below the path of the tenant's content. Otherwise it could be made to read anything else that the
/// token may read, and have it emitted as events.
fn is_below_content_of(url: &Url, tenant: TenantId) -> bool {
    let path = url.path();
    // What `Url` takes for a part of a segment, a server may take for its end.
    let hides_separators = path.as_bytes().windows(3).any(|escape| {
        escape.eq_ignore_ascii_case(b"%2f")
            || escape.eq_ignore_ascii_case(b"%5c")
            || escape.eq_ignore_ascii_case(b"%25")
    });
    // Microsoft's reference documents v1.0 and has v1 in a sample.
    let is_below = ["v1.0", "v1"].iter().any(|version| {
        let root = format!("/api/{version}/{tenant}/activity/feed/audit/");
        path.get(..root.len()).is_some_and(|start| start.eq_ignore_ascii_case(&root)) && path.len() > root.len()
    });
    is_below && !hides_separators
}

impl Rejection {
    /// A short name for metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ForeignTenant(_) => "foreign_tenant",
            Self::ForeignClient(_) => "foreign_client",
            Self::OtherContentType(_) => "other_content_type",
            Self::ForeignUri(_) => "foreign_uri",
            Self::Implausible(_) => "implausible",
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ForeignTenant(tenant) => write!(
                f,
                "the notification is about tenant {tenant}, which this source does not collect; if it should, register the \
                 tenant or add it to the configuration, otherwise stop its subscription"
            ),
            Self::ForeignClient(client_id) => write!(
                f,
                "the notification is about a subscription of the application {client_id}, which is not this source's \
                 client_id; two applications must not share a webhook address"
            ),
            Self::OtherContentType(content_type) => write!(
                f,
                "the notification is about {content_type}, which is not in content_types; add it there, or stop its \
                 subscription"
            ),
            Self::ForeignUri(error) => error.fmt(f),
            Self::Implausible(problem) => write!(
                f,
                "the notification makes no sense: {problem}; if this happens again, somebody else may know the webhook's \
                 auth id: change it"
            ),
        }
    }
}

impl std::error::Error for Rejection {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Has an application of its own.
    const OTHERS: TenantId = TenantId(Uuid::from_u128(0x77));
    const OURS: TenantId = TenantId(Uuid::from_u128(0x6a98_b5da_7b3c_4486_bb0b_66a0_48c6_da62));

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_760_000_000, 0).unwrap()
    }

    fn announcement() -> Announcement {
        Announcement {
            tenant: OURS,
            client_id: Uuid::from_u128(1),
            content_type: ContentType::Exchange,
            content_id: "a$b".into(),
            content_uri: format!("https://manage.office.com/api/v1.0/{OURS}/activity/feed/audit/a$b"),
            created: now(),
            expiration: None,
        }
    }

    fn admit(item: Announcement) -> Result<ContentRef, Rejection> {
        let admission = Admission {
            client_id: Uuid::from_u128(1),
            client_ids: [(OTHERS, Uuid::from_u128(3))].into(),
            content_types: [ContentType::Exchange, ContentType::General].into(),
            origin: Origin::new(&"https://manage.office.com".parse().unwrap()),
        };
        admission.admit(item, |tenant| [OURS, OTHERS].contains(&tenant), now())
    }

    fn with_path(path: &str) -> Announcement {
        // The id is never what is wrong with it.
        let content_id = path.rsplit_once("/audit/").map_or("", |(_, id)| id).to_owned();
        Announcement { content_id, content_uri: format!("https://manage.office.com{path}"), ..announcement() }
    }

    #[test]
    fn what_is_ours_is_admitted_as_it_came() {
        let item = announcement();
        let content = admit(item.clone()).unwrap();
        assert_eq!(content.feed, Feed { tenant: OURS, content_type: ContentType::Exchange });
        assert_eq!((content.content_id, content.content_uri), (item.content_id, item.content_uri));
        let upper = OURS.to_string().to_uppercase();
        for path in
            [format!("/api/v1/{OURS}/activity/feed/audit/1$2"), format!("/api/v1.0/{upper}/activity/feed/audit/1$2")]
        {
            assert!(admit(with_path(&path)).is_ok(), "{path}");
        }
        for days in [-29, 0, 1] {
            assert!(admit(Announcement { created: now() + TimeDelta::days(days), ..announcement() }).is_ok(), "{days}");
        }
    }

    #[test]
    fn a_uri_must_be_that_of_the_content_that_is_announced() {
        let path = |rest: &str| format!("https://manage.office.com/api/v1.0/{OURS}/activity/feed/audit/{rest}");
        for (content_id, rest) in [
            ("a$b", "a$b$IsFromNotification"),
            ("a$b$IsFromNotification", "a$b$IsFromNotification"),
            ("a$b", "a%24b"),
            ("a$b", "a$b?PublisherIdentifier=x"),
        ] {
            let item = Announcement { content_id: content_id.into(), content_uri: path(rest), ..announcement() };
            let content = admit(item).unwrap();
            assert_eq!(
                (content.content_id.as_str(), content.content_uri),
                ("a$b", path(rest)),
                "as a listing names it"
            );
        }
        for rest in
            ["other", "other?a$b", "other#a$b", "a$b/other", "other/a$b", "A$B", "a$b$", "a$b$IsFromNotification$x"]
        {
            let rejection = admit(Announcement { content_uri: path(rest), ..announcement() }).unwrap_err();
            assert_eq!(rejection.code(), "implausible");
            assert!(rejection.to_string().contains("contentUri is not that of its contentId"), "{rest}: {rejection}");
        }
    }

    #[test]
    fn what_is_not_ours_is_rejected_with_a_reason() {
        let elsewhere = "https://manage.office.com.evil.example/api".to_owned();
        for (item, code, hint) in [
            (Announcement { tenant: TenantId(Uuid::from_u128(3)), ..announcement() }, "foreign_tenant", "register"),
            (Announcement { client_id: Uuid::from_u128(2), ..announcement() }, "foreign_client", "client_id"),
            (Announcement { content_type: ContentType::Dlp, ..announcement() }, "other_content_type", "content_types"),
            (Announcement { content_uri: elsewhere, ..announcement() }, "foreign_uri", "access token"),
            (Announcement { created: now() + TimeDelta::hours(25), ..announcement() }, "implausible", "ahead"),
            (Announcement { created: now() - TimeDelta::days(31), ..announcement() }, "implausible", "30 days ago"),
        ] {
            let rejection = admit(item).unwrap_err();
            assert_eq!(rejection.code(), code);
            assert!(rejection.to_string().contains(hint), "{rejection}");
        }
    }

    #[test]
    fn only_content_of_the_tenant_is_requested() {
        let other = Uuid::from_u128(9);
        let root = format!("/api/v1.0/{OURS}/activity/feed");
        for path in [
            String::new(),
            format!("{root}/audit/"),
            format!("{root}/subscriptions/list"),
            format!("{root}/audit/../subscriptions/list"),
            format!("{root}/audit/%2e%2e/subscriptions/list"),
            format!("{root}/audit/..%2fsubscriptions/list"),
            format!("{root}/audit/..%5Csubscriptions/list"),
            format!("{root}/audit/..%252fsubscriptions/list"),
            format!("{root}/audit/..\\subscriptions\\list"),
            format!("/api/v1.0/{other}/activity/feed/audit/1"),
            format!("/api/v2/{OURS}/activity/feed/audit/1"),
            format!("//api/v1.0/{OURS}/activity/feed/audit/1"),
            format!("/x?/api/v1.0/{OURS}/activity/feed/audit/1"),
        ] {
            let rejection = admit(with_path(&path)).unwrap_err();
            assert_eq!(rejection.code(), "implausible", "{path}");
        }
    }
}
