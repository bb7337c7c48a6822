//! From a record to an event: pure functions, no I/O.

mod audit;
mod auditing;
pub(crate) mod beside;
mod client;
mod content_types;
mod conversation;
mod damage;
mod described;
pub mod ecs;
mod endpoint_dlp;
mod event_texts;
mod facts;
mod filter;
mod flattened;
mod forwarding;
mod geoip;
mod json;
mod mail_address;
mod mail_items;
mod named_users;
mod network_address;
mod normalizer;
pub mod ocsf;
mod operations;
mod origin;
mod outcome;
mod placeholder;
mod raw;
mod redact;
mod sensitive_types;
mod shape;
mod spelling;
mod text;
mod time;
mod user_agent;
mod user_id;

pub(crate) use self::{
    auditing::{AuditingReduced, auditing_reduced},
    content_types::content_types_of,
    facts::{Fact, LabelAction, LabelFact, LinkAct, LinkFact, LinkKind, LogonFact, LogonPlace, Outcome, What},
    filter::Filter,
    json::without_annotations,
    normalizer::{Context, Normalized},
};
pub use self::{
    damage::{Damage, Damages},
    described::{AreaTable, OperationRow, VerbRow, operations, verbs},
    event_texts::EventTexts,
    filter::{Criteria, RecordFilter, RecordType},
    geoip::{CityDatabase, DatabaseError, GeoipDatabases, NetworkDatabase},
    normalizer::{DATA_STREAM_NAMESPACE, Made, NormalizeOptions, Normalizer, Schema},
    origin::{Origin, SOURCE_TYPE},
    outcome::{outcome_words, outcomes},
    raw::RecordMembers,
    sensitive_types::SensitiveTypes,
    time::parse_creation_time,
};
#[cfg(feature = "cli")]
pub(crate) use self::{
    flattened::{has_flattened, is_flattened},
    json::{decode, write_string},
};
pub use crate::record_types::{RECORD_TYPES, record_type_name};
