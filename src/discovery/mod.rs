//! Finding content.
//!
//! Does not look into it.

mod error;
mod listing;
pub mod poll;
mod subscriptions;
mod telemetry;
pub mod webhook;
mod webhook_policy;

pub use self::{
    error::DiscoveryError,
    subscriptions::{Standing, SubscriptionBook, Subscriptions},
    webhook_policy::{WebhookFlaw, WebhookPolicy, WebhookProblem, WebhookTarget},
};
