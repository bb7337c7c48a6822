//! Bodies of successful answers.

use std::fmt;

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};
use snafu::Snafu;

use super::scrub::without_tokens;

/// A successful answer whose body cannot be understood. It may be right next time.
#[derive(Clone, Debug, Eq, PartialEq, Snafu)]
#[snafu(display("expected a JSON array, found {found}"))]
pub struct MalformedAnswer {
    /// What came instead.
    pub found: String,
}

/// A subscription of a tenant.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    /// Its content type, in whatever case it was started.
    pub content_type: String,
    /// `enabled` or `disabled`. Microsoft's own sample has an element without it, so that it may be missing.
    #[serde(default)]
    pub status: Option<String>,
    /// The webhook, if it has one.
    #[serde(default, deserialize_with = "readable")]
    pub webhook: Option<ListedWebhook>,
}

/// A webhook as the API lists it. Everything in it may be missing.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ListedWebhook {
    /// `enabled`, `disabled` (after excessive failures) or `expired`.
    #[serde(default)]
    pub status: Option<String>,
    /// Where notifications go.
    #[serde(default)]
    pub address: Option<String>,
    /// What notifications carry in `Webhook-AuthID`.
    #[serde(default)]
    pub auth_id: Option<SecretAuthId>,
    /// Until when notifications are sent; `None` (or `""`, or nonsense) indefinitely.
    #[serde(default, deserialize_with = "expiration")]
    pub expiration: Option<DateTime<Utc>>,
}

/// An AuthID that is not shown.
#[derive(Clone, Deserialize, Eq, PartialEq)]
#[serde(transparent)]
pub struct SecretAuthId(String);

impl SecretAuthId {
    /// Whether this is the AuthID. An empty text is not.
    pub fn is(&self, auth_id: &str) -> bool {
        self.0 == auth_id
    }
}

impl From<&str> for SecretAuthId {
    fn from(auth_id: &str) -> Self {
        Self(auth_id.to_owned())
    }
}

impl fmt::Debug for SecretAuthId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A webhook that cannot be read counts as unknown. The subscription is read nevertheless.
fn readable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ListedWebhook>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Null => None,
        webhook => Some(serde_json::from_value(webhook).unwrap_or_default()),
    })
}

fn expiration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DateTime<Utc>>, D::Error> {
    Ok(Value::deserialize(deserializer)?.as_str().and_then(parse_time))
}

impl Subscription {
    /// Whether content can be listed. A subscription that is listed without a status counts as enabled.
    pub fn is_enabled(&self) -> bool {
        self.status.as_deref().is_none_or(|status| status.eq_ignore_ascii_case("enabled"))
    }
}

/// A sensitive information type of data loss prevention, by its GUID.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct SensitiveType {
    /// The GUID in DLP events.
    pub id: String,
    /// Its name in the language asked for.
    pub name: String,
}

/// One element of a content listing, as far as it can be used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ContentEntry {
    /// A blob.
    Blob {
        /// `contentType` as it came; a listing names it with every element.
        content_type: Option<String>,
        /// `contentId`.
        content_id: String,
        /// `contentUri`.
        content_uri: String,
        /// `contentCreated`.
        created: DateTime<Utc>,
        /// `contentExpiration`.
        expiration: Option<DateTime<Utc>>,
    },
    /// An element without what is needed to fetch it (seen by other collectors: no `contentUri`).
    Unusable {
        /// What is missing.
        problem: &'static str,
        /// The beginning of the element.
        element: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "Microsoft's names")]
struct RawEntry {
    content_type: Option<String>,
    content_id: Option<String>,
    content_uri: Option<String>,
    content_created: Option<String>,
    content_expiration: Option<String>,
}

/// One attempt to notify a webhook of a blob.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NotificationAttempt {
    /// `notificationSent`.
    pub sent: DateTime<Utc>,
    /// Whether `notificationStatus` is `success`.
    pub succeeded: bool,
}

/// Reads a page of a listing of notifications. An element that cannot be read is left out: the listing serves diagnosis
/// only.
///
/// # Errors
///
/// When the body is no JSON array.
pub fn parse_notification_attempts(body: &[u8]) -> Result<Vec<NotificationAttempt>, MalformedAnswer> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Attempt {
        notification_sent: String,
        notification_status: String,
    }
    let elements = parse_array::<Box<RawValue>>(body)?;
    let attempts = elements.iter().filter_map(|element| {
        let attempt: Attempt = serde_json::from_str(element.get()).ok()?;
        let succeeded = attempt.notification_status.eq_ignore_ascii_case("success");
        Some(NotificationAttempt { sent: parse_time(&attempt.notification_sent)?, succeeded })
    });
    Ok(attempts.collect())
}

/// Reads a page of a content listing. Each element is read by itself: one bad element is discarded alone.
///
/// # Errors
///
/// When the body is no JSON array.
pub fn parse_listing(body: &[u8]) -> Result<Vec<ContentEntry>, MalformedAnswer> {
    Ok(parse_array::<Box<RawValue>>(body)?.iter().map(|element| parse_entry(element.get())).collect())
}

