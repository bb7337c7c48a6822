//! Whether a source runs indefinitely.

use std::time::Duration;

/// How long a source runs. A program says so in its [`HostServices`](crate::HostServices).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum RunMode {
    /// Until it is shut down.
    #[default]
    Continuous,
    /// Until everything available now has been delivered. The source then ends with `Ok(())`, or with `Err(())` when
    /// something stayed undelivered.
    Once {
        /// How long it goes on without any success, be it of the API's or of the pipeline's, before it gives up.
        patience: Duration,
    },
}

impl RunMode {
    /// [`Self::Once`] with the usual patience: two minutes.
    pub const ONCE: Self = Self::Once { patience: Duration::from_secs(120) };

    /// How long a run that should end rides out failures; `None` for one that should not.
    pub const fn patience(self) -> Option<Duration> {
        match self {
            Self::Continuous => None,
            Self::Once { patience } => Some(patience),
        }
    }
}
