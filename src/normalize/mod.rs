//! From a record to an event: pure functions, no I/O.

mod audit;
mod client;
mod conversation;
mod damage;
mod described;
pub mod ecs;
mod endpoint_dlp;
mod facts;
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
mod record_types;
mod redact;
mod sensitive_types;
mod shape;
mod spelling;
mod text;
mod time;
mod user_agent;
mod user_id;

pub use self::{
    damage::{Damage, Damages},
    described::{AreaTable, OperationRow, VerbRow, operations, verbs},
    geoip::{CityDatabase, DatabaseError, GeoipDatabases, NetworkDatabase},
    normalizer::{DATA_STREAM_NAMESPACE, Made, NormalizeOptions, Normalizer, Schema},
    origin::{Origin, SOURCE_TYPE},
    outcome::{outcome_words, outcomes},
    raw::RecordMembers,
    record_types::{RECORD_TYPES, record_type_name},
    sensitive_types::SensitiveTypes,
    time::parse_creation_time,
};
pub(crate) use self::{
    facts::{Fact, LabelAction, LabelFact, LinkAct, LinkFact, LinkKind, LogonFact, LogonPlace, Outcome, What},
    normalizer::{Context, Normalized},
};
#[cfg(feature = "cli")]
pub(crate) use self::{
    flattened::{has_flattened, is_flattened},
    json::{decode, write_string},
};
