//! What the source reports about itself: metrics and log lines, after Vector's component specification
//! (docs/specs/component.md and instrumentation.md in Vector's repository), and the progress a program can read.
//!
//! A module's own log lines and metrics are in its `telemetry.rs`; here is what several modules report. Every function
//! counts and logs one fact.

mod events;
mod progress;

pub(crate) use self::events::{count, count_error, labels, webhook_is_healthy};
pub use self::{
    events::{FoundBy, content_found, feed_failed, feed_recovered, fetch_failed, throttled},
    progress::{ClusterMember, ClusterProgress, FeedProgress, PastProblem, Progress, Stage, Totals, WebhookProgress},
};
