//! Mode `poll`: each feed is listed by itself, window by window, so that a failing one does not delay the others.

mod feed;
mod notices;
mod window;

pub use self::{
    feed::{FeedPoller, PollContext, PollOptions, poll_once, poll_until},
    window::{LOOKBACK, Plan, Rhythm, TimeRange, plan},
};
