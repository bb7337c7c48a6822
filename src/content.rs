//! The vocabulary that every module shares: tenants, content types and references to content blobs.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use percent_encoding::percent_decode_str;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use snafu::Snafu;
use url::Url;
use uuid::Uuid;

/// A Microsoft Entra tenant (directory) id.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct TenantId(pub Uuid);

/// A tenant id that is no GUID.
#[derive(Clone, Debug, Eq, PartialEq, Snafu)]
#[snafu(display(
    "\"{given}\" is not a tenant id; write the Directory (tenant) ID, a GUID like 6a98b5da-7b3c-4486-bb0b-66a048c6da62 \
     (Microsoft Entra admin center > Overview)"
))]
pub struct InvalidTenantId {
    given: String,
}

impl FromStr for TenantId {
    type Err = InvalidTenantId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // Only the hyphenated form: `Uuid` would also take braces and URNs, which no Microsoft endpoint does.
        Uuid::parse_str(text)
            .ok()
            .filter(|id| text.len() == 36 && !id.is_nil())
            .map(Self)
            .ok_or_else(|| InvalidTenantId { given: text.to_owned() })
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl<'de> Deserialize<'de> for TenantId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for TenantId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TenantId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "uuid" })
    }
}

/// The content types of the Management Activity API, and the searches of the audit log that stand beside them.
///
/// Source: "Working with the Office 365 Management Activity API" in Microsoft's Management Activity API reference.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ContentType {
    /// `Audit.AzureActiveDirectory`: Microsoft Entra sign-ins and directory changes.
    AzureActiveDirectory,
    /// `Audit.Exchange`: mailbox and Exchange administration events.
    Exchange,
    /// `Audit.SharePoint`: SharePoint and OneDrive events.
    SharePoint,
    /// `Audit.General`: every workload that has no content type of its own.
    General,
    /// `DLP.All`: data loss prevention events of all workloads; needs the permission `ActivityFeed.ReadDlp`.
    Dlp,
    /// `auditLogQuery`: what searches of the audit log through Microsoft Graph have found, with records of all the others. It has a
    /// queue as they have, but no subscription and no listing, and no configuration names it.
    AuditLogQuery,
}

/// A name that is no content type.
#[derive(Clone, Debug, Eq, PartialEq, Snafu)]
#[snafu(display(
    "\"{given}\" is not a content type; the content types are Audit.AzureActiveDirectory, Audit.Exchange, \
     Audit.SharePoint, Audit.General and DLP.All"
))]
pub struct UnknownContentType {
    given: String,
}

impl ContentType {
    /// Every content type of the Management Activity API, in the order of Microsoft's reference.
    pub const ALL: [Self; 5] = [Self::AzureActiveDirectory, Self::Exchange, Self::SharePoint, Self::General, Self::Dlp];

    /// The name the API uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AzureActiveDirectory => "Audit.AzureActiveDirectory",
            Self::Exchange => "Audit.Exchange",
            Self::SharePoint => "Audit.SharePoint",
            Self::General => "Audit.General",
            Self::Dlp => "DLP.All",
            Self::AuditLogQuery => "auditLogQuery",
        }
    }

    /// The application permission a token needs to read this content type.
    pub const fn permission(self) -> &'static str {
        match self {
            Self::Dlp => "ActivityFeed.ReadDlp",
            Self::AuditLogQuery => "AuditLogsQuery.Read.All",
            _ => "ActivityFeed.Read",
        }
    }
}

impl FromStr for ContentType {
    type Err = UnknownContentType;

    /// Reads a content type without regard to case: `Audit.Sharepoint` and `DLP.ALL` are seen in the wild.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|content_type| content_type.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownContentType { given: text.to_owned() })
    }
}

impl fmt::Display for ContentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for ContentType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ContentType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for ContentType {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ContentType".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "enum": Self::ALL.map(Self::as_str) })
    }
}

/// One tenant's stream of one content type: the unit of subscriptions, cursors, fairness and health.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Feed {
    /// The tenant whose audit log this is.
    pub tenant: TenantId,
    /// Which part of the audit log.
    #[serde(deserialize_with = "with_searches")]
    pub content_type: ContentType,
}

/// Reads a content type, or that of searches, which a ledger has and a configuration has not.
pub(crate) fn with_searches<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ContentType, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text == ContentType::AuditLogQuery.as_str() {
        return Ok(ContentType::AuditLogQuery);
    }
    text.parse().map_err(de::Error::custom)
}

impl fmt::Display for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of tenant {}", self.content_type, self.tenant)
    }
}

/// A content blob as the API announces it, by a listing or by a notification.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ContentRef {
    /// The tenant and content type it belongs to.
    pub feed: Feed,
    /// `contentId`: opaque, unique within the tenant.
    pub content_id: String,
    /// `contentUri`: used verbatim (see docs/api-behaviour.md).
    pub content_uri: String,
    /// `contentCreated`: when the content was made available; what windows filter on.
    pub created: DateTime<Utc>,
    /// `contentExpiration`: until when the content can be fetched. Read, never derived: Microsoft documents seven days
    /// and serves about twenty. `None` when the API left it out.
    pub expiration: Option<DateTime<Utc>>,
}

/// How the ids of content begin that a search has found. What follows is the id of the query.
const SEARCHED: &str = "auditLogQuery:";

/// The content id of the records that a query of the audit search has found.
pub fn searched_content_id(query: &str) -> String {
    format!("{SEARCHED}{query}")
}

