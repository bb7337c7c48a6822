//! From owed content to delivered events: scheduling, fetching, decoding, de-duplication, emission, acknowledgement.
//!
//! Does not know how content was found.

mod backoff;
mod body;
mod decode;
mod dedupe;
mod lanes;
mod split;

pub use self::{
    decode::{Record, read_record},
    split::{Boundary, MalformedBody, Splitter},
};
