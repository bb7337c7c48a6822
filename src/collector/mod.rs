//! From pending content to delivered events: scheduling, fetching, decoding, de-duplication, emission, acknowledgement.
//!
//! Does not know how content was found.

mod blob;
mod body;
mod decode;
mod dedupe;
mod emission;
mod error;
mod fetch;
mod form;
mod lanes;
mod maintenance;
mod run;
mod sensitive_types;
mod settlement;
mod shared;
mod split;
mod spool;
mod telemetry;

pub use self::{
    body::BodyLimits,
    decode::{BatchLimits, Record, read_record},
    error::CollectorError,
    maintenance::maintain,
    run::Collector,
    sensitive_types::SensitiveTypesReader,
    shared::{CollectorOptions, Shared, State},
    split::{Boundary, Form, MalformedBody, Splitter},
    telemetry::source_failed,
};
