//! One event as an OTLP `LogRecord` of opentelemetry/proto/logs/v1/logs.proto.
//!
//! The body is the whole event. There is no `event_name`: the semantic conventions want the particulars of a named event
//! in its attributes and not in its body.

use chrono::{DateTime, Utc};
use opentelemetry_proto::tonic::logs::v1::SeverityNumber;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::{
    component::LogEvent,
    host::sinks::{
        json_value::{Dialect, entry},
        protobuf::{bytes, close, fixed64, open, uint},
    },
};

/// `oneof value` of `AnyValue`, from opentelemetry/proto/common/v1/common.proto.
pub(super) const ANY_VALUE: Dialect = Dialect {
    text: 1,    // string string_value
    boolean: 2, // bool bool_value
    integer: 3, // int64 int_value
    float: 4,   // double double_value
    array: 5,   // ArrayValue array_value
    object: 6,  // KeyValueList kvlist_value
    null: None,
    timestamp: None,
    unique_names: true,
};

const TIME_UNIX_NANO: u32 = 1;
const SEVERITY_NUMBER: u32 = 2;
const BODY: u32 = 5;
const ATTRIBUTES: u32 = 6;
const OBSERVED_TIME_UNIX_NANO: u32 = 11;

/// Appends the content of the record of `event`, which was seen at `observed`.
pub(super) fn write(out: &mut Vec<u8>, event: &LogEvent, observed: DateTime<Utc>) {
    // Nothing is written for a time that is not known.
    if let Some(nanos) = event.timestamp().and_then(unix_nanos) {
        fixed64(out, TIME_UNIX_NANO, nanos);
    }
    let known = Known::of(event);
    uint(out, SEVERITY_NUMBER, known.severity() as u64);
    let body = open(out, BODY);
    let object = open(out, ANY_VALUE.object);
    let shared = event.shared();
    ANY_VALUE.entries(out, event.record().as_str(), |name| shared.is_some_and(|fields| fields.contains_key(name)));
    for (name, value) in shared.into_iter().flatten() {
        entry(out, name, |out| ANY_VALUE.field(out, value));
    }
    close(out, object);
    close(out, body);
    known.attributes(|name, value| {
        let attribute = open(out, ATTRIBUTES);
        bytes(out, 1, name.as_bytes());
        let message = open(out, 2);
        bytes(out, ANY_VALUE.text, value.as_bytes());
        close(out, message);
        close(out, attribute);
    });
    if let Some(nanos) = unix_nanos(observed) {
        fixed64(out, OBSERVED_TIME_UNIX_NANO, nanos);
    }
}

fn unix_nanos(time: DateTime<Utc>) -> Option<u64> {
    time.timestamp_nanos_opt().and_then(|nanos| u64::try_from(nanos).ok()).filter(|nanos| *nanos > 0)
}

/// The members of an event, in whichever schema, that OpenTelemetry has a place for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Known<'a> {
    /// Of a record as it came.
    #[serde(borrow, rename = "Id")]
    id: Option<&'a RawValue>,
    /// Of ECS.
    #[serde(borrow)]
    ecs: Option<&'a RawValue>,
    #[serde(borrow)]
    event: Option<&'a RawValue>,
    #[serde(borrow)]
    client: Option<&'a RawValue>,
    #[serde(borrow)]
    user: Option<&'a RawValue>,
    #[serde(borrow)]
    user_agent: Option<&'a RawValue>,
    /// Of OCSF.
    #[serde(borrow)]
    severity_id: Option<&'a RawValue>,
    #[serde(borrow)]
    metadata: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Event {
    id: Option<String>,
    kind: Option<String>,
    severity: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Client {
    address: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct User {
    email: Option<String>,
    id: Option<String>,
    name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct UserAgent {
    original: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata {
    uid: Option<String>,
}

/// What is of another type than the schema says is not known.
fn read<T: Default + DeserializeOwned>(raw: Option<&RawValue>) -> T {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

impl<'a> Known<'a> {
    fn of(event: &'a LogEvent) -> Self {
        serde_json::from_str(event.record().as_str()).unwrap_or_default()
    }

    /// ECS and OCSF count alike: informational 1, low 2, medium 3, high 4; OCSF goes on with critical and fatal.
    /// OpenTelemetry's numbers are those it gives to syslog's notice, warning, error and critical.
    fn severity(&self) -> SeverityNumber {
        let event: Event = read(self.event);
        match read::<Option<i64>>(self.severity_id).or(event.severity) {
            Some(2) => SeverityNumber::Info2,
            Some(3) => SeverityNumber::Warn,
            Some(4) => SeverityNumber::Error,
            Some(5) => SeverityNumber::Error2,
            Some(6) => SeverityNumber::Fatal,
            None if event.kind.as_deref() == Some("alert") => SeverityNumber::Warn,
            _ => SeverityNumber::Info,
        }
    }

    /// Shows `visit` the attributes by their names in the registry of semantic conventions.
    fn attributes(&self, mut visit: impl FnMut(&str, &str)) {
        let mut show = |name: &str, value: &Option<String>| {
            if let Some(value) = value {
                visit(name, value);
            }
        };
        let uid = read::<Option<String>>(self.id)
            .or_else(|| read::<Event>(self.event).id)
            .or_else(|| read::<Metadata>(self.metadata).uid);
        show("log.record.uid", &uid);
        // OCSF's `user` is whom something was done to.
        if self.ecs.is_none() {
            return;
        }
        show("client.address", &read::<Client>(self.client).address);
        let User { email, id, name } = read(self.user);
        show("user.email", &email);
        show("user.id", &id);
        show("user.name", &name);
        show("user_agent.original", &read::<UserAgent>(self.user_agent).original);
    }
}
