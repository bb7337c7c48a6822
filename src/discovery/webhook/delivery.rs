//! What Microsoft POSTs to the webhook: an object that validates it, or an array that announces content (Microsoft's
//! reference, "Webhook validation" and "Receiving notifications").

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use snafu::Snafu;
use uuid::Uuid;

use crate::{
    activity::{ContentEntry, parse_entry},
    content::{ContentType, TenantId},
    printable::{is_printable, printable},
};

/// Microsoft keeps notifications "relatively small" and names no number.
const MOST_ITEMS: usize = 10_000;

/// Each id and each URI becomes a part of a durable row. Real ones have about 150 and 250 bytes.
const LONGEST_ID: usize = 1_024;
const LONGEST_URI: usize = 4_096;

/// The validation code is "a random opaque string".
const LONGEST_CODE: usize = 1_024;

/// How much of a body that makes no sense is shown, in characters.
const SHOWN: usize = 80;

/// What a request to the webhook says. Nothing of it is verified yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Delivery {
    /// A subscription with this webhook is being started; the answer has to be exactly 200.
    Validation {
        /// The `validationCode`, unless it is no text or an absurdly long one.
        code: Option<String>,
    },
    /// Content has become available.
    Notification(Vec<Item>),
}

/// One element of a notification.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Item {
    /// A blob.
    Announced(Announcement),
    /// An element that cannot be used.
    Unusable {
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// A blob as a notification announces it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Announcement {
    /// `tenantId`: whose audit log it belongs to.
    pub tenant: TenantId,
    /// `clientId`: the application that started the subscription.
    pub client_id: Uuid,
    /// `contentType`, in whatever case it came.
    pub content_type: ContentType,
    /// `contentId`: at most 1,024 bytes, all of which can be shown.
    pub content_id: String,
    /// `contentUri`: at most 4,096 bytes, all of which can be shown; it may lead anywhere.
    pub content_uri: String,
    /// `contentCreated`.
    pub created: DateTime<Utc>,
    /// `contentExpiration`, when it is a time.
    pub expiration: Option<DateTime<Utc>>,
}

/// A body that is neither a validation nor a notification.
#[derive(Clone, Debug, Eq, PartialEq, Snafu)]
#[snafu(display("the request to the webhook is neither a validation nor a notification ({problem}): {start:?}"))]
pub struct MalformedDelivery {
    /// What is wrong with it.
    pub problem: String,
    /// How it begins: at most 80 printable characters.
    pub start: String,
}

/// Reads the body of a request to the webhook, which may be anything. Each element of a notification is read by itself:
/// a bad one is discarded alone.
///
/// # Errors
///
/// When the body is neither an object with a `validationCode` nor an array of at most 10,000 elements.
pub fn parse_delivery(body: &[u8]) -> Result<Delivery, MalformedDelivery> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii();
    // Decided by the first byte, not by trying, so that the error is about what the body was meant to be.
    let delivery = match body.first() {
        Some(b'{') => serde_json::from_slice(body).map(|validation: RawValidation| Delivery::Validation {
            code: serde_json::from_str(validation.validation_code.get())
                .ok()
                .filter(|code: &String| code.len() <= LONGEST_CODE),
        }),
        Some(b'[') => serde_json::from_slice(body)
            .map(|Elements(elements)| Delivery::Notification(elements.into_iter().map(parse_item).collect())),
        Some(_) => Err(serde_json::Error::custom("no JSON object or array")),
        None => Err(serde_json::Error::custom("empty")),
    };
    delivery.map_err(|error| MalformedDelivery { problem: error.to_string(), start: beginning(body) })
}

fn beginning(body: &[u8]) -> String {
    printable(&String::from_utf8_lossy(&body[..body.len().min(4 * SHOWN)]), SHOWN)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawValidation<'a> {
    #[serde(borrow)]
    validation_code: &'a RawValue,
}

/// The elements of an array, counted while they are read: a body of a few bytes each would otherwise take many times its
/// own size.
struct Elements<'a>(Vec<&'a RawValue>);

impl<'de> Deserialize<'de> for Elements<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Elements<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = array.next_element()? {
                    if elements.len() == MOST_ITEMS {
                        return Err(A::Error::custom(format_args!("more than {MOST_ITEMS} elements")));
                    }
                    elements.push(element);
                }
                Ok(Elements(elements))
            }
        }

        deserializer.deserialize_seq(Reader)
    }
}

/// What a notification says beyond a listing.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawContext {
    tenant_id: Option<String>,
    client_id: Option<String>,
}

