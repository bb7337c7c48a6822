//! Schema `raw`: the record as Microsoft sent it, plus where it came from.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{Origin, audit::TIME_MEMBERS, auditing::may_reduce, parse_creation_time};
use crate::component::{JsonObject, LogEvent};

/// The name of the member that names an event.
const ID: &str = "Id";

/// The name of the member that has an event's time.
const CREATION_TIME: &str = "CreationTime";

/// The name of the member that says what was done.
const OPERATION: &str = "Operation";

/// The members of a record that the collector itself needs, found while the record was checked.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RecordMembers {
    /// `Id`, unless it is missing, empty or no string.
    pub id: Option<String>,
    /// `CreationTime`, if it can be read.
    pub creation_time: Option<DateTime<Utc>>,
    /// Whether `Operation` is a cmdlet that can turn auditing off.
    pub may_reduce_auditing: bool,
}

impl RecordMembers {
    /// Looks at one member. The last of a name counts, and one in another letter case if there is none in Microsoft's.
    pub fn visit(&mut self, name: &str, raw: &str) {
        if name == ID {
            self.id = id(raw);
        } else if name == CREATION_TIME {
            self.creation_time = time(raw);
        } else if name == OPERATION {
            self.may_reduce_auditing = may_reduce(raw);
        } else if self.id.is_none() && name.eq_ignore_ascii_case(ID) {
            self.id = id(raw);
        } else if self.creation_time.is_none() && name.eq_ignore_ascii_case(CREATION_TIME) {
            self.creation_time = time(raw);
        }
    }
}

fn id(raw: &str) -> Option<String> {
    serde_json::from_str::<String>(raw).ok().filter(|id| !id.trim().is_empty())
}

/// A time is text, or the number of seconds or milliseconds since 1970.
fn time(raw: &str) -> Option<DateTime<Utc>> {
    match raw.as_bytes() {
        [b'"', ..] => parse_creation_time(&serde_json::from_str::<String>(raw).ok()?),
        [b'0'..=b'9', ..] => parse_creation_time(raw),
        // As Windows PowerShell writes a time.
        [b'{', ..] => {
            let object: serde_json::Value = serde_json::from_str(raw).ok()?;
            TIME_MEMBERS.iter().find_map(|name| parse_creation_time(object.get(name)?.as_str()?))
        }
        _ => None,
    }
}

/// The event of a record.
pub(super) fn event(record: JsonObject, members: &RecordMembers, origin: &Origin) -> LogEvent {
    let event = LogEvent::from(record.into_text_only()).with_shared(Arc::clone(&origin.shared));
    match members.creation_time {
        Some(time) => event.with_timestamp(CREATION_TIME, time),
        None => event,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;
    use vrl::value::Value;

    use super::*;
    use crate::{
        config::EventSchema,
        content::{ContentRef, ContentType, Feed, TenantId},
        normalize::{Made, NormalizeOptions, Normalizer, Schema},
    };

    fn event(text: &'static str, domain: Option<&str>) -> (LogEvent, RecordMembers) {
        let content = ContentRef {
            feed: Feed { tenant: TenantId(Uuid::from_u128(1)), content_type: ContentType::Exchange },
            content_id: "a$b".into(),
            content_uri: String::new(),
            created: DateTime::from_timestamp(1_760_000_000, 5_000_000).unwrap(),
            expiration: None,
        };
        let mut members = RecordMembers::default();
        let record = JsonObject::parse_visiting(text.into(), |name, raw| members.visit(name, raw)).unwrap();
        let origin = Origin::new(&Arc::new("m365".into()), domain, &content);
        let normalizer = Normalizer::new(NormalizeOptions::new(Schema::Raw));
        let Made { event, damages, redacted } = normalizer.event(record, &members, &origin, content.created);
        assert!(damages.is_empty() && !redacted);
        (event, members)
    }

    #[test]
    fn a_raw_event_is_the_record_and_its_origin() {
        let (event, members) = event(r#"{"Id":"x","n":1.0,"CreationTime":"2015-06-29T20:03:19"}"#, Some("contoso.com"));
        assert_eq!(
            event.to_json(),
            r#"{"Id":"x","n":1.0,"CreationTime":"2015-06-29T20:03:19","meta":{"src":{"host":"contoso.com"}},"o365":{"content":{"created":"2025-10-09T08:53:20.005Z","id":"a$b","type":"Audit.Exchange"}}}"#
        );
        assert_eq!(members.id.as_deref(), Some("x"));
        let value = event.value();
        let time = EventSchema::Raw.timestamp_field().unwrap();
        assert_eq!(value.as_object().unwrap()[time], Value::Timestamp(members.creation_time.unwrap()));
        assert_eq!(event.metadata().source_type(), Some("office365"));
    }

    #[test]
    fn members_are_found_in_any_letter_case_and_as_numbers() {
        let expected = DateTime::from_timestamp(1_435_608_199, 0);
        for text in [
            r#"{"id":"x","creationtime":"2015-06-29T20:03:19"}"#,
            r#"{"ID":"x","CREATIONTIME":"/Date(1435608199000)/"}"#,
            r#"{"Id":"x","CreationTime":"\/Date(1435608199000)\/"}"#,
            r#"{"Id":"x","CreationTime":1435608199}"#,
            r#"{"Id":"x","CreationTime":{"value":"/Date(1435608199000)/","DisplayHint":2}}"#,
            r#"{"Id":"x","creationTime":1435608199000}"#,
            r#"{"id":"y","Id":"x","ID":"z","creationTime":"2016-01-01T00:00:00","CreationTime":"2015-06-29T20:03:19"}"#,
            r#"{"Id":"y","Id":"x","CreationTime":1435608199.0}"#,
        ] {
            let (_, members) = event(text, None);
            assert_eq!((members.id.as_deref(), members.creation_time), (Some("x"), expected), "{text}");
        }
    }

    #[test]
    fn records_without_id_or_time_or_domain_pass() {
        for text in
            [r#"{"Id":7,"CreationTime":null}"#, r#"{"Id":" ","CreationTime":"soon"}"#, "{}", r#"{"CreationTime":7}"#]
        {
            let (event, members) = event(text, None);
            assert_eq!(members, RecordMembers::default());
            assert_eq!(event.timestamp(), None);
            assert!(!event.to_json().contains("meta"));
        }
    }
}
