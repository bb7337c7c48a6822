//! Finding content.
//!
//! Does not look into it.

mod error;
mod listing;
pub mod poll;
mod subscriptions;

pub use self::error::DiscoveryError;
