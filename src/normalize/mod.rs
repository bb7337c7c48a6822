//! From a record to an event: pure functions, no I/O.

mod raw;
mod time;

pub use self::{
    raw::{Origin, Raw, RecordMembers, SOURCE_TYPE},
    time::parse_creation_time,
};
