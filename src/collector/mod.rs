//! From pending content to delivered events: scheduling, fetching, decoding, de-duplication, emission, acknowledgement.
//!
//! Does not know how content was found.

mod body;
mod budget;
mod day_counts;
mod decode;
mod dedupe;
mod emission;
mod error;
mod failure;
mod fetch;
mod form;
mod maintenance;
mod origins;
mod retry;
mod run;
mod scheduler;
mod search;
mod sensitive_types;
mod settlement;
mod shared;
mod slot;
mod split;
mod spool;
mod tally;
mod task;
mod telemetry;

pub use self::{
    body::BodyLimits,
    decode::{BatchLimits, Record, read_record},
    error::CollectorError,
    run::{Collector, Unacknowledged},
    search::classic_record,
    shared::{CollectorOptions, CollectorParts},
    split::{Boundary, Form, MalformedBody, Splitter},
    telemetry::source_failed,
};
