//! Microsoft 365 audit logs as a log-pipeline source.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod clock;
pub mod content;
