//! From a record to an event: pure functions, no I/O.

mod audit;
mod client_address;
mod damage;
pub mod ecs;
mod json;
mod normalizer;
pub mod ocsf;
mod origin;
mod raw;
mod record_types;
mod redact;
mod sensitive_types;
mod shape;
mod time;
mod user_agent;

pub(crate) use self::normalizer::{Context, Normalized};
pub use self::{
    damage::{Damage, Damages},
    normalizer::{Made, NormalizeOptions, Normalizer, Schema},
    origin::{Origin, SOURCE_TYPE},
    raw::RecordMembers,
    record_types::{RECORD_TYPES, record_type_name},
    sensitive_types::SensitiveTypes,
    time::parse_creation_time,
};
