//! The Office 365 Management Activity API, as it behaves (docs/api-behaviour.md).
//!
//! Knows nothing of events, and keeps nothing on disk.

mod answer;
mod client;
mod content;
mod error;
mod error_response;
mod notifications;
mod resources;
mod scrub;
mod subscriptions;
mod telemetry;
mod uri;

pub(crate) use self::answer::parse_entry;
pub use self::{
    answer::{
        ContentEntry, ListedWebhook, MalformedAnswer, NotificationAttempt, SecretAuthId, SensitiveType, Subscription,
        parse_listing, parse_notification_attempts,
    },
    client::{ActivityClient, ActivityOptions},
    content::{ListingPage, NextPage, TimeWindow},
    error::{ActivityError, Failure, Operation},
    error_response::ErrorResponse,
    subscriptions::{Start, WebhookRequest},
    uri::{ForeignUri, Origin, with_publisher},
};