/// Reads an element of a content listing, or of a notification, which has the same members and more.
pub(crate) fn parse_entry(element: &str) -> ContentEntry {
    let unusable = |problem| ContentEntry::Unusable { problem, element: element.chars().take(200).collect() };
    let Ok(entry) = serde_json::from_str::<RawEntry>(element) else { return unusable("it is no object of strings") };
    let Some(content_id) = entry.content_id.filter(|id| !id.is_empty()) else { return unusable("no contentId") };
    let Some(content_uri) = entry.content_uri.filter(|uri| !uri.is_empty()) else { return unusable("no contentUri") };
    let Some(created) = entry.content_created.as_deref().and_then(parse_time) else {
        return unusable("no contentCreated that is a time");
    };
    let expiration = entry.content_expiration.as_deref().and_then(parse_time);
    ContentEntry::Blob { content_type: entry.content_type, content_id, content_uri, created, expiration }
}

/// Reads an array of objects.
///
/// # Errors
///
/// When the body is no JSON array of them.
pub fn parse_array<T: DeserializeOwned>(body: &[u8]) -> Result<Vec<T>, MalformedAnswer> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    serde_json::from_slice(body).map_err(|error| {
        let start = String::from_utf8_lossy(&body[..body.len().min(120)]);
        let start = without_tokens(&start);
        let found = if start.trim().is_empty() { "an empty body".into() } else { format!("{start:?} ({error})") };
        MalformedAnswer { found }
    })
}

/// Reads a time of the API: RFC 3339, or without zone, which means UTC.
pub fn parse_time(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    DateTime::parse_from_rfc3339(text)
        .map(|time| time.to_utc())
        .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").map(|time| time.and_utc()))
        .ok()
        // Times are kept in milliseconds; a year of five digits is not one Microsoft means.
        .filter(|time| (1..=253_402_300_799).contains(&time.timestamp()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_bad_element_costs_only_itself() {
        let body = r#"[
            {"contentType":"Audit.SharePoint","contentId":"a$b","contentUri":"https://x/a","contentCreated":"2015-05-23T17:35:00.000Z","contentExpiration":"2015-05-30T17:35:00.000Z"},
            {"contentId":"b","contentCreated":"2015-05-23T17:35:00.000Z"},
            {"contentId":"c","contentUri":"https://x/c","contentCreated":"yesterday"},
            7, null, {"contentId":8},
            {"contentId":"d","contentUri":"https://x/d","contentCreated":"2015-05-23T17:35:00","contentExpiration":null}
        ]"#;
        let entries = parse_listing(body.as_bytes()).unwrap();
        let usable: Vec<_> = entries
            .iter()
            .filter_map(|entry| match entry {
                ContentEntry::Blob { content_id, expiration, .. } => Some((content_id.as_str(), expiration.is_some())),
                ContentEntry::Unusable { .. } => None,
            })
            .collect();
        assert_eq!((entries.len(), usable), (7, vec![("a$b", true), ("d", false)]));
    }

    #[test]
    fn an_error_object_or_page_is_not_a_listing() {
        for body in ["", " ", "null", "{}", r#"{"error":{"code":"AF50000"}}"#, "<html>", "[{}", "[] x"] {
            assert!(parse_listing(body.as_bytes()).is_err(), "{body}");
        }
        assert_eq!(parse_listing(b"\xef\xbb\xbf[]"), Ok(vec![]));
    }

    #[test]
    fn a_subscription_without_status_counts_as_there() {
        let body = r#"[{"contentType":"Audit.SharePoint","status":"disabled","webhook":{"status":"enabled"}},{"contentType":"Audit.Exchange","webhook":null}]"#;
        let list: Vec<Subscription> = parse_array(body.as_bytes()).unwrap();
        assert_eq!(list.iter().map(Subscription::is_enabled).collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn a_webhook_is_read_whatever_is_missing() {
        let read = |webhook: &str| {
            let body = format!(r#"[{{"contentType":"Audit.Exchange","status":"enabled","webhook":{webhook}}}]"#);
            parse_array::<Subscription>(body.as_bytes()).unwrap().remove(0).webhook
        };
        assert_eq!(read("null"), None);
        let full =
            r#"{"status":"enabled","address":"https://x/","authId":"hunter2","expiration":"2030-01-01T00:00:00"}"#;
        let webhook = read(full).unwrap();
        assert!(webhook.auth_id.as_ref().unwrap().is("hunter2") && !format!("{webhook:?}").contains("hunter2"));
        assert_eq!(webhook.expiration.unwrap().timestamp(), 1_893_456_000);
        for eternal in [r#"{"expiration":""}"#, r#"{"expiration":null}"#, "{}", "7", r#"{"address":7}"#] {
            assert_eq!(read(eternal).unwrap(), ListedWebhook::default(), "{eternal}");
        }
    }

    proptest! {
        #[test]
        fn any_body_can_be_read(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_listing(&body);
        }

        #[test]
        fn any_time_can_be_read(text in "\\PC{0,40}") {
            parse_time(&text);
        }
    }
}
