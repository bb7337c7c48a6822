//! Why content was not found.

use chrono::{DateTime, SecondsFormat, Utc};
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
    /// Microsoft sees nothing to change where there is something.
    #[snafu(display(
        "Microsoft answered the start of the subscription of {feed} with \"no property change\" (AF20024); if it stays so, \
         stop and start the subscription: set mode = \"poll\", restart, wait 15 minutes, and change it back"
    ))]
    Unchanged {
        /// Which.
        feed: Feed,
    },
    /// A run that only reads starts no subscription.
    #[snafu(display(
        "there is no enabled subscription, and this command starts none: `office365-source subscriptions start` does, and \
         the first content of a new subscription can take up to 12 hours"
    ))]
    NoSubscription {
        /// Which.
        feed: Feed,
    },
    /// A run that ends by itself changes no webhook.
    #[snafu(display(
        "the API has no enabled subscription of {feed} although it lists one with a webhook; a run of mode \"webhook\" without \
         --once sets it right"
    ))]
    LeftAlone {
        /// Which.
        feed: Feed,
    },
    /// Microsoft lists the subscription as enabled but refuses its content.
    #[snafu(display(
        "Microsoft lists the subscription of {feed} as enabled and refuses its content as if it were not, although it was \
         started at {}; it is started again at {}. If it stays so, look for another program or administrator that stops it",
        to_the_second(last),
        to_the_second(next)
    ))]
    StaysRefused {
        /// Which.
        feed: Feed,
        /// When it was last started.
        last: DateTime<Utc>,
        /// When it may be started again.
        next: DateTime<Utc>,
    },
    /// The subscription was started a moment ago, and is not listed yet.
    #[snafu(display(
        "there is no enabled subscription of {feed} yet: Microsoft was asked for it at {}, shows none yet, and is asked again at {}, since \
         it accepts a start every 15 minutes. If it shows up before, collecting begins at once",
        to_the_second(last),
        to_the_second(next)
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

fn to_the_second(time: &DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

impl DiscoveryError {
    /// Whether it says that there is no enabled subscription.
    pub fn is_about_the_subscription(&self) -> bool {
        match self {
            Self::Activity { source } => source.failure.concerns_the_subscription(),
            Self::TooSoon { .. } | Self::StaysRefused { .. } | Self::NoSubscription { .. } | Self::LeftAlone { .. } => {
                true
            }
            Self::Ledger { .. } | Self::Unchanged { .. } => false,
        }
    }

    /// How the API failed, if it was the API.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Activity { source } => Some(&source.failure),
            Self::Ledger { .. }
            | Self::TooSoon { .. }
            | Self::StaysRefused { .. }
            | Self::Unchanged { .. }
            | Self::NoSubscription { .. }
            | Self::LeftAlone { .. } => None,
        }
    }
}