/// The query whose records are this content; `None` for content of the Management Activity API.
pub fn searched_query(content_type: ContentType, content_id: &str) -> Option<&str> {
    let id = || content_id.strip_prefix(SEARCHED);
    (content_type == ContentType::AuditLogQuery).then(id).flatten()
}

/// What Microsoft puts behind the id in the URI of content that it announces to a webhook.
const FROM_NOTIFICATION: &str = "$IsFromNotification";

/// A content id without `$IsFromNotification`: the id by which a listing names the same content.
pub fn listed_content_id(content_id: &str) -> &str {
    let at = content_id.len().saturating_sub(FROM_NOTIFICATION.len());
    match content_id.split_at_checked(at) {
        Some((listed, suffix)) if !listed.is_empty() && suffix.eq_ignore_ascii_case(FROM_NOTIFICATION) => listed,
        _ => content_id,
    }
}

/// Whether a URI is that of the content with this id: what follows `/activity/feed/audit/` in its path is the id, by a
/// listing's name for it, and percent-encoded or not.
pub fn names_content(uri: &Url, content_id: &str) -> bool {
    const ABOVE: &str = "/activity/feed/audit/";
    let path = uri.path();
    let Some(at) = path.to_ascii_lowercase().find(ABOVE) else { return false };
    let named = percent_decode_str(&path[at + ABOVE.len()..]).decode_utf8();
    named.is_ok_and(|named| listed_content_id(&named) == listed_content_id(content_id))
}

/// Whether two URIs certainly lead to the same content: they differ only in `$IsFromNotification` behind the id and in
/// what is percent-encoded in it.
pub fn are_same_content(one: &str, other: &str) -> bool {
    let parts = |uri: &str| {
        let mut url = Url::parse(uri).ok()?;
        let (above, id) = url.path().rsplit_once('/')?;
        let (above, id) = (above.to_owned(), percent_decode_str(id).decode_utf8().ok()?.into_owned());
        url.set_path("");
        Some((url, above, listed_content_id(&id).to_owned()))
    };
    one == other || parts(one).is_some_and(|one| parts(other) == Some(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_of_the_same_content_differ_in_nothing_that_a_server_may_heed() {
        let uri = |rest: &str| format!("https://manage.office.com/api/v1.0/t/activity/feed/audit/{rest}");
        for same in ["a$b", "a%24b", "a$b$IsFromNotification", "a$b$isfromnotification"] {
            assert!(are_same_content(&uri(same), &uri("a$b")), "{same}");
        }
        for other in ["b", "A$b", "a$b?x=1", "a$b#x", "x/a$b", "a$b/", ""] {
            assert!(!are_same_content(&uri(other), &uri("a$b")), "{other}");
        }
        let v1 = uri("a$b").replace("v1.0", "v1");
        assert!(!are_same_content(&v1, &uri("a$b")) && !are_same_content("", &v1) && are_same_content(&v1, &v1));
    }

    #[test]
    fn a_uri_names_the_content_behind_its_path() {
        let uri = |path: &str| {
            Url::parse(&format!("https://manage.office.com/api/v1.0/t/activity/feed/audit{path}")).unwrap()
        };
        for (path, id) in [
            ("/a$b", "a$b"),
            ("/a%24b", "a$b"),
            ("/a$b$IsFromNotification", "a$b"),
            ("/a$b", "a$b$isfromnotification"),
            ("/a$b?x=c", "a$b"),
            ("/a/b", "a/b"),
            ("/%C3%A9", "é"),
        ] {
            assert!(names_content(&uri(path), id), "{path} {id}");
        }
        for (path, id) in [
            ("/other", "a"),
            ("/A", "a"),
            ("/a/other", "other"),
            ("/other/a", "a"),
            ("/other?a", "a"),
            ("/other#a", "a"),
            ("/other;a", "a"),
            ("/a$IsFromNotification$b", "a"),
            ("/$IsFromNotification", ""),
            ("/%ff", "a"),
            ("", "a"),
        ] {
            assert!(!names_content(&uri(path), id), "{path} {id}");
        }
        assert!(!names_content(&Url::parse("https://manage.office.com/a").unwrap(), "a"));
    }

    #[test]
    fn content_types_are_read_without_regard_to_case() {
        assert_eq!("audit.sharepoint".parse(), Ok(ContentType::SharePoint));
        assert_eq!("DLP.ALL".parse(), Ok(ContentType::Dlp));
        assert!("Audit.Teams".parse::<ContentType>().unwrap_err().to_string().contains("Audit.General"));
    }

    #[test]
    fn a_feed_may_be_one_of_searches_and_a_configured_content_type_may_not() {
        let feed = Feed { tenant: TenantId(Uuid::from_u128(1)), content_type: ContentType::AuditLogQuery };
        let json = serde_json::to_string(&feed).unwrap();
        assert_eq!(serde_json::from_str::<Feed>(&json).unwrap(), feed);
        assert!(serde_json::from_str::<ContentType>("\"auditLogQuery\"").is_err());
    }

    #[test]
    fn tenant_ids_are_hyphenated_guids_only() {
        assert!("6a98b5da-7b3c-4486-bb0b-66a048c6da62".parse::<TenantId>().is_ok());
        for bad in ["", "contoso.com", "{6a98b5da-7b3c-4486-bb0b-66a048c6da62}", "00000000-0000-0000-0000-000000000000"]
        {
            assert!(bad.parse::<TenantId>().is_err(), "{bad}");
        }
    }
}
