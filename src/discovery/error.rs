//! Why content was not found.

use chrono::{DateTime, Utc};
use snafu::Snafu;

use crate::{
    activity::{ActivityError, Failure},
    content::Feed,
    ledger::LedgerError,
};

/// Why a pass over a feed was not completed.
#[derive(Debug, Snafu)]
pub enum DiscoveryError {
    /// The API.
    #[snafu(display("{source}"), context(false))]
    Activity {
        /// How.
        source: ActivityError,
    },
    /// The ledger. The source cannot go on.
    #[snafu(display("{source}"), context(false))]
    Ledger {
        /// How.
        source: LedgerError,
    },
    /// The subscription was started a moment ago.
    #[snafu(display(
        "the subscription of {feed} is not enabled, although it was started at {last}; Microsoft accepts the next start after \
         {next}"
    ))]
    TooSoon {
        /// Which.
        feed: Feed,
        /// When it was last started.
        last: DateTime<Utc>,
        /// When it may be started again.
        next: DateTime<Utc>,
    },
}

impl DiscoveryError {
    /// How the API failed, if it was the API.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Activity { source } => Some(&source.failure),
            Self::Ledger { .. } | Self::TooSoon { .. } => None,
        }
    }
}
