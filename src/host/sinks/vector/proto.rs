//! The messages of Vector's proto/vector/vector.proto and lib/vector-core/proto/event.proto, as far as logs need them.

use std::collections::BTreeMap;

use prost::{Message, Oneof};

#[derive(Clone, PartialEq, Message)]
pub struct PushEventsRequest {
    #[prost(message, repeated, tag = "1")]
    pub events: Vec<EventWrapper>,
}

#[derive(Clone, PartialEq, Message)]
pub struct EventWrapper {
    #[prost(oneof = "Event", tags = "1")]
    pub event: Option<Event>,
}

/// Metrics are 2, traces 3.
#[derive(Clone, PartialEq, Oneof)]
pub enum Event {
    #[prost(message, tag = "1")]
    Log(Log),
}

#[derive(Clone, PartialEq, Message)]
pub struct Log {
    #[prost(btree_map = "string, message", tag = "1")]
    pub fields: BTreeMap<String, Value>,
    #[prost(message, optional, tag = "2")]
    pub value: Option<Value>,
    #[prost(message, optional, tag = "3")]
    pub metadata: Option<Value>,
    #[prost(message, optional, tag = "4")]
    pub metadata_full: Option<Metadata>,
}

/// Without `datadog_origin_metadata` (2), `upstream_id` (5), `secrets` (6) and `source_event_id` (7).
#[derive(Clone, PartialEq, Message)]
pub struct Metadata {
    #[prost(message, optional, tag = "1")]
    pub value: Option<Value>,
    #[prost(string, optional, tag = "3")]
    pub source_id: Option<String>,
    #[prost(string, optional, tag = "4")]
    pub source_type: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Value {
    #[prost(oneof = "Kind", tags = "1, 2, 4, 5, 6, 7, 8, 9")]
    pub kind: Option<Kind>,
}

#[derive(Clone, PartialEq, Oneof)]
pub enum Kind {
    #[prost(bytes = "vec", tag = "1")]
    RawBytes(Vec<u8>),
    #[prost(message, tag = "2")]
    Timestamp(Timestamp),
    #[prost(int64, tag = "4")]
    Integer(i64),
    #[prost(double, tag = "5")]
    Float(f64),
    #[prost(bool, tag = "6")]
    Boolean(bool),
    #[prost(message, tag = "7")]
    Map(ValueMap),
    #[prost(message, tag = "8")]
    Array(ValueArray),
    #[prost(enumeration = "ValueNull", tag = "9")]
    Null(i32),
}

#[derive(Clone, PartialEq, Message)]
pub struct ValueMap {
    #[prost(btree_map = "string, message", tag = "1")]
    pub fields: BTreeMap<String, Value>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ValueArray {
    #[prost(message, repeated, tag = "1")]
    pub items: Vec<Value>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, prost::Enumeration)]
#[repr(i32)]
pub enum ValueNull {
    NullValue = 0,
}

/// google/protobuf/timestamp.proto.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Timestamp {
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}
