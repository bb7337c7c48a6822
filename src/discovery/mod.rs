//! Finding content.
//!
//! Does not look into it.

mod listing;
pub mod poll;
mod subscriptions;

pub use self::listing::ListingError;
