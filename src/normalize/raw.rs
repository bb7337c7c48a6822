//! Schema `raw`: the record as Microsoft sent it, plus where it came from.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use vrl::value::{ObjectMap, Value};

use super::parse_creation_time;
use crate::{
    component::{ComponentKey, EventMetadata, JsonObject, LogEvent, SharedFields},
    content::ContentRef,
};

/// The name of the member that has an event's time.
const CREATION_TIME: &str = "CreationTime";

/// The type of component that events name as their source.
pub const SOURCE_TYPE: &str = "office365";

/// Where records come from, for all records of a blob.
#[derive(Clone, Debug)]
pub struct Origin {
    shared: Arc<SharedFields>,
    metadata: EventMetadata,
}

impl Origin {
    /// The origin of a blob's records: the tenant's domain, if it has one, and the blob.
    pub fn new(component: &Arc<ComponentKey>, domain: Option<&str>, content: &ContentRef) -> Self {
        let mut fields = ObjectMap::new();
        if let Some(domain) = domain {
            let source = object([("host", Value::from(domain))]);
            fields.insert("meta".into(), object([("src", source)]));
        }
        let content = object([
            ("type", Value::from(content.feed.content_type.as_str())),
            ("id", Value::from(content.content_id.as_str())),
            ("created", Value::Timestamp(content.created)),
        ]);
        fields.insert("o365".into(), object([("content", content)]));
        let metadata = EventMetadata::default().with_source(Arc::clone(component), SOURCE_TYPE);
        Self { shared: SharedFields::new(fields), metadata }
    }
}

fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Object(members.into_iter().map(|(name, value)| (name.into(), value)).collect())
}

/// The members of a record that the collector itself needs, found while the record was checked.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RecordMembers {
    /// `Id`, unless it is missing, empty or no string.
    pub id: Option<String>,
    /// `CreationTime`, if it can be read.
    pub creation_time: Option<DateTime<Utc>>,
}

impl RecordMembers {
    /// Looks at one member; the last of a name counts.
    pub fn visit(&mut self, name: &str, raw: &str) {
        let text = || serde_json::from_str::<String>(raw).ok();
        match name {
            "Id" => self.id = text().filter(|id| !id.trim().is_empty()),
            CREATION_TIME => self.creation_time = text().as_deref().and_then(parse_creation_time),
            _ => {}
        }
    }
}

/// Makes `raw` events.
#[derive(Clone, Copy, Debug, Default)]
pub struct Raw;

impl Raw {
    /// The event of a record.
    pub fn event(self, record: JsonObject, members: &RecordMembers, origin: &Origin) -> LogEvent {
        let mut event = LogEvent::from(record).with_shared(Arc::clone(&origin.shared));
        *event.metadata_mut() = origin.metadata.clone();
        match members.creation_time {
            Some(time) => event.with_timestamp(CREATION_TIME, time),
            None => event,
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::content::{ContentType, Feed, TenantId};

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
        (Raw.event(record, &members, &origin), members)
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
        assert_eq!(value.as_object().unwrap()["CreationTime"], Value::Timestamp(members.creation_time.unwrap()));
        assert_eq!(event.metadata().source_type(), Some("office365"));
    }

    #[test]
    fn records_without_id_or_time_or_domain_pass() {
        for text in [r#"{"Id":7,"CreationTime":null}"#, r#"{"Id":" ","CreationTime":"soon"}"#, "{}"] {
            let (event, members) = event(text, None);
            assert_eq!(members, RecordMembers::default());
            assert_eq!(event.timestamp(), None);
            assert!(!event.to_json().contains("meta"));
        }
    }
}