fn parse_item(element: &RawValue) -> Item {
    let unusable = |problem| Item::Unusable { problem };
    let (content_type, content_id, content_uri, created, expiration) = match parse_entry(element.get()) {
        ContentEntry::Blob { content_type, content_id, content_uri, created, expiration } => {
            (content_type, content_id, content_uri, created, expiration)
        }
        ContentEntry::Unusable { problem, .. } => return unusable(problem),
    };
    let Ok(context) = serde_json::from_str::<RawContext>(element.get()) else {
        return unusable("tenantId or clientId is no text");
    };
    let Some(tenant) = context.tenant_id.and_then(|id| id.parse().ok()) else {
        return unusable("no tenantId that is a GUID");
    };
    let Some(client_id) = context.client_id.and_then(|id| Uuid::parse_str(&id).ok()) else {
        return unusable("no clientId that is a GUID");
    };
    let Some(content_type) = content_type.and_then(|name| name.parse().ok()) else {
        return unusable("no contentType that is known");
    };
    if content_id.len() > LONGEST_ID {
        return unusable("the contentId is longer than 1,024 bytes");
    }
    if content_uri.len() > LONGEST_URI {
        return unusable("the contentUri is longer than 4,096 bytes");
    }
    // Both go into log lines.
    if !is_printable(&content_id) || !is_printable(&content_uri) {
        return unusable("the contentId or contentUri has characters in it that cannot be shown");
    }
    Item::Announced(Announcement { tenant, client_id, content_type, content_id, content_uri, created, expiration })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn element() -> Value {
        json!({
            "tenantId": "6a98b5da-7b3c-4486-bb0b-66a048c6da62",
            "clientId": "11111111-2222-4333-8444-555555555555",
            "contentType": "Audit.Sharepoint",
            "contentId": "4926$04",
            "contentUri": "https://manage.office.com/api/v1.0/6a98b5da-7b3c-4486-bb0b-66a048c6da62/activity/feed/audit/4926$04",
            "contentCreated": "2026-05-23T17:35:00.000Z",
            "contentExpiration": "",
            "unknown": [[{"tenantId": 7}]],
        })
    }

    fn items(body: &str) -> Vec<Item> {
        match parse_delivery(body.as_bytes()) {
            Ok(Delivery::Notification(items)) => items,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_notification_is_read_with_tenant_and_application() {
        let [Item::Announced(item)] = &items(&format!("\u{feff} [{}]\r\n", element()))[..] else { panic!() };
        assert_eq!(item.tenant.to_string(), "6a98b5da-7b3c-4486-bb0b-66a048c6da62");
        assert_eq!(item.client_id.to_string(), "11111111-2222-4333-8444-555555555555");
        assert_eq!((item.content_type, item.content_id.as_str()), (ContentType::SharePoint, "4926$04"));
        assert_eq!((item.created.to_rfc3339().as_str(), item.expiration), ("2026-05-23T17:35:00+00:00", None));
        assert_eq!(items("[]"), []);
    }

    #[test]
    fn a_bad_element_costs_only_itself() {
        let with = |member: &str, value: Value| {
            let mut element = element();
            element[member] = value;
            element
        };
        let bad = [
            with("tenantId", Value::Null),
            with("tenantId", json!("contoso.com")),
            with("tenantId", json!(7)),
            with("clientId", json!("")),
            with("contentType", json!("Audit.Teams")),
            with("contentType", Value::Null),
            with("contentId", json!("x".repeat(LONGEST_ID + 1))),
            with("contentId", json!("a\nb")),
            with("contentUri", json!(format!("https://x/{}", "x".repeat(LONGEST_URI)))),
            with("contentUri", json!("https://x/\u{1b}[2J")),
            with("contentUri", json!("https://x/\u{202e}evil")),
            with("contentUri", Value::Null),
            with("contentCreated", json!("yesterday")),
            json!(7),
            json!(["Audit.General", "id", "https://x", "2026-05-23T17:35:00", null]),
        ];
        let mut body: Vec<String> = bad.iter().map(Value::to_string).collect();
        // A lone surrogate, which no string can hold, and more nesting than a tree may have.
        body.push(element().to_string().replace("4926$04", r"\ud800"));
        body.push("[".repeat(5_000) + &"]".repeat(5_000));
        let unusable = body.len();
        body.push(with("contentId", json!("x".repeat(LONGEST_ID))).to_string());
        let items = items(&format!("[{}]", body.join(",")));
        for item in &items[..unusable] {
            assert!(matches!(item, Item::Unusable { .. }), "{item:?}");
        }
        assert!(matches!(items[unusable..], [Item::Announced(_)]));
    }

    #[test]
    fn a_validation_is_an_object_with_a_code() {
        let code = |body: &str| match parse_delivery(body.as_bytes()) {
            Ok(Delivery::Validation { code }) => code,
            other => panic!("{other:?}"),
        };
        assert_eq!(code(r#"{"validationCode":"a b","x":[1]}"#).as_deref(), Some("a b"));
        assert_eq!(code("\u{feff}{ \"validationCode\" : null }\n"), None);
        assert_eq!(code(&json!({ "validationCode": "x".repeat(LONGEST_CODE + 1) }).to_string()), None);
    }

    #[test]
    fn anything_else_is_refused_in_few_words() {
        for body in ["", " ", "null", "7", "{}", "[", "[1", "[1,]", "[] x", "{\"validationCode\":1", "<html>", "'[]'"] {
            assert!(parse_delivery(body.as_bytes()).is_err(), "{body}");
        }
        let error = parse_delivery(b"[\xff]").unwrap_err();
        assert!(!error.to_string().is_empty());
        let long = format!("evil\r\n\u{1b}[2J\u{202e}{}", "x".repeat(10_000));
        let error = parse_delivery(long.as_bytes()).unwrap_err();
        assert_eq!(error.start.chars().count(), SHOWN);
        assert!(error.to_string().len() < 300 && !error.to_string().contains(['\n', '\u{1b}', '\u{202e}']), "{error}");
        let error = parse_delivery(json!({ "x".repeat(5_000): 1 }).to_string().as_bytes()).unwrap_err();
        assert!(error.to_string().len() < 300, "{error}");
    }

    #[test]
    fn an_array_of_too_many_elements_is_refused() {
        let array = |count: usize| format!("[{}]", vec!["0"; count].join(","));
        assert_eq!(items(&array(MOST_ITEMS)).len(), MOST_ITEMS);
        let error = parse_delivery(array(MOST_ITEMS + 1).as_bytes()).unwrap_err();
        assert!(error.problem.contains("10000 elements"), "{error}");
    }

    proptest! {
        #[test]
        fn any_body_can_be_read(body in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse_delivery(&body);
        }

        #[test]
        fn a_notification_that_is_cut_off_announces_nothing(cut in 0_usize..400) {
            let body = format!("[{}]", element());
            prop_assume!(cut < body.len());
            prop_assert!(parse_delivery(&body.as_bytes()[..cut]).is_err());
        }
    }
}
